/** Cases: the C compiler, assembler, linker and binary tools on real sources (mounted at /mnt). */
import { bash, type Program } from "./program.ts";

const cc1 = "/usr/lib/gcc/{triplet}/12/cc1";

function compile(name: string, flags: readonly string[], more: Partial<Program> = {}): Program {
  const include = ["-quiet", "-imultiarch", "{triplet}"];
  const files = ["/mnt/workload.c", "-o", "-"];
  return { name: `cc1/${name}`, argv: [cc1, ...include, ...flags, ...files], ...more };
}

export const toolchainPrograms: readonly Program[] = [
  compile("-E", ["-E"], { quick: true }),
  compile("-O0", ["-O0"]),
  compile("-O2", ["-O2"]),
  {
    name: "cc1/-O2 of a function",
    argv: [cc1, "-quiet", "-O2", "-", "-o", "-"],
    stdin:
      "double dot(const double *a, const double *b, int n) { double s = 0; for (int i = 0; i < n; i++) s += a[i] * b[i]; return s; }\n",
    quick: true,
  },
  compile("-O3 -g", ["-O3", "-g", "-funroll-loops"], { long: true }),
  compile("-Os -Wall -Wextra", ["-Os", "-Wall", "-Wextra", "-fstack-protector-strong", "-fPIC"]),
  {
    name: "cc1/error",
    argv: [cc1, "-quiet", "-", "-o", "-"],
    stdin: "int f( { return }\n",
  },
  bash(
    "gcc/compile and run a small program",
    `cd /tmp; printf '#include <stdio.h>\\n#include <math.h>\\nint main(int n, char **v) { printf("%%d %%.9f\\\\n", n, cos(n)); return n; }\\n' > a.c; gcc -v 2>&1 | tail -1; gcc -O1 a.c -o a -lm; echo $?; ./a x y; echo $?; gcc -O1 -S a.c -o - | sha256sum; gcc nosuch.c; echo $?`,
  ),
  bash(
    "gcc/compile link run",
    `cd /tmp; gcc -O2 -g /mnt/workload.c -o w -lm -Wl,--build-id; echo $?; sha256sum w; ./w one; echo $?; strip w -o s; ./s | tail -1; sha256sum s; gcc -O1 -static /mnt/workload.c -o st -lm; ./st two | sha256sum; size w | tail -1; nm w | wc -l; readelf -hldSW w | sha256sum; objdump -d w | sha256sum; gdb --version 2>/dev/null | head -1; addr2line -e w -f main | head -1`,
    { long: true },
  ),
  bash(
    "binutils/assemble and archive",
    `cd /tmp; printf '.text\\n.globl f\\nf: ret\\n.data\\n.quad f, 42\\n.ascii "hello"\\n' > a.s; as a.s -o a.o; echo $?; sha256sum a.o; objdump -drs a.o | tail -n +3; readelf -aW a.o | sha256sum; ar rcsD l.a a.o; ar t l.a; sha256sum l.a; nm l.a; ld -r a.o -o r.o; ld -shared a.o -o a.so --build-id=none; sha256sum a.so; readelf -dW a.so; ld.gold -shared a.o -o g.so; echo $?; objcopy -O binary -j .data a.o b; od -c b | head; strings a.o; strip a.o; nm a.o; echo 'bad instruction ...' | as -o x.o; echo $?; c++filt _ZN3foo3barEi; ld a.o nosuch.o; echo $?; elfedit --output-type=dyn r.o; readelf -h r.o | grep Type; size -A a.so | tail -4; gprof --version | head -1`,
    { quick: true },
  ),
  bash(
    "musl/compile link run",
    `cd /tmp; echo 'int puts(const char *); int main(void) { puts("musl"); return 7; }' > m.c; for s in "" -static; do musl-gcc -O2 $s m.c -o m; ./m; echo $?; done`,
  ),
  bash(
    "gcc/lto",
    `cd /tmp; gcc -O2 -flto /mnt/workload.c -o w -lm && ./w; echo $?`,
    { long: true },
  ),
];
