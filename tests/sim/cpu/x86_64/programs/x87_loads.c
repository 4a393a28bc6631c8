/* The x87 status word after loads of special numbers, onto an empty and a full stack, masked and not. */
#include <stdint.h>
#include <stdio.h>

struct environment {
  uint16_t control, r0, status, r1, tags, r2;
  uint32_t places[4];
};

#define LOAD(instruction, operand)                                                                 \
  for (int c1 = 0; c1 < 2; c1++)                                                                   \
    for (int masked = 0; masked < 2; masked++)                                                     \
      for (int full = 0; full < 2; full++) {                                                       \
        struct environment e = {masked ? 0x37f : 0x37c, 0, c1 ? 0x200 : 0, 0, full ? 0 : 0xffff}; \
        uint16_t status;                                                                           \
        __asm__ volatile("fldenv %1\n " instruction " %2\n fnstsw %0\n fnclex\n fninit"           \
                         : "=m"(status) : "m"(e), "m"(operand));                                   \
        printf("%s %s: c1 %d masked %d full %d: %04x\n", instruction, #operand, c1, masked, full, \
               status);                                                                            \
      }

int main(void) {
  uint64_t signalling = 0x7ff0000000000001, quiet = 0x7ff8000000000001, tiny = 1;
  uint32_t signalling32 = 0x7f800001, tiny32 = 1;
  uint16_t integer = 0x8000;
  double one = 1;
  LOAD("fldl", signalling)
  LOAD("fldl", quiet)
  LOAD("fldl", tiny)
  LOAD("fldl", one)
  LOAD("flds", signalling32)
  LOAD("flds", tiny32)
  LOAD("filds", integer)
  return 0;
}
