/* Another root, others' descriptors and memory, scheduling policies, several futexes, the clock. */
#include <asm/unistd.h>
#include "guest.h"

enum { SCHED_OTHER = 0, SCHED_FIFO = 1, SCHED_IDLE = 5, SCHED_DEADLINE = 6, RESET = 0x40000000 };
enum { MADV_WILLNEED_ = 3, MADV_COLD_ = 20, MADV_WIPEONFORK_ = 18, AT_REMOVEDIR = 0x200 };

static char text[4096];
static i64 self;

static void leave(i64 code) {
  SYSTEM_CALL(__NR_exit_group, code);
}

/* A child in the same memory: that cannot be unshared. */
static void leave_shared(void) {
  i64 result = SYSTEM_CALL(__NR_unshare, 0x100);
  leave(-result);
}

static void reap(i64 child) {
  i32 ended = -1;
  SYSTEM_CALL(__NR_wait4, child, &ended, 0, NULL);
  show("  child ended", (u32)ended);
}

static void place(const char *label) {
  memset(text, 0, 64);
  i64 length = SYSTEM_CALL(__NR_getcwd, text, sizeof text);
  show(label, (u64)length);
  if (length <= 0) return;
  say("  ");
  say(text);
  say("\n");
}

/* As user 0: what the root hides, what is left of the old one, and that children have it too. */
static void roots(void) {
  static char folder[] = "/tmp/isthmus-00000000";
  u64 id = (u64)self;
  for (int i = 20; i > 12; i--, id /= 10) folder[i] = (char)('0' + id % 10);
  SYSTEM_CALL(__NR_mkdirat, AT_FDCWD, folder, 0755);
  SYSTEM_CALL(__NR_chdir, folder);
  SYSTEM_CALL(__NR_mkdirat, AT_FDCWD, "inner", 0755);
  SYSTEM_CALL(__NR_mkdirat, AT_FDCWD, "inner/deeper", 0755);
  SYSTEM_CALL(__NR_symlinkat, "/deeper", AT_FDCWD, "inner/link");
  i64 file = SYSTEM_CALL(SYS_openat, AT_FDCWD, "file", O_RDWR | O_CREAT, 0600);
  SYSTEM_CALL(SYS_close, file);
  i64 out = SYSTEM_CALL(SYS_openat, AT_FDCWD, ".", O_RDONLY, 0);
  show("absent", (u64)SYSTEM_CALL(__NR_chroot, "absent"));
  show("no directory", (u64)SYSTEM_CALL(__NR_chroot, "file"));
  flush();
  i64 child = fork();
  if (child == 0) {
    SYSTEM_CALL(__NR_setuid, 1000);
    show("another user", (u64)SYSTEM_CALL(__NR_chroot, "inner"));
    finish(0);
  }
  reap(child);
  flush();
  child = fork();
  if (child == 0) {
    show("new root", (u64)SYSTEM_CALL(__NR_chroot, "inner"));
    memset(text, 0, 64);
    SYSTEM_CALL(__NR_getcwd, text, sizeof text);
    text[13] = 0;
    say(text);
    say("\n");
    show("enter", (u64)SYSTEM_CALL(__NR_chdir, "/"));
    place("at the root");
    show("above it", (u64)SYSTEM_CALL(__NR_chdir, "../../.."));
    place("at the root");
    show("by a link", (u64)SYSTEM_CALL(__NR_chdir, "link"));
    place("deeper");
    show("what was outside", (u64)SYSTEM_CALL(SYS_openat, AT_FDCWD, "/file", O_RDONLY, 0));
    count("by a descriptor", SYSTEM_CALL(SYS_openat, out, "file", O_RDONLY, 0) >= 0);
    flush();
    i64 grandchild = fork();
    if (grandchild == 0) {
      place("a child's");
      show("and again", (u64)SYSTEM_CALL(__NR_chroot, "."));
      place("a child's");
      finish(0);
    }
    reap(grandchild);
    show("out", (u64)SYSTEM_CALL(__NR_fchdir, out));
    count("the old one", SYSTEM_CALL(SYS_openat, AT_FDCWD, "file", O_RDONLY, 0) >= 0);
    finish(0);
  }
  reap(child);
  SYSTEM_CALL(SYS_unlinkat, AT_FDCWD, "inner/link", 0);
  SYSTEM_CALL(SYS_unlinkat, AT_FDCWD, "inner/deeper", AT_REMOVEDIR);
  SYSTEM_CALL(SYS_unlinkat, AT_FDCWD, "inner", AT_REMOVEDIR);
  SYSTEM_CALL(SYS_unlinkat, AT_FDCWD, "file", 0);
  SYSTEM_CALL(SYS_unlinkat, AT_FDCWD, folder, AT_REMOVEDIR);
}

