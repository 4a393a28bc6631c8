/* Threads and futexes: wake counts, bitsets, requeueing, time-outs, robust lists, thread exit. */
#include <asm/unistd.h>
#include "guest.h"

enum {
  FUTEX_WAIT = 0, FUTEX_WAKE = 1, FUTEX_CMP_REQUEUE = 4, FUTEX_WAKE_OP = 5, FUTEX_LOCK_PI = 6,
  FUTEX_UNLOCK_PI = 7, FUTEX_TRYLOCK_PI = 8, FUTEX_WAIT_BITSET = 9, FUTEX_WAKE_BITSET = 10,
  PRIVATE = 128,
};
/* VM | FS | FILES | SIGHAND | THREAD | SYSVSEM | PARENT_SETTID | CHILD_CLEARTID */
enum { THREAD = 0x100 | 0x200 | 0x400 | 0x800 | 0x10000 | 0x40000 | 0x100000 | 0x200000 };
enum { THREADS = 4 };

struct timespec {
  i64 seconds, nanoseconds;
};

static u8 stacks[THREADS][32768] __attribute__((aligned(16)));
static i32 ids[THREADS], parents[THREADS];
static volatile u32 word, other, asleep, woken, pi;
static volatile long results[THREADS];

static long futex(volatile void *at, int operation, u64 value, u64 time, volatile void *at2, u32 v3) {
  return SYSTEM_CALL(__NR_futex, at, operation, value, time, at2, v3);
}

static void sleeper(void *argument) {
  u64 i = (u64)argument;
  __atomic_fetch_add(&asleep, 1, __ATOMIC_SEQ_CST);
  results[i] = futex(&word, FUTEX_WAIT_BITSET | PRIVATE, 0, 0, NULL, 1u << i);
  __atomic_fetch_add(&woken, 1, __ATOMIC_SEQ_CST);
  SYSTEM_CALL(__NR_exit, 0);
}

static void start(void (*run)(void *), u64 i) {
  ids[i] = 1;
  start_thread(THREAD, stacks[i] + sizeof stacks[i], &parents[i], &ids[i], run, (void *)i);
}

static void join(u64 i) {
  for (;;) {
    i32 id = __atomic_load_n(&ids[i], __ATOMIC_SEQ_CST);
    if (id == 0) return;
    futex(&ids[i], FUTEX_WAIT, (u64)id, 0, NULL, 0);
  }
}

static void let_them_sleep(void) {
  struct timespec time = {0, 20000000};
  SYSTEM_CALL(__NR_nanosleep, &time, NULL);
}

static void start_sleepers(void) {
  asleep = woken = 0;
  for (u64 i = 0; i < THREADS; i++) start(sleeper, i);
  while (__atomic_load_n(&asleep, __ATOMIC_SEQ_CST) != THREADS) SYSTEM_CALL(__NR_sched_yield);
  let_them_sleep();
}

static void finish_sleepers(void) {
  futex(&word, FUTEX_WAKE | PRIVATE, 100, 0, NULL, 0);
  futex(&other, FUTEX_WAKE | PRIVATE, 100, 0, NULL, 0);
  for (u64 i = 0; i < THREADS; i++) join(i);
}

static struct {
  u64 next;
  i64 offset;
  u64 pending;
  u64 entry;
  u32 lock;
} robust;

static void dies_with_lock(void *argument) {
  (void)argument;
  robust.next = (u64)&robust.entry;
  robust.entry = (u64)&robust;
  robust.offset = (i64)((u64)&robust.lock - (u64)&robust.entry);
  robust.lock = (u32)SYSTEM_CALL(__NR_gettid);
  SYSTEM_CALL(__NR_set_robust_list, &robust, 24);
  SYSTEM_CALL(__NR_exit, 0);
}

static void holds_pi(void *argument) {
  (void)argument;
  results[0] = futex(&pi, FUTEX_LOCK_PI | PRIVATE, 0, 0, NULL, 0);
  woken = 1;
  futex(&woken, FUTEX_WAKE | PRIVATE, 1, 0, NULL, 0);
  let_them_sleep();
  let_them_sleep();
  results[1] = futex(&pi, FUTEX_UNLOCK_PI | PRIVATE, 0, 0, NULL, 0);
  SYSTEM_CALL(__NR_exit, 0);
}

