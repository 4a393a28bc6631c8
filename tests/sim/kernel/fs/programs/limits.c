/* Limits of resources: sizes of files, address space, data, stack, descriptors. Capabilities of a user. */
#include "check.h"
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>

static volatile int signals;
static void count(int signo) { signals += signo; }

static void limit(int resource, rlim_t soft) {
  struct rlimit now;
  getrlimit(resource, &now);
  now.rlim_cur = soft;
  if (setrlimit(resource, &now) != 0)
    perror("setrlimit");
}

static long size(int fd) {
  struct stat s;
  fstat(fd, &s);
  return (long)s.st_size;
}

static void files(void) {
  static char bytes[10000];
  signal(SIGXFSZ, count);
  limit(RLIMIT_FSIZE, 8192);
  int fd = must(open("file", O_CREAT | O_TRUNC | O_RDWR, 0600));
  SHOW(write(fd, bytes, 5000));
  SHOW(write(fd, bytes, 5000));
  SHOW(signals);
  SHOW(write(fd, bytes, 5000));
  SHOW(signals);
  SHOW(write(fd, bytes, 0));
  SHOW(signals);
  SHOW(pwrite(fd, bytes, 100, 8150));
  SHOW(pwrite(fd, bytes, 100, 8192));
  SHOW(pwrite(fd, bytes, 100, 100000));
  SHOW(signals);
  struct iovec parts[2] = {{bytes, 60}, {bytes, 60}};
  SHOW(pwritev(fd, parts, 2, 8100));
  SHOW(size(fd));
  SHOW(ftruncate(fd, 8193));
  SHOW(ftruncate(fd, 8192));
  SHOW(truncate("file", 9000));
  SHOW(signals);
  SHOW(fallocate(fd, 0, 0, 9000));
  SHOW(fallocate(fd, 0, 8000, 100));
  SHOW(signals);
  int from = must(open("/proc/self/exe", O_RDONLY));
  lseek(fd, 8000, SEEK_SET);
  SHOW(sendfile(fd, from, 0, 1000));
  SHOW(sendfile(fd, from, 0, 1000));
  SHOW(signals);
  int ends[2];
  must(pipe(ends));
  SHOW(write(ends[1], bytes, 10000));
  loff_t at = 8100;
  SHOW(splice(ends[0], 0, fd, &at, 1000, 0));
  SHOW(splice(ends[0], 0, fd, &at, 1000, 0));
  SHOW(signals > 200); /* Linux may try once more after the first splice */
  fcntl(fd, F_SETFL, O_APPEND);
  SHOW(pwrite(fd, bytes, 1, 0));
  SHOW(ftruncate(fd, 8190));
  SHOW(write(fd, bytes, 100));
  SHOW(size(fd));
  signal(SIGXFSZ, SIG_IGN);
  SHOW(write(fd, bytes, 100));
  int null = must(open("/dev/null", O_WRONLY));
  SHOW(write(null, bytes, 10000));
  signal(SIGXFSZ, SIG_DFL);
  fflush(stdout);
  int status;
  if (fork() == 0) {
    (void)!write(fd, bytes, 1);
    _exit(0);
  }
  wait(&status);
  SHOW(WTERMSIG(status));
  limit(RLIMIT_FSIZE, RLIM_INFINITY);
  close(fd);
}

static void memory(void) {
  void *place = mmap(0, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  SHOW(place != MAP_FAILED);
  limit(RLIMIT_AS, 64 << 20);
  SHOW(mmap(0, 128 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
  SHOW(errno == ENOMEM);
  SHOW(mremap(place, 1 << 20, 128 << 20, MREMAP_MAYMOVE) == MAP_FAILED);
  SHOW(mmap(0, 1 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
  limit(RLIMIT_AS, RLIM_INFINITY);
  limit(RLIMIT_DATA, 16 << 20);
  SHOW(mmap(0, 32 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
  SHOW(mmap(0, 32 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
  char *end = sbrk(0);
  SHOW(brk(end + (32 << 20)));
  SHOW(brk(end + 4096));
  limit(RLIMIT_DATA, RLIM_INFINITY);
}

static void deep(int left) {
  volatile char frame[65536];
  frame[0] = 1;
  if (left > 0)
    deep(left - 1);
  frame[1] = 2;
}

static void stack(void) {
  fflush(stdout);
  int status;
  for (int below = 1; below >= 0; below--) {
    if (fork() == 0) {
      limit(RLIMIT_STACK, 4 << 20);
      deep(below ? 32 : 80);
      _exit(7);
    }
    wait(&status);
    if (WIFSIGNALED(status))
      SHOW(WTERMSIG(status));
    else
      SHOW(WEXITSTATUS(status));
  }
}

static void descriptors(void) {
  limit(RLIMIT_NOFILE, 8);
  int first = must(open("/dev/null", O_RDONLY));
  SHOW(first);
  for (int i = 0; i < 4; i++)
    (void)!dup(first);
  SHOW(dup(first));
  SHOW(open("/dev/null", O_RDONLY));
  SHOW(dup2(first, 8));
  SHOW(dup2(first, 7));
  SHOW(fcntl(first, F_DUPFD, 8));
  int ends[2];
  close(7);
  SHOW(pipe(ends));
  limit(RLIMIT_NOFILE, 3);
  SHOW(fcntl(first, F_GETFD));
  SHOW(read(first, ends, 1));
}

static void capabilities(void) {
  fflush(stdout);
  if (fork() == 0) {
    (void)!setuid(1000);
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct sets[2] = {0};
    SHOW(syscall(SYS_capget, &header, sets));
    SHOW(sets[0].effective | sets[0].permitted | sets[1].effective);
    SHOW(syscall(SYS_capset, &header, sets));
    sets[0].permitted = 1 << CAP_KILL;
    SHOW(syscall(SYS_capset, &header, sets));
    SHOW(syscall(SYS_capset, &header, 8));
    header.pid = getppid();
    SHOW(syscall(SYS_capset, &header, sets));
    header.version = 1;
    SHOW(syscall(SYS_capset, &header, sets));
    SHOW(header.version == _LINUX_CAPABILITY_VERSION_3);
    fflush(stdout);
    _exit(0);
  }
  wait(0);
}

static void after_exec(char *self) {
  fflush(stdout);
  if (fork() == 0) {
    limit(RLIMIT_AS, 32 << 20);
    limit(RLIMIT_DATA, 4 << 20);
    limit(RLIMIT_FSIZE, 16);
    execl(self, self, "again", (char *)0);
  }
  int status;
  wait(&status);
  SHOW(WEXITSTATUS(status));
}

static int again(void) {
  int fd = must(open("file", O_CREAT | O_TRUNC | O_RDWR, 0600));
  SHOW(mmap(0, 64 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
  SHOW(mmap(0, 8 << 20, PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
  void *place = mmap(0, 8 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  SHOW(place != MAP_FAILED);
  SHOW(mprotect(place, 8 << 20, PROT_READ | PROT_WRITE));
  SHOW(mprotect(place, 1 << 20, PROT_READ | PROT_WRITE));
  signal(SIGXFSZ, SIG_IGN);
  SHOW(write(fd, "0123456789abcdefghij", 20));
  return 3;
}

int main(int argc, char **argv) {
  if (argc > 1)
    return again();
  after_exec(argv[0]);
  capabilities();
  files();
  memory();
  stack();
  descriptors();
  return 0;
}
