/* Two files of code mapped in turn at one address: each call must run the file mapped last. */
#include "guest.h"

enum { size = 65536 };

static int code_file(const char *path, u32 value) {
  int file = (int)SYSTEM_CALL(SYS_openat, AT_FDCWD, path, O_RDWR | O_CREAT | O_TRUNC, 0600);
  if (file < 0) return file;
  u8 code[CODE_BYTES];
  emit_constant(code, value);
  SYSTEM_CALL(SYS_unlinkat, AT_FDCWD, path, 0);
  if (SYSTEM_CALL(SYS_write, file, code, sizeof code) != sizeof code) return -1;
  return SYSTEM_CALL(SYS_ftruncate, file, size) == 0 ? file : -1;
}

int main(int argc, char **argv) {
  u64 rounds = number(argc > 1 ? argv[1] : NULL, 10);
  int files[2] = {code_file("/tmp/remap-one", 1000), code_file("/tmp/remap-two", 70000)};
  if (files[0] < 0 || files[1] < 0) return 1;
  u8 *at = map(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  u64 sum = 0;
  for (u64 round = 0; round < rounds; round++) {
    u8 *code = map(at, size, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, files[round & 1], 0);
    if (code != at) return 2;
    for (int call = 0; call < 3; call++) sum += ((u32(*)(void))code)();
  }
  count("sum", sum);
  return 0;
}
