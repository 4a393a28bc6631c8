/* Code that is rewritten while it runs. x86_64: a store into the very next instruction is seen by
   it. aarch64: the same after cache maintenance. The loop is long enough to become hot. */
#include "guest.h"

static u64 rewrite_a_function(u8 *page, u64 rounds) {
  u32 (*code)(void) = (u32(*)(void))page;
  u64 sum = 0;
  for (u64 round = 0; round < rounds; round++) {
    emit_constant(page, (u32)round * 2654435761u);
    synchronise_code(page, CODE_BYTES);
    sum = sum * 31 + code();
    sum = sum * 31 + code();
  }
  return sum;
}

#if defined(__x86_64__)
/* movb %dil, 1(%rip): the immediate of the following mov; then mov $0, %eax; ret */
static const u8 next_instruction[] = {0x40, 0x88, 0x3d, 1, 0, 0, 0, 0xb8, 0, 0, 0, 0, 0xc3};

static u64 rewrite_the_next_instruction(u8 *page, u64 rounds) {
  memcpy(page, next_instruction, sizeof next_instruction);
  u32 (*code)(u32) = (u32(*)(u32))page;
  u64 sum = 0;
  for (u64 round = 0; round < rounds; round++) sum = sum * 31 + code((u32)(round & 255));
  return sum;
}
#else
/* str w1, [x0]; dc cvau, x0; dsb ish; ic ivau, x0; dsb ish; isb; (x0: the word here) udf; ret */
static const u32 next_instruction[] = {
    0xb9000001, 0xd50b7b20, 0xd5033b9f, 0xd50b7520, 0xd5033b9f, 0xd5033fdf, 0, 0xd65f03c0,
};

static u64 rewrite_the_next_instruction(u8 *page, u64 rounds) {
  memcpy(page, next_instruction, sizeof next_instruction);
  synchronise_code(page, sizeof next_instruction);
  u32 (*code)(u8 *, u32) = (u32(*)(u8 *, u32))page;
  u64 sum = 0;
  for (u64 round = 0; round < rounds; round++) {
    sum = sum * 31 + code(page + 24, 0x52800000u | (u32)(round & 255) << 5);
  }
  return sum;
}
#endif

int main(int argc, char **argv) {
  u64 rounds = number(argc > 1 ? argv[1] : NULL, 3000);
  u8 *page = map(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (failed(page)) return 1;
  show("function", rewrite_a_function(page, rounds));
  show("next instruction", rewrite_the_next_instruction(page, rounds));
  return 0;
}
