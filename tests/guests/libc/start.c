/* The entry point: what crt1.o does. Static and dynamic programs use the same. */
#include "guest.h"

#if defined(__x86_64__)
__asm__(".globl _start\n.type _start, @function\n"
        "_start: xor %ebp, %ebp\n mov %rsp, %rdi\n mov %rdx, %rsi\n and $-16, %rsp\n"
        " call start_program\n hlt\n.size _start, .-_start\n");
#else
__asm__(".globl _start\n.type _start, %function\n"
        "_start: mov x29, #0\n mov x30, #0\n mov x1, x0\n mov x0, sp\n"
        " bl start_program\n brk #0\n.size _start, .-_start\n");
#endif

typedef void (*Function)(void);
extern Function __init_array_start[] __attribute__((visibility("hidden")));
extern Function __init_array_end[] __attribute__((visibility("hidden")));
extern Function __fini_array_start[] __attribute__((visibility("hidden")));
extern Function __fini_array_end[] __attribute__((visibility("hidden")));

int main(int argc, char **argv);

static Function dynamic_linkers_end;

/* The dynamic linker runs all destructors; a static program has to run its own. */
__attribute__((noreturn)) static void end_program(int code) {
  if (dynamic_linkers_end) {
    dynamic_linkers_end();
  } else {
    for (Function *at = __fini_array_end; at != __fini_array_start;) (*--at)();
  }
  finish(code);
}

/* `stack` is the kernel's: argc, argv, 0, environment, 0, auxv. `end` is the dynamic linker's. */
__attribute__((noreturn, used)) void start_program(u64 *stack, Function end) {
  dynamic_linkers_end = end;
  for (Function *at = __init_array_start; at != __init_array_end; at++) (*at)();
  end_program(main((int)stack[0], (char **)(stack + 1)));
}
