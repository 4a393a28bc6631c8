/*
 * TestFloat's subject on aarch64: each function is one instruction of the scalar floating-point set, half
 * precision (FEAT_FP16) included.
 */
#include <stdbool.h>
#include <stdint.h>
#include "platform.h"
#include "softfloat.h"
#include "subjfloat_config.h"
#include "subjfloat.h"

/* FPCR.RMode: nearest, up, down, to zero. */
void subjfloat_setRoundingMode(uint_fast8_t mode) {
  uint64_t value = mode == softfloat_round_minMag ? 3
                   : mode == softfloat_round_min  ? 2
                   : mode == softfloat_round_max  ? 1
                                                  : 0;
  __asm__ volatile("msr fpcr, %0" ::"r"(value << 22));
}
void subjfloat_setExtF80RoundingPrecision(uint_fast8_t precision) { (void)precision; }

uint_fast8_t subjfloat_clearExceptionFlags(void) {
  uint64_t flags;
  __asm__ volatile("mrs %0, fpsr\n msr fpsr, xzr" : "=r"(flags));
  return (flags & 1 ? softfloat_flag_invalid : 0) | (flags & 2 ? softfloat_flag_infinite : 0) |
         (flags & 4 ? softfloat_flag_overflow : 0) | (flags & 8 ? softfloat_flag_underflow : 0) |
         (flags & 16 ? softfloat_flag_inexact : 0);
}

/* Values travel in general registers, so that no format needs a type of C's. */
#define UNARY(N, r, w, M, t, u, name, instruction)                                        \
  float##M##_t subj_f##N##_##name(float##N##_t a) {                                       \
    uint64_t z;                                                                           \
    __asm__ volatile("fmov " r "0, %" w "1\n " instruction " " t "0, " r "0\n fmov %" u "0, " t "0" \
                     : "=r"(z) : "r"((uint64_t)a.v) : "v0");                              \
    return (float##M##_t){z};                                                             \
  }
#define BINARY(N, r, w, name, instruction)                                                \
  float##N##_t subj_f##N##_##name(float##N##_t a, float##N##_t b) {                       \
    uint64_t z;                                                                           \
    __asm__ volatile("fmov " r "0, %" w "1\n fmov " r "1, %" w "2\n "                     \
                     instruction " " r "0, " r "0, " r "1\n fmov %" w "0, " r "0"         \
                     : "=r"(z) : "r"((uint64_t)a.v), "r"((uint64_t)b.v) : "v0", "v1");    \
    return (float##N##_t){z};                                                             \
  }
#define COMPARE(N, r, w, name, instruction, condition)                                    \
  bool subj_f##N##_##name(float##N##_t a, float##N##_t b) {                               \
    uint64_t z;                                                                           \
    __asm__ volatile("fmov " r "0, %" w "1\n fmov " r "1, %" w "2\n "                     \
                     instruction " " r "0, " r "1\n cset %0, " condition                  \
                     : "=r"(z) : "r"((uint64_t)a.v), "r"((uint64_t)b.v) : "v0", "v1", "cc"); \
    return z;                                                                             \
  }
#define TO(N, r, w, M, i, type, name, mode, instruction)                                  \
  type##_fast##M##_t subj_f##N##_to_##name##M##_rx_##mode(float##N##_t a) {               \
    uint64_t z;                                                                           \
    __asm__ volatile("fmov " r "0, %" w "1\n " instruction " %" i "0, " r "0"             \
                     : "=r"(z) : "r"((uint64_t)a.v) : "v0");                              \
    return (type##M##_t)z;                                                                \
  }
#define TO_INTEGERS(N, r, w, mode, letter)                                                \
  TO(N, r, w, 32, "w", int, i, mode, "fcvt" letter "s")                                   \
  TO(N, r, w, 64, "x", int, i, mode, "fcvt" letter "s")                                   \
  TO(N, r, w, 32, "w", uint, ui, mode, "fcvt" letter "u")                                 \
  TO(N, r, w, 64, "x", uint, ui, mode, "fcvt" letter "u")
