/* Linux AIO: the ring that libaio looks into, requests of all kinds, their events and refusals. */
#include <asm/unistd.h>
#include <linux/aio_abi.h>
#include "guest.h"

enum { POLLIN_ = 1, POLLOUT_ = 4, O_NONBLOCK_ = 04000, O_WRONLY_ = 1, SECOND = 1000000000 };

struct ring { u32 id, slots, head, tail, magic, compatible, incompatible, length; struct io_event events[]; };

static struct ring *context;
static struct io_event events[16];
static char text[4096];

static i64 submit_one(struct iocb *request) {
  return SYSTEM_CALL(__NR_io_submit, context, 1, &request);
}

static struct iocb request(int operation, int file, void *buffer, u64 length, i64 offset) {
  struct iocb made = {.aio_data = 0x1122334455667788, .aio_lio_opcode = (u16)operation, .aio_fildes = (u32)file,
                      .aio_buf = (u64)buffer, .aio_nbytes = length, .aio_offset = offset, .aio_key = 99};
  return made;
}

/* The events that have come by now, or within a while if `least` are to come. */
static i64 reap(const char *label, i64 least, i64 most) {
  i64 time[2] = {0, least > 0 ? SECOND / 2 : 0};
  i64 number = SYSTEM_CALL(__NR_io_getevents, context, least, most, events, time);
  show(label, (u64)number);
  for (i64 i = 0; i < number; i++) {
    show("  data", events[i].data);
    show("  result", (u64)events[i].res);
    show("  second", (u64)events[i].res2);
  }
  return number;
}

/* Submit a request and say what becomes of it. */
static void done(const char *label, struct iocb made) {
  i64 number = submit_one(&made);
  show(label, (u64)number);
  if (number != 1) return;
  count("  key", made.aio_key);
  reap("  event", 1, 1);
  count("  of it", events[0].obj == (u64)&made);
}

static void contexts(void) {
  u64 name = 0;
  show("no requests", (u64)SYSTEM_CALL(__NR_io_setup, 0, &name));
  show("too many requests", (u64)SYSTEM_CALL(__NR_io_setup, 0x7fffffff, &name));
  show("more than there may be", (u64)SYSTEM_CALL(__NR_io_setup, 65537, &name));
  show("nowhere", (u64)SYSTEM_CALL(__NR_io_setup, 5, 8));
  name = 5;
  show("one already", (u64)SYSTEM_CALL(__NR_io_setup, 5, &name));
  name = 0;
  show("made", (u64)SYSTEM_CALL(__NR_io_setup, 5, &name));
  context = (struct ring *)name;
  show("  magic", context->magic);
  count("  compatible", context->compatible);
  count("  incompatible", context->incompatible);
  count("  header", context->length);
  count("  places", context->slots);
  count("  head, tail", context->head * 10 + context->tail);
  show("no context", (u64)SYSTEM_CALL(__NR_io_getevents, 0, 0, 1, events, NULL));
  show("not its beginning", (u64)SYSTEM_CALL(__NR_io_getevents, name + 4096, 0, 1, events, NULL));
  show("none of none", (u64)SYSTEM_CALL(__NR_io_getevents, context, 0, 0, events, NULL));
  show("more than most", (u64)SYSTEM_CALL(__NR_io_getevents, context, 2, 1, events, NULL));
  show("fewer than none", (u64)SYSTEM_CALL(__NR_io_getevents, context, -1, 1, events, NULL));
  show("time nowhere", (u64)SYSTEM_CALL(__NR_io_getevents, context, 0, 1, events, 8));
  i64 child = fork();
  if (child == 0) {
    i64 result = SYSTEM_CALL(__NR_io_getevents, context, 0, 1, events, NULL);
    SYSTEM_CALL(__NR_exit_group, -result);
  }
  i32 ended = -1;
  SYSTEM_CALL(__NR_wait4, child, &ended, 0, NULL);
  show("not of a child", (u32)ended);
}

