/* Processes: exit statuses, waiting in all its forms, groups, vfork, exec, orphans. */
#include <asm/unistd.h>
#include "guest.h"

enum { WNOHANG = 1, WUNTRACED = 2, WEXITED = 4, WCONTINUED = 8, WNOWAIT = 0x1000000 };
enum { P_ALL = 0, P_PID = 1, P_PGID = 2 };

static long self(void) {
  return SYSTEM_CALL(__NR_getpid);
}

static long child_exiting(int code) {
  long child = fork();
  if (child == 0) SYSTEM_CALL(__NR_exit_group, code);
  return child;
}

static long child_killed(int signal) {
  long child = fork();
  if (child == 0) {
    SYSTEM_CALL(__NR_kill, self(), signal);
    SYSTEM_CALL(__NR_exit_group, 99);
  }
  return child;
}

static void wait_for(const char *label, long child) {
  i32 status = -1;
  long got = SYSTEM_CALL(__NR_wait4, child, &status, 0, NULL);
  count(label, got == child);
  show("  status", (u64)(u32)status);
}

static long pause_forever(void) {
  long child = fork();
  if (child == 0)
    for (;;) SYSTEM_CALL(__NR_ppoll, NULL, 0, NULL, NULL, 8);
  return child;
}

static void show_information(i32 *information, long child) {
  count("  signal", (u64)information[0]);
  count("  code", (u64)information[2]);
  count("  is child", information[4] == child);
  show("  status", (u64)(u32)information[6]);
}

int main(int argc, char **argv) {
  if (argc > 1) {
    say("executed ");
    say(argv[1]);
    say("\n");
    finish(argc);
  }
  flush();

  wait_for("exit 0", child_exiting(0));
  wait_for("exit 7", child_exiting(7));
  wait_for("exit 256+3", child_exiting(259));
  wait_for("exit -1", child_exiting(-1));
  wait_for("killed by TERM", child_killed(15));
  wait_for("killed by KILL", child_killed(9));
  i32 status = -1;

  /* A child that is a group of its own, and waiting by group. */
  long child = child_exiting(1);
  SYSTEM_CALL(__NR_setpgid, child, child);
  count("wait by group", SYSTEM_CALL(__NR_wait4, -child, &status, 0, NULL) == child);

  /* No child at all, and WNOHANG on a living one. */
  show("no children", (u64)SYSTEM_CALL(__NR_wait4, -1, &status, 0, NULL));
  child = pause_forever();
  count("nothing yet", (u64)SYSTEM_CALL(__NR_wait4, child, &status, WNOHANG, NULL));
  show("not my child", (u64)SYSTEM_CALL(__NR_wait4, 1, &status, WNOHANG, NULL));

  /* Stop, continue, kill. */
  SYSTEM_CALL(__NR_kill, child, 19);
  count("stopped", SYSTEM_CALL(__NR_wait4, child, &status, WUNTRACED, NULL) == child);
  show("  status", (u64)(u32)status);
  SYSTEM_CALL(__NR_kill, child, 18);
  count("continued", SYSTEM_CALL(__NR_wait4, child, &status, WCONTINUED, NULL) == child);
  show("  status", (u64)(u32)status);
  SYSTEM_CALL(__NR_kill, child, 15);
  wait_for("terminated", child);

  /* waitid: look, look again, take; information of each kind. */
  i32 information[32];
  child = child_exiting(42);
  show("waitid looks", (u64)SYSTEM_CALL(__NR_waitid, P_PID, child, information, WEXITED | WNOWAIT, NULL));
  show_information(information, child);
  show("waitid takes", (u64)SYSTEM_CALL(__NR_waitid, P_PID, child, information, WEXITED, NULL));
  show("waitid again", (u64)SYSTEM_CALL(__NR_waitid, P_PID, child, information, WEXITED, NULL));
  child = child_killed(6);
  SYSTEM_CALL(__NR_waitid, P_ALL, 0, information, WEXITED, NULL);
  show_information(information, child);
  show("waitid bad options", (u64)SYSTEM_CALL(__NR_waitid, P_ALL, 0, information, WNOHANG, NULL));


  /* Descriptors of processes. */
  child = pause_forever();
  long fd = SYSTEM_CALL(__NR_pidfd_open, child, 0);
  count("pidfd", fd > 2);
  struct { i32 fd; u16 events, ready; } waiting = {(i32)fd, 1, 0};
  u64 nothing_at_all[2] = {0, 0};
  count("ready", (u64)SYSTEM_CALL(__NR_ppoll, &waiting, 1, nothing_at_all, NULL, 8));
  show("signal by pidfd", (u64)SYSTEM_CALL(__NR_pidfd_send_signal, fd, 15, NULL, 0));
  count("ready now", (u64)SYSTEM_CALL(__NR_ppoll, &waiting, 1, NULL, NULL, 8));
  show("waitid by pidfd", (u64)SYSTEM_CALL(__NR_waitid, 3, fd, information, WEXITED, NULL));
  show_information(information, child);
  show("signal after the end", (u64)SYSTEM_CALL(__NR_pidfd_send_signal, fd, 15, NULL, 0));
  show("not a pidfd", (u64)SYSTEM_CALL(__NR_pidfd_send_signal, 0, 15, NULL, 0));
  show("nobody's pidfd", (u64)SYSTEM_CALL(__NR_pidfd_open, 0x3fffffff, 0));
  i32 made = -1;
  child = SYSTEM_CALL(__NR_clone, 0x1000 | 17, 0, &made, 0, 0);
  if (child == 0) SYSTEM_CALL(__NR_exit_group, 8);
  count("clone with a pidfd", made > fd);
  wait_for("its child", child);

  /* exec of ourselves: the child's output must come out once. */
  child = fork();
  if (child == 0) {
    char *arguments[] = {argv[0], "by exec", NULL};
    char *environment[] = {NULL};
    SYSTEM_CALL(__NR_execve, argv[0], arguments, environment);
    SYSTEM_CALL(__NR_exit_group, 126);
  }
  wait_for("exec", child);
  char *nothing[] = {NULL};
  show("exec of a folder", (u64)SYSTEM_CALL(__NR_execve, "/", nothing, nothing));
  show("exec of nothing", (u64)SYSTEM_CALL(__NR_execve, "/no such file", nothing, nothing));
  show("exec of a bad address", (u64)SYSTEM_CALL(__NR_execve, 8, nothing, nothing));

  /* Sessions and groups. */
  child = fork();
  if (child == 0) {
    long session = SYSTEM_CALL(__NR_setsid);
    int right = session == self() && SYSTEM_CALL(__NR_getsid, 0) == self() &&
                SYSTEM_CALL(__NR_getpgid, 0) == self();
    right += SYSTEM_CALL(__NR_setsid) == -1;
    right += SYSTEM_CALL(__NR_setpgid, 0, 0) == -1;
    SYSTEM_CALL(__NR_exit_group, right);
  }
  wait_for("setsid", child);
  show("setpgid of a stranger", (u64)SYSTEM_CALL(__NR_setpgid, 1, 0));
  show("kill nobody", (u64)SYSTEM_CALL(__NR_kill, 0x3fffffff, 15));
  show("kill with a bad signal", (u64)SYSTEM_CALL(__NR_kill, 0, 65));

  /* An orphan is nobody's child any more. */
  child = fork();
  if (child == 0) {
    child_exiting(5);
    SYSTEM_CALL(__NR_exit_group, 6);
  }
  wait_for("parent of an orphan", child);
  show("and no other", (u64)SYSTEM_CALL(__NR_wait4, -1, &status, 0, NULL));
  finish(0);
}
