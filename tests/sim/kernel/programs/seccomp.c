/* seccomp(2): modes, checks of programs, actions and their order, inheritance, threads; and random programs. */
#include <asm/unistd.h>
#include "guest.h"

#if defined(__x86_64__)
#define AUDIT_ARCH 0xc000003eu
#else
#define AUDIT_ARCH 0xc00000b7u
#endif

enum {
  LD_ABS = 0x20, LD_LEN = 0x80, LD_MEM = 0x60, LDX_MEM = 0x61, ST = 0x02, STX = 0x03, JEQ = 0x15,
  JA = 0x05, RET_K = 0x06, RET_A = 0x16, AND = 0x54, OR = 0x44, DIV = 0x34, LSH = 0x64,
};
enum {
  KILL_PROCESS = 0x80000000, KILL_THREAD = 0, TRAP = 0x30000, ERRNO = 0x50000, TRACE = 0x7ff00000,
  LOG = 0x7ffc0000, ALLOW = 0x7fff0000,
};
enum { PR_GET_SECCOMP = 21, PR_SET_SECCOMP = 22, NO_NEW_PRIVS = 38, SIGSYS = 31 };

struct instruction {
  u16 code;
  u8 jt, jf;
  u32 k;
};
struct program {
  u16 length;
  const struct instruction *code;
};

static volatile i64 *shared;

static void quiet(void) {
  SYSTEM_CALL(__NR_prctl, NO_NEW_PRIVS, 1, 0, 0, 0);
}

static long install(const struct instruction *code, u64 length) {
  struct program program = {(u16)length, code};
  return SYSTEM_CALL(__NR_seccomp, 1, 0, &program);
}

/* Refuses one system call with `action`; all others may run. */
static long refuse(u32 number, u32 action) {
  struct instruction code[] = {
    {LD_ABS, 0, 0, 0}, {JEQ, 0, 1, number}, {RET_K, 0, 0, action}, {RET_K, 0, 0, ALLOW},
  };
  return install(code, 4);
}

/* Runs `body` in a child and tells how it ended; core dumps make no difference. */
static void child(const char *label, void (*body)(void)) {
  flush();
  long id = fork();
  if (id == 0) {
    quiet();
    body();
    finish(0);
  }
  i32 status = -1;
  SYSTEM_CALL(__NR_wait4, id, &status, 0, NULL);
  show(label, (u64)status & 0xff7f);
}

static long getpid_result(void) {
  long result = SYSTEM_CALL(__NR_getppid);
  return result > 0 ? 1 : result;
}

static void strict(void) {
  SYSTEM_CALL(__NR_prctl, PR_SET_SECCOMP, 1, 0, 0, 0);
  say("strict\n");
  flush();
  SYSTEM_CALL(__NR_exit, 7);
}
static void strict_broken(void) {
  SYSTEM_CALL(__NR_seccomp, 0, 0, 0);
  SYSTEM_CALL(__NR_getpid);
}
static void strict_twice(void) {
  show("strict with a program", (u64)SYSTEM_CALL(__NR_seccomp, 0, 0, 8));
  show("filter", (u64)refuse(__NR_getppid, ERRNO | 5));
  show("then strict", (u64)SYSTEM_CALL(__NR_seccomp, 0, 0, 0));
  show("mode", (u64)SYSTEM_CALL(__NR_prctl, PR_GET_SECCOMP, 0, 0, 0, 0));
}
static void errno_actions(void) {
  show("errno", (u64)refuse(__NR_getppid, ERRNO | 5));
  show("  gives", (u64)getpid_result());
  show("a greater one changes nothing", (u64)refuse(__NR_getppid, LOG));
  show("  gives", (u64)getpid_result());
  show("of equals the newest", (u64)refuse(__NR_getppid, ERRNO | 0xffff));
  show("  gives", (u64)getpid_result());
  show("trace without a tracer", (u64)refuse(__NR_getuid, TRACE | 3));
  show("  gives", (u64)SYSTEM_CALL(__NR_getuid));
  show("errno 0", (u64)refuse(__NR_geteuid, ERRNO));
  show("  gives", (u64)SYSTEM_CALL(__NR_geteuid));
  show("unknown number", (u64)refuse(1000, ERRNO | 7));
  show("  gives", (u64)SYSTEM_CALL(1000));
  show("log", (u64)refuse(__NR_sched_yield, LOG));
  show("  gives", (u64)SYSTEM_CALL(__NR_sched_yield));
}
static void kill_process(void) {
  refuse(__NR_getppid, KILL_PROCESS);
  SYSTEM_CALL(__NR_getppid);
}
static void kill_thread(void) {
  refuse(__NR_getppid, KILL_THREAD);
  SYSTEM_CALL(__NR_getppid);
}
static void unknown_action(void) {
  refuse(__NR_getppid, 0x00010000);
  SYSTEM_CALL(__NR_getppid);
}

