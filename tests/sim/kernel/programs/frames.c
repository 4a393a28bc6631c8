/* Signal frames: vector and floating-point state survives a handler, and a handler can change it. */
#include "guest.h"

#if defined(__x86_64__)
/* ucontext: fpstate pointer after gregs; in FXSAVE, XMM0 at byte 160, MXCSR at 24, ST0 at 32. */
#define FLOATING(context) (*(u8 **)((u8 *)(context) + 40 + 184))
#define VECTOR(context, i) ((u64 *)(FLOATING(context) + 160 + 16 * (i)))
#define WRITE_VECTORS(a, b)                                                                     \
  __asm__ volatile("movq %0, %%xmm3\n movq %1, %%xmm15\n punpcklqdq %%xmm3, %%xmm15" ::"r"(a), "r"(b))
#define READ_VECTORS(low, high)                                                                 \
  __asm__ volatile("movq %%xmm15, %0\n movdqa %%xmm15, %%xmm4\n psrldq $8, %%xmm4\n movq %%xmm4, %1" \
                   : "=r"(low), "=r"(high))
#define SPOIL_VECTORS() __asm__ volatile("pxor %%xmm15, %%xmm15\n pxor %%xmm3, %%xmm3\n fld1\n" ::: "memory")
static u64 control(void) {
  u32 value;
  __asm__ volatile("stmxcsr %0" : "=m"(value));
  return (value >> 13) & 3;
}
static void set_control(u64 rounding) {
  u32 value = 0x1f80 | (u32)rounding << 13;
  __asm__ volatile("ldmxcsr %0" ::"m"(value));
}
#else
/* The first record of the reserved area is fpsimd_context: header, fpsr, fpcr, V0… */
#define FLOATING(context) ((u8 *)(context) + 176 + 288)
#define VECTOR(context, i) ((u64 *)(FLOATING(context) + 16 + 16 * (i)))
#define WRITE_VECTORS(a, b) __asm__ volatile("fmov d15, %1\n ins v15.d[1], %0" ::"r"(a), "r"(b))
#define READ_VECTORS(low, high)                                                                 \
  __asm__ volatile("umov %0, v15.d[0]\n umov %1, v15.d[1]" : "=r"(low), "=r"(high))
#define SPOIL_VECTORS() __asm__ volatile("movi v15.2d, #0\n movi v3.2d, #0" ::: "memory")
static u64 control(void) {
  u64 value;
  __asm__ volatile("mrs %0, fpcr" : "=r"(value));
  /* As x86 numbers the modes: nearest, down, up, zero. */
  return "\0\2\1\3"[value >> 22 & 3];
}
static void set_control(u64 rounding) {
  u64 value = (u64) "\0\2\1\3"[rounding] << 22;
  __asm__ volatile("msr fpcr, %0" ::"r"(value));
}
#endif

static volatile u64 seen_low, seen_high, change, flags_seen;

static void on_signal(int signal, void *information, void *context) {
  (void)signal;
  (void)information;
  seen_low = VECTOR(context, 15)[0];
  seen_high = VECTOR(context, 15)[1];
  if (change) VECTOR(context, 15)[1] = 0x1111222233334444ul;
  set_control(1);
  SPOIL_VECTORS();
}

static void raise(void) {
  long process = SYSTEM_CALL(SYS_getpid);
  long thread = SYSTEM_CALL(SYS_gettid);
  SYSTEM_CALL(SYS_tgkill, process, thread, SIGUSR1);
}

/* Condition flags across a handler that is entered between two instructions (by a fault). */
static void on_fault(int signal, void *information, void *context) {
  (void)signal;
  (void)information;
#if defined(__x86_64__)
  flags_seen = ((u64 *)context)[5 + 17] & 0xc5;
#else
  flags_seen = *(u64 *)((u8 *)context + 176 + 272) >> 28;
#endif
  u64 zero = 0;
  __asm__ volatile("" : "+r"(zero));
  if (zero) flags_seen = 0;
  CONTEXT_PC(context) += 4;
}

static u64 flags_across_fault(void) {
  u64 equal;
#if defined(__x86_64__)
  __asm__ volatile("xor %%eax, %%eax\n cmp %%rax, %%rax\n movzbl 0(%%rax,%%rax), %%ecx\n sete %%cl\n"
                   " movzbl %%cl, %%ecx\n mov %%rcx, %0"
                   : "=r"(equal)::"rax", "rcx", "memory");
  return equal && flags_seen == 0x44;
#else
  __asm__ volatile("mov x0, #0\n cmp x0, #0\n ldrb w1, [x0]\n cset %0, eq"
                   : "=r"(equal)::"x0", "x1", "memory", "cc");
  return equal && flags_seen == 6;
#endif
}

int main(void) {
  u64 low, high;
  handle_signal(SIGUSR1, on_signal, 0);
  set_control(2);
  WRITE_VECTORS(0xaaaabbbbccccddddul, 0x0123456789abcdeful);
  raise();
  READ_VECTORS(low, high);
  show("seen low", seen_low);
  show("seen high", seen_high);
  show("kept low", low);
  show("kept high", high);
  count("rounding", control());

  change = 1;
  WRITE_VECTORS(0xaaaabbbbccccddddul, 0x0123456789abcdeful);
  raise();
  READ_VECTORS(low, high);
  show("low", low);
  show("changed high", high);
  set_control(0);

  handle_signal(SIGSEGV, on_fault, 0);
  count("flags across a fault", flags_across_fault());
  finish(0);
}
