/* Calls of scheduling, clock, futexes and processes for strace's format. */
#include <asm/unistd.h>
#include "guest.h"

int main(void) {
  struct { u32 size, policy; u64 flags; i32 nice; u32 priority; u64 runtime, deadline, period; u32 least, most; } attributes = {
      .size = 48, .flags = 1, .nice = 5};
  i32 priority = 0;
  SYSTEM_CALL(__NR_sched_setscheduler, 0, 3, &priority);
  SYSTEM_CALL(__NR_sched_setattr, 0, &attributes, 0);
  attributes.policy = 1;
  SYSTEM_CALL(__NR_sched_setattr, 0, &attributes, 0);
  SYSTEM_CALL(__NR_sched_getattr, 0, &attributes, 7, 0);
  SYSTEM_CALL(__NR_sched_getparam, 0, &priority);
  u32 word = 0;
  struct { u64 value, address; u32 flags, reserved; } wait = {1, (u64)&word, 2 | 128, 0};
  i64 none[2] = {0, 0};
  SYSTEM_CALL(__NR_futex_waitv, &wait, 1, 0, none, 1);
  wait.value = 0;
  SYSTEM_CALL(__NR_futex_waitv, &wait, 1, 0, none, 0);
  SYSTEM_CALL(__NR_pidfd_getfd, 77, 1, 0);
  static u8 page[4096] __attribute__((aligned(4096)));
  struct { u8 *base; u64 length; } part = {page, sizeof page};
  SYSTEM_CALL(__NR_process_madvise, 77, &part, 1, 20, 0);
  SYSTEM_CALL(__NR_adjtimex, 8);
  SYSTEM_CALL(__NR_clock_adjtime, 77, page);
  SYSTEM_CALL(__NR_chroot, "/absent");
  finish(0);
}
