/* System V message queues: types, limits, waiting on both sides, what msgctl tells. */
#include <asm/unistd.h>
#include <linux/msg.h>
#include "guest.h"

enum { EINTR = 4, MSG_COPY_ = 040000 };

static i64 id;
static struct { i64 type; char text[20000]; } message;

static i64 send(i64 type, u64 size, int flags) {
  message.type = type;
  for (u64 i = 0; i < size && i < sizeof message.text; i++) message.text[i] = (char)('a' + (type + (i64)i) % 26);
  return SYSTEM_CALL(__NR_msgsnd, id, &message, size, flags);
}

static void receive(const char *label, u64 size, i64 type, int flags) {
  memset(&message, 0, 64);
  i64 result = SYSTEM_CALL(__NR_msgrcv, id, &message, size, type, flags);
  show(label, (u64)result);
  if (result < 0) return;
  count("  type", (u64)message.type);
  count("  first", (u8)message.text[0]);
  if (result > 0) count("  last", (u8)message.text[result - 1]);
}

static void status(const char *label) {
  struct msqid64_ds queue;
  show(label, (u64)SYSTEM_CALL(__NR_msgctl, id, IPC_STAT, &queue));
  show("  mode", queue.msg_perm.mode);
  count("  messages", queue.msg_qnum);
  count("  bytes", queue.msg_cbytes);
  count("  at most", queue.msg_qbytes);
  count("  sent, received", (u64)(queue.msg_stime != 0) * 10 + (queue.msg_rtime != 0));
  count("  by me", (u64)(queue.msg_lspid == SYSTEM_CALL(SYS_getpid)) * 10 +
                       (queue.msg_lrpid == SYSTEM_CALL(SYS_getpid)));
}

static void reap(i64 child) {
  i32 ended = -1;
  SYSTEM_CALL(__NR_wait4, child, &ended, 0, NULL);
  show("  child ended", (u32)ended);
}

/* Long enough for a child to be asleep in its call. */
static void rest(void) {
  i64 time[2] = {0, 30000000};
  SYSTEM_CALL(__NR_nanosleep, time, NULL);
}

static void nothing(int signal, void *information, void *context) {
  (void)signal;
  (void)information;
  (void)context;
}

static void creation(void) {
  i32 key = 0x49550000 | (i32)(SYSTEM_CALL(SYS_getpid) & 0xffff);
  show("absent", (u64)SYSTEM_CALL(__NR_msgget, key, 0600));
  id = SYSTEM_CALL(__NR_msgget, key, IPC_CREAT | IPC_EXCL | 0620);
  count("created", id >= 0);
  show("again", (u64)SYSTEM_CALL(__NR_msgget, key, IPC_CREAT | IPC_EXCL | 0600));
  count("found", SYSTEM_CALL(__NR_msgget, key, 0600) == id);
  status("new");
  struct msginfo information;
  count("limits", SYSTEM_CALL(__NR_msgctl, 0, IPC_INFO, &information) >= 0);
  int *numbers = &information.msgpool;
  for (int i = 0; i < 7; i++) count("  limit", (u64)numbers[i]);
  count("  limit", information.msgseg);
  count("in use", SYSTEM_CALL(__NR_msgctl, 0, MSG_INFO, &information) >= 0);
  count("  queues", information.msgpool >= 1);
}

/* Header of the list of all, and how long a row is. */
static void listed(const char *path) {
  static char text[65536];
  i64 file = SYSTEM_CALL(SYS_openat, AT_FDCWD, path, O_RDONLY);
  i64 length = SYSTEM_CALL(SYS_read, file, text, sizeof text - 1);
  SYSTEM_CALL(SYS_close, file);
  i64 end = 0, next = 0;
  while (end < length && text[end] != '\n') end++;
  for (next = end + 1; next < length && text[next] != '\n';) next++;
  text[end + 1] = 0;
  say(text);
  count("  row", (u64)(next - end));
}

static void refusals(void) {
  show("no type", (u64)send(0, 1, 0));
  show("negative type", (u64)send(-3, 1, 0));
  show("too long", (u64)send(1, 8193, 0));
  show("shorter than nothing", (u64)SYSTEM_CALL(__NR_msgsnd, id, &message, -1, 0));
  show("from nowhere", (u64)SYSTEM_CALL(__NR_msgsnd, id, 8, 1, 0));
  show("no such queue", (u64)SYSTEM_CALL(__NR_msgsnd, 0x7ffffff, &message, 1, 0));
  show("no such command", (u64)SYSTEM_CALL(__NR_msgctl, id, 99, 0));
  receive("nothing there", 10, 0, IPC_NOWAIT);
  receive("less room than nothing", (u64)-1, 0, IPC_NOWAIT);
}

static void types(void) {
  show("empty", (u64)send(5, 0, 0));
  for (i64 type = 9; type > 1; type -= 2) send(type, (u64)(10 + type), 0);
  send(7, 30, 0);
  status("filled");
  receive("any", 100, 0, 0);
  receive("type", 100, 7, 0);
  receive("another", 100, 5, MSG_EXCEPT);
  receive("lowest", 100, -6, 0);
  receive("no such type", 100, 8, IPC_NOWAIT);
  receive("none so low", 100, -4, IPC_NOWAIT);
  receive("too little room", 4, 5, 0);
  receive("cut", 4, 5, MSG_NOERROR);
  send(4, 3, 0);
  receive("copy of the second", 100, 1, MSG_COPY_ | IPC_NOWAIT);
  receive("copy without room", 1, 1, MSG_COPY_ | IPC_NOWAIT);
  receive("copy cut", 1, 1, MSG_COPY_ | IPC_NOWAIT | MSG_NOERROR);
  receive("copy that waits", 100, 0, MSG_COPY_);
  receive("copy of none", 100, 5, MSG_COPY_ | IPC_NOWAIT);
  receive("the first", 100, 0, 0);
  show("to nowhere", (u64)SYSTEM_CALL(__NR_msgrcv, id, 8, 100, 0, 0));
  status("emptied");
}

