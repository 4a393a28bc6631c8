#include <dlfcn.h>
#include <stdio.h>
/* A library whose initialiser opens another, and whose function looks for what comes after it. */
__attribute__((constructor)) static void begin(void)
{
  void *inner = dlopen("libdeep.so", RTLD_NOW);
  printf("plug begins, deep %s\n", inner ? "found" : dlerror());
}
__attribute__((destructor)) static void end(void)
{
  void *again = dlopen("liblate.so", RTLD_NOW);
  printf("plug ends, %s\n", again ? "opened" : dlerror());
}
int shared(void) { return 3; }
void *next_puts(void) { return dlsym(RTLD_NEXT, "puts"); }
void *next_shared(void) { return dlsym(RTLD_NEXT, "shared"); }
