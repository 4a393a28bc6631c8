#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>
#include <unistd.h>
#include "shapes.h"
int main(void) {
  struct shape shape = {.color = GREEN, .corners = {{1, 2}, {14, 4}}};
#ifdef LATE
  /* No declaration of the function comes into the debug information. */
  dlopen("/t/libshapes.so", RTLD_NOW | RTLD_GLOBAL);
  int (*found)(struct shape *, int) = dlsym(RTLD_DEFAULT, "scale");
  if (found == 0) {
    const char *error = dlerror();
    if (strstr(error, "scale of /t/libshapes.so has another ")) write(2, "scale has other types\n", 22);
    else write(2, error, strlen(error));
    return 0;
  }
  if (found(&shape, 3) == 42) write(1, "42\n", 3);
#else
  if (scale(&shape, unit) == 42) write(1, "42\n", 3);
#endif
  return 0;
}