static volatile u64 caught;
static void on_sys(int signal, void *information, void *context) {
  i32 *words = information;
  (void)context;
  count("handler of", (u64)signal);
  count("  si_errno", (u64)words[1]);
  count("  si_code", (u64)words[2]);
  count("  its call", words[6] == __NR_getppid);
  count("  its arch", (u32)words[7] == AUDIT_ARCH);
  count("  an address", *(u64 *)(words + 4) > 4096);
  count("  pc", *(u64 *)(words + 4) == CONTEXT_PC(context));
  caught++;
}
static void trap(void) {
  handle_signal(SIGSYS, on_sys, 0);
  refuse(__NR_getppid, TRAP | 0x1234);
  long result = SYSTEM_CALL(__NR_getppid, 77);
#if defined(__x86_64__)
  count("  and the number comes back", result == __NR_getppid);
#else
  count("  and the number comes back", result == 77);
#endif
  count("  once", caught);
}
static void trap_unhandled(void) {
  refuse(__NR_getppid, TRAP);
  SYSTEM_CALL(__NR_getppid);
}
static void trap_blocked(void) {
  u64 mask = 1ul << (SIGSYS - 1);
  handle_signal(SIGSYS, on_sys, 0);
  SYSTEM_CALL(__NR_rt_sigprocmask, 0, &mask, NULL, 8);
  refuse(__NR_getppid, TRAP);
  SYSTEM_CALL(__NR_getppid);
}
static void kill_handled(void) {
  handle_signal(SIGSYS, on_sys, 0);
  refuse(__NR_getppid, KILL_PROCESS);
  SYSTEM_CALL(__NR_getppid);
}

static u8 stack[16384] __attribute__((aligned(16)));
static volatile i32 gone;
static void wait_for(volatile i32 *word) {
  while (*word != 0) SYSTEM_CALL(__NR_futex, word, 0, *word, NULL, NULL, 0);
}
static void victim(void *argument) {
  (void)argument;
  shared[0] = getpid_result();
  SYSTEM_CALL(__NR_getuid);
  shared[1] = 1;
}
static void start_victim(void) {
  gone = 1;
  shared[0] = shared[1] = 0;
  start_thread(0x3d0f00, stack + sizeof stack, (i32 *)&gone, (i32 *)&gone, victim, NULL);
  wait_for(&gone);
}
static void thread_dies(void) {
  refuse(__NR_getppid, ERRNO | 9);
  refuse(__NR_getuid, KILL_THREAD);
  start_victim();
  show("a thread inherits", (u64)shared[0]);
  count("  and dies alone", shared[1] == 0);
}

static volatile i32 ready, go;
static void waiter(void *argument) {
  (void)argument;
  ready = 0;
  SYSTEM_CALL(__NR_futex, &ready, 1, 1, NULL, NULL, 0);
  wait_for(&go);
  shared[0] = getpid_result();
}
static void filtered_waiter(void *argument) {
  refuse(__NR_getuid, ERRNO | 3);
  waiter(argument);
}
static void together(void (*run)(void *), u64 flags) {
  struct instruction code[] = {
    {LD_ABS, 0, 0, 0}, {JEQ, 0, 1, __NR_getppid}, {RET_K, 0, 0, ERRNO | 11}, {RET_K, 0, 0, ALLOW},
  };
  struct program program = {4, code};
  ready = go = gone = 1;
  long id = start_thread(0x3d0f00, stack + sizeof stack, (i32 *)&gone, (i32 *)&gone, run, NULL);
  wait_for(&ready);
  long result = SYSTEM_CALL(__NR_seccomp, 1, flags, &program);
  go = 0;
  SYSTEM_CALL(__NR_futex, &go, 1, 1, NULL, NULL, 0);
  wait_for(&gone);
  if (result > 0) count("the other thread", result == id);
  else show("TSYNC", (u64)result);
  show("  the other gets", (u64)shared[0]);
}
static void synchronised(void) {
  together(waiter, 1);
}
static void not_synchronised(void) {
  together(filtered_waiter, 1);
}
static void no_thread(void) {
  together(filtered_waiter, 17);
}

