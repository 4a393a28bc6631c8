/* Needs a system call that nothing else does. */
#include <unistd.h>

long run(void) {
  return getsid(0) > 0 ? setfsuid(-1) >= 0 : -1;
}
