int missing(void);
int used(void) { return 1; }
int call(void) { return missing(); }
