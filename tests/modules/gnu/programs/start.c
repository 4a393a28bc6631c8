/* Entry code that asks for no newer glibc than the one it is linked with (the psABIs, "Process Initialization"). */
int main(int, char **, char **);
int __libc_start_main(int (*)(int, char **, char **), int, char **, void (*)(void), void (*)(void),
                      void (*)(void), void *);
void *__dso_handle = 0;

__attribute__((noreturn, used)) static void begin(long *stack, void (*finish)(void)) {
  __libc_start_main(main, (int)stack[0], (char **)(stack + 1), 0, 0, finish, stack);
  __builtin_trap();
}

#ifdef __x86_64__
__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tmov %rsp, %rdi\n\tmov %rdx, %rsi\n"
        "\tand $-16, %rsp\n\tcall begin\n");
#else
__asm__(".globl _start\n_start:\n\tmov x29, #0\n\tmov x30, #0\n\tmov x1, x0\n\tmov x0, sp\n\tbl begin\n");
#endif
