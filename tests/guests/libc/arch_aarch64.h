/* aarch64: system call numbers, the call itself, and the frames of signals and threads. */
enum {
  SYS_unlinkat = 35, SYS_ftruncate = 46, SYS_openat = 56, SYS_close = 57, SYS_pipe2 = 59,
  SYS_read = 63, SYS_write = 64, SYS_exit = 93, SYS_exit_group = 94, SYS_futex = 98,
  SYS_sched_yield = 124, SYS_kill = 129, SYS_tgkill = 131, SYS_sigaltstack = 132,
  SYS_rt_sigaction = 134, SYS_rt_sigprocmask = 135, SYS_getpid = 172, SYS_gettid = 178,
  SYS_munmap = 215, SYS_mremap = 216, SYS_clone = 220, SYS_execve = 221, SYS_mmap = 222,
  SYS_mprotect = 226, SYS_madvise = 233, SYS_wait4 = 260, SYS_memfd_create = 279,
};

static inline long system_call(long number, long a, long b, long c, long d, long e, long f) {
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  register long x5 __asm__("x5") = f;
  __asm__ volatile("svc #0"
                   : "+r"(x0)
                   : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                   : "memory", "cc");
  return x0;
}

/* Offsets in the ucontext that a handler gets (arch/arm64/include/uapi/asm/sigcontext.h). */
#define CONTEXT_PC(context) (((u64 *)(context))[440 / 8])
#define CONTEXT_SP(context) (((u64 *)(context))[432 / 8])
/* A register that compiled code may hold a value in across a fault: x19. */
#define CONTEXT_KEPT(context) (((u64 *)(context))[184 / 8 + 19])
#define KEPT_REGISTER "x19"

/* movz w0, #low; movk w0, #high, lsl 16; ret */
#define CODE_BYTES 12
static inline void emit_constant(u8 *at, u32 value) {
  u32 *words = (u32 *)at;
  words[0] = 0x52800000u | (value & 0xffff) << 5;
  words[1] = 0x72a00000u | (value >> 16) << 5;
  words[2] = 0xd65f03c0u;
}

/* Cleans the data cache and invalidates the instruction cache over fresh code (Arm ARM B2.4.4). */
static inline void synchronise_code(u8 *from, u64 size) {
  u64 first = (u64)from & ~3ul;
  for (u64 at = first; at < (u64)from + size; at += 4) {
    __asm__ volatile("dc cvau, %0" ::"r"(at) : "memory");
  }
  __asm__ volatile("dsb ish" ::: "memory");
  for (u64 at = first; at < (u64)from + size; at += 4) {
    __asm__ volatile("ic ivau, %0" ::"r"(at) : "memory");
  }
  __asm__ volatile("dsb ish\n\tisb" ::: "memory");
}
