int second(void) { return 2; }
int third(void) { return 3; }
