/* poll, ppoll, select, pselect, epoll. */
#include "check.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <time.h>

static volatile int caught;
static void handler(int signal) { caught += signal; }

static void polls(void) {
  int ends[2];
  must(pipe(ends));
  struct pollfd set[4] = {{ends[0], POLLIN, 0}, {ends[1], POLLOUT, 0}, {-1, POLLIN, 7}, {77, POLLIN, 0}};
  SHOW(poll(set, 4, 0));
  printf("%x %x %x %x\n", set[0].revents, set[1].revents, set[2].revents, set[3].revents);
  SHOW(poll(set, 1, 20));
  must((int)write(ends[1], "x", 1));
  SHOW(poll(set, 1, -1));
  printf("%x\n", set[0].revents);
  close(ends[1]);
  SHOW(poll(set, 1, -1));
  printf("%x\n", set[0].revents);
  char byte;
  must((int)read(ends[0], &byte, 1));
  SHOW(poll(set, 1, 0));
  printf("%x\n", set[0].revents);
  close(ends[0]);
  must(pipe(ends));
  close(ends[0]);
  set[0] = (struct pollfd){ends[1], POLLOUT, 0};
  SHOW(poll(set, 1, 0));
  printf("%x\n", set[0].revents);
  close(ends[1]);
  int file = must(open("regular", O_CREAT | O_RDWR, 0644));
  set[0] = (struct pollfd){file, POLLIN | POLLOUT | POLLPRI, 0};
  SHOW(poll(set, 1, 1000));
  printf("%x\n", set[0].revents);
  close(file);
}

static void signals(void) {
  int ends[2];
  must(pipe(ends));
  struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
  sigaction(SIGALRM, &action, NULL);
  struct pollfd set = {ends[0], POLLIN, 0};
  ualarm(10000, 0);
  SHOW(poll(&set, 1, -1));
  SHOW(caught);
  sigset_t blocked, none;
  sigemptyset(&none);
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGALRM);
  sigprocmask(SIG_BLOCK, &blocked, NULL);
  ualarm(10000, 0);
  struct timespec longer = {5, 0};
  SHOW(ppoll(&set, 1, &longer, &none));
  SHOW(caught);
  sigset_t now;
  sigprocmask(SIG_SETMASK, NULL, &now);
  SHOW(sigismember(&now, SIGALRM));
  fd_set read_set;
  FD_ZERO(&read_set);
  FD_SET(ends[0], &read_set);
  ualarm(10000, 0);
  SHOW(pselect(ends[0] + 1, &read_set, NULL, NULL, &longer, &none));
  SHOW(caught);
  close(ends[0]);
  close(ends[1]);
}

static void selects(void) {
  int a[2], b[2];
  must(pipe(a));
  must(pipe(b));
  must((int)write(b[1], "x", 1));
  fd_set in, out;
  FD_ZERO(&in);
  FD_ZERO(&out);
  FD_SET(a[0], &in);
  FD_SET(b[0], &in);
  FD_SET(a[1], &out);
  struct timeval time = {1, 500};
  SHOW(select(b[1] + 1, &in, &out, NULL, &time));
  printf("%d %d %d left %d\n", FD_ISSET(a[0], &in) != 0, FD_ISSET(b[0], &in) != 0,
         FD_ISSET(a[1], &out) != 0, time.tv_sec >= 0);
  FD_ZERO(&in);
  FD_SET(a[0], &in);
  time = (struct timeval){0, 10000};
  SHOW(select(a[0] + 1, &in, NULL, NULL, &time));
  printf("%d %ld\n", FD_ISSET(a[0], &in) != 0, (long)(time.tv_sec + time.tv_usec));
  FD_SET(200, &in);
  SHOW(select(201, &in, NULL, NULL, &time));
  SHOW(select(-1, NULL, NULL, NULL, &time));
  SHOW(select(0, NULL, NULL, NULL, &time));
  close(a[0]), close(a[1]), close(b[0]), close(b[1]);
}

static void show_events(int epoll, int limit) {
  struct epoll_event list[8];
  int count = epoll_wait(epoll, list, limit, 0);
  printf("%d events:", count);
  for (int i = 0; i < count; i++)
    printf(" %lx:%x", (unsigned long)list[i].data.u64, list[i].events);
  printf("\n");
}

