int nowhere(int);
int lacking(void) { return nowhere(1); }
int (*pointer)(int) = nowhere;
