/* Signals, threads and fork: the calls that need a few lines of assembler. */
#include "guest.h"

#if defined(__x86_64__)
__asm__("signal_return: mov $15, %eax\n syscall\n"
        ".globl start_thread\n.type start_thread, @function\n"
        "start_thread: sub $16, %rsi\n mov %r9, (%rsi)\n mov %r8, 8(%rsi)\n mov %rcx, %r10\n"
        " xor %r8d, %r8d\n mov $56, %eax\n syscall\n test %rax, %rax\n jnz 1f\n"
        " xor %ebp, %ebp\n pop %rdi\n pop %rax\n call *%rax\n xor %edi, %edi\n mov $60, %eax\n"
        " syscall\n hlt\n1: ret\n.size start_thread, .-start_thread\n");
void signal_return(void);
#define RESTORER_FLAG SA_RESTORER
#define RESTORER signal_return
#else
/* No SA_RESTORER here: the kernel's own sigreturn code ends a handler. */
__asm__(".globl start_thread\n.type start_thread, %function\n"
        "start_thread: stp x5, x4, [x1, #-16]!\n mov x4, x3\n mov x3, #0\n mov x8, #220\n"
        " svc #0\n cbnz x0, 1f\n mov x29, #0\n ldp x0, x1, [sp], #16\n blr x1\n mov x0, #0\n"
        " mov x8, #93\n svc #0\n1: ret\n.size start_thread, .-start_thread\n");
#define RESTORER_FLAG 0
#define RESTORER NULL
#endif

struct kernel_sigaction {
  Handler handler;
  u64 flags;
  void (*restorer)(void);
  u64 mask;
};

long handle_signal(int signal, Handler handler, u64 flags) {
  struct kernel_sigaction action = {handler, flags | SA_SIGINFO | RESTORER_FLAG, RESTORER, 0};
  return SYSTEM_CALL(SYS_rt_sigaction, signal, &action, NULL, 8);
}

long fork(void) {
  return SYSTEM_CALL(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}