static void limits(void) {
  static struct instruction many[4096];
  for (u64 i = 0; i < 4096; i++) many[i] = (struct instruction){RET_K, 0, 0, ALLOW};
  struct program program = {1, NULL};
  show("no program", (u64)SYSTEM_CALL(__NR_seccomp, 1, 0, NULL));
  show("no instructions", (u64)SYSTEM_CALL(__NR_seccomp, 1, 0, &program));
  show("unreadable ones", (u64)install((void *)8, 1));
  show("of length 0", (u64)install(many, 0));
  show("of length 4097", (u64)install(many, 4097));
  show("flags", (u64)SYSTEM_CALL(__NR_seccomp, 1, 0x8000, &program));
  show("an operation", (u64)SYSTEM_CALL(__NR_seccomp, 9, 0, NULL));
  show("a mode", (u64)SYSTEM_CALL(__NR_prctl, PR_SET_SECCOMP, 3, 0, 0, 0));
  u32 action = ERRNO;
  show("action there", (u64)SYSTEM_CALL(__NR_seccomp, 2, 0, &action));
  action = 0x12340000;
  show("action not there", (u64)SYSTEM_CALL(__NR_seccomp, 2, 0, &action));
  show("action unreadable", (u64)SYSTEM_CALL(__NR_seccomp, 2, 0, 8));
  show("action with flags", (u64)SYSTEM_CALL(__NR_seccomp, 2, 1, &action));
  show("no new privileges with more", (u64)SYSTEM_CALL(__NR_prctl, NO_NEW_PRIVS, 1, 1, 0, 0));
}

/* What the kernel says of one program, which is not run. */
static long checked(const struct instruction *code, u64 length) {
  flush();
  long id = fork();
  if (id == 0) {
    quiet();
    long result = install(code, length);
    SYSTEM_CALL(__NR_exit_group, result == 0 ? 0 : -result);
  }
  i32 status = -1;
  SYSTEM_CALL(__NR_wait4, id, &status, 0, NULL);
  return status == 0 ? 0 : -(status >> 8);
}
#define CHECK(label, ...)                                                                       \
  do {                                                                                          \
    const struct instruction code[] = {__VA_ARGS__};                                            \
    show(label, (u64)checked(code, sizeof code / sizeof *code));                                \
  } while (0)

static void checks(void) {
  CHECK("no end", {LD_ABS, 0, 0, 0});
  CHECK("return A", {RET_A, 0, 0, 0});
  CHECK("return X", {0x0e, 0, 0, 0});
  CHECK("load beyond", {LD_ABS, 0, 0, 64}, {RET_K, 0, 0, ALLOW});
  CHECK("load last", {LD_ABS, 0, 0, 60}, {RET_K, 0, 0, ALLOW});
  CHECK("load crooked", {LD_ABS, 0, 0, 2}, {RET_K, 0, 0, ALLOW});
  CHECK("load a byte", {0x30, 0, 0, 0}, {RET_K, 0, 0, ALLOW});
  CHECK("load indirect", {0x40, 0, 0, 0}, {RET_K, 0, 0, ALLOW});
  CHECK("load length", {LD_LEN, 0, 0, 9}, {RET_K, 0, 0, ALLOW});
  CHECK("modulo", {0x94, 0, 0, 3}, {RET_K, 0, 0, ALLOW});
  CHECK("divide by zero", {DIV, 0, 0, 0}, {RET_K, 0, 0, ALLOW});
  CHECK("shift by 32", {LSH, 0, 0, 32}, {RET_K, 0, 0, ALLOW});
  CHECK("store at 16", {ST, 0, 0, 16}, {RET_K, 0, 0, ALLOW});
  CHECK("load unstored", {LD_MEM, 0, 0, 3}, {RET_K, 0, 0, ALLOW});
  CHECK("load stored", {ST, 0, 0, 3}, {LDX_MEM, 0, 0, 3}, {RET_K, 0, 0, ALLOW});
  CHECK("stored on one way", {JEQ, 0, 1, 3}, {STX, 0, 0, 3}, {LD_MEM, 0, 0, 3}, {RET_K, 0, 0, ALLOW});
  CHECK("jump beyond", {JA, 0, 0, 1}, {RET_K, 0, 0, ALLOW});
  CHECK("jump back", {JA, 0, 0, 0xfffffffe}, {RET_K, 0, 0, ALLOW});
  CHECK("branch beyond", {JEQ, 1, 0, 1}, {RET_K, 0, 0, ALLOW});
  CHECK("branch to the end", {JEQ, 0, 0, 1}, {RET_K, 0, 0, ALLOW});
}

