#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
int value(void) { return 5; }
static void at_exit(void) { puts("c1 at exit"); }
int next(void) {
  int (*f)(void) = dlsym(RTLD_NEXT, "value");
  atexit(at_exit);
  return f ? f() : -1;
}
__attribute__((constructor)) static void up(int argc, char **argv, char **env) {
  printf("c1 up %d %s %d\n", argc, argv[0], env != NULL);
  printf("nested %d\n", dlopen("libb.so", RTLD_NOW) != NULL);
}
__attribute__((destructor)) static void down(void) { puts("c1 down"); }
