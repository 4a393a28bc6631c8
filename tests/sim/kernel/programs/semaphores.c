/* System V semaphores: operations at once or not at all, waiting, SEM_UNDO, what semctl tells. */
#include <asm/unistd.h>
#include <linux/sem.h>
#include "guest.h"

enum { EINTR = 4, MILLISECOND = 1000000 };

static i64 id;

static i64 control(i64 semaphore, int command, u64 argument) {
  return SYSTEM_CALL(__NR_semctl, id, semaphore, command, argument);
}

static i64 operate(struct sembuf *operations, u64 number) {
  return SYSTEM_CALL(__NR_semop, id, operations, number);
}

static i64 one(int semaphore, int change, int flags) {
  struct sembuf operation = {(u16)semaphore, (short)change, (short)flags};
  return operate(&operation, 1);
}

static void values(const char *label) {
  u16 all[4];
  show(label, (u64)control(0, GETALL, (u64)all));
  for (int i = 0; i < 4; i++) count("  value", all[i]);
}

static void reap(i64 child) {
  i32 status = -1;
  SYSTEM_CALL(__NR_wait4, child, &status, 0, NULL);
  show("  child ended", (u32)status);
}

/* Until somebody sleeps for semaphore `semaphore` to grow, or to become zero. */
static void until_waiting(i64 semaphore, int command, i64 number) {
  while (control(semaphore, command, 0) != number) SYSTEM_CALL(SYS_sched_yield);
}

static void nothing(int signal, void *information, void *context) {
  (void)signal;
  (void)information;
  (void)context;
}

static void limits(void) {
  struct seminfo information;
  count("limits", SYSTEM_CALL(__NR_semctl, 0, 0, IPC_INFO, &information) >= 0);
  int *numbers = &information.semmap;
  for (int i = 0; i < 10; i++) count("  limit", (u64)numbers[i]);
  count("in use", SYSTEM_CALL(__NR_semctl, 0, 0, SEM_INFO, &information) >= 0);
  count("  sets", information.semusz >= 1);
  count("  semaphores", information.semaem >= 4);
  show("many operations", (u64)operate((struct sembuf *)8, 501));
  show("no operations", (u64)operate((struct sembuf *)8, 0));
  show("operations nowhere", (u64)operate((struct sembuf *)8, 2));
  show("too many semaphores", (u64)SYSTEM_CALL(__NR_semget, 0, 32001, 0600));
  show("no semaphores", (u64)SYSTEM_CALL(__NR_semget, 0, 0, 0600));
  show("fewer than none", (u64)SYSTEM_CALL(__NR_semget, 0, -1, 0600));
}

static void creation(void) {
  i32 key = 0x49540000 | (i32)(SYSTEM_CALL(SYS_getpid) & 0xffff);
  show("absent", (u64)SYSTEM_CALL(__NR_semget, key, 4, 0600));
  id = SYSTEM_CALL(__NR_semget, key, 4, IPC_CREAT | IPC_EXCL | 0640);
  count("created", id >= 0);
  show("again", (u64)SYSTEM_CALL(__NR_semget, key, 4, IPC_CREAT | IPC_EXCL | 0600));
  count("found", SYSTEM_CALL(__NR_semget, key, 0, 0600) == id);
  show("too many", (u64)SYSTEM_CALL(__NR_semget, key, 5, 0600));
  values("zero at first");
}

