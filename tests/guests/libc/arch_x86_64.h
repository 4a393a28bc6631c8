/* x86_64: system call numbers, the call itself, and the frames of signals and threads. */
enum {
  SYS_read = 0, SYS_write = 1, SYS_close = 3, SYS_mmap = 9, SYS_mprotect = 10, SYS_munmap = 11,
  SYS_rt_sigaction = 13, SYS_rt_sigprocmask = 14, SYS_sched_yield = 24, SYS_mremap = 25,
  SYS_madvise = 28, SYS_getpid = 39, SYS_clone = 56, SYS_execve = 59, SYS_exit = 60,
  SYS_wait4 = 61, SYS_kill = 62, SYS_ftruncate = 77, SYS_sigaltstack = 131, SYS_gettid = 186,
  SYS_futex = 202, SYS_exit_group = 231, SYS_tgkill = 234, SYS_openat = 257, SYS_unlinkat = 263,
  SYS_pipe2 = 293, SYS_memfd_create = 319,
};

static inline long system_call(long number, long a, long b, long c, long d, long e, long f) {
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}

/* Offsets in the ucontext that a handler gets (arch/x86/include/uapi/asm/sigcontext.h). */
#define CONTEXT_PC(context) (((u64 *)(context))[5 + 16])
#define CONTEXT_SP(context) (((u64 *)(context))[5 + 15])
/* A register that compiled code may hold a value in across a fault: rbx. */
#define CONTEXT_KEPT(context) (((u64 *)(context))[5 + 11])
#define KEPT_REGISTER "rbx"

/* mov $value, %eax; ret */
#define CODE_BYTES 6
static inline void emit_constant(u8 *at, u32 value) {
  at[0] = 0xb8;
  for (int i = 0; i < 4; i++) at[1 + i] = (u8)(value >> (8 * i));
  at[5] = 0xc3;
}

static inline void synchronise_code(u8 *from, u64 size) {
  (void)from;
  (void)size; /* stores are seen by the next instruction fetch */
}