/* Random programs, of mostly sound instructions: whether they are taken, and what they compute. */
static void randoms(void) {
  static const u16 codes[] = {
    0x20, 0x20, 0x80, 0x81, 0x00, 0x01, 0x60, 0x61, 0x02, 0x03, 0x02, 0x03, 0x07, 0x87, 0x84, 0x04,
    0x0c, 0x14, 0x1c, 0x24, 0x2c, 0x34, 0x3c, 0x44, 0x4c, 0x54, 0x5c, 0x64, 0x6c, 0x74, 0x7c, 0xa4,
    0xac, 0x05, 0x15, 0x1d, 0x25, 0x2d, 0x35, 0x3d, 0x45, 0x4d, 0x9c, 0x30, 0x06,
  };
  u64 state = 88172645463325252ul, taken = 0, sum = 0;
  for (u64 round = 0; round < 300; round++) {
    struct instruction code[40];
    u64 length = 0;
    code[length++] = (struct instruction){LD_ABS, 0, 0, 0};
    code[length++] = (struct instruction){JEQ, 1, 0, __NR_getppid};
    code[length++] = (struct instruction){RET_K, 0, 0, ALLOW};
    /* From here on nothing depends on the number, which the architectures do not share. */
    code[length++] = (struct instruction){LD_ABS, 0, 0, 16};
    for (u64 word = 0; word < 4; word++) code[length++] = (struct instruction){ST, 0, 0, (u32)word};
    for (u64 more = next_random(&state) % 20; more > 0; more--) {
      u64 pick = next_random(&state);
      u16 op = codes[pick % (sizeof codes / sizeof *codes - (pick >> 40 & 7 ? 3 : 0))];
      u32 k = (u32)next_random(&state);
      /* Operands that the instruction can take, but for one in sixteen. */
      if (pick >> 44 & 15) {
        if (op == 0x20) k = 16 + k % 12 * 4;
        else if ((op & 7) == 5 && op != 0x05) k = k & 1 ? k : k & 0xff;
        else if (op == 0x05) k %= 3;
        else if (op == 0x60 || op == 0x61) k &= 3;
        else if (op == 0x02 || op == 0x03) k &= 7;
        else if (op == 0x64 || op == 0x74) k &= 31;
      }
      code[length++] = (struct instruction){op, (u8)(pick >> 16 & 3), (u8)(pick >> 24 & 3), k};
    }
    /* Twelve bits of A as an errno; jumps near the end stay inside. */
    for (u64 i = 0; i < 4; i++) code[length++] = (struct instruction){0xa4, 0, 0, (u32)(i * 0x1003)};
    code[length++] = (struct instruction){AND, 0, 0, 0xfff};
    code[length++] = (struct instruction){OR, 0, 0, ERRNO};
    code[length++] = (struct instruction){RET_A, 0, 0, 0};
    shared[0] = shared[1] = 0;
    long id = fork();
    if (id == 0) {
      quiet();
      shared[1] = install(code, length);
      if (shared[1] == 0) {
        long result = SYSTEM_CALL(__NR_getppid, 0x1234567890abcdefl, 3, -5, 1l << 40, 77, 0xffffffffl);
        shared[0] = result > 0 ? 1 : result;
      }
      SYSTEM_CALL(__NR_exit_group, 0);
    }
    i32 status = -1;
    SYSTEM_CALL(__NR_wait4, id, &status, 0, NULL);
    taken += shared[1] == 0;
    sum = sum * 31 + (u64)shared[0] + (u64)shared[1] * 7 + ((u64)status & 0xff7f);
    if (round % 10 == 0) show("  so far", sum);
  }
  count("taken", taken);
}

int main(int argc, char **argv) {
  (void)argv;
  if (argc > 1) {
    show("after exec", (u64)getpid_result());
    show("  mode", (u64)SYSTEM_CALL(__NR_prctl, PR_GET_SECCOMP, 0, 0, 0, 0));
    show("  no new privileges", (u64)SYSTEM_CALL(__NR_prctl, 39, 0, 0, 0, 0));
    return 3;
  }
  shared = (volatile i64 *)map(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  show("mode", (u64)SYSTEM_CALL(__NR_prctl, PR_GET_SECCOMP, 0, 0, 0, 0));
  child("strict", strict);
  child("strict, broken", strict_broken);
  child("modes", strict_twice);
  child("errno", errno_actions);
  child("kill process", kill_process);
  child("kill thread", kill_thread);
  child("unknown action", unknown_action);
  child("trap", trap);
  child("trap without a handler", trap_unhandled);
  child("trap while blocked", trap_blocked);
  child("kill with a handler", kill_handled);
  child("thread", thread_dies);
  child("synchronised", synchronised);
  child("not synchronised", not_synchronised);
  child("no thread", no_thread);
  child("limits", limits);
  checks();
  randoms();
  quiet();
  show("inherited", (u64)refuse(__NR_getppid, ERRNO | 13));
  flush();
  long id = fork();
  if (id == 0) {
    show("after fork", (u64)getpid_result());
    flush();
    char *arguments[] = {"seccomp", "again", NULL};
    SYSTEM_CALL(__NR_execve, "/proc/self/exe", arguments, (char *[]){NULL});
  }
  i32 status = -1;
  SYSTEM_CALL(__NR_wait4, id, &status, 0, NULL);
  show("  ended", (u64)status);
  return 0;
}
