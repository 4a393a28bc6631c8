/* Limits, names, masks, schedulers and other things a process can ask and set. */
#include <asm/unistd.h>
#include "guest.h"

struct pair {
  u64 soft, hard;
};

int main(void) {
  struct pair limit = {0, 0}, lower = {100, 200};
  show("set limit", (u64)SYSTEM_CALL(__NR_prlimit64, 0, 7, &lower, NULL));
  show("get limit", (u64)SYSTEM_CALL(__NR_prlimit64, 0, 7, NULL, &limit));
  count("  soft", limit.soft);
  count("  hard", limit.hard);
  lower.soft = 300;
  show("soft above hard", (u64)SYSTEM_CALL(__NR_prlimit64, 0, 7, &lower, NULL));
  show("bad resource", (u64)SYSTEM_CALL(__NR_prlimit64, 0, 16, NULL, &limit));
  show("bad address", (u64)SYSTEM_CALL(__NR_prlimit64, 0, 7, NULL, 8));
  show("nobody's limit", (u64)SYSTEM_CALL(__NR_prlimit64, 0x3fffffff, 7, NULL, &limit));

  char name[16] = {0};
  show("set name", (u64)SYSTEM_CALL(__NR_prctl, 15, "a name of more than sixteen", 0, 0, 0));
  show("get name", (u64)SYSTEM_CALL(__NR_prctl, 16, name, 0, 0, 0));
  say(name);
  say("\n");
  show("bad prctl", (u64)SYSTEM_CALL(__NR_prctl, 9999, 0, 0, 0, 0));
  show("dumpable", (u64)SYSTEM_CALL(__NR_prctl, 3, 0, 0, 0, 0));
  show("bad dumpable", (u64)SYSTEM_CALL(__NR_prctl, 4, 7, 0, 0, 0));
  show("subreaper", (u64)SYSTEM_CALL(__NR_prctl, 36, 1, 0, 0, 0));
  show("no new privileges", (u64)SYSTEM_CALL(__NR_prctl, 38, 1, 0, 0, 0));
  show("  now", (u64)SYSTEM_CALL(__NR_prctl, 39, 0, 0, 0, 0));

  struct {
    void *base;
    i32 flags;
    u64 size;
  } stack = {NULL, 0, 100}, old;
  show("small signal stack", (u64)SYSTEM_CALL(__NR_sigaltstack, &stack, NULL));
  stack.flags = 7;
  show("bad signal stack flags", (u64)SYSTEM_CALL(__NR_sigaltstack, &stack, NULL));
  show("signal stack", (u64)SYSTEM_CALL(__NR_sigaltstack, NULL, &old));
  show("  flags", (u64)(u32)old.flags);

  i32 word = 0;
  long self = SYSTEM_CALL(__NR_getpid);
  count("set_tid_address", SYSTEM_CALL(__NR_set_tid_address, &word) == self);
  count("gettid", SYSTEM_CALL(__NR_gettid) == self);
  show("robust list of a bad size", (u64)SYSTEM_CALL(__NR_set_robust_list, NULL, 23));
  show("robust list", (u64)SYSTEM_CALL(__NR_set_robust_list, NULL, 24));

  show("yield", (u64)SYSTEM_CALL(__NR_sched_yield));
  show("scheduler", (u64)SYSTEM_CALL(__NR_sched_getscheduler, 0));
  show("scheduler of nobody", (u64)SYSTEM_CALL(__NR_sched_getscheduler, 0x3fffffff));
  show("highest priority", (u64)SYSTEM_CALL(__NR_sched_get_priority_max, 1));
  show("of a bad policy", (u64)SYSTEM_CALL(__NR_sched_get_priority_max, 42));
  show("small affinity", (u64)SYSTEM_CALL(__NR_sched_getaffinity, 0, 4, &limit));
  show("no affinity", (u64)SYSTEM_CALL(__NR_sched_setaffinity, 0, 8, &(u64){0}));
  show("priority", (u64)SYSTEM_CALL(__NR_getpriority, 0, 0));

  u64 time[2] = {7, 7};
  show("resolution", (u64)SYSTEM_CALL(__NR_clock_getres, 1, time));
  count("  seconds", time[0]);
  show("bad clock", (u64)SYSTEM_CALL(__NR_clock_getres, 77, time));
  show("monotonic", (u64)SYSTEM_CALL(__NR_clock_gettime, 1, time));
  u64 later[2];
  SYSTEM_CALL(__NR_clock_gettime, 1, later);
  count("  goes on", later[0] * 1000000000 + later[1] > time[0] * 1000000000 + time[1]);
  SYSTEM_CALL(__NR_clock_gettime, 3, later);
  count("thread time is below a second", later[0] == 0 && later[1] > 0);

  u8 random[32] = {0};
  count("random", (u64)SYSTEM_CALL(__NR_getrandom, random, 32, 0));
  show("bad random flags", (u64)SYSTEM_CALL(__NR_getrandom, random, 32, 64));
  show("bad random address", (u64)SYSTEM_CALL(__NR_getrandom, 8, 32, 0));

  show("personality", (u64)SYSTEM_CALL(__NR_personality, 0xffffffff));
  u32 header[2] = {0, 0};
  show("capget asks for the version", (u64)SYSTEM_CALL(__NR_capget, header, NULL));
  show("  version", header[0]);
  show("membarrier", (u64)SYSTEM_CALL(__NR_membarrier, 16, 0, 0) >> 63);
  show("membarrier after registering", (u64)SYSTEM_CALL(__NR_membarrier, 8, 0, 0));
  show("bad membarrier", (u64)SYSTEM_CALL(__NR_membarrier, 3, 0, 0));

  u8 *page = map(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  show("protect", (u64)SYSTEM_CALL(__NR_mprotect, page, 4096, 0));
  show("advise", (u64)SYSTEM_CALL(__NR_madvise, page, 8192, 4));
  show("bad advice", (u64)SYSTEM_CALL(__NR_madvise, page, 8192, 999));
  show("bad offset", (u64)SYSTEM_CALL(__NR_mmap, NULL, 4096, 1, MAP_PRIVATE, 0, 100));
  show("bad file", (u64)SYSTEM_CALL(__NR_mmap, NULL, 4096, 1, MAP_PRIVATE, 77, 0));
  show("unmap", (u64)SYSTEM_CALL(__NR_munmap, page, 8192));
  show("unmap nothing", (u64)SYSTEM_CALL(__NR_munmap, page, 0));
  long heap = SYSTEM_CALL(__NR_brk, 0);
  count("heap grows", SYSTEM_CALL(__NR_brk, heap + 8192) == heap + 8192);
  count("and shrinks", SYSTEM_CALL(__NR_brk, heap) == heap);

  u64 used[18];
  show("usage", (u64)SYSTEM_CALL(__NR_getrusage, 0, used));
  show("bad usage", (u64)SYSTEM_CALL(__NR_getrusage, 5, used));
  show("bad call", (u64)SYSTEM_CALL(1023));
  finish(0);
}
