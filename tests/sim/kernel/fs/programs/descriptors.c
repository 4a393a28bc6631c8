/* Descriptors: dup, fcntl, pipes, locks, memfd, eventfd, timerfd, signalfd, inotify. */
#include "check.h"
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/uio.h>

static void numbers(void) {
  int fd = must(open("file", O_CREAT | O_RDWR | O_TRUNC, 0644));
  SHOW(fcntl(fd, F_GETFL) & 07777);
  SHOW(fcntl(fd, F_GETFD));
  SHOW(dup2(fd, 20));
  SHOW(dup3(fd, fd, O_CLOEXEC));
  SHOW(dup3(fd, 21, O_CLOEXEC));
  SHOW(fcntl(21, F_GETFD));
  SHOW(fcntl(fd, F_DUPFD, 30));
  SHOW(fcntl(fd, F_DUPFD_CLOEXEC, 30));
  SHOW(fcntl(31, F_GETFD));
  SHOW(fcntl(fd, F_DUPFD, -1));
  SHOW(close_range(20, 31, 0));
  SHOW(fcntl(30, F_GETFD));
  SHOW(close(99));
  SHOW(dup(99));
  SHOW(dup2(fd, 100000));
  SHOW(fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK));
  SHOW(fcntl(fd, F_GETFL) & 07777);
  int path = must(open(".", O_PATH | O_DIRECTORY));
  SHOW(fcntl(path, F_GETFL) & O_PATH);
  char byte;
  SHOW(read(path, &byte, 1));
  SHOW(fcntl(path, F_SETFL, 0));
  SHOW(ioctl(fd, TCGETS, &byte));
  int left = -1;
  SHOW(write(fd, "hello", 5));
  SHOW(lseek(fd, 2, SEEK_SET));
  SHOW(ioctl(fd, FIONREAD, &left));
  printf("left %d\n", left);
  close(path);
  close(fd);
}

static void positions(void) {
  int fd = must(open("data", O_CREAT | O_RDWR | O_TRUNC, 0644));
  char buffer[16] = {0};
  SHOW(write(fd, "0123456789", 10));
  SHOW(pread(fd, buffer, 4, 3));
  printf("%.4s\n", buffer);
  SHOW(pwrite(fd, "AB", 2, 20));
  SHOW(lseek(fd, 0, SEEK_CUR));
  SHOW(lseek(fd, -2, SEEK_END));
  SHOW(lseek(fd, -30, SEEK_CUR));
  SHOW(lseek(fd, 0, SEEK_DATA));
  SHOW(lseek(fd, 0, SEEK_HOLE));
  SHOW(lseek(fd, 100, SEEK_HOLE));
  SHOW(lseek(fd, 0, 77));
  struct iovec parts[3] = {{"ab", 2}, {NULL, 0}, {"cde", 3}};
  SHOW(pwritev(fd, parts, 3, 0));
  SHOW(writev(fd, parts, 3));
  SHOW(writev(fd, parts, -1));
  SHOW(writev(fd, parts, 2000));
  SHOW(pread(fd, buffer, 5, 0));
  printf("%.5s\n", buffer);
  SHOW(ftruncate(fd, 3));
  SHOW(read(fd, buffer, 16));
  SHOW(pread(fd, buffer, 16, 0));
  SHOW(pread(fd, buffer, 16, -1));
  SHOW(read(fd, (void *)8, 4));
  SHOW(pread(fd, (void *)8, 2, 0));
  SHOW(write(fd, (void *)8, 2));
  SHOW(fallocate(fd, 0, 0, 100));
  struct stat s;
  SHOW(fstat(fd, &s));
  printf("size %ld mode %o\n", (long)s.st_size, s.st_mode);
  SHOW(posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM));
  int reader = must(open("data", O_RDONLY));
  SHOW(write(reader, "x", 1));
  SHOW(ftruncate(reader, 0));
  int out = must(open("copy", O_CREAT | O_RDWR | O_TRUNC, 0644));
  off_t from = 1;
  SHOW(sendfile(out, reader, &from, 50));
  printf("from %ld\n", (long)from);
  SHOW(sendfile(out, reader, NULL, 5000));
  SHOW(lseek(reader, 0, SEEK_CUR));
  SHOW(copy_file_range(fd, &from, out, NULL, 10, 0));
  SHOW(lseek(out, 0, SEEK_CUR));
  close(out);
  close(reader);
  close(fd);
}

