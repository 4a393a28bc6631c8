/* Calls whose arguments depend on an operation: their printing by strace is compared with the machine's. */
#include <asm/unistd.h>
#include "guest.h"

#define FCNTL(...) SYSTEM_CALL(__NR_fcntl, __VA_ARGS__)
#define PRCTL(...) SYSTEM_CALL(__NR_prctl, __VA_ARGS__)
#define IOCTL(...) SYSTEM_CALL(__NR_ioctl, __VA_ARGS__)

/* struct flock, termios and winsize of the kernel, as large as any. */
static struct { short type, whence; i64 start, length; i32 pid; } lock = {1, 0, 10, 5, 0};
static u32 words[16];

int main(void) {
  int ends[2];
  /* What the parent left open. */
  SYSTEM_CALL(__NR_close_range, 3, 99, 0);
  SYSTEM_CALL(__NR_pipe2, ends, 04000);
  SYSTEM_CALL(__NR_pipe2, 8, 0);
  FCNTL(ends[0], 1);
  FCNTL(ends[0], 2, 1);
  FCNTL(ends[0], 1);
  FCNTL(ends[0], 2, 0);
  FCNTL(ends[0], 2, 6);
  FCNTL(ends[0], 3);
  FCNTL(ends[1], 3);
  FCNTL(ends[0], 4, 04000 | 02000);
  FCNTL(ends[0], 3);
  FCNTL(ends[0], 0, 20);
  FCNTL(ends[0], 1030, 30);
  FCNTL(30, 1);
  FCNTL(ends[0], 9);
  FCNTL(ends[0], 8, 0);
  FCNTL(ends[0], 11);
  FCNTL(ends[1], 1032);
  FCNTL(99, 1);
  FCNTL(99, 2, 1);
  FCNTL(99, 3);
  FCNTL(ends[0], 77, 5);
  long file = SYSTEM_CALL(__NR_memfd_create, "file", 2);
  FCNTL(file, 5, &lock);
  FCNTL(file, 6, &lock);
  lock.type = 2;
  FCNTL(file, 6, &lock);
  FCNTL(file, 6, 8);
  FCNTL(file, 1034);
  FCNTL(file, 1033, 2 | 4);
  FCNTL(file, 1034);
  FCNTL(file, 3);

  PRCTL(15, "a name longer than fits", 0, 0, 0);
  PRCTL(16, words, 0, 0, 0);
  PRCTL(1, 10, 0, 0, 0);
  PRCTL(2, words, 0, 0, 0);
  PRCTL(1, 0, 0, 0, 0);
  PRCTL(3, 0, 0, 0, 0);
  PRCTL(4, 1, 0, 0, 0);
  PRCTL(7, 0, 0, 0, 0);
  PRCTL(39, 0, 0, 0, 0);
  PRCTL(38, 1, 0, 0, 0);
  PRCTL(29, 50000, 0, 0, 0);
  PRCTL(30, 0, 0, 0, 0);
  PRCTL(36, 1, 0, 0, 0);
  PRCTL(37, words, 0, 0, 0);

  IOCTL(ends[0], 0x541b, words);
  IOCTL(ends[0], 0x5421, words);
  IOCTL(ends[0], 0x5451);
  IOCTL(ends[0], 0x5450);
  IOCTL(ends[0], 0x5401, words);
  IOCTL(ends[0], 0x5413, words);
  IOCTL(99, 0x541b, words);

  long at = SYSTEM_CALL(__NR_lseek, file, 10, 0);
  SYSTEM_CALL(__NR_lseek, file, -5, 1);
  SYSTEM_CALL(__NR_lseek, file, 0, 2);
  SYSTEM_CALL(__NR_ftruncate, file, 100);
  SYSTEM_CALL(__NR_pread64, file, words, 8, 4);
  SYSTEM_CALL(__NR_dup, file);
  SYSTEM_CALL(__NR_dup3, file, 40, 02000000);
  SYSTEM_CALL(__NR_faccessat, -100, "/", 5);
  SYSTEM_CALL(__NR_faccessat, -100, "/nowhere", 0);
  SYSTEM_CALL(__NR_readlinkat, -100, "/nowhere", words, 20);
  SYSTEM_CALL(__NR_mkdirat, -100, "/nowhere/x", 0755);
  SYSTEM_CALL(__NR_unlinkat, -100, "/nowhere", 0x200);
  SYSTEM_CALL(__NR_eventfd2, 3, 04000);
  SYSTEM_CALL(__NR_epoll_create1, 02000000);
  SYSTEM_CALL(__NR_socketpair, 1, 1, 0, ends);
  SYSTEM_CALL(__NR_shutdown, ends[0], 1);
  struct { u32 events; u64 data; }
#ifdef __x86_64__
  __attribute__((packed))
#endif
  event = {0x80000005, 7};
  long epoll = SYSTEM_CALL(__NR_epoll_create1, 0);
  SYSTEM_CALL(__NR_epoll_ctl, epoll, 1, ends[0], &event);
  SYSTEM_CALL(__NR_epoll_ctl, epoll, 2, ends[0], NULL);
  SYSTEM_CALL(__NR_flock, file, 2 | 4);
  SYSTEM_CALL(__NR_timerfd_create, 1, 02000000);
  SYSTEM_CALL(__NR_inotify_init1, 04000);
  SYSTEM_CALL(__NR_close_range, 50, 60, 4);
  SYSTEM_CALL(__NR_umask, 022);
  SYSTEM_CALL(__NR_getpriority, 0, 0);
  SYSTEM_CALL(__NR_getrandom, words, 0, 1);
  SYSTEM_CALL(__NR_sched_getaffinity, 0, 0, words);
  SYSTEM_CALL(__NR_membarrier, 99, 0);
  SYSTEM_CALL(__NR_exit_group, (int)at);
  return 0;
}