static void status(void) {
  struct semid64_ds set;
  show("status", (u64)control(0, IPC_STAT, (u64)&set));
  show("  mode", set.sem_perm.mode);
  count("  semaphores", set.sem_nsems);
  count("  operated on, changed", (u64)(set.sem_otime != 0) * 10 + (set.sem_ctime != 0));
  count("by index", control(0, SEM_STAT, (u64)&set) < 0 ? 0 : SYSTEM_CALL(__NR_semctl, id & 0x7fff, 0, SEM_STAT, &set) == id);
  set.sem_perm.mode = 0400;
  show("set", (u64)control(0, IPC_SET, (u64)&set));
  set.sem_perm.uid = (u32)-1;
  show("no owner", (u64)control(0, IPC_SET, (u64)&set));
  show("status", (u64)control(0, IPC_STAT, (u64)&set));
  show("  mode", set.sem_perm.mode);
  show("status nowhere", (u64)control(0, IPC_STAT, 8));
  show("no such command", (u64)control(0, 99, 0));
  show("no such set", (u64)SYSTEM_CALL(__NR_semctl, 0x7ffffff, 0, GETVAL, 0));
  show("below none", (u64)SYSTEM_CALL(__NR_semctl, -1, 0, GETVAL, 0));
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

static void setting(void) {
  show("set one", (u64)control(2, SETVAL, 7));
  count("  value", (u64)control(2, GETVAL, 0));
  count("  mine", control(2, GETPID, 0) == SYSTEM_CALL(SYS_getpid));
  show("too large", (u64)control(2, SETVAL, 32768));
  show("negative", (u64)control(2, SETVAL, (u64)-1));
  show("no such semaphore", (u64)control(4, SETVAL, 1));
  show("no such semaphore", (u64)control(-1, GETVAL, 0));
  u16 all[4] = {1, 2, 3, 32767};
  show("set all", (u64)control(0, SETALL, (u64)all));
  values("all");
  all[1] = 32768;
  show("one too large", (u64)control(0, SETALL, (u64)all));
  show("from nowhere", (u64)control(0, SETALL, 8));
}

static void operations(void) {
  show("beyond the largest", (u64)one(3, 1, 0));
  show("no such semaphore", (u64)one(4, 1, 0));
  show("not zero", (u64)one(0, 0, IPC_NOWAIT));
  show("not enough", (u64)one(0, -2, IPC_NOWAIT));
  show("enough", (u64)one(0, -1, IPC_NOWAIT));
  show("zero", (u64)one(0, 0, IPC_NOWAIT));
  struct sembuf together[] = {{1, -1, 0}, {2, 5, 0}, {1, -2, IPC_NOWAIT}};
  show("not all", (u64)operate(together, 3));
  values("none");
  together[2].sem_op = -1;
  show("all", (u64)operate(together, 3));
  values("done");
  struct timespec64 { i64 seconds, nanoseconds; } time = {0, MILLISECOND};
  struct sembuf take = {0, -1, 0};
  show("in vain", (u64)SYSTEM_CALL(__NR_semtimedop, id, &take, 1, &time));
  time.nanoseconds = -1;
  show("no time", (u64)SYSTEM_CALL(__NR_semtimedop, id, &take, 1, &time));
  show("time nowhere", (u64)SYSTEM_CALL(__NR_semtimedop, id, &take, 1, 8));
}

/* Sleepers are met in order as far as what is there is enough for them. */
static void waiting(void) {
  u16 all[4] = {0, 0, 0, 1};
  control(0, SETALL, (u64)all);
  i64 child = fork();
  if (child == 0) SYSTEM_CALL(__NR_exit_group, one(0, -2, 0) == 0 ? 3 : 4);
  until_waiting(0, GETNCNT, 1);
  i64 second = fork();
  if (second == 0) SYSTEM_CALL(__NR_exit_group, one(0, -1, 0) == 0 ? 5 : 6);
  until_waiting(0, GETNCNT, 2);
  show("for the second", (u64)one(0, 1, 0));
  reap(second);
  count("  waiting", (u64)control(0, GETNCNT, 0));
  show("for the first", (u64)one(0, 2, 0));
  reap(child);
  count("  left", (u64)control(0, GETVAL, 0));

  child = fork();
  if (child == 0) SYSTEM_CALL(__NR_exit_group, one(3, 0, 0) == 0 ? 7 : 8);
  until_waiting(3, GETZCNT, 1);
  show("zero", (u64)one(3, -1, 0));
  reap(child);
  child = fork();
  if (child == 0) {
    struct sembuf together[] = {{1, -1, 0}, {2, -1, 0}};
    SYSTEM_CALL(__NR_exit_group, operate(together, 2) == 0 ? 9 : 10);
  }
  until_waiting(1, GETNCNT, 1);
  show("one of both", (u64)one(1, 1, 0));
  until_waiting(2, GETNCNT, 1);
  count("  untouched", (u64)control(1, GETVAL, 0));
  show("the other", (u64)control(2, SETVAL, 1));
  reap(child);
  values("taken");
}

static void undoing(void) {
  i64 child = fork();
  if (child == 0) {
    one(0, 5, SEM_UNDO);
    one(0, -2, SEM_UNDO);
    one(1, 2, SEM_UNDO);
    one(1, -1, 0);
    one(2, 1, SEM_UNDO);
    control(2, SETVAL, 9);
    one(3, 4, 0);
    SYSTEM_CALL(__NR_exit_group, 0);
  }
  reap(child);
  values("undone");
  child = fork();
  if (child == 0) {
    one(0, 20000, SEM_UNDO);
    one(0, -20000, 0);
    SYSTEM_CALL(__NR_exit_group, -one(0, 20000, SEM_UNDO));
  }
  reap(child);

  /* What a child holds wakes the one that waits for it. */
  control(0, SETVAL, 1);
  child = fork();
  if (child == 0) {
    one(0, -1, SEM_UNDO);
    until_waiting(0, GETNCNT, 1);
    SYSTEM_CALL(__NR_exit_group, 0);
  }
  while (control(0, GETVAL, 0) != 0) SYSTEM_CALL(SYS_sched_yield);
  show("held until its end", (u64)one(0, -1, 0));
  reap(child);
}

static void take_one(void *argument) {
  one(0, 1, SEM_UNDO);
  (void)argument;
  SYSTEM_CALL(SYS_exit, 0);
}

/* What a thread is to give back goes at its end, or at the last thread's if they share it. */
static void threads(u64 sharing) {
  enum { THREAD = 0x100 | 0x200 | 0x400 | 0x800 | 0x10000, CLEAR_TID = 0x200000, PARENT_TID = 0x100000 };
  static u8 stack[16384] __attribute__((aligned(16)));
  static volatile i32 running;
  control(0, SETVAL, 5);
  i64 child = fork();
  if (child == 0) {
    running = 1;
    start_thread(THREAD | CLEAR_TID | PARENT_TID | sharing, stack + sizeof stack, (i32 *)&running, (i32 *)&running,
                 take_one, NULL);
    while (running != 0) SYSTEM_CALL(SYS_sched_yield);
    i64 value = control(0, GETVAL, 0);
    SYSTEM_CALL(__NR_exit_group, value);
  }
  reap(child);
  count("  then", (u64)control(0, GETVAL, 0));
}

/* What others may do by a set's mode, user 0's set at first; only user 0 can become others. */
static void others(void) {
  if (SYSTEM_CALL(__NR_geteuid) != 0) return;
  struct semid64_ds set;
  u16 all[4];
  i64 key_id = id;
  for (int mode = 0600; mode <= 0606; mode += 2) {
    control(0, IPC_STAT, (u64)&set);
    set.sem_perm.mode = (u32)mode;
    control(0, IPC_SET, (u64)&set);
    flush();
    i64 child = fork();
    if (child == 0) {
      SYSTEM_CALL(__NR_setgroups, 0, NULL);
      SYSTEM_CALL(__NR_setgid, 1000);
      SYSTEM_CALL(__NR_setuid, 1000);
      show("mode", (u64)mode);
      show("  status", (u64)control(0, IPC_STAT, (u64)&set));
      count("  status of any", SYSTEM_CALL(__NR_semctl, id & 0x7fff, 0, SEM_STAT_ANY, &set) == key_id);
      show("  value", (u64)control(0, GETVAL, 0));
      show("  values", (u64)control(0, GETALL, (u64)all));
      show("  set", (u64)control(1, SETVAL, 0));
      show("  change", (u64)one(1, 1, IPC_NOWAIT));
      show("  zero", (u64)one(1, 0, IPC_NOWAIT));
      show("  give away", (u64)control(0, IPC_SET, (u64)&set));
      show("  remove", (u64)control(0, IPC_RMID, 0));
      finish(0);
    }
    reap(child);
  }
  control(0, IPC_STAT, (u64)&set);
  set.sem_perm.uid = 1000, set.sem_perm.mode = 0200;
  show("given away", (u64)control(0, IPC_SET, (u64)&set));
  flush();
  i64 child = fork();
  if (child == 0) {
    SYSTEM_CALL(__NR_setuid, 1000);
    show("an owner reads", (u64)control(0, GETVAL, 0));
    show("and changes", (u64)one(1, 1, IPC_NOWAIT));
    set.sem_perm.mode = 0600;
    show("and lets itself read", (u64)control(0, IPC_SET, (u64)&set));
    show("and reads", (u64)control(1, GETVAL, 0));
    finish(0);
  }
  reap(child);
}

static void interruptions(void) {
  handle_signal(SIGUSR1, nothing, 0x10000000); /* SA_RESTART, of which semop knows nothing */
  i64 self = SYSTEM_CALL(SYS_getpid);
  control(0, SETVAL, 0);
  i64 child = fork();
  if (child == 0) {
    until_waiting(0, GETNCNT, 1);
    SYSTEM_CALL(SYS_kill, self, SIGUSR1);
    SYSTEM_CALL(__NR_exit_group, 0);
  }
  count("interrupted", one(0, -1, 0) == -EINTR);
  reap(child);
  count("  nobody waits", (u64)control(0, GETNCNT, 0));
  child = fork();
  if (child == 0) SYSTEM_CALL(__NR_exit_group, -one(0, -1, 0));
  until_waiting(0, GETNCNT, 1);
  show("removed", (u64)control(0, IPC_RMID, 0));
  reap(child);
  show("gone", (u64)one(0, 1, 0));
  show("gone", (u64)control(0, IPC_RMID, 0));
}

int main(void) {
  creation();
  limits();
  status();
  listed("/proc/sysvipc/sem");
  setting();
  operations();
  waiting();
  undoing();
  threads(0);
  threads(0x40000); /* CLONE_SYSVSEM */
  others();
  interruptions();
  finish(0);
}