static void room(void) {
  show("half", (u64)send(1, 8192, 0));
  show("full", (u64)send(2, 8192, 0));
  show("no room", (u64)send(3, 1, IPC_NOWAIT));
  show("room for nothing", (u64)send(3, 0, IPC_NOWAIT));
  i64 child = fork();
  if (child == 0) SYSTEM_CALL(__NR_exit_group, send(6, 8, 0) == 0 ? 3 : 4);
  rest();
  receive("makes room", 10000, 1, 0);
  reap(child);
  struct msqid64_ds queue;
  SYSTEM_CALL(__NR_msgctl, id, IPC_STAT, &queue);
  queue.msg_qbytes = 5;
  queue.msg_perm.mode = 0777;
  show("less room", (u64)SYSTEM_CALL(__NR_msgctl, id, IPC_SET, &queue));
  receive("second", 10000, 2, 0);
  receive("empty", 10000, 3, 0);
  receive("waited", 10000, 6, 0);
  show("does not fit", (u64)send(1, 6, IPC_NOWAIT));
  show("fits", (u64)send(1, 5, IPC_NOWAIT));
  receive("fitted", 10, 1, 0);
  status("less room");
}

/* A message goes to the first that waits for its type; what is too long for one goes on. */
static void waiting(void) {
  i64 child[3];
  for (int i = 0; i < 3; i++) {
    child[i] = fork();
    if (child[i] == 0) {
      i64 result = SYSTEM_CALL(__NR_msgrcv, id, &message, i == 1 ? 1 : 100, i == 0 ? 8 : 0, 0);
      SYSTEM_CALL(__NR_exit_group, result < 0 ? -result : 100 + message.type);
    }
    rest();
  }
  show("to the last", (u64)send(3, 4, 0));
  reap(child[1]);
  reap(child[2]);
  show("to the first", (u64)send(8, 4, 0));
  reap(child[0]);
  status("nothing left");
}

/* What others may do by a queue's mode; one that waits has its rights taken away. */
static void others(void) {
  if (SYSTEM_CALL(__NR_geteuid) != 0) return;
  struct msqid64_ds queue;
  for (int mode = 0600; mode <= 0606; mode += 2) {
    SYSTEM_CALL(__NR_msgctl, id, IPC_STAT, &queue);
    queue.msg_perm.mode = (u32)mode;
    queue.msg_qbytes = 16384;
    SYSTEM_CALL(__NR_msgctl, id, IPC_SET, &queue);
    flush();
    i64 child = fork();
    if (child == 0) {
      SYSTEM_CALL(__NR_setgroups, 0, NULL);
      SYSTEM_CALL(__NR_setgid, 1000);
      SYSTEM_CALL(__NR_setuid, 1000);
      show("mode", (u64)mode);
      show("  status", (u64)SYSTEM_CALL(__NR_msgctl, id, IPC_STAT, &queue));
      show("  send", (u64)send(2, 3, IPC_NOWAIT));
      receive("  receive", 10, 0, IPC_NOWAIT);
      queue.msg_qbytes = 20000;
      show("  more room", (u64)SYSTEM_CALL(__NR_msgctl, id, IPC_SET, &queue));
      show("  remove", (u64)SYSTEM_CALL(__NR_msgctl, id, IPC_RMID, 0));
      finish(0);
    }
    reap(child);
    receive("left", 10, 0, IPC_NOWAIT);
  }
  i64 child = fork();
  if (child == 0) {
    SYSTEM_CALL(__NR_setuid, 1000);
    i64 result = SYSTEM_CALL(__NR_msgrcv, id, &message, 10, 0, 0);
    SYSTEM_CALL(__NR_exit_group, -result);
  }
  rest();
  SYSTEM_CALL(__NR_msgctl, id, IPC_STAT, &queue);
  queue.msg_perm.mode = 0600;
  show("taken away", (u64)SYSTEM_CALL(__NR_msgctl, id, IPC_SET, &queue));
  reap(child);
}

static void interruptions(void) {
  handle_signal(SIGUSR1, nothing, 0x10000000); /* SA_RESTART, of which msgrcv knows nothing */
  i64 self = SYSTEM_CALL(SYS_getpid);
  i64 child = fork();
  if (child == 0) {
    rest();
    SYSTEM_CALL(SYS_kill, self, SIGUSR1);
    SYSTEM_CALL(__NR_exit_group, 0);
  }
  count("interrupted", SYSTEM_CALL(__NR_msgrcv, id, &message, 100, 0, 0) == -EINTR);
  reap(child);
  show("kept", (u64)send(3, 5, 0));
  i64 receiver = fork();
  if (receiver == 0) {
    i64 result = SYSTEM_CALL(__NR_msgrcv, id, &message, 100, 4, 0);
    SYSTEM_CALL(__NR_exit_group, -result);
  }
  i64 sender = fork();
  if (sender == 0) SYSTEM_CALL(__NR_exit_group, -send(3, 5, 0));
  rest();
  show("removed", (u64)SYSTEM_CALL(__NR_msgctl, id, IPC_RMID, 0));
  reap(receiver);
  reap(sender);
  show("gone", (u64)send(1, 1, 0));
}

int main(void) {
  creation();
  listed("/proc/sysvipc/msg");
  refusals();
  types();
  room();
  waiting();
  others();
  interruptions();
  finish(0);
}
