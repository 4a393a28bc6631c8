#include <dlfcn.h>
#include <stdio.h>
int one(void), two(void);
int main(void) {
  printf("two %d\n", two());
  printf("one %d\n", one());
  void *library = dlopen("libb.so", RTLD_LAZY);
  printf("second %d\n", ((int (*)(void))dlsym(library, "second"))());
  printf("close %d\n", dlclose(library));
  return 4;
}
