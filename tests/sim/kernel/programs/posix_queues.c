/* POSIX message queues: names, limits, priorities, waiting, notification, the file system. */
#include <asm/unistd.h>
#include <asm-generic/siginfo.h>
#include <linux/mqueue.h>
#include "guest.h"

enum { O_WRONLY_ = 1, O_EXCL_ = 0200, O_NONBLOCK_ = 04000, WAIT = 30000000 };
enum { EINTR = 4, SIGUSR2 = 12 };

static char text[8192];
static char name[] = "isthmus-00000000";

static i64 open(int flags, int mode, i64 messages, i64 size) {
  struct mq_attr attributes = {.mq_maxmsg = messages, .mq_msgsize = size};
  return SYSTEM_CALL(__NR_mq_open, name, flags, mode, messages == 0 ? NULL : &attributes);
}

static i64 send(i64 queue, u64 size, u64 priority, i64 *time) {
  for (u64 i = 0; i < size; i++) text[i] = (char)('a' + (priority + i) % 26);
  return SYSTEM_CALL(__NR_mq_timedsend, queue, text, size, priority, time);
}

static void receive(const char *label, i64 queue, u64 size, i64 *time) {
  u32 priority = 99;
  memset(text, 0, 64);
  i64 result = SYSTEM_CALL(__NR_mq_timedreceive, queue, text, size, &priority, time);
  show(label, (u64)result);
  if (result < 0) return;
  count("  priority", priority);
  count("  first", (u8)text[0]);
}

static void status(const char *label, i64 queue) {
  struct mq_attr attributes;
  show(label, (u64)SYSTEM_CALL(__NR_mq_getsetattr, queue, NULL, &attributes));
  show("  flags", (u64)attributes.mq_flags);
  count("  at most", (u64)attributes.mq_maxmsg);
  count("  size", (u64)attributes.mq_msgsize);
  count("  messages", (u64)attributes.mq_curmsgs);
}

static void rest(void) {
  i64 time[2] = {0, WAIT};
  SYSTEM_CALL(__NR_nanosleep, time, NULL);
}

static void reap(i64 child) {
  i32 ended = -1;
  SYSTEM_CALL(__NR_wait4, child, &ended, 0, NULL);
  show("  child ended", (u32)ended);
}

static i64 ready(i64 queue, int events) {
  struct { i32 file; short events, found; } poll = {(i32)queue, (short)events, 0};
  i64 none[2] = {0, 0};
  SYSTEM_CALL(__NR_ppoll, &poll, 1, none, NULL, 8);
  return poll.found;
}

static void names(void) {
  show("absent", (u64)open(O_RDONLY, 0, 0, 0));
  i64 queue = open(O_RDWR | O_CREAT | O_EXCL_, 0640, 3, 20);
  count("made", queue >= 0);
  show("again", (u64)open(O_RDWR | O_CREAT | O_EXCL_, 0640, 3, 20));
  i64 other = open(O_RDONLY | O_CREAT, 0600, 5, 10);
  status("as it was made", other);
  show("closed at execve", (u64)SYSTEM_CALL(__NR_fcntl, other, 1));
  show("not to write", (u64)send(other, 1, 1, NULL));
  SYSTEM_CALL(SYS_close, other);
  show("a directory between", (u64)SYSTEM_CALL(__NR_mq_open, "a/b", O_RDWR | O_CREAT, 0600, NULL));
  show("a slash", (u64)SYSTEM_CALL(__NR_mq_open, "/a", O_RDWR | O_CREAT, 0600, NULL));
  show("dots", (u64)SYSTEM_CALL(__NR_mq_open, "..", O_RDWR | O_CREAT, 0600, NULL));
  show("no name", (u64)SYSTEM_CALL(__NR_mq_open, "", O_RDWR | O_CREAT, 0600, NULL));
  memset(text, 'x', 256);
  show("a long name", (u64)SYSTEM_CALL(__NR_mq_open, text, O_RDWR | O_CREAT, 0600, NULL));
  show("a name nowhere", (u64)SYSTEM_CALL(__NR_mq_open, 8, O_RDWR | O_CREAT, 0600, NULL));
  show("removed", (u64)SYSTEM_CALL(__NR_mq_unlink, name));
  show("removed again", (u64)SYSTEM_CALL(__NR_mq_unlink, name));
  show("still there", (u64)send(queue, 1, 1, NULL));
  SYSTEM_CALL(SYS_close, queue);
  show("closed", (u64)send(queue, 1, 1, NULL));
}

