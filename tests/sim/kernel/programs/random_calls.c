/*
 * Random system calls with arguments that are near to being right: addresses of memory that is there,
 * read-only or not there, descriptors of every kind, small numbers, powers of two. Each child makes its own;
 * whatever becomes of it, the machine goes on.
 *
 *     random_calls SEED CHILDREN CALLS [all]
 *
 * Without `all`, calls that a child would not survive, or that make more processes, are left out.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned long state;
static char *memory, *constant;

static unsigned long next(void) {
  state ^= state << 13;
  state ^= state >> 7;
  return state ^= state << 17;
}

static long argument(void) {
  switch (next() % 16) {
  case 0: return 0;
  case 1: return 1;
  case 2: return -1;
  case 3: return (long)(next() % 64);
  case 4: return (long)memory + (long)(next() % 4000);
  case 5: return (long)memory + (long)(next() % 16) * 8;
  case 6: return (long)constant;
  case 7: return 8;
  case 8: return 4096;
  case 9: return (long)(next() % 1024);
  case 10: return (long)next();
  case 11: return (long)(1ul << next() % 64);
  case 12: return 0x7ffffffff000;
  case 13: return (long)"/tmp/file";
  case 14: return (long)(next() % 16);
  default: return (long)(next() % 40);
  }
}

/* Calls that end the child, or that it never comes back from. */
static const long ends[] = {SYS_exit, SYS_exit_group, SYS_rt_sigsuspend, SYS_nanosleep,
                            SYS_clock_nanosleep, SYS_kill, SYS_tkill, SYS_tgkill,
                            SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo, SYS_pidfd_send_signal};
/* Calls that take its memory, make processes of it, or wait for something that never comes. */
static const long changes[] = {SYS_mmap, SYS_munmap, SYS_mprotect, SYS_pkey_mprotect, SYS_mremap,
                               SYS_madvise, SYS_brk, SYS_shmat, SYS_shmdt, SYS_clone, SYS_clone3,
                               SYS_execve, SYS_execveat, SYS_wait4, SYS_waitid, SYS_ppoll,
                               SYS_pselect6, SYS_futex, SYS_rt_sigreturn, SYS_rt_sigaction,
                               SYS_rt_sigprocmask, SYS_rt_sigtimedwait, SYS_epoll_pwait,
#ifdef __x86_64__
                               SYS_fork, SYS_vfork, SYS_pause, SYS_poll, SYS_select,
                               SYS_epoll_wait, SYS_arch_prctl,
#endif
                               449 /* futex_waitv */, 441 /* epoll_pwait2 */};

static int among(const long *list, int count, long number) {
  for (int i = 0; i < count; i++)
    if (list[i] == number)
      return 1;
  return 0;
}
#define AMONG(list, number) among(list, sizeof list / sizeof *list, number)

/* One descriptor of each kind. */
static void open_files(void) {
  int ends[2];
  close(0);
  close(1);
  open("/dev/null", O_RDWR);
  open("/dev/null", O_RDWR);
  (void)!pipe2(ends, O_NONBLOCK);
  open("/tmp/file", O_CREAT | O_RDWR, 0600);
  open("/tmp", O_RDONLY);
  open("/dev/ptmx", O_RDWR | O_NOCTTY);
  open("/proc/self/maps", O_RDONLY);
  open("/proc/self/mem", O_RDWR);
  open("/dev/zero", O_RDWR);
  syscall(SYS_epoll_create1, 0);
  syscall(SYS_eventfd2, 1, O_NONBLOCK);
  syscall(SYS_socket, 1, 1 | O_NONBLOCK, 0);
  syscall(SYS_socket, 2, 1 | O_NONBLOCK, 0);
  syscall(SYS_socket, 10, 2 | O_NONBLOCK, 0);
  syscall(SYS_socket, 16, 3 | O_NONBLOCK, 0);
  syscall(SYS_inotify_init1, O_NONBLOCK);
  syscall(SYS_timerfd_create, 1, O_NONBLOCK);
  syscall(SYS_memfd_create, "x", 2);
  syscall(SYS_signalfd4, -1, memory, 8, O_NONBLOCK);
  syscall(SYS_pidfd_open, getpid(), 0);
}

static void child(int calls, int all) {
  setpgid(0, 0);
  memory = mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  constant = mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (int i = 0; i < 4096; i++)
    memory[i] = (char)next();
  open_files();
  struct rlimit files = {200, 200}, processes = {40, 40};
  setrlimit(RLIMIT_NOFILE, &files);
  setrlimit(RLIMIT_NPROC, &processes);
  alarm(1);
  for (int i = 0; i < calls; i++) {
    long number = (long)(next() % (next() % 3 == 0 ? 60 : 470));
    if (AMONG(ends, number) || (!all && AMONG(changes, number)))
      continue;
    if (next() % 7 == 0)
      for (int j = 0; j < 64; j++)
        ((volatile long *)memory)[next() % 512] = argument();
    long a[6];
    for (int j = 0; j < 6; j++)
      a[j] = argument();
    if (next() % 2)
      a[0] = (long)(next() % 30);
    syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
  }
  _exit(0);
}

int main(int argc, char **argv) {
  if (argc < 4)
    return 2;
  unsigned long seed = strtoul(argv[1], 0, 10);
  for (int i = 0; i < atoi(argv[2]); i++) {
    pid_t pid = fork();
    if (pid == 0) {
      state = (seed + (unsigned long)i) * 0x9e3779b97f4a7c15 + 1;
      child(atoi(argv[3]), argc > 4);
    }
    int status;
    for (int waits = 0; waits < 100 && waitpid(pid, &status, WNOHANG) == 0; waits++)
      usleep(1000);
    kill(-pid, SIGKILL);
    kill(pid, SIGKILL);
    while (waitpid(-1, &status, WNOHANG) > 0)
      ;
  }
  printf("seed %lu is over\n", seed);
  return 0;
}
