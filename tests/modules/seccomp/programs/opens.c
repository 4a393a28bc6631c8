/* Opens the library that is its argument and calls its function `run`. */
#include <dlfcn.h>
#include <stdio.h>

int main(int argc, char **argv) {
  void *library = dlopen(argv[1], RTLD_NOW);
  if (library == NULL) {
    puts(dlerror());
    return 3;
  }
  long (*run)(void) = (long (*)(void))dlsym(library, "run");
  printf("%ld\n", run());
  return 0;
}
