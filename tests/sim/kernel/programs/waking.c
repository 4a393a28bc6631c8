/* Sleeping and being woken: signals that interrupt or restart, timers, sigsuspend, sigtimedwait. */
#include <asm/unistd.h>
#include "guest.h"

enum { SIGALRM = 14, SIGRTMIN = 34, SA_RESTART = 0x10000000, SA_RESETHAND = (int)0x80000000 };

struct timespec {
  i64 seconds, nanoseconds;
};
struct interval {
  i64 every_seconds, every_microseconds, seconds, microseconds;
};

static volatile u64 handled;
static volatile i32 last_code, last_value;

static void on_signal(int signal, void *information, void *context) {
  (void)context;
  (void)signal;
  handled++;
  last_code = ((i32 *)information)[2];
  last_value = ((i32 *)information)[6];
}

static void alarm_in(i64 microseconds, i64 every) {
  struct interval timer = {0, every, 0, microseconds};
  SYSTEM_CALL(__NR_setitimer, 0, &timer, NULL);
}

static i64 now(void) {
  struct timespec time;
  SYSTEM_CALL(__NR_clock_gettime, 1, &time);
  return time.seconds * 1000000000 + time.nanoseconds;
}

static void sleep_milliseconds(i64 milliseconds) {
  struct timespec time = {0, milliseconds * 1000000};
  SYSTEM_CALL(__NR_nanosleep, &time, NULL);
}