static void pipes(void) {
  int ends[2];
  char buffer[8192];
  memset(buffer, 'x', sizeof buffer);
  SHOW(pipe2(ends, O_NONBLOCK));
  SHOW(read(ends[0], buffer, 1));
  SHOW(write(ends[1], "hello", 5));
  int waiting = 0;
  SHOW(ioctl(ends[0], FIONREAD, &waiting));
  printf("waiting %d\n", waiting);
  SHOW(read(ends[0], buffer, 3));
  SHOW(read(ends[0], buffer, 30));
  SHOW(fcntl(ends[0], F_GETPIPE_SZ));
  long total = 0, count;
  while ((count = write(ends[1], buffer, sizeof buffer)) > 0) total += count;
  printf("filled %ld, then %s\n", total, strerrorname_np(errno));
  SHOW(write(ends[1], "y", 1));
  SHOW(read(ends[0], buffer, 4096));
  SHOW(write(ends[1], buffer, 4096));
  SHOW(lseek(ends[0], 0, SEEK_SET));
  SHOW(pread(ends[0], buffer, 1, 0));
  SHOW(write(ends[0], buffer, 1));
  SHOW(read(ends[1], buffer, 1));
  SHOW(pipe2(ends, 1 << 30));
  signal(SIGPIPE, SIG_IGN);
  close(ends[0]);
  SHOW(write(ends[1], "z", 1));
  close(ends[1]);
  int small[2], other[2];
  must(pipe(small));
  must(pipe(other));
  SHOW(write(small[1], "splice me", 9));
  SHOW(tee(small[0], other[1], 6, 0));
  SHOW(splice(small[0], NULL, other[1], NULL, 100, 0));
  SHOW(read(other[0], buffer, 100));
  printf("%.15s\n", buffer);
  close(small[1]);
  SHOW(splice(small[0], NULL, other[1], NULL, 100, 0));
  SHOW(read(small[0], buffer, 1));
  close(small[0]);
  close(other[0]);
  close(other[1]);
}

/* A child fills a pipe far beyond its size while the parent drains it. */
static void long_write(void) {
  int ends[2];
  must(pipe(ends));
  pid_t child = fork();
  if (child == 0) {
    static char block[300000];
    for (unsigned i = 0; i < sizeof block; i++) block[i] = (char)(i % 251);
    close(ends[0]);
    _exit(write(ends[1], block, sizeof block) == sizeof block ? 0 : 1);
  }
  close(ends[1]);
  unsigned long sum = 0, total = 0;
  unsigned char buffer[5000];
  long count;
  while ((count = read(ends[0], buffer, sizeof buffer)) > 0) {
    for (long i = 0; i < count; i++) sum = sum * 31 + buffer[i];
    total += (unsigned long)count;
  }
  int status;
  waitpid(child, &status, 0);
  printf("read %lu sum %lx child %d\n", total, sum, status);
  close(ends[0]);
}

static void fifos(void) {
  SHOW(mkfifo("fifo", 0644));
  SHOW(open("fifo", O_WRONLY | O_NONBLOCK));
  pid_t child = fork();
  if (child == 0) {
    int fd = open("fifo", O_WRONLY);
    _exit(write(fd, "through", 7) == 7 ? 0 : 1);
  }
  int fd = must(open("fifo", O_RDONLY));
  char buffer[32] = {0};
  SHOW(read(fd, buffer, 32));
  printf("%s\n", buffer);
  waitpid(child, NULL, 0);
  SHOW(read(fd, buffer, 32));
  close(fd);
  SHOW(unlink("fifo"));
}

