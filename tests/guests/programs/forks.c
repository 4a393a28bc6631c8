/* forks N: N times fork, exec of itself, wait. The child's exit code is its argument modulo 100;
   the parent's memory must not see what children write. */
#include "guest.h"

static volatile u64 private_value = 1;

int main(int argc, char **argv) {
  if (argc > 2 && strcmp(argv[1], "child") == 0) return (int)(number(argv[2], 0) % 100);
  u64 rounds = number(argc > 1 ? argv[1] : NULL, 20);
  u64 sum = 0;
  for (u64 round = 0; round < rounds; round++) {
    char text[21];
    u64 at = sizeof text - 1;
    text[at] = 0;
    u64 value = round;
    do text[--at] = (char)('0' + value % 10);
    while (value /= 10);
    char *arguments[] = {argv[0], "child", text + at, NULL};
    char *environment[] = {NULL};
    long child = fork();
    if (child < 0) return 1;
    if (child == 0) {
      private_value = round + 2;
      SYSTEM_CALL(SYS_execve, "/proc/self/exe", arguments, environment);
      SYSTEM_CALL(SYS_exit_group, 126);
    }
    i32 status = -1;
    if (SYSTEM_CALL(SYS_wait4, child, &status, 0, NULL) != child) return 2;
    if (status & 0x7f || private_value != 1) return 3;
    sum += (u64)(status >> 8 & 255);
  }
  count("children", rounds);
  count("codes", sum);
  return 0;
}
