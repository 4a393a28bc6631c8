__attribute__((tls_model("initial-exec"))) __thread int fixed = 50;
__attribute__((tls_model("initial-exec"))) static __thread int zero;
int early(int n) { return fixed += n + zero++; }