static void locks(void) {
  int fd = must(open("lock", O_CREAT | O_RDWR, 0644));
  struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 10};
  SHOW(fcntl(fd, F_SETLK, &range));
  SHOW(fcntl(fd, F_GETLK, &range));
  printf("own: %d\n", range.l_type);
  int again = must(open("lock", O_RDWR));
  SHOW(flock(fd, LOCK_EX | LOCK_NB));
  SHOW(flock(again, LOCK_SH | LOCK_NB));
  SHOW(flock(fd, LOCK_UN));
  SHOW(flock(again, LOCK_SH | LOCK_NB));
  SHOW(flock(fd, 99));
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    struct flock other = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 15, .l_len = 0};
    SHOW(fcntl(fd, F_SETLK, &other));
    SHOW(fcntl(fd, F_GETLK, &other));
    printf("held %d from %ld for %ld\n", other.l_type, (long)other.l_start, (long)other.l_len);
    other.l_type = F_WRLCK;
    other.l_start = 0;
    other.l_len = 10;
    SHOW(fcntl(fd, F_SETLK, &other));
    other.l_type = F_RDLCK;
    other.l_start = 12;
    SHOW(fcntl(fd, F_SETLKW, &other));
    fflush(stdout);
    _exit(0);
  }
  usleep(20000);
  range.l_type = F_UNLCK;
  SHOW(fcntl(fd, F_SETLK, &range));
  waitpid(child, NULL, 0); /* which prints before what this process has not written yet */
  struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  SHOW(fcntl(fd, F_OFD_SETLK, &whole));
  SHOW(fcntl(again, F_OFD_SETLK, &whole));
  close(fd);
  SHOW(fcntl(again, F_OFD_SETLK, &whole));
  close(again);
}

static void sealed_memory(void) {
  int fd = must(memfd_create("name", MFD_ALLOW_SEALING));
  SHOW(ftruncate(fd, 8192));
  char *map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  strcpy(map + 4096, "through the mapping");
  char buffer[32];
  SHOW(pread(fd, buffer, 32, 4096));
  printf("%s\n", buffer);
  SHOW(pwrite(fd, "THROUGH", 7, 4096));
  printf("%s\n", map + 4096);
  SHOW(fcntl(fd, F_GET_SEALS));
  SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
  munmap(map, 8192);
  SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK));
  SHOW(write(fd, "x", 1));
  SHOW(ftruncate(fd, 1));
  SHOW(ftruncate(fd, 10000));
  SHOW(mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
  SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL));
  SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
  close(fd);
}

static void events(void) {
  uint64_t value = 0;
  int fd = must(eventfd(3, EFD_NONBLOCK));
  SHOW(read(fd, &value, 8));
  SHOW(value);
  SHOW(read(fd, &value, 8));
  value = 5;
  SHOW(write(fd, &value, 8));
  SHOW(write(fd, &value, 4));
  value = UINT64_MAX;
  SHOW(write(fd, &value, 8));
  value = UINT64_MAX - 6;
  SHOW(write(fd, &value, 8));
  value = 2;
  SHOW(write(fd, &value, 8));
  struct pollfd p = {fd, POLLIN | POLLOUT, 0};
  SHOW(poll(&p, 1, 0));
  SHOW(p.revents);
  close(fd);
  fd = must(eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK));
  SHOW(read(fd, &value, 8));
  SHOW(value);
  SHOW(read(fd, &value, 8));
  SHOW(read(fd, &value, 8));
  close(fd);

  fd = must(timerfd_create(CLOCK_MONOTONIC, 0));
  struct itimerspec timer = {{0, 2000000}, {0, 1000000}}, old;
  SHOW(timerfd_settime(fd, 0, &timer, NULL));
  SHOW(read(fd, &value, 8));
  SHOW(value >= 1); /* more on a machine that is late */
  usleep(5000);
  SHOW(read(fd, &value, 8));
  SHOW(value >= 2);
  SHOW(timerfd_gettime(fd, &old));
  SHOW(old.it_interval.tv_nsec);
  memset(&timer, 0, sizeof timer);
  SHOW(timerfd_settime(fd, 0, &timer, &old));
  SHOW(fcntl(fd, F_SETFL, O_NONBLOCK));
  SHOW(read(fd, &value, 8));
  close(fd);

  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGUSR1);
  sigprocmask(SIG_BLOCK, &mask, NULL);
  fd = must(signalfd(-1, &mask, SFD_NONBLOCK));
  struct signalfd_siginfo info;
  SHOW(read(fd, &info, sizeof info));
  kill(getpid(), SIGUSR1);
  SHOW(read(fd, &info, sizeof info));
  printf("signal %u code %d own %d\n", info.ssi_signo, info.ssi_code,
         info.ssi_pid == (unsigned)getpid());
  SHOW(read(fd, &info, 4));
  close(fd);
}

