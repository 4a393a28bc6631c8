/*
 * Random programs: copies of this one with a few bytes changed, most of them in its headers, are executed. Whatever
 * becomes of them, the machine goes on.
 *
 *     random_programs SEED COUNT
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

/* File header and program headers. */
enum { HEADER = 64, HEADERS = 624 };

static unsigned long state;

static unsigned long next(void) {
  state ^= state << 13;
  state ^= state >> 7;
  return state ^= state << 17;
}

static void change(char *bytes, unsigned long size) {
  unsigned long at = next() % (next() % 3 == 0 ? HEADER : next() % 2 ? HEADERS : size - 8);
  long *word = (long *)(bytes + (at & ~7ul));
  switch (next() % 5) {
  case 0: bytes[at] = (char)next(); break;
  case 1: bytes[at] ^= (char)(1 << next() % 8); break;
  case 2: *word = (long)(1ul << next() % 64); break;
  case 3: *word = -(long)(next() % 8192); break;
  default: *word += (long)(next() % 16384) - 8192;
  }
}

static void execute(const char *path) {
  struct itimerval limit = {{0, 0}, {0, 20000}};
  int null = open("/dev/null", O_RDWR);
  dup2(null, 1);
  dup2(null, 2);
  setitimer(ITIMER_REAL, &limit, 0);
  execl(path, path, (char *)0);
  _exit(99);
}

int main(int argc, char **argv) {
  if (argc < 3)
    return 0; /* a copy, little changed */
  unsigned long seed = strtoul(argv[1], 0, 10);
  state = seed * 0x9e3779b97f4a7c15 + 1;
  struct stat self;
  int file = open("/proc/self/exe", O_RDONLY);
  fstat(file, &self);
  unsigned long size = (unsigned long)self.st_size;
  char *whole = malloc(size), *changed = malloc(size);
  if (read(file, whole, size) != (long)size)
    return 1;
  for (int i = 0; i < atoi(argv[2]); i++) {
    memcpy(changed, whole, size);
    for (unsigned long n = 1 + next() % 4; n > 0; n--)
      change(changed, size);
    unlink("/tmp/program");
    int copy = open("/tmp/program", O_CREAT | O_WRONLY, 0700);
    (void)!write(copy, changed, size);
    if (next() % 20 == 0)
      (void)!ftruncate(copy, next() % 2 ? 1l << 40 : (long)(next() % size));
    close(copy);
    pid_t pid = fork();
    if (pid == 0)
      execute("/tmp/program");
    int status;
    waitpid(pid, &status, 0);
  }
  printf("seed %lu is over\n", seed);
  return 0;
}
