__thread int insisting __attribute__((tls_model("initial-exec"))) = 4;
int insists(void) { return ++insisting; }