static void files(int file) {
  memcpy(text, "the quick brown fox", 19);
  done("write", request(IOCB_CMD_PWRITE, file, text, 19, 3));
  memset(text, 0, 64);
  done("read", request(IOCB_CMD_PREAD, file, text, 10, 7));
  say(text);
  say("\n");
  done("read to the end", request(IOCB_CMD_PREAD, file, text, 100, 13));
  done("read beyond", request(IOCB_CMD_PREAD, file, text, 100, 1300));
  struct { char *base; u64 length; } parts[2] = {{text + 30, 4}, {text + 40, 7}};
  done("read in parts", request(IOCB_CMD_PREADV, file, parts, 2, 3));
  memcpy(text + 34, "\n", 2);
  say(text + 30);
  done("write in parts", request(IOCB_CMD_PWRITEV, file, parts, 2, 50));
  done("nothing", request(IOCB_CMD_PREAD, file, text, 0, 0));
  done("to nowhere", request(IOCB_CMD_PREAD, file, (void *)8, 10, 0));
  done("from nowhere", request(IOCB_CMD_PWRITE, file, (void *)8, 10, 0));
  done("parts nowhere", request(IOCB_CMD_PREADV, file, (void *)8, 2, 0));
  done("too many parts", request(IOCB_CMD_PREADV, file, parts, 1025, 0));
  done("synchronise", request(IOCB_CMD_FSYNC, file, NULL, 0, 0));
  done("synchronise data", request(IOCB_CMD_FDSYNC, file, NULL, 0, 0));
  done("synchronise a part", request(IOCB_CMD_FSYNC, file, NULL, 1, 0));
  done("before the beginning", request(IOCB_CMD_PREAD, file, text, 1, -1));
  done("a negative length", request(IOCB_CMD_PREAD, file, text, -1ul, 0));
  done("no such operation", request(99, file, text, 1, 0));
  done("an operation of old", request(4, file, text, 1, 0));
  done("no such file", request(IOCB_CMD_PREAD, 99, text, 1, 0));
  done("to poll a file", request(IOCB_CMD_POLL, file, (void *)POLLIN_, 0, 0));
  struct iocb made = request(IOCB_CMD_PWRITE, file, text, 3, 0);
  made.aio_rw_flags = 16; /* RWF_APPEND */
  done("append", made);
  made.aio_rw_flags = 1 << 30;
  done("no such flag", made);
  made.aio_rw_flags = 0, made.aio_reserved2 = 1;
  done("reserved", made);
  made.aio_reserved2 = 0, made.aio_flags = IOCB_FLAG_RESFD, made.aio_resfd = (u32)file;
  done("a file to tell", made);
  made.aio_resfd = 99;
  done("nobody to tell", made);
  made.aio_flags = IOCB_FLAG_IOPRIO, made.aio_reqprio = 7 << 13;
  done("no such priority", made);
  made.aio_reqprio = 2 << 13 | 4;
  done("a priority", made);
}

static void several(int file) {
  int told = (int)SYSTEM_CALL(__NR_eventfd2, 0, O_NONBLOCK_);
  struct iocb made[5];
  struct iocb *list[6];
  for (int i = 0; i < 5; i++) {
    made[i] = request(IOCB_CMD_PREAD, file, text, (u64)i, 0);
    made[i].aio_data = (u64)i;
    made[i].aio_flags = IOCB_FLAG_RESFD, made[i].aio_resfd = (u32)told;
    list[i] = &made[i];
  }
  list[5] = NULL;
  show("none", (u64)SYSTEM_CALL(__NR_io_submit, context, 0, list));
  show("fewer than none", (u64)SYSTEM_CALL(__NR_io_submit, context, -1, list));
  show("a list nowhere", (u64)SYSTEM_CALL(__NR_io_submit, context, 1, 8));
  show("a request nowhere", (u64)SYSTEM_CALL(__NR_io_submit, context, 1, list + 5));
  show("five", (u64)SYSTEM_CALL(__NR_io_submit, context, 6, list));
  u32 used = (context->tail + context->slots - context->head) % context->slots;
  count("  in the ring", used);
  u64 number = 0;
  show("told", (u64)SYSTEM_CALL(SYS_read, told, &number, 8));
  count("  times", number);
  reap("two", 2, 2);
  reap("the rest", 0, 9);
  reap("no more", 0, 9);
  count("empty", context->tail == context->head);
  made[1].aio_fildes = 99;
  show("up to a wrong one", (u64)SYSTEM_CALL(__NR_io_submit, context, 5, list));
  /* As libaio takes events out by itself. */
  count("  one", context->events[context->head].obj == (u64)list[0]);
  context->head = (context->head + 1) % context->slots;
  reap("taken", 0, 9);
  show("one", (u64)SYSTEM_CALL(__NR_io_submit, context, 1, list));
  show("to nowhere", (u64)SYSTEM_CALL(__NR_io_getevents, context, 1, 9, 8, NULL));
  reap("still there", 1, 9);
  SYSTEM_CALL(SYS_close, told);
}

