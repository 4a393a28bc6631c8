#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <unistd.h>
static unsigned asked;
/* Interposes what libc.so calls itself, too: strdup asks for memory here. */
void *malloc(size_t size)
{
  static void *(*next)(size_t);
  if (!next) next = (void *(*)(size_t)) dlsym(RTLD_NEXT, "malloc");
  asked++;
  return next(size);
}
__attribute__((destructor)) static void end(void)
{
  char text[] = "hook: 0\n";
  text[6] += asked % 10;
  write(1, text, sizeof text - 1);
}
