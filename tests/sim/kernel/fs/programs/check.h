/* Shared by the programs here: run a call, print its result and errno by name. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

/* Print a call's text and its result, or the name of its error. */
#define SHOW(call)                                                             \
  do {                                                                         \
    errno = 0;                                                                 \
    long shown = (long)(call);                                                 \
    if (shown == -1 && errno != 0)                                             \
      printf("%s: %s\n", #call, strerrorname_np(errno));                       \
    else                                                                       \
      printf("%s: %ld\n", #call, shown);                                       \
  } while (0)

/* A descriptor or an end of the program. */
static inline int must(int fd) {
  if (fd < 0) {
    perror("must");
    exit(1);
  }
  return fd;
}
