/* SO_RCVTIMEO and SO_SNDTIMEO: what they are set to, when calls give up, and with what. */
#include "../../fs/programs/check.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>

static long started;

static long milliseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Whether about `least` milliseconds have gone by since the last such question. */
static void waited(long least) {
  long since = milliseconds() - started;
  printf("waited %s\n", since >= least && since < least + 2000 ? "as long as it said" : "wrongly");
  started = milliseconds();
}

static void set(int fd, int name, long seconds, long microseconds) {
  struct timeval time = {seconds, microseconds}, got = {-1, -1};
  socklen_t size = sizeof got;
  SHOW(setsockopt(fd, SOL_SOCKET, name, &time, sizeof time));
  SHOW(getsockopt(fd, SOL_SOCKET, name, &got, &size));
  printf("%s %ld.%06ld size %d\n", name == SO_RCVTIMEO ? "receive" : "send", (long)got.tv_sec,
         (long)got.tv_usec, (int)size);
}

static void values(void) {
  int pair[2];
  must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
  struct timeval time = {1, 0};
  set(pair[0], SO_RCVTIMEO, 0, 0);
  set(pair[0], SO_RCVTIMEO, 7, 200000);
  set(pair[0], SO_SNDTIMEO, 3, 0);
  set(pair[0], SO_RCVTIMEO, 1, 1000000);
  set(pair[0], SO_RCVTIMEO, 1, -1);
  set(pair[0], SO_RCVTIMEO, -1, 0);
  SHOW(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &time, 8));
  SHOW(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, (void *)8, sizeof time));
  char buffer[8];
  SHOW(recv(pair[0], buffer, 8, 0));
  close(pair[0]), close(pair[1]);
}

static void reading(int family, int type) {
  int pair[2];
  char buffer[64] = {0};
  must(socketpair(family, type, 0, pair));
  set(pair[0], SO_RCVTIMEO, 0, 200000);
  started = milliseconds();
  SHOW(recv(pair[0], buffer, 8, 0));
  waited(200);
  SHOW(read(pair[0], buffer, 8));
  waited(200);
  struct iovec vector = {buffer, 8};
  struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
  SHOW(recvmsg(pair[0], &message, 0));
  waited(200);
  SHOW(recv(pair[0], buffer, 8, MSG_DONTWAIT));
  waited(0);
  SHOW(send(pair[1], "abc", 3, 0));
  SHOW(recv(pair[0], buffer, 8, 0));
  waited(0);
  if (type == SOCK_STREAM) {
    SHOW(send(pair[1], "abc", 3, 0));
    SHOW(recv(pair[0], buffer, 8, MSG_WAITALL));
    waited(200);
  }
  close(pair[0]), close(pair[1]);
}

static void writing(int type) {
  int pair[2], size = 4096;
  static char block[1 << 16];
  must(socketpair(AF_UNIX, type, 0, pair));
  must(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size));
  set(pair[0], SO_SNDTIMEO, 0, 200000);
  /* How much is taken before depends on the kernel's bookkeeping; in the end nothing is. */
  long sent;
  errno = 0;
  while ((sent = send(pair[0], block, 4000, 0)) > 0) started = milliseconds();
  printf("send: %s\n", strerrorname_np(errno));
  waited(200);
  SHOW(write(pair[0], block, 4000));
  waited(200);
  close(pair[0]), close(pair[1]);
}

static void accepting(int family) {
  struct sockaddr_un path = {.sun_family = AF_UNIX, .sun_path = "timed"};
  struct sockaddr_in port = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  struct sockaddr *name = family == AF_UNIX ? (struct sockaddr *)&path : (struct sockaddr *)&port;
  socklen_t length = family == AF_UNIX ? sizeof path : sizeof port;
  int server = must(socket(family, SOCK_STREAM, 0));
  SHOW(bind(server, name, length));
  must(getsockname(server, name, &length));
  set(server, SO_RCVTIMEO, 0, 200000);
  SHOW(listen(server, 0));
  started = milliseconds();
  SHOW(accept(server, NULL, NULL));
  waited(200);
  int first = must(socket(family, SOCK_STREAM, 0));
  SHOW(connect(first, name, length));
  /* The one place in the queue is taken. */
  int second = must(socket(family, SOCK_STREAM, 0));
  set(second, SO_SNDTIMEO, 0, 200000);
  started = milliseconds();
  SHOW(connect(second, name, length));
  waited(200);
  int accepted = accept(server, NULL, NULL);
  printf("accepted %d\n", accepted > 0);
  /* What the listener waits is what its connections wait. */
  struct timeval got;
  length = sizeof got;
  SHOW(getsockopt(accepted, SOL_SOCKET, SO_RCVTIMEO, &got, &length));
  printf("%ld.%06ld\n", (long)got.tv_sec, (long)got.tv_usec);
  close(first), close(second), close(server);
}

static void ignore(int signal) {}

/* A call with a timeout ends with a signal, SA_RESTART or not. */
static void interrupted(void) {
  int pair[2];
  char buffer[8];
  must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
  struct sigaction action = {.sa_handler = ignore, .sa_flags = SA_RESTART};
  sigaction(SIGALRM, &action, NULL);
  struct itimerval timer = {.it_value = {0, 50000}};
  set(pair[0], SO_RCVTIMEO, 2, 0);
  setitimer(ITIMER_REAL, &timer, NULL);
  SHOW(recv(pair[0], buffer, 8, 0));
  SHOW(send(pair[1], "ab", 2, 0));
  setitimer(ITIMER_REAL, &timer, NULL);
  SHOW(recv(pair[0], buffer, 8, MSG_WAITALL));
  close(pair[0]), close(pair[1]);
}

int main(void) {
  values();
  reading(AF_UNIX, SOCK_STREAM);
  reading(AF_UNIX, SOCK_DGRAM);
  reading(AF_UNIX, SOCK_SEQPACKET);
  writing(SOCK_STREAM);
  writing(SOCK_DGRAM);
  accepting(AF_UNIX);
  accepting(AF_INET);
  interrupted();
  return 0;
}
