/* One file mapped twice: data written through one view is read through the other, and code written
   through the writable view runs through the executable one. */
#include "guest.h"

enum { size = 65536 };

int main(int argc, char **argv) {
  u64 rounds = number(argc > 1 ? argv[1] : NULL, 2000);
  const char *path = "/tmp/dual-map";
  int file = (int)SYSTEM_CALL(SYS_openat, AT_FDCWD, path, O_RDWR | O_CREAT | O_TRUNC, 0600);
  if (file < 0) return 1;
  SYSTEM_CALL(SYS_unlinkat, AT_FDCWD, path, 0);
  if (SYSTEM_CALL(SYS_ftruncate, file, size)) return 1;
  u8 *writable = map(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  u8 *runnable = map(NULL, size, PROT_READ | PROT_EXEC, MAP_SHARED, file, 0);
  if (failed(writable) || failed(runnable) || writable == runnable) return 2;
  u64 seed = 7, sum = 0;
  for (u64 i = 0; i < rounds; i++) {
    u64 value = next_random(&seed), at = value >> 52 << 3;
    *(volatile u64 *)(writable + at) = value;
    if (*(volatile u64 *)(runnable + at) != value) return 3;
    u64 spot = 32768 + (value & 255) * 16;
    emit_constant(writable + spot, (u32)value);
    synchronise_code(writable + spot, CODE_BYTES);
    synchronise_code(runnable + spot, CODE_BYTES);
    sum = sum * 31 + ((u32(*)(void))(runnable + spot))();
  }
  show("sum", sum);
  return 0;
}
