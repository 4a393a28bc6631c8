/* clone and futex: threads that share a counter under a lock, hand a token round, and end. */
#include "guest.h"

enum {
  CLONE_VM = 0x100, CLONE_FS = 0x200, CLONE_FILES = 0x400, CLONE_SIGHAND = 0x800,
  CLONE_THREAD = 0x10000, CLONE_SYSVSEM = 0x40000, CLONE_PARENT_SETTID = 0x100000,
  CLONE_CHILD_CLEARTID = 0x200000,
  FUTEX_WAIT = 0, FUTEX_WAKE = 1, FUTEX_PRIVATE = 128,
};
enum { most = 16, stack_size = 65536 };

static volatile u32 lock, turn;
static u64 counter, atomic_counter;
static u64 rounds, threads;
static volatile i32 ids[most];

static void futex_wait(volatile u32 *word, u32 value, int scope) {
  SYSTEM_CALL(SYS_futex, word, FUTEX_WAIT | scope, value, NULL);
}

static void futex_wake(volatile u32 *word, int most_woken) {
  SYSTEM_CALL(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE, most_woken);
}

/* 0 free, 1 held, 2 held and waited for. */
static void acquire(void) {
  u32 seen = 0;
  if (__atomic_compare_exchange_n(&lock, &seen, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) return;
  while (__atomic_exchange_n(&lock, 2, __ATOMIC_ACQUIRE)) futex_wait(&lock, 2, FUTEX_PRIVATE);
}

static void release(void) {
  if (__atomic_exchange_n(&lock, 0, __ATOMIC_RELEASE) == 2) futex_wake(&lock, 1);
}

static void work(void *argument) {
  u64 self = (u64)argument;
  for (u64 round = 0; round < rounds; round++) {
    acquire();
    counter++;
    release();
    __atomic_fetch_add(&atomic_counter, self + 1, __ATOMIC_RELAXED);
  }
  for (u64 lap = 0; lap < 10; lap++) {
    for (u32 now; (now = turn) % threads != self;) futex_wait(&turn, now, FUTEX_PRIVATE);
    __atomic_fetch_add(&turn, 1, __ATOMIC_RELEASE);
    futex_wake(&turn, most);
  }
}

int main(int argc, char **argv) {
  threads = number(argc > 1 ? argv[1] : NULL, 4);
  rounds = number(argc > 2 ? argv[2] : NULL, 1000);
  if (threads < 1 || threads > most) return 2;
  u64 flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
              CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
  u8 *stacks = map(NULL, threads * stack_size, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (failed(stacks)) return 1;
  for (u64 i = 0; i < threads; i++) {
    i32 *id = (i32 *)&ids[i];
    *id = -1;
    if (start_thread(flags, stacks + (i + 1) * stack_size, id, id, work, (void *)i) < 0) return 1;
  }
  /* The kernel clears the word and wakes its futex, which is not a private one. */
  for (u64 i = 0; i < threads; i++) {
    for (i32 id; (id = ids[i]) != 0;) futex_wait((volatile u32 *)&ids[i], (u32)id, 0);
  }
  count("counter", counter);
  count("atomic", atomic_counter);
  count("turns", turn);
  return 0;
}