#define FROM(N, r, w, M, i, type, name, instruction)                                      \
  float##N##_t subj_##name##M##_to_f##N(type##M##_t a) {                                  \
    uint64_t z;                                                                           \
    __asm__ volatile(instruction " " r "0, %" i "1\n fmov %" w "0, " r "0"                \
                     : "=r"(z) : "r"((uint64_t)a) : "v0");                                \
    return (float##N##_t){z};                                                             \
  }
#define FORMAT(N, r, w)                                                                   \
  BINARY(N, r, w, add, "fadd")                                                            \
  BINARY(N, r, w, sub, "fsub")                                                            \
  BINARY(N, r, w, mul, "fmul")                                                            \
  BINARY(N, r, w, div, "fdiv")                                                            \
  float##N##_t subj_f##N##_mulAdd(float##N##_t a, float##N##_t b, float##N##_t c) {       \
    uint64_t z;                                                                           \
    __asm__ volatile("fmov " r "0, %" w "1\n fmov " r "1, %" w "2\n fmov " r "2, %" w "3\n " \
                     "fmadd " r "0, " r "0, " r "1, " r "2\n fmov %" w "0, " r "0"        \
                     : "=r"(z) : "r"((uint64_t)a.v), "r"((uint64_t)b.v), "r"((uint64_t)c.v) \
                     : "v0", "v1", "v2");                                                 \
    return (float##N##_t){z};                                                             \
  }                                                                                       \
  UNARY(N, r, w, N, r, w, sqrt, "fsqrt")                                                  \
  UNARY(N, r, w, N, r, w, roundToInt_r_near_even, "frintn")                               \
  UNARY(N, r, w, N, r, w, roundToInt_r_min, "frintm")                                     \
  UNARY(N, r, w, N, r, w, roundToInt_r_max, "frintp")                                     \
  UNARY(N, r, w, N, r, w, roundToInt_r_minMag, "frintz")                                  \
  UNARY(N, r, w, N, r, w, roundToInt_r_near_maxMag, "frinta")                             \
  UNARY(N, r, w, N, r, w, roundToInt_x, "frintx")                                         \
  COMPARE(N, r, w, eq, "fcmp", "eq")                                                      \
  COMPARE(N, r, w, le_quiet, "fcmp", "ls")                                                \
  COMPARE(N, r, w, lt_quiet, "fcmp", "mi")                                                \
  COMPARE(N, r, w, eq_signaling, "fcmpe", "eq")                                           \
  COMPARE(N, r, w, le, "fcmpe", "ls")                                                     \
  COMPARE(N, r, w, lt, "fcmpe", "mi")                                                     \
  TO_INTEGERS(N, r, w, near_even, "n")                                                    \
  TO_INTEGERS(N, r, w, min, "m")                                                          \
  TO_INTEGERS(N, r, w, max, "p")                                                          \
  TO_INTEGERS(N, r, w, minMag, "z")                                                       \
  TO_INTEGERS(N, r, w, near_maxMag, "a")                                                  \
  FROM(N, r, w, 32, "w", int, i, "scvtf")                                                 \
  FROM(N, r, w, 64, "x", int, i, "scvtf")                                                 \
  FROM(N, r, w, 32, "w", uint, ui, "ucvtf")                                               \
  FROM(N, r, w, 64, "x", uint, ui, "ucvtf")

FORMAT(16, "h", "w")
FORMAT(32, "s", "w")
FORMAT(64, "d", "x")
UNARY(16, "h", "w", 32, "s", "w", to_f32, "fcvt")
UNARY(16, "h", "w", 64, "d", "x", to_f64, "fcvt")
UNARY(32, "s", "w", 16, "h", "w", to_f16, "fcvt")
UNARY(32, "s", "w", 64, "d", "x", to_f64, "fcvt")
UNARY(64, "d", "x", 16, "h", "w", to_f16, "fcvt")
UNARY(64, "d", "x", 32, "s", "w", to_f32, "fcvt")
