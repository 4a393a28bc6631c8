#include <stdio.h>
__attribute__((constructor)) static void begin(void) { puts("deep begins"); fflush(stdout); }
__attribute__((destructor)) static void end(void) { puts("deep ends"); fflush(stdout); }
__thread int deep_counter = 100;
int deep(void) { return ++deep_counter; }
int shared(void) { return 1; }