static void print_events(int fd) {
  static char buffer[4096] __attribute__((aligned(8)));
  long count = read(fd, buffer, sizeof buffer);
  if (count < 0) {
    printf("no events: %s\n", strerrorname_np(errno));
    return;
  }
  for (char *p = buffer; p < buffer + count;) {
    struct inotify_event *e = (struct inotify_event *)p;
    printf("event wd %d mask %x len %u %s\n", e->wd, e->mask, e->len, e->len ? e->name : "");
    p += sizeof *e + e->len;
  }
}

static void watches(void) {
  int fd = must(inotify_init1(IN_NONBLOCK));
  mkdir("watched", 0755);
  SHOW(inotify_add_watch(fd, "watched", IN_ALL_EVENTS & ~IN_ACCESS));
  SHOW(inotify_add_watch(fd, "missing", IN_ALL_EVENTS));
  SHOW(inotify_add_watch(fd, "watched", 0));
  SHOW(inotify_add_watch(fd, "file", IN_MODIFY));
  int file = must(open("watched/new", O_CREAT | O_WRONLY, 0644));
  must((int)write(file, "1", 1));
  must((int)write(file, "2", 1));
  close(file);
  chmod("watched/new", 0600);
  rename("watched/new", "watched/old");
  mkdir("watched/sub", 0755);
  rmdir("watched/sub");
  unlink("watched/old");
  print_events(fd);
  print_events(fd);
  SHOW(truncate("file", 1));
  print_events(fd);
  SHOW(inotify_rm_watch(fd, 2));
  print_events(fd);
  SHOW(inotify_rm_watch(fd, 2));
  rmdir("watched");
  print_events(fd);
  close(fd);
}

/* Whether two processes share an object: 0, or an order that depends on addresses. */
static int compare(pid_t a, pid_t b, int type, unsigned long i, unsigned long j) {
  errno = 0;
  int result = (int)syscall(SYS_kcmp, a, b, type, i, j);
  return result < 0 ? -errno : result != 0;
}

static void sharing(void) {
  pid_t me = getpid();
  int fd = must(open("shared", O_CREAT | O_RDWR, 0600)), same = must(dup(fd));
  int other = must(open("shared", O_RDWR)), epoll = must(epoll_create1(0)), ends[2];
  SHOW(compare(me, me, 0, fd, same));
  SHOW(compare(me, me, 0, fd, other));
  SHOW(syscall(SYS_kcmp, me, me, 0, fd, other) + syscall(SYS_kcmp, me, me, 0, other, fd));
  SHOW(compare(me, me, 0, fd, 99));
  SHOW(compare(me, 0x3fffffff, 0, fd, fd));
  SHOW(compare(me, me, 8, 0, 0));
  must(pipe(ends));
  struct epoll_event event = {.events = EPOLLIN};
  SHOW(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event));
  struct { unsigned efd, tfd, toff; } slot = {epoll, ends[0], 0};
  SHOW(compare(me, me, 7, ends[0], (unsigned long)&slot));
  SHOW(compare(me, me, 7, ends[1], (unsigned long)&slot));
  slot.toff = 1;
  SHOW(compare(me, me, 7, ends[0], (unsigned long)&slot));
  slot.efd = fd;
  SHOW(compare(me, me, 7, ends[0], (unsigned long)&slot));
  fflush(stdout);
  int go[2];
  must(pipe(go));
  pid_t child = fork();
  if (child == 0) {
    char byte;
    (void)!read(go[0], &byte, 1);
    _exit(0);
  }
  SHOW(compare(me, child, 0, fd, fd));
  SHOW(compare(me, child, 0, fd, other));
  for (int type = 1; type <= 6; type++) {
    printf("type %d ", type);
    SHOW(compare(me, me, type, 0, 0));
    SHOW(compare(me, child, type, 0, 0));
  }
  close(go[1]), close(go[0]);
  kill(child, SIGKILL);
  wait(0);
}

int main(void) {
  numbers();
  positions();
  pipes();
  long_write();
  fifos();
  fflush(stdout);
  locks();
  sealed_memory();
  events();
  watches();
  sharing();
  return 0;
}
