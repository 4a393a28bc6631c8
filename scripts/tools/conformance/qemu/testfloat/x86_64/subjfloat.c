/*
 * TestFloat's subject on x86_64: each function is one instruction of SSE, FMA, F16C or x87 (a remainder takes
 * several). Operands are in TestFloat's order, so that NaNs are those of the manual.
 */
#include <stdbool.h>
#include <stdint.h>
#include "platform.h"
#include "softfloat.h"
#include "subjfloat_config.h"
#include "subjfloat.h"

static uint32_t mxcsr(void) {
  uint32_t value;
  __asm__ volatile("stmxcsr %0" : "=m"(value));
  return value;
}
static void set_mxcsr(uint32_t value) { __asm__ volatile("ldmxcsr %0" ::"m"(value)); }
static uint16_t control(void) {
  uint16_t value;
  __asm__ volatile("fnstcw %0" : "=m"(value));
  return value;
}
static void set_control(uint16_t value) { __asm__ volatile("fldcw %0" ::"m"(value)); }

/* As the control words number modes: nearest, down, up, to zero. */
static void round_to(int mode) {
  set_mxcsr((mxcsr() & ~0x6000u) | (uint32_t)mode << 13);
  set_control((control() & ~0xc00) | mode << 10);
}
static int rounding(void) { return mxcsr() >> 13 & 3; }

void subjfloat_setRoundingMode(uint_fast8_t mode) {
  round_to(mode == softfloat_round_minMag ? 3
           : mode == softfloat_round_min  ? 1
           : mode == softfloat_round_max  ? 2
                                          : 0);
}

void subjfloat_setExtF80RoundingPrecision(uint_fast8_t precision) {
  set_control((control() & ~0x300) | (precision == 32 ? 0 : precision == 64 ? 0x200 : 0x300));
}

/* Both status words have the exceptions in the same bits; denormal operands are not IEEE's. */
uint_fast8_t subjfloat_clearExceptionFlags(void) {
  uint16_t status;
  __asm__ volatile("fnstsw %0\n fnclex" : "=m"(status));
  uint32_t flags = mxcsr();
  set_mxcsr(flags & ~0x3fu);
  flags |= status;
  return (flags & 1 ? softfloat_flag_invalid : 0) | (flags & 4 ? softfloat_flag_infinite : 0) |
         (flags & 8 ? softfloat_flag_overflow : 0) | (flags & 16 ? softfloat_flag_underflow : 0) |
         (flags & 32 ? softfloat_flag_inexact : 0);
}

typedef float vector __attribute__((vector_size(16)));
static vector load32(float32_t a) { return (vector)(__attribute__((vector_size(16))) uint32_t){a.v}; }
static vector load64(float64_t a) { return (vector)(__attribute__((vector_size(16))) uint64_t){a.v}; }
static float32_t store32(vector a) { return (float32_t){((__attribute__((vector_size(16))) uint32_t)a)[0]}; }
static float64_t store64(vector a) { return (float64_t){((__attribute__((vector_size(16))) uint64_t)a)[0]}; }