/* More than fit into the ring. */
static void full(int file) {
  struct iocb made = request(IOCB_CMD_PREAD, file, text, 1, 0);
  u32 number = 0;
  while (submit_one(&made) == 1) number++;
  count("as many as fit", number + 1 <= context->slots && number > 0);
  show("  then", (u64)submit_one(&made));
  reap("make room", 1, 2) ;
  u32 left = 0;
  for (i64 got = 1; got > 0; left += (u32)got) {
    i64 none[2] = {0, 0};
    got = SYSTEM_CALL(__NR_io_getevents, context, 0, 16, events, none);
  }
  count("all the rest", left == number - 2);
}

static void pipes(void) {
  i32 ends[2];
  SYSTEM_CALL(SYS_pipe2, ends, 0);
  done("write to a pipe", request(IOCB_CMD_PWRITE, ends[1], "abc", 3, 0));
  done("ready", request(IOCB_CMD_POLL, ends[0], (void *)POLLIN_, 0, 0));
  done("read from a pipe", request(IOCB_CMD_PREAD, ends[0], text, 10, 0));
  done("not to read", request(IOCB_CMD_PREAD, ends[1], text, 10, 0));
  done("not to write", request(IOCB_CMD_PWRITE, ends[0], text, 10, 0));
  done("not to synchronise", request(IOCB_CMD_FSYNC, ends[0], NULL, 0, 0));
  struct iocb made = request(IOCB_CMD_POLL, ends[0], (void *)POLLIN_, 0, 0);
  show("to wait for", (u64)submit_one(&made));
  reap("nothing yet", 0, 9);
  i64 time[2] = {0, 1000000};
  show("in time", (u64)SYSTEM_CALL(__NR_io_getevents, context, 1, 1, events, time));
  SYSTEM_CALL(SYS_write, ends[1], "x", 1);
  reap("now", 1, 9);
  SYSTEM_CALL(SYS_read, ends[0], text, 1);
  show("to be cancelled", (u64)submit_one(&made));
  show("cancelled", (u64)SYSTEM_CALL(__NR_io_cancel, context, &made, events));
  reap("  event", 1, 9);
  show("cancelled again", (u64)SYSTEM_CALL(__NR_io_cancel, context, &made, events));
  made.aio_key = 5;
  show("another key", (u64)SYSTEM_CALL(__NR_io_cancel, context, &made, events));
  show("to wait for", (u64)submit_one(&made));
  i64 child = fork();
  if (child == 0) {
    i64 while_[2] = {0, 30000000};
    SYSTEM_CALL(__NR_nanosleep, while_, NULL);
    SYSTEM_CALL(SYS_write, ends[1], "y", 1);
    SYSTEM_CALL(__NR_exit_group, 0);
  }
  u64 mask = 0;
  struct { u64 *mask; u64 size; } set = {&mask, 8};
  show("waited", (u64)SYSTEM_CALL(__NR_io_pgetevents, context, 1, 9, events, NULL, &set));
  show("  result", (u64)events[0].res);
  set.size = 4;
  show("no such mask", (u64)SYSTEM_CALL(__NR_io_pgetevents, context, 1, 9, events, NULL, &set));
  SYSTEM_CALL(__NR_wait4, child, NULL, 0, NULL);
  SYSTEM_CALL(SYS_read, ends[0], text, 1);
  show("left alone", (u64)submit_one(&made));
}

static void nothing(int signal, void *information, void *argument) {
  (void)signal;
  (void)information;
  (void)argument;
}

int main(void) {
  contexts();
  int file = (int)SYSTEM_CALL(SYS_memfd_create, "aio", 0);
  files(file);
  several(file);
  full(file);
  pipes();
  handle_signal(SIGUSR1, nothing, 0x10000000);
  i64 self = SYSTEM_CALL(SYS_getpid);
  i64 child = fork();
  if (child == 0) {
    i64 time[2] = {0, 30000000};
    SYSTEM_CALL(__NR_nanosleep, time, NULL);
    SYSTEM_CALL(SYS_kill, self, SIGUSR1);
    SYSTEM_CALL(__NR_exit_group, 0);
  }
  show("interrupted", (u64)SYSTEM_CALL(__NR_io_getevents, context, 1, 1, events, NULL));
  SYSTEM_CALL(__NR_wait4, child, NULL, 0, NULL);
  show("destroyed", (u64)SYSTEM_CALL(__NR_io_destroy, context));
  show("destroyed again", (u64)SYSTEM_CALL(__NR_io_destroy, context));
  show("gone", (u64)SYSTEM_CALL(__NR_io_getevents, context, 0, 1, events, NULL));
  finish(0);
}