/* EPOLLEXCLUSIVE: what goes with it, and what never changes it. */
static void exclusive(void) {
  int epoll = must(epoll_create1(0)), other = must(epoll_create1(0)), ends[2];
  must(pipe(ends));
  struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE};
  SHOW(epoll_ctl(epoll, EPOLL_CTL_ADD, other, &event));
  SHOW(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event));
  SHOW(epoll_ctl(epoll, EPOLL_CTL_MOD, ends[0], &event));
  event.events = EPOLLIN;
  SHOW(epoll_ctl(epoll, EPOLL_CTL_MOD, ends[0], &event));
  SHOW(epoll_ctl(epoll, EPOLL_CTL_DEL, ends[0], NULL));
  event.events = EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT;
  SHOW(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event));
  event.events = EPOLLIN | EPOLLEXCLUSIVE | EPOLLRDHUP;
  SHOW(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event));
  event.events = EPOLLIN | EPOLLEXCLUSIVE | EPOLLET;
  SHOW(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event));
  close(epoll), close(other), close(ends[0]), close(ends[1]);
}

static void epolls(void) {
  exclusive();
  int epoll = must(epoll_create1(EPOLL_CLOEXEC));
  int ends[2], pair[2];
  must(pipe(ends));
  must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
  struct epoll_event event = {.events = EPOLLIN, .data.u64 = 0x123456789abcdef0};
  SHOW(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event));
  SHOW(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event));
  SHOW(epoll_ctl(epoll, EPOLL_CTL_MOD, ends[1], &event));
  SHOW(epoll_ctl(epoll, EPOLL_CTL_DEL, ends[1], NULL));
  SHOW(epoll_ctl(epoll, EPOLL_CTL_ADD, epoll, &event));
  SHOW(epoll_ctl(epoll, EPOLL_CTL_ADD, 99, &event));
  SHOW(epoll_ctl(epoll, 9, ends[1], &event));
  int file = must(open("regular", O_RDWR));
  SHOW(epoll_ctl(epoll, EPOLL_CTL_ADD, file, &event));
  close(file);
  show_events(epoll, 8);
  must((int)write(ends[1], "abc", 3));
  show_events(epoll, 8);
  show_events(epoll, 8);
  event.events = EPOLLIN | EPOLLET;
  event.data.u64 = 2;
  SHOW(epoll_ctl(epoll, EPOLL_CTL_MOD, ends[0], &event));
  show_events(epoll, 8);
  show_events(epoll, 8);
  must((int)write(ends[1], "d", 1));
  show_events(epoll, 8);
  event.events = EPOLLIN | EPOLLOUT | EPOLLONESHOT;
  event.data.u64 = 3;
  SHOW(epoll_ctl(epoll, EPOLL_CTL_ADD, pair[0], &event));
  show_events(epoll, 8);
  show_events(epoll, 8);
  SHOW(epoll_ctl(epoll, EPOLL_CTL_MOD, pair[0], &event));
  must((int)write(pair[1], "hello", 5));
  show_events(epoll, 8);
  close(pair[1]);
  event.events = EPOLLIN | EPOLLRDHUP;
  SHOW(epoll_ctl(epoll, EPOLL_CTL_MOD, pair[0], &event));
  show_events(epoll, 8);
  close(ends[1]);
  show_events(epoll, 1);
  show_events(epoll, 8);
  close(ends[0]);
  close(pair[0]);
  show_events(epoll, 8);
  struct epoll_event one;
  SHOW(epoll_wait(epoll, &one, 0, 0));
  SHOW(epoll_wait(epoll, &one, 1, 20));
  SHOW(epoll_wait(0, &one, 1, 20) == -1);

  int outer = must(epoll_create1(0));
  int counter = must(eventfd(0, 0));
  event = (struct epoll_event){.events = EPOLLIN, .data.u64 = 5};
  SHOW(epoll_ctl(epoll, EPOLL_CTL_ADD, counter, &event));
  event.data.u64 = 6;
  SHOW(epoll_ctl(outer, EPOLL_CTL_ADD, epoll, &event));
  SHOW(epoll_ctl(epoll, EPOLL_CTL_ADD, outer, &event));
  show_events(outer, 8);
  pid_t child = fork();
  if (child == 0) {
    uint64_t value = 1;
    usleep(10000);
    _exit(write(counter, &value, 8) == 8 ? 0 : 1);
  }
  SHOW(epoll_wait(outer, &one, 1, -1));
  printf("%x %d\n", one.events, (int)one.data.u64);
  waitpid(child, NULL, 0);
  show_events(epoll, 8);
}

int main(void) {
  polls();
  fflush(stdout);
  signals();
  selects();
  fflush(stdout);
  epolls();
  return 0;
}
