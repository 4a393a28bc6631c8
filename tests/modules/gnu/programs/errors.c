/* What dlopen and dlsym say of what they cannot do. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>

static void try(const char *name, int mode) {
  void *h = dlopen(name, mode);
  const char *text = dlerror();
  printf("%s %d: %s\n", name, mode, h ? "opened" : text);
  if (h == NULL) return;
  printf("  %d", dlsym(h, "nosuch") != NULL);
  printf(" %s\n", dlerror());
  printf("  %d", dlvsym(h, "used", "VX") != NULL);
  text = dlerror();
  printf(" %s\n", text ? text : "no error");
}

int main(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    try(argv[i], RTLD_NOW);
    try(argv[i], RTLD_LAZY);
  }
  try("libc.so.6", 0);
  try("nosuch.so", RTLD_NOW | RTLD_NOLOAD);
  printf("%d", dlsym(RTLD_DEFAULT, "nosuch") != NULL);
  printf(" %s\n", dlerror());
  printf("%d", dlsym(RTLD_NEXT, "main") != NULL);
  printf(" %s\n", dlerror());
  printf("%d\n", dlerror() == NULL);
}