int main(void) {
  show("another value", (u64)futex(&word, FUTEX_WAIT, 1, 0, NULL, 0));
  show("unaligned", (u64)futex((u8 *)&word + 1, FUTEX_WAIT, 0, 0, NULL, 0));
  show("bad address", (u64)futex((void *)8, FUTEX_WAIT, 0, 0, NULL, 0));
  show("no bits", (u64)futex(&word, FUTEX_WAIT_BITSET, 0, 0, NULL, 0));
  show("bad operation", (u64)futex(&word, 99, 0, 0, NULL, 0));
  struct timespec time = {0, 1000000};
  show("time-out", (u64)futex(&word, FUTEX_WAIT | PRIVATE, 0, (u64)&time, NULL, 0));
  time.nanoseconds = -1;
  show("bad time", (u64)futex(&word, FUTEX_WAIT | PRIVATE, 0, (u64)&time, NULL, 0));
  count("nobody to wake", (u64)futex(&word, FUTEX_WAKE, 10, 0, NULL, 0));

  start_sleepers();
  count("wake two", (u64)futex(&word, FUTEX_WAKE | PRIVATE, 2, 0, NULL, 0));
  let_them_sleep();
  count("  woken", woken);
  finish_sleepers();
  count("  in the end", woken);
  count("  thread id cleared", ids[0] == 0);
  count("  parent was told", parents[0] != 0);

  start_sleepers();
  count("wake by bit 2", (u64)futex(&word, FUTEX_WAKE_BITSET | PRIVATE, 10, 0, NULL, 4));
  count("wake by absent bit", (u64)futex(&word, FUTEX_WAKE_BITSET | PRIVATE, 10, 0, NULL, 64));
  finish_sleepers();

  start_sleepers();
  show("requeue of another value", (u64)futex(&word, FUTEX_CMP_REQUEUE | PRIVATE, 1, 2, &other, 1));
  count("requeue 1 + 2", (u64)futex(&word, FUTEX_CMP_REQUEUE | PRIVATE, 1, 2, &other, 0));
  count("  left there", (u64)futex(&word, FUTEX_WAKE | PRIVATE, 10, 0, NULL, 0));
  count("  moved here", (u64)futex(&other, FUTEX_WAKE | PRIVATE, 10, 0, NULL, 0));
  finish_sleepers();

  start_sleepers();
  other = 5;
  /* other += 3; wake 1 on word; if the old value was 5, wake 2 on other (nobody). */
  count("wake op", (u64)futex(&word, FUTEX_WAKE_OP | PRIVATE, 1, 2, &other, 1 << 28 | 3 << 12 | 5));
  count("  other", other);
  other = 0;
  finish_sleepers();

  start(dies_with_lock, 0);
  join(0);
  show("robust lock", robust.lock);

  woken = 0;
  start(holds_pi, 0);
  while (!woken) futex(&woken, FUTEX_WAIT | PRIVATE, 0, 0, NULL, 0);
  show("try a held lock", (u64)futex(&pi, FUTEX_TRYLOCK_PI | PRIVATE, 0, 0, NULL, 0));
  show("unlock another's", (u64)futex(&pi, FUTEX_UNLOCK_PI | PRIVATE, 0, 0, NULL, 0));
  show("lock", (u64)futex(&pi, FUTEX_LOCK_PI | PRIVATE, 0, 0, NULL, 0));
  count("  mine", (pi & 0x3fffffff) == (u32)SYSTEM_CALL(__NR_gettid));
  show("lock again", (u64)futex(&pi, FUTEX_LOCK_PI | PRIVATE, 0, 0, NULL, 0));
  join(0);
  show("the other's lock", (u64)results[0]);
  show("the other's unlock", (u64)results[1]);
  futex(&pi, FUTEX_UNLOCK_PI | PRIVATE, 0, 0, NULL, 0);
  show("free", pi & 0x3fffffff);

  show("clone of half a thread", (u64)SYSTEM_CALL(__NR_clone, 0x10000, 0, 0, 0, 0));
  finish(0);
}