#define BINARY(N, name, instruction)                                                     \
  float##N##_t subj_f##N##_##name(float##N##_t a, float##N##_t b) {                      \
    vector z = load##N(a);                                                               \
    __asm__ volatile(instruction " %1, %0" : "+x"(z) : "x"(load##N(b)));                 \
    return store##N(z);                                                                  \
  }
#define UNARY(N, M, name, instruction)                                                   \
  float##M##_t subj_f##N##_##name(float##N##_t a) {                                      \
    vector z = {0};                                                                      \
    __asm__ volatile(instruction " %1, %0" : "+x"(z) : "x"(load##N(a)));                 \
    return store##M(z);                                                                  \
  }
/* Of b with a: carry if b is less, or one is no number. */
#define COMPARE(N, name, instruction, condition)                                         \
  bool subj_f##N##_##name(float##N##_t a, float##N##_t b) {                              \
    bool z;                                                                              \
    __asm__ volatile(instruction " %1, %2\n set" condition " %0"                         \
                     : "=q"(z) : "x"(load##N(a)), "x"(load##N(b)) : "cc");               \
    return z;                                                                            \
  }
#define EQUAL(N, name, instruction)                                                      \
  bool subj_f##N##_##name(float##N##_t a, float##N##_t b) {                              \
    bool z, ordered;                                                                     \
    __asm__ volatile(instruction " %3, %2\n sete %0\n setnp %1"                          \
                     : "=q"(z), "=q"(ordered) : "x"(load##N(a)), "x"(load##N(b)) : "cc"); \
    return z && ordered;                                                                 \
  }
#define TO_INTEGER(N, M, name, instruction, mode)                                        \
  int_fast##M##_t subj_f##N##_to_i##M##_rx_##name(float##N##_t a) {                      \
    int##M##_t z;                                                                        \
    int before = rounding();                                                             \
    round_to(mode);                                                                      \
    __asm__ volatile(instruction " %1, %0" : "=r"(z) : "x"(load##N(a)));                 \
    round_to(before);                                                                    \
    return z;                                                                            \
  }
#define FROM_INTEGER(N, M, instruction)                                                  \
  float##N##_t subj_i##M##_to_f##N(int##M##_t a) {                                       \
    vector z = {0};                                                                      \
    __asm__ volatile(instruction " %1, %0" : "+x"(z) : "r"(a));                          \
    return store##N(z);                                                                  \
  }
#define FORMAT(N, s)                                                                     \
  BINARY(N, add, "adds" s)                                                               \
  BINARY(N, sub, "subs" s)                                                               \
  BINARY(N, mul, "muls" s)                                                               \
  BINARY(N, div, "divs" s)                                                               \
  float##N##_t subj_f##N##_mulAdd(float##N##_t a, float##N##_t b, float##N##_t c) {      \
    vector z = load##N(b);                                                               \
    __asm__ volatile("vfmadd213s" s " %2, %1, %0"                                        \
                     : "+x"(z) : "x"(load##N(a)), "x"(load##N(c)));                      \
    return store##N(z);                                                                  \
  }                                                                                      \
  UNARY(N, N, sqrt, "sqrts" s)                                                           \
  UNARY(N, N, roundToInt_r_near_even, "rounds" s " $8,")                                 \
  UNARY(N, N, roundToInt_r_min, "rounds" s " $9,")                                       \
  UNARY(N, N, roundToInt_r_max, "rounds" s " $10,")                                      \
  UNARY(N, N, roundToInt_r_minMag, "rounds" s " $11,")                                   \
  UNARY(N, N, roundToInt_x, "rounds" s " $4,")                                           \
  EQUAL(N, eq, "ucomis" s)                                                               \
  EQUAL(N, eq_signaling, "comis" s)                                                      \
  COMPARE(N, le, "comis" s, "ae")                                                        \
  COMPARE(N, lt, "comis" s, "a")                                                         \
  COMPARE(N, le_quiet, "ucomis" s, "ae")                                                 \
  COMPARE(N, lt_quiet, "ucomis" s, "a")                                                  \
  TO_INTEGER(N, 32, near_even, "cvts" s "2sil", 0)                                       \
  TO_INTEGER(N, 32, min, "cvts" s "2sil", 1)                                             \
  TO_INTEGER(N, 32, max, "cvts" s "2sil", 2)                                             \
  TO_INTEGER(N, 32, minMag, "cvtts" s "2sil", 0)                                         \
  TO_INTEGER(N, 64, near_even, "cvts" s "2siq", 0)                                       \
  TO_INTEGER(N, 64, min, "cvts" s "2siq", 1)                                             \
  TO_INTEGER(N, 64, max, "cvts" s "2siq", 2)                                             \
  TO_INTEGER(N, 64, minMag, "cvtts" s "2siq", 0)                                         \
  FROM_INTEGER(N, 32, "cvtsi2s" s "l")                                                   \
  FROM_INTEGER(N, 64, "cvtsi2s" s "q")

FORMAT(32, "s")
FORMAT(64, "d")
UNARY(32, 64, to_f64, "cvtss2sd")
UNARY(64, 32, to_f32, "cvtsd2ss")

float32_t subj_f16_to_f32(float16_t a) {
  vector z;
  __asm__ volatile("vmovd %1, %0\n vcvtph2ps %0, %0" : "=x"(z) : "r"((uint32_t)a.v));
  return store32(z);
}
float16_t subj_f32_to_f16(float32_t a) {
  uint32_t z;
  vector half;
  __asm__ volatile("vcvtps2ph $4, %2, %1\n vmovd %1, %0" : "=r"(z), "=x"(half) : "x"(load32(a)));
  return (float16_t){z};
}

/* x87. */

#define X87_BINARY(name, instruction)                                                    \
  void subj_extF80M_##name(const extFloat80_t *a, const extFloat80_t *b, extFloat80_t *z) { \
    __asm__ volatile("fldt %2\n fldt %1\n " instruction "\n fstpt %0\n fstp %%st(0)"     \
                     : "=m"(*z) : "m"(*a), "m"(*b) : "rax", "cc");                      \
  }
#define X87_UNARY(name, instruction)                                                     \
  void subj_extF80M_##name(const extFloat80_t *a, extFloat80_t *z) {                     \
    __asm__ volatile("fldt %1\n " instruction "\n fstpt %0" : "=m"(*z) : "m"(*a));       \
  }
/* Of b, the top, with a. */
#define X87_COMPARE(name, instruction, condition)                                        \
  bool subj_extF80M_##name(const extFloat80_t *a, const extFloat80_t *b) {               \
    bool z;                                                                              \
    __asm__ volatile("fldt %1\n fldt %2\n " instruction " %%st(1), %%st\n set" condition \
                     " %0\n fstp %%st(0)" : "=q"(z) : "m"(*a), "m"(*b) : "cc");          \
    return z;                                                                            \
  }
#define X87_EQUAL(name, instruction)                                                     \
  bool subj_extF80M_##name(const extFloat80_t *a, const extFloat80_t *b) {               \
    bool z, ordered;                                                                     \
    __asm__ volatile("fldt %2\n fldt %3\n " instruction " %%st(1), %%st\n sete %0\n setnp %1\n" \
                     " fstp %%st(0)" : "=q"(z), "=q"(ordered) : "m"(*a), "m"(*b) : "cc"); \
    return z && ordered;                                                                 \
  }
#define X87_TO_INTEGER(M, name, instruction, mode)                                       \
  int_fast##M##_t subj_extF80M_to_i##M##_rx_##name(const extFloat80_t *a) {              \
    int##M##_t z;                                                                        \
    int before = rounding();                                                             \
    round_to(mode);                                                                      \
    __asm__ volatile("fldt %1\n " instruction " %0" : "=m"(z) : "m"(*a));                \
    round_to(before);                                                                    \
    return z;                                                                            \
  }