int main(void) {
  /* A handler ends nanosleep, which tells what remains. */
  handle_signal(SIGALRM, on_signal, 0);
  alarm_in(20000, 0);
  struct timespec time = {5, 0}, rest = {0, 0};
  show("interrupted sleep", (u64)SYSTEM_CALL(__NR_nanosleep, &time, &rest));
  count("  remaining seconds", (u64)rest.seconds);
  count("  handled", handled);
  show("  code is SI_KERNEL", (u64)(u32)last_code);

  /* SA_RESTART restarts a read, but not nanosleep. */
  i32 ends[2];
  SYSTEM_CALL(__NR_pipe2, ends, 0);
  u8 byte = 0;
  alarm_in(20000, 0);
  show("interrupted read", (u64)SYSTEM_CALL(__NR_read, ends[0], &byte, 1));
  handle_signal(SIGALRM, on_signal, SA_RESTART);
  alarm_in(20000, 0);
  long child = fork();
  if (child == 0) {
    sleep_milliseconds(60);
    SYSTEM_CALL(__NR_write, ends[1], "x", 1);
    SYSTEM_CALL(__NR_exit_group, 0);
  }
  show("restarted read", (u64)SYSTEM_CALL(__NR_read, ends[0], &byte, 1));
  count("  handled", handled);
  alarm_in(20000, 0);
  time.seconds = 5;
  show("sleep does not restart", (u64)SYSTEM_CALL(__NR_nanosleep, &time, &rest));
  i32 status;
  SYSTEM_CALL(__NR_wait4, child, &status, 0, NULL);

  /* An ignored signal interrupts nothing. */
  struct { u64 handler, flags, restorer, mask; } ignore = {1, 0, 0, 0};
  SYSTEM_CALL(__NR_rt_sigaction, SIGALRM, &ignore, NULL, 8);
  alarm_in(5000, 0);
  i64 start = now();
  sleep_milliseconds(30);
  count("slept to the end", now() - start >= 30000000);

  /* A repeating timer, counted; SA_RESETHAND resets. */
  handle_signal(SIGALRM, on_signal, 0);
  handled = 0;
  alarm_in(2000, 2000);
  while (handled < 5) SYSTEM_CALL(__NR_ppoll, NULL, 0, NULL, NULL, 8);
  alarm_in(0, 0);
  count("ticks", handled);

  /* sigsuspend: lets a blocked signal through and restores the mask. */
  u64 blocked = 1ul << (SIGUSR1 - 1), nothing = 0, mask = 0;
  handle_signal(SIGUSR1, on_signal, 0);
  SYSTEM_CALL(__NR_rt_sigprocmask, 0, &blocked, NULL, 8);
  long self = SYSTEM_CALL(__NR_getpid);
  SYSTEM_CALL(__NR_kill, self, SIGUSR1);
  handled = 0;
  show("sigsuspend", (u64)SYSTEM_CALL(__NR_rt_sigsuspend, &nothing, 8));
  count("  handled", handled);
  SYSTEM_CALL(__NR_rt_sigprocmask, 0, NULL, &mask, 8);
  show("  mask", mask);

  /* sigtimedwait and queued real-time signals, in order, with their values. */
  u64 wanted = 1ul << (SIGRTMIN - 1) | 1ul << (SIGRTMIN - 2 + 2);
  SYSTEM_CALL(__NR_rt_sigprocmask, 0, &wanted, NULL, 8);
  for (i32 i = 0; i < 3; i++) {
    i32 information[32] = {0};
    information[2] = -1;
    information[6] = 100 + i;
    SYSTEM_CALL(__NR_rt_sigqueueinfo, self, i == 1 ? SIGRTMIN + 1 : SIGRTMIN, information);
  }
  for (int i = 0; i < 3; i++) {
    i32 information[32];
    count("waited for", (u64)SYSTEM_CALL(__NR_rt_sigtimedwait, &wanted, information, NULL, 8));
    count("  value", (u64)information[6]);
    show("  code", (u64)(u32)information[2]);
  }
  time.seconds = 0;
  time.nanoseconds = 1000000;
  show("sigtimedwait without any", (u64)SYSTEM_CALL(__NR_rt_sigtimedwait, &wanted, NULL, &time, 8));

  /* Pending signals, and that fork does not inherit them. */
  SYSTEM_CALL(__NR_kill, self, SIGUSR1);
  SYSTEM_CALL(__NR_rt_sigpending, &mask, 8);
  show("pending", mask);
  child = fork();
  if (child == 0) {
    SYSTEM_CALL(__NR_rt_sigpending, &mask, 8);
    SYSTEM_CALL(__NR_exit_group, mask != 0);
  }
  SYSTEM_CALL(__NR_wait4, child, &status, 0, NULL);
  show("pending in the child", (u64)status);

  /* POSIX timers. */
  struct { i64 value; i32 signal, notify; u64 rest[6]; } event = {77, SIGRTMIN, 0, {0}};
  i32 timer = -1;
  show("timer_create", (u64)SYSTEM_CALL(__NR_timer_create, 1, &event, &timer));
  struct { struct timespec every, first; } once = {{0, 0}, {0, 3000000}};
  show("timer_settime", (u64)SYSTEM_CALL(__NR_timer_settime, timer, 0, &once, NULL));
  i32 information[32];
  count("timer signal", (u64)SYSTEM_CALL(__NR_rt_sigtimedwait, &wanted, information, NULL, 8));
  count("  value", (u64)information[6]);
  show("  code", (u64)(u32)information[2]);
  show("timer_delete", (u64)SYSTEM_CALL(__NR_timer_delete, timer));
  show("timer_delete again", (u64)SYSTEM_CALL(__NR_timer_delete, timer));

  /* SIGCHLD tells who and how. */
  handle_signal(SIGCHLD, on_signal, 0);
  child = fork();
  if (child == 0) SYSTEM_CALL(__NR_exit_group, 9);
  SYSTEM_CALL(__NR_wait4, child, &status, 0, NULL);
  count("SIGCHLD code", (u64)last_code);
  count("  status", (u64)last_value);

  /* Bad arguments. */
  time.nanoseconds = 1000000000;
  show("bad time", (u64)SYSTEM_CALL(__NR_nanosleep, &time, NULL));
  show("bad time address", (u64)SYSTEM_CALL(__NR_nanosleep, 8, NULL));
  show("bad clock", (u64)SYSTEM_CALL(__NR_clock_gettime, 99, &time));
  show("bad signal", (u64)SYSTEM_CALL(__NR_rt_sigaction, 65, NULL, NULL, 8));
  show("bad set size", (u64)SYSTEM_CALL(__NR_rt_sigprocmask, 0, NULL, NULL, 4));
  struct { u64 handler, flags, restorer, mask; } any = {1, 0, 0, 0};
  show("handle KILL", (u64)SYSTEM_CALL(__NR_rt_sigaction, 9, &any, NULL, 8));
  finish(0);
}
