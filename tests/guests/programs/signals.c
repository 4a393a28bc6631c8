/* Handlers, masks, nesting, the alternate stack, and a handler that changes a register. */
#include "guest.h"

static volatile u64 plain, nested, on_stack, depth, deepest;
static u8 alternate[65536] __attribute__((aligned(16)));

struct stack {
  void *base;
  u32 flags;
  u64 size;
};

static void raise(int signal) {
  long process = SYSTEM_CALL(SYS_getpid);
  long thread = SYSTEM_CALL(SYS_gettid);
  SYSTEM_CALL(SYS_tgkill, process, thread, signal);
}

static void on_plain(int signal, void *information, void *context) {
  (void)information;
  (void)context;
  plain = plain * 10 + (u64)signal;
}

static void on_nested(int signal, void *information, void *context) {
  (void)information;
  (void)context;
  if (++depth > deepest) deepest = depth;
  if (nested++ < 4) raise(signal);
  depth--;
}

static void on_alternate(int signal, void *information, void *context) {
  (void)signal;
  (void)information;
  u8 here;
  on_stack = &here >= alternate && &here < alternate + sizeof alternate;
  on_stack += CONTEXT_SP(context) < (u64)alternate ||
              CONTEXT_SP(context) >= (u64)(alternate + sizeof alternate);
}

static void on_fault(int signal, void *information, void *context) {
  (void)signal;
  (void)information;
  CONTEXT_KEPT(context) = 0x1234567890abcdeful;
  CONTEXT_PC(context) += 4;
}

/* A fault in a four-byte instruction; the handler skips it and writes the register. */
static u64 register_from_handler(void) {
  u64 value;
#if defined(__x86_64__)
  __asm__ volatile("xor %%ebx, %%ebx\n xor %%eax, %%eax\n movzbl 0(%%rax,%%rax), %%ecx\n"
                   " mov %%rbx, %0"
                   : "=r"(value)::"rax", "rbx", "rcx", "memory");
  _Static_assert(sizeof "\x0f\xb6\x0c\x00" == 5, "movzbl (%rax,%rax), %ecx takes four bytes");
#else
  __asm__ volatile("mov x19, #0\n mov x0, #0\n ldrb w1, [x0]\n mov %0, x19"
                   : "=r"(value)::"x0", "x1", "x19", "memory");
#endif
  return value;
}

int main(void) {
  handle_signal(SIGUSR1, on_plain, 0);
  raise(SIGUSR1);
  u64 mask = 1ul << (SIGUSR1 - 1), old = 0;
  SYSTEM_CALL(SYS_rt_sigprocmask, 0, &mask, &old, 8);
  raise(SIGUSR1);
  raise(SIGUSR1);
  count("while blocked", plain);
  SYSTEM_CALL(SYS_rt_sigprocmask, 1, &mask, NULL, 8);
  count("after unblocking", plain);

  handle_signal(SIGUSR1, on_nested, 0);
  raise(SIGUSR1);
  count("deepest without SA_NODEFER", deepest);
  nested = deepest = 0;
  handle_signal(SIGUSR1, on_nested, SA_NODEFER);
  raise(SIGUSR1);
  count("deepest with SA_NODEFER", deepest);

  struct stack stack = {alternate, 0, sizeof alternate};
  if (SYSTEM_CALL(SYS_sigaltstack, &stack, NULL)) return 1;
  handle_signal(SIGUSR1, on_alternate, SA_ONSTACK);
  raise(SIGUSR1);
  count("on the alternate stack", on_stack);

  handle_signal(SIGSEGV, on_fault, SA_ONSTACK);
  show("register set by the handler", register_from_handler());
  say("killed by SIGSEGV next\n");
  flush();
  SYSTEM_CALL(SYS_rt_sigprocmask, 0, &old, NULL, 8);
  struct {
    u64 handler, flags, restorer, mask;
  } by_default = {0, 0, 0, 0};
  SYSTEM_CALL(SYS_rt_sigaction, SIGSEGV, &by_default, NULL, 8);
  raise(SIGSEGV);
  return 2;
}
