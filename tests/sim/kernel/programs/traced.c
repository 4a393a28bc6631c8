/* Calls whose printing by strace is compared with the machine's. */
#include <asm/unistd.h>
#include "guest.h"

static void on_signal(int signal, void *information, void *context) {
  (void)signal;
  (void)information;
  (void)context;
}

int main(void) {
  u8 *page = map(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  SYSTEM_CALL(__NR_mmap, page, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS | 0x4000, -1, 0);
  SYSTEM_CALL(__NR_mmap, NULL, 4096, 0, 0x80000, 99, 0x5000);
  SYSTEM_CALL(__NR_mprotect, page, 4096, 0x45);
  SYSTEM_CALL(__NR_mprotect, 4096, 4096, 0);
  SYSTEM_CALL(__NR_madvise, page, 4096, 4);
  SYSTEM_CALL(__NR_mremap, page, 4096, 8192, 0, 0);
  SYSTEM_CALL(__NR_msync, page, 4096, 5);
  SYSTEM_CALL(__NR_munmap, page, 8192);
  SYSTEM_CALL(__NR_brk, 0);
  SYSTEM_CALL(__NR_write, 1, "text\twith \"quotes\" \\ and \001\0012\377 bytes and more", 50);
  SYSTEM_CALL(__NR_write, 1, "short\n", 6);
  SYSTEM_CALL(__NR_write, 77, NULL, 5);
  SYSTEM_CALL(__NR_write, 1, 8, 5);
  SYSTEM_CALL(__NR_openat, AT_FDCWD, "/no such folder/file", 02000000 | 0100 | 01, 0640);
  SYSTEM_CALL(__NR_openat, 5, NULL, 0);
  SYSTEM_CALL(__NR_openat, AT_FDCWD, "/a path that is longer than thirty-two characters", 02000002);
  SYSTEM_CALL(__NR_close, 99);
  u64 mask = 1ul << 9 | 1ul << 16 | 1ul << 33, all = ~0ul;
  SYSTEM_CALL(__NR_rt_sigprocmask, 0, &mask, NULL, 8);
  SYSTEM_CALL(__NR_rt_sigprocmask, 2, &all, &mask, 8);
  SYSTEM_CALL(__NR_rt_sigprocmask, 1, &all, NULL, 8);
  handle_signal(SIGUSR1, on_signal, 0x10000000 | SA_NODEFER);
  struct { u64 handler, flags, restorer, mask; } action = {1, 0, 0, 0xffff0000};
  SYSTEM_CALL(__NR_rt_sigaction, 15, &action, NULL, 8);
  SYSTEM_CALL(__NR_rt_sigaction, 15, NULL, &action, 8);
  SYSTEM_CALL(__NR_rt_sigaction, 99, NULL, &action, 8);
  struct { u64 base; u32 flags; u64 size; } stack = {(u64)page, 2, 0};
  SYSTEM_CALL(__NR_sigaltstack, &stack, NULL);
  SYSTEM_CALL(__NR_sigaltstack, NULL, &stack);
  struct { i64 seconds, nanoseconds; } time = {0, 1000};
  SYSTEM_CALL(__NR_nanosleep, &time, NULL);
  SYSTEM_CALL(__NR_clock_nanosleep, 1, 0, &time, NULL);
  time.seconds = -1;
  SYSTEM_CALL(__NR_clock_nanosleep, 0, 1, &time, NULL);
  SYSTEM_CALL(__NR_clock_gettime, 42, &time);
  struct { i64 a, b, c, d; } timer = {0, 0, 0, 0};
  SYSTEM_CALL(__NR_setitimer, 0, &timer, NULL);
  SYSTEM_CALL(__NR_getitimer, 1, &timer);
  u64 limit[2] = {1024, 8192};
  SYSTEM_CALL(__NR_prlimit64, 0, 7, limit, NULL);
  SYSTEM_CALL(__NR_prlimit64, 0, 7, NULL, limit);
  SYSTEM_CALL(__NR_prlimit64, 0, 3, NULL, 8);
  static u32 word = 5;
  SYSTEM_CALL(__NR_futex, &word, 0, 6, NULL);
  SYSTEM_CALL(__NR_futex, &word, 128 | 1, 2147483647);
  time.seconds = 0;
  SYSTEM_CALL(__NR_futex, &word, 128 | 0, 5, &time);
  SYSTEM_CALL(__NR_futex, &word, 128 | 256 | 9, 7, NULL, NULL, -1);
  SYSTEM_CALL(__NR_prctl, 15, "name", 0, 0, 0);
  SYSTEM_CALL(__NR_sched_yield);
  SYSTEM_CALL(__NR_kill, 0x3fffffff, 9);
  i32 status;
  SYSTEM_CALL(__NR_wait4, -1, &status, 1, NULL);
  char *arguments[] = {"a", "b\n", NULL}, *variables[] = {"X=1", NULL};
  SYSTEM_CALL(__NR_execve, "/no such program", arguments, variables);
  struct { char *base; u64 size; } parts[2] = {{"one ", 4}, {"two\n", 4}};
  SYSTEM_CALL(__NR_writev, 1, parts, 2);
  long self = SYSTEM_CALL(__NR_getpid);
  SYSTEM_CALL(__NR_tgkill, self, self, SIGUSR1);
  SYSTEM_CALL(1023, 1, 2, 3, 4, 5, 6);
  SYSTEM_CALL(__NR_exit_group, 3);
  return 0;
}