static void limits(void) {
  show("no messages", (u64)open(O_RDWR | O_CREAT, 0600, -1, 10));
  show("no size", (u64)open(O_RDWR | O_CREAT, 0600, 1, 0));
  show("too many", (u64)open(O_RDWR | O_CREAT, 0600, 65537, 1));
  show("too large", (u64)open(O_RDWR | O_CREAT, 0600, 1, 16777217));
  show("attributes nowhere", (u64)SYSTEM_CALL(__NR_mq_open, name, O_RDWR | O_CREAT, 0600, 8));
  i64 queue = open(O_RDWR | O_CREAT, 0600, 0, 0);
  status("default", queue);
  SYSTEM_CALL(__NR_mq_unlink, name);
  SYSTEM_CALL(SYS_close, queue);
  int made = 0;
  i64 queues[16];
  for (; made < 16; made++) {
    name[0] = (char)('a' + made);
    queues[made] = open(O_RDWR | O_CREAT, 0600, 0, 0);
    if (queues[made] < 0) break;
  }
  count("of the default size", (u64)made);
  show("  then", (u64)queues[made < 16 ? made : 0]);
  while (made-- > 0) {
    name[0] = (char)('a' + made);
    SYSTEM_CALL(__NR_mq_unlink, name);
    SYSTEM_CALL(SYS_close, queues[made]);
  }
  name[0] = 'i';
}

static void priorities(i64 queue) {
  count("empty", (u64)ready(queue, 0x145));
  show("low", (u64)send(queue, 4, 1, NULL));
  count("one", (u64)ready(queue, 0x145));
  show("high", (u64)send(queue, 5, 30000, NULL));
  show("low again", (u64)send(queue, 6, 1, NULL));
  count("full", (u64)ready(queue, 0x145));
  status("full", queue);
  i64 past[2] = {1, 0}, wrong[2] = {0, 1000000000};
  show("no room in time", (u64)send(queue, 7, 1, past));
  show("no such time", (u64)send(queue, 7, 1, wrong));
  show("time nowhere", (u64)send(queue, 7, 1, (i64 *)8));
  show("too high", (u64)send(queue, 7, 32768, NULL));
  show("too long", (u64)send(queue, 21, 1, NULL));
  show("from nowhere", (u64)SYSTEM_CALL(__NR_mq_timedsend, queue, 8, 5, 1, NULL));
  receive("too little room", queue, 19, NULL);
  receive("first", queue, 20, NULL);
  receive("second", queue, 20, NULL);
  receive("third", queue, 20, NULL);
  receive("none in time", queue, 20, past);
  show("empty message", (u64)send(queue, 0, 0, NULL));
  receive("empty message", queue, 20, NULL);
  show("no queue", (u64)send(1, 1, 1, NULL));
  struct mq_attr attributes = {.mq_flags = O_NONBLOCK_};
  show("not waiting", (u64)SYSTEM_CALL(__NR_mq_getsetattr, queue, &attributes, NULL));
  receive("none", queue, 20, NULL);
  status("not waiting", queue);
  attributes.mq_flags = 1;
  show("no such flag", (u64)SYSTEM_CALL(__NR_mq_getsetattr, queue, &attributes, NULL));
  attributes.mq_flags = 0;
  SYSTEM_CALL(__NR_mq_getsetattr, queue, &attributes, NULL);
}

static void waiting(i64 queue) {
  flush();
  i64 child = fork();
  if (child == 0) {
    receive("child", queue, 20, NULL);
    receive("child", queue, 20, NULL);
    flush();
    SYSTEM_CALL(__NR_exit_group, 0);
  }
  rest();
  show("to the child", (u64)send(queue, 3, 7, NULL));
  rest();
  show("to the child", (u64)send(queue, 3, 8, NULL));
  reap(child);
  for (int i = 0; i < 3; i++) send(queue, 3, 1, NULL);
  child = fork();
  if (child == 0) SYSTEM_CALL(__NR_exit_group, -send(queue, 3, 9, NULL));
  rest();
  receive("makes room", queue, 20, NULL);
  receive("the child's", queue, 20, NULL);
  reap(child);
  receive("rest", queue, 20, NULL);
  receive("rest", queue, 20, NULL);
}

static volatile int told, told_code, told_here, told_value;

static void on_message(int signal, void *information, void *context) {
  (void)context;
  const i32 *words = information;
  told = signal;
  told_code = words[2];
  told_here = words[4] == SYSTEM_CALL(SYS_getpid);
  told_value = words[6];
}