static void descriptors(void) {
  i64 me = SYSTEM_CALL(__NR_pidfd_open, self, 0);
  i32 ends[2];
  SYSTEM_CALL(SYS_pipe2, ends, 0);
  i64 copy = SYSTEM_CALL(__NR_pidfd_getfd, me, ends[1], 0);
  count("my own", copy >= 0);
  show("  closed at execve", (u64)SYSTEM_CALL(__NR_fcntl, copy, 1));
  SYSTEM_CALL(SYS_write, copy, "x", 1);
  count("  the same", SYSTEM_CALL(SYS_read, ends[0], text, 2));
  show("none such", (u64)SYSTEM_CALL(__NR_pidfd_getfd, me, 99, 0));
  show("no process", (u64)SYSTEM_CALL(__NR_pidfd_getfd, ends[0], 1, 0));
  show("flags", (u64)SYSTEM_CALL(__NR_pidfd_getfd, me, 1, 1));
  i64 child = fork();
  if (child == 0) {
    i32 own[2];
    SYSTEM_CALL(SYS_pipe2, own, 0);
    SYSTEM_CALL(SYS_write, own[1], "yz", 2);
    SYSTEM_CALL(SYS_write, ends[1], own, 8);
    SYSTEM_CALL(SYS_read, ends[0], text, 0);
    i64 forever[2] = {100, 0};
    SYSTEM_CALL(__NR_nanosleep, forever, NULL);
  }
  i32 theirs[2];
  SYSTEM_CALL(SYS_read, ends[0], theirs, 8);
  i64 other = SYSTEM_CALL(__NR_pidfd_open, child, 0);
  i64 taken = SYSTEM_CALL(__NR_pidfd_getfd, other, theirs[0], 0);
  count("a child's", (u64)SYSTEM_CALL(SYS_read, taken, text, 9));
  struct { u8 *base; u64 length; } parts[2];
  u8 *memory = map(NULL, 4 * 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  parts[0].base = memory, parts[0].length = 65536;
  parts[1].base = memory + 131072, parts[1].length = 131072;
  show("of my memory", (u64)SYSTEM_CALL(__NR_process_madvise, me, parts, 2, MADV_COLD_, 0));
  SYSTEM_CALL(SYS_munmap, memory + 131072, 131072);
  show("as far as it is there", (u64)SYSTEM_CALL(__NR_process_madvise, me, parts, 2, MADV_COLD_, 0));
  show("not there", (u64)SYSTEM_CALL(__NR_process_madvise, me, parts + 1, 1, MADV_COLD_, 0));
  parts[0].base = (u8 *)text - (u64)text % 65536, parts[0].length = 4096;
  show("no such advice", (u64)SYSTEM_CALL(__NR_process_madvise, other, parts, 1, 99, 0));
  show("not of others", (u64)SYSTEM_CALL(__NR_process_madvise, other, parts, 1, MADV_WIPEONFORK_, 0));
  show("flags", (u64)SYSTEM_CALL(__NR_process_madvise, me, parts, 1, MADV_COLD_, 1));
  show("no process", (u64)SYSTEM_CALL(__NR_process_madvise, ends[0], parts, 1, MADV_COLD_, 0));
  show("parts nowhere", (u64)SYSTEM_CALL(__NR_process_madvise, me, 8, 1, MADV_COLD_, 0));
  SYSTEM_CALL(SYS_kill, child, 9);
  reap(child);
  show("of the dead", (u64)SYSTEM_CALL(__NR_pidfd_getfd, other, theirs[0], 0));
  show("of the dead", (u64)SYSTEM_CALL(__NR_process_madvise, other, parts, 1, MADV_COLD_, 0));
}

struct attributes { u32 size, policy; u64 flags; i32 nice; u32 priority; u64 runtime, deadline, period; u32 least, most; };

static void policy(const char *label) {
  struct attributes now;
  show(label, (u64)SYSTEM_CALL(__NR_sched_getattr, 0, &now, sizeof now, 0));
  count("  size", now.size);
  count("  policy", now.policy);
  count("  flags", now.flags);
  show("  nice", (u32)now.nice);
  count("  priority", now.priority);
  if (now.policy == SCHED_DEADLINE) count("  period", now.period);
  show("  by the old call", (u64)SYSTEM_CALL(__NR_sched_getscheduler, 0));
  i32 priority = 77;
  show("  parameter", (u64)SYSTEM_CALL(__NR_sched_getparam, 0, &priority));
  count("  priority", (u64)priority);
}

static i64 set(u32 policy, u64 flags, i32 nice, u32 priority) {
  struct attributes wanted = {.size = 48, .policy = policy, .flags = flags, .nice = nice, .priority = priority};
  return SYSTEM_CALL(__NR_sched_setattr, 0, &wanted, 0);
}

static void policies(void) {
  policy("at first");
  show("nice", (u64)set(SCHED_OTHER, 0, 5, 0));
  policy("nice");
  show("first come", (u64)set(SCHED_FIFO, 1, 0, 7));
  policy("first come");
  i64 child = fork();
  if (child == 0) leave(SYSTEM_CALL(__NR_sched_getscheduler, 0) + 50);
  reap(child);
  show("keep both", (u64)set(42, 8 | 16, 3, 99));
  policy("kept");
  i32 priority = 9;
  show("parameter", (u64)SYSTEM_CALL(__NR_sched_setparam, 0, &priority));
  show("no priority", (u64)set(SCHED_FIFO, 0, 0, 0));
  show("a priority", (u64)set(SCHED_OTHER, 0, 0, 1));
  show("too high", (u64)set(SCHED_FIFO, 0, 0, 100));
  show("no such policy", (u64)set(42, 0, 0, 0));
  show("a negative policy", (u64)set((u32)-1, 0, 0, 0));
  show("no such flag", (u64)set(SCHED_OTHER, 0x1000, 0, 0));
  priority = 0;
  show("idle, reset", (u64)SYSTEM_CALL(__NR_sched_setscheduler, 0, SCHED_IDLE | RESET, &priority));
  policy("idle");
  child = fork();
  if (child == 0) leave(SYSTEM_CALL(__NR_sched_getscheduler, 0) + 50);
  reap(child);
  show("back", (u64)SYSTEM_CALL(__NR_sched_setscheduler, 0, SCHED_OTHER, &priority));
  policy("back");
  struct { struct attributes known; u64 more; } wide = {{.size = 64}, 0};
  show("larger", (u64)SYSTEM_CALL(__NR_sched_setattr, 0, &wide, 0));
  wide.more = 1;
  show("with more", (u64)SYSTEM_CALL(__NR_sched_setattr, 0, &wide, 0));
  count("  size", wide.known.size);
  wide.known.size = 40;
  show("smaller", (u64)SYSTEM_CALL(__NR_sched_setattr, 0, &wide, 0));
  show("nowhere", (u64)SYSTEM_CALL(__NR_sched_setattr, 0, NULL, 0));
  show("flags", (u64)SYSTEM_CALL(__NR_sched_setattr, 0, &wide, 1));
  show("nobody", (u64)SYSTEM_CALL(__NR_sched_getattr, 0x3fffffff, &wide, 48, 0));
  show("into too little", (u64)SYSTEM_CALL(__NR_sched_getattr, 0, &wide, 47, 0));
  show("into more", (u64)SYSTEM_CALL(__NR_sched_getattr, 0, &wide, 64, 0));
  struct attributes late = {.size = 48, .policy = SCHED_DEADLINE, .runtime = 1000000, .deadline = 500000};
  show("too late", (u64)SYSTEM_CALL(__NR_sched_setattr, 0, &late, 0));
}

static void futexes(void) {
  static volatile u32 words[3] = {1, 2, 3};
  struct { u64 value, address; u32 flags, reserved; } wait[3];
  for (int i = 0; i < 3; i++) {
    wait[i].value = words[i], wait[i].address = (u64)&words[i], wait[i].flags = 2 | 128, wait[i].reserved = 0;
  }
  i64 past[2] = {0, 0}, wrong[2] = {0, -1};
  show("in time", (u64)SYSTEM_CALL(__NR_futex_waitv, wait, 3, 0, past, 1));
  show("no such time", (u64)SYSTEM_CALL(__NR_futex_waitv, wait, 3, 0, wrong, 1));
  show("no such clock", (u64)SYSTEM_CALL(__NR_futex_waitv, wait, 3, 0, past, 7));
  show("none", (u64)SYSTEM_CALL(__NR_futex_waitv, wait, 0, 0, past, 1));
  show("too many", (u64)SYSTEM_CALL(__NR_futex_waitv, wait, 129, 0, past, 1));
  show("flags", (u64)SYSTEM_CALL(__NR_futex_waitv, wait, 3, 1, past, 1));
  show("nowhere", (u64)SYSTEM_CALL(__NR_futex_waitv, 8, 3, 0, past, 1));
  wait[1].value = 9;
  show("another value", (u64)SYSTEM_CALL(__NR_futex_waitv, wait, 3, 0, past, 1));
  wait[1].value = 2, wait[2].flags = 128;
  show("no size", (u64)SYSTEM_CALL(__NR_futex_waitv, wait, 3, 0, past, 1));
  wait[2].flags = 2, wait[2].reserved = 1;
  show("reserved", (u64)SYSTEM_CALL(__NR_futex_waitv, wait, 3, 0, past, 1));
  wait[2].reserved = 0, wait[2].address++;
  show("between words", (u64)SYSTEM_CALL(__NR_futex_waitv, wait, 3, 0, past, 1));
  wait[2].address--;
  u32 *shared = (u32 *)map(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  for (int i = 0; i < 3; i++) {
    shared[i] = (u32)i;
    wait[i].value = (u64)i, wait[i].address = (u64)&shared[i], wait[i].flags = 2;
  }
  i64 child = fork();
  if (child == 0) leave(SYSTEM_CALL(__NR_futex_waitv, wait, 3, 0, NULL, 0) + 50);
  i64 woken;
  while ((woken = SYSTEM_CALL(SYS_futex, &shared[1], 1, 5)) == 0) SYSTEM_CALL(SYS_sched_yield);
  count("woken", (u64)woken);
  reap(child);
}

static void others(void) {
  i64 clock[26] = {0};
  show("clock", (u64)SYSTEM_CALL(__NR_adjtimex, clock));
  count("  a tick", (u64)clock[11]);
  count("  precision", (u64)clock[7]);
  show("of a clock", (u64)SYSTEM_CALL(__NR_clock_adjtime, 0, clock));
  show("of another", (u64)SYSTEM_CALL(__NR_clock_adjtime, 1, clock));
  show("of none", (u64)SYSTEM_CALL(__NR_clock_adjtime, 77, clock));
  show("clock nowhere", (u64)SYSTEM_CALL(__NR_adjtimex, 8));
  show("nothing to restart", (u64)SYSTEM_CALL(__NR_restart_syscall));
  u32 handle[40] = {100};
  show("no handles", (u64)SYSTEM_CALL(__NR_name_to_handle_at, AT_FDCWD, "/proc", handle, text, 0));
  show("no such name", (u64)SYSTEM_CALL(__NR_name_to_handle_at, AT_FDCWD, "/absent", handle, text, 0));
  show("no name", (u64)SYSTEM_CALL(__NR_name_to_handle_at, AT_FDCWD, "", handle, text, 0));
  show("flags", (u64)SYSTEM_CALL(__NR_name_to_handle_at, AT_FDCWD, "/", handle, text, 8));
  handle[0] = 1000;
  show("a large handle", (u64)SYSTEM_CALL(__NR_open_by_handle_at, AT_FDCWD, handle, 0));
}

/* A child that shares descriptors, directory and mask, until it does not any more. */
static void sharing(u64 unshared) {
  i32 ends[2];
  SYSTEM_CALL(SYS_pipe2, ends, 0);
  SYSTEM_CALL(__NR_umask, 022);
  i64 child = SYSTEM_CALL(SYS_clone, 0x200 | 0x400 | SIGCHLD, 0, 0, 0, 0);
  if (child == 0) {
    i64 result = SYSTEM_CALL(__NR_unshare, unshared);
    SYSTEM_CALL(SYS_close, ends[0]);
    SYSTEM_CALL(__NR_umask, 0777);
    SYSTEM_CALL(__NR_exit_group, -result);
  }
  reap(child);
  show("  closed", (u64)SYSTEM_CALL(SYS_close, ends[0]));
  show("  mask", (u64)SYSTEM_CALL(__NR_umask, 022));
}

static void unsharing(void) {
  sharing(0);
  sharing(0x200);
  sharing(0x400);
  sharing(0x200 | 0x400 | 0x40000);
  sharing(0x10000 | 0x800 | 0x100);
  show("no such thing", (u64)SYSTEM_CALL(__NR_unshare, 1));
  static u8 stack[16384] __attribute__((aligned(16)));
  i64 child = start_thread(0x100 | 0x4000 | SIGCHLD, stack + sizeof stack, NULL, NULL, (void (*)(void *))leave_shared, NULL);
  reap(child);
}

int main(void) {
  self = SYSTEM_CALL(SYS_getpid);
  descriptors();
  policies();
  futexes();
  others();
  unsharing();
  if (SYSTEM_CALL(__NR_geteuid) == 0) roots();
  finish(0);
}
