/* mq_notify with SIGEV_THREAD: the C library's thread is told by a netlink socket. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static sem_t told;
static char name[32];

static void on_message(union sigval value) {
  char text[64];
  unsigned priority;
  mqd_t queue = mq_open(name, O_RDONLY);
  ssize_t length = mq_receive(queue, text, sizeof text, &priority);
  printf("told %d: %.*s, %u\n", value.sival_int, (int)length, text, priority);
  mq_close(queue);
  sem_post(&told);
}

static void outcome(const char *what, int result) {
  printf("%s: %s\n", what, result < 0 ? strerror(errno) : "done");
}

int main(void) {
  snprintf(name, sizeof name, "/isthmus-%d", getpid());
  struct mq_attr attributes = {.mq_maxmsg = 4, .mq_msgsize = 64};
  mqd_t queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attributes);
  struct sigevent event = {.sigev_notify = SIGEV_THREAD, .sigev_value.sival_int = 42, .sigev_notify_function = on_message};
  sem_init(&told, 0, 0);
  for (int i = 0; i < 3; i++) {
    event.sigev_value.sival_int = i;
    outcome("to be told", mq_notify(queue, &event));
    outcome("twice", mq_notify(queue, &event));
    int sent = mq_send(queue, "message", 7, 5);
    sem_wait(&told);
    outcome("sent", sent);
  }
  outcome("to be told", mq_notify(queue, &event));
  outcome("no more", mq_notify(queue, NULL));
  outcome("send", mq_send(queue, "silent", 6, 1));
  char text[64];
  printf("%d\n", (int)mq_receive(queue, text, sizeof text, NULL));

  /* By hand: what the socket is sent. */
  int netlink = socket(AF_NETLINK, SOCK_RAW, 0), pipe_ends[2];
  unsigned char cookie[32];
  for (int i = 0; i < 32; i++) cookie[i] = (unsigned char)(i * 7);
  pipe(pipe_ends);
  struct sigevent raw = {.sigev_notify = SIGEV_THREAD, .sigev_value.sival_ptr = cookie};
  int bad[] = {99, pipe_ends[0]};
  for (int i = 0; i < 2; i++) {
    raw.sigev_signo = bad[i];
    outcome("no socket", (int)syscall(SYS_mq_notify, queue, &raw));
  }
  int local = socket(AF_UNIX, SOCK_DGRAM, 0);
  raw.sigev_signo = local;
  outcome("another socket", (int)syscall(SYS_mq_notify, queue, &raw));
  raw.sigev_signo = netlink;
  raw.sigev_value.sival_ptr = (void *)8;
  outcome("a cookie nowhere", (int)syscall(SYS_mq_notify, queue, &raw));
  raw.sigev_value.sival_ptr = cookie;
  for (int i = 0; i < 2; i++) {
    outcome("by hand", (int)syscall(SYS_mq_notify, queue, &raw));
    if (i == 0) mq_send(queue, "m", 1, 0);
    else syscall(SYS_mq_notify, queue, NULL);
    unsigned char got[64];
    int length = (int)recv(netlink, got, sizeof got, 0);
    printf("%d bytes, %s, %d\n", length, memcmp(got, cookie, 31) == 0 ? "the cookie" : "another", got[31]);
  }
  outcome("removed", mq_unlink(name));
  return 0;
}
