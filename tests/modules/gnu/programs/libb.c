#include <stdio.h>
__thread int local = 100;
int second(void) { return ++local; }
__attribute__((constructor)) static void up(void) { puts("b up"); }
__attribute__((destructor)) static void down(void) { puts("b down"); }