X87_BINARY(add, "fadd %%st(1), %%st")
X87_BINARY(sub, "fsub %%st(1), %%st")
X87_BINARY(mul, "fmul %%st(1), %%st")
X87_BINARY(div, "fdiv %%st(1), %%st")
X87_BINARY(rem, "1: fprem1\n fnstsw %%ax\n test $4, %%ah\n jnz 1b")
X87_UNARY(sqrt, "fsqrt")
X87_UNARY(roundToInt_x, "frndint")
X87_EQUAL(eq, "fucomip")
X87_EQUAL(eq_signaling, "fcomip")
X87_COMPARE(le, "fcomip", "ae")
X87_COMPARE(lt, "fcomip", "a")
X87_COMPARE(le_quiet, "fucomip", "ae")
X87_COMPARE(lt_quiet, "fucomip", "a")
X87_TO_INTEGER(32, near_even, "fistpl", 0)
X87_TO_INTEGER(32, min, "fistpl", 1)
X87_TO_INTEGER(32, max, "fistpl", 2)
X87_TO_INTEGER(32, minMag, "fisttpl", 0)
X87_TO_INTEGER(64, near_even, "fistpll", 0)
X87_TO_INTEGER(64, min, "fistpll", 1)
X87_TO_INTEGER(64, max, "fistpll", 2)
X87_TO_INTEGER(64, minMag, "fisttpll", 0)

void subj_i32_to_extF80M(int32_t a, extFloat80_t *z) {
  __asm__ volatile("fildl %1\n fstpt %0" : "=m"(*z) : "m"(a));
}
void subj_i64_to_extF80M(int64_t a, extFloat80_t *z) {
  __asm__ volatile("fildll %1\n fstpt %0" : "=m"(*z) : "m"(a));
}
void subj_f32_to_extF80M(float32_t a, extFloat80_t *z) {
  __asm__ volatile("flds %1\n fstpt %0" : "=m"(*z) : "m"(a));
}
void subj_f64_to_extF80M(float64_t a, extFloat80_t *z) {
  __asm__ volatile("fldl %1\n fstpt %0" : "=m"(*z) : "m"(a));
}
float32_t subj_extF80M_to_f32(const extFloat80_t *a) {
  float32_t z;
  __asm__ volatile("fldt %1\n fstps %0" : "=m"(z) : "m"(*a));
  return z;
}
float64_t subj_extF80M_to_f64(const extFloat80_t *a) {
  float64_t z;
  __asm__ volatile("fldt %1\n fstpl %0" : "=m"(z) : "m"(*a));
  return z;
}