static void notification(i64 queue) {
  handle_signal(SIGUSR2, on_message, 0);
  struct { i64 value; i32 signal, notify; i32 rest[12]; } event = {77, SIGUSR2, 0, {0}};
  show("to be told", (u64)SYSTEM_CALL(__NR_mq_notify, queue, &event));
  show("twice", (u64)SYSTEM_CALL(__NR_mq_notify, queue, &event));
  send(queue, 1, 1, NULL);
  count("told", (u64)told);
  show("  code", (u32)told_code);
  count("  of my own", (u64)told_here);
  count("  value", (u64)told_value);
  told = 0;
  show("again", (u64)SYSTEM_CALL(__NR_mq_notify, queue, &event));
  send(queue, 1, 1, NULL);
  count("not empty", (u64)told);
  show("no more", (u64)SYSTEM_CALL(__NR_mq_notify, queue, NULL));
  event.notify = 1;
  show("of nothing", (u64)SYSTEM_CALL(__NR_mq_notify, queue, &event));
  show("no more", (u64)SYSTEM_CALL(__NR_mq_notify, queue, NULL));
  event.notify = 9;
  show("no such way", (u64)SYSTEM_CALL(__NR_mq_notify, queue, &event));
  event.notify = 2, event.signal = 99;
  show("a cookie nowhere", (u64)SYSTEM_CALL(__NR_mq_notify, queue, &event));
  event.value = (i64)text;
  show("no socket", (u64)SYSTEM_CALL(__NR_mq_notify, queue, &event));
  event.signal = (i32)queue;
  show("a queue for a socket", (u64)SYSTEM_CALL(__NR_mq_notify, queue, &event));
  event.signal = (i32)SYSTEM_CALL(__NR_socket, 1, 2, 0);
  show("a socket of another family", (u64)SYSTEM_CALL(__NR_mq_notify, queue, &event));
  SYSTEM_CALL(SYS_close, event.signal);
  event.value = 77, event.notify = 0, event.signal = 65;
  show("no such signal", (u64)SYSTEM_CALL(__NR_mq_notify, queue, &event));
  show("nowhere", (u64)SYSTEM_CALL(__NR_mq_notify, queue, 8));
  event.signal = SIGUSR2;
  show("no queue", (u64)SYSTEM_CALL(__NR_mq_notify, 1, &event));
  i64 child = fork();
  if (child == 0) {
    i64 other = open(O_RDONLY, 0, 0, 0);
    SYSTEM_CALL(__NR_mq_notify, other, &event);
    SYSTEM_CALL(SYS_close, other);
    i64 result = SYSTEM_CALL(__NR_mq_notify, queue, &event);
    SYSTEM_CALL(__NR_exit_group, -result);
  }
  reap(child);
  show("the child has ended", (u64)SYSTEM_CALL(__NR_mq_notify, queue, &event));
  memset(text, 0, sizeof text);
  count("as text", SYSTEM_CALL(__NR_pread64, queue, text, 100, 0));
  text[32] = 0;
  say(text);
  say("\n");
  show("no text to write", (u64)SYSTEM_CALL(__NR_write, queue, text, 1));
  receive("first", queue, 20, NULL);
  receive("second", queue, 20, NULL);

  i64 self = SYSTEM_CALL(SYS_getpid);
  SYSTEM_CALL(__NR_mq_notify, queue, NULL);
  child = fork();
  if (child == 0) {
    rest();
    SYSTEM_CALL(SYS_kill, self, SIGUSR2);
    SYSTEM_CALL(__NR_exit_group, 0);
  }
  receive("interrupted", queue, 20, NULL);
  reap(child);
}

/* What others may do with a queue of user 0's. */
static void others(void) {
  if (SYSTEM_CALL(__NR_geteuid) != 0) return;
  SYSTEM_CALL(__NR_umask, 0);
  for (int mode = 0600; mode <= 0606; mode += 2) {
    i64 queue = open(O_RDWR | O_CREAT, mode, 3, 20);
    flush();
    i64 child = fork();
    if (child == 0) {
      SYSTEM_CALL(__NR_setgroups, 0, NULL);
      SYSTEM_CALL(__NR_setgid, 1000);
      SYSTEM_CALL(__NR_setuid, 1000);
      show("mode", (u64)mode);
      count("  to read", open(O_RDONLY, 0, 0, 0) >= 0);
      count("  to write", open(O_WRONLY_, 0, 0, 0) >= 0);
      show("  to do both", (u64)(open(O_RDWR, 0, 0, 0) >> 8));
      show("  remove", (u64)SYSTEM_CALL(__NR_mq_unlink, name));
      finish(0);
    }
    reap(child);
    SYSTEM_CALL(__NR_mq_unlink, name);
    SYSTEM_CALL(SYS_close, queue);
  }
}

int main(void) {
  u64 id = (u64)SYSTEM_CALL(SYS_getpid);
  for (int i = 15; i > 7; i--, id /= 10) name[i] = (char)('0' + id % 10);
  names();
  limits();
  i64 queue = open(O_RDWR | O_CREAT, 0600, 3, 20);
  priorities(queue);
  waiting(queue);
  notification(queue);
  show("removed", (u64)SYSTEM_CALL(__NR_mq_unlink, name));
  others();
  finish(0);
}
