#include <stdio.h>
int second(void);
static int count;
int value(void) { return 10; }
int first(void) { return ++count + second() + value(); }
__attribute__((constructor)) static void up(void) { puts("a up"); }
__attribute__((destructor)) static void down(void) { puts("a down"); }
