int first(void) { return 1; }
#ifdef CHANGED
int third(void) { return 31; }
int fourth(void) { return 41; }
#endif
