#include <stdio.h>
static __thread int depth;
static void leave(int *n) { printf("depth %d of %d left\n", *n, depth--); }
int through(int (*f)(void *), void *data) {
  __attribute__((cleanup(leave))) int n = ++depth;
  return depth < 3 ? through(f, data) : f(data);
}
