/** Levels of the architecture: what is announced, what runs, and what a signal frame holds. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { cpuid } from "../../../../sim/cpu/x86_64/cpuid.ts";
import type { Level } from "../../../../sim/cpu/x86_64/level.ts";
import { Machine } from "../../../../sim/machine.ts";

const LOADER = "/lib64/ld-linux-x86-64.so.2";

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
function hasGcc(): boolean {
  try {
    return new Deno.Command("gcc", { args: ["--version"], stdout: "null" }).outputSync().success;
  } catch {
    return false;
  }
}
const here = Deno.build.arch === "x86_64" && Deno.build.os === "linux";
const loader = here && exists(LOADER);
const compiler = here && hasGcc();

/** What `argv` writes to standard output on a processor of `level`, and its outcome. */
async function run(argv: readonly string[], cpuLevel: Level, folder?: string) {
  let stdout = "";
  const decoder = new TextDecoder();
  const errors: string[] = [];
  const machine = await Machine.create({
    root: "/",
    cpuLevel,
    mounts: folder === undefined ? [] : [{ host: folder, guest: "/mnt" }],
    report: (message) => errors.push(message),
    streams: {
      stdin: { read: () => 0 },
      stdout: { write: (bytes) => void (stdout += decoder.decode(bytes, { stream: true })) },
      stderr: { write: () => {} },
    },
  });
  return { result: await machine.run(argv), stdout, errors };
}

/** psABI, table 3.1, as CPUID bits: leaf 1 ECX, leaf 7 EBX, leaf 0x80000001 ECX. */
const second = [1, 2, [0, 9, 13, 19, 20, 23]] as const;
const third: readonly (readonly [number, number, readonly number[]])[] = [
  [1, 2, [12, 22, 27, 28, 29]],
  [7, 1, [3, 5, 8]],
  [0x80000001, 2, [5]],
];

Deno.test("CPUID: each level has what the psABI asks of it, and the others have not", () => {
  const count = (level: Level, leaf: number, register: number, bits: readonly number[]): number =>
    bits.filter((bit) => (cpuid(leaf, 0, level)[register] >>> bit) & 1).length;
  for (const level of [1, 2, 3] as const) {
    const [leaf, register, bits] = second;
    assertEquals(count(level, leaf, register, bits), level >= 2 ? bits.length : 0);
    for (const [leaf, register, bits] of third) {
      assertEquals(count(level, leaf, register, bits), level === 3 ? bits.length : 0);
    }
    // AVX-512 Foundation.
    assertEquals(cpuid(7, 0, level)[1] & (1 << 16), 0);
  }
  // XSAVE: the parts lie where their sizes say.
  const [features, size] = cpuid(0xd, 0, 3);
  assertEquals(features, 0x207);
  assertEquals(cpuid(0xd, 2, 3).slice(0, 2), [256, 576]);
  const [bytes, offset] = cpuid(0xd, 9, 3);
  assertEquals(bytes + offset, size);
});

Deno.test({
  name: `glibc's loader searches the libraries of the level${
    loader ? "" : " (skipped: needs an x86_64 Linux)"
  }`,
  ignore: !loader,
  async fn() {
    for (const level of [1, 2, 3] as const) {
      const { stdout } = await run([LOADER, "--help"], level);
      const found = [...stdout.matchAll(/x86-64-v(\d) \(supported/g)].map((m) => Number(m[1]));
      assertEquals(found, [3, 2].filter((n) => n <= level));
    }
  },
});

const program = `
#define _GNU_SOURCE
#include <immintrin.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>
static void handler(int s, siginfo_t *info, void *context) {
  ucontext_t *u = context;
  char *area = (char *)u->uc_mcontext.fpregs;
  unsigned size = *(unsigned *)(area + 480);
  printf("%d %x %x %llx\\n", info->si_code, *(unsigned *)(area + 464) ^ 0x46505853,
         *(unsigned *)(area + size) ^ 0x46505845, *(unsigned long long *)(area + 512) & 4);
  *(unsigned *)(area + 160) = 0x77; // XMM0
  *(unsigned *)(area + 576) += 1;   // the upper half of YMM0
  u->uc_mcontext.gregs[REG_RIP] += 2;
  __asm__("vpcmpeqd %ymm0, %ymm0, %ymm0");
}
int main(void) {
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
  sigaction(SIGILL, &action, 0);
  unsigned in[8] = {1, 2, 3, 4, 5, 6, 7, 8}, out[8];
  __asm__ volatile("vmovdqu %1, %%ymm0\\n ud2\\n vmovdqu %%ymm0, %0" : "=m"(out) : "m"(in) : "xmm0");
  for (int i = 0; i < 8; i++) printf("%x ", out[i]);
  return 0;
}`;

Deno.test({
  name: `signal frames hold the vector registers whole, both ways; AVX above the level is SIGILL${
    compiler ? "" : " (skipped: needs gcc on x86_64 Linux)"
  }`,
  ignore: !compiler,
  async fn() {
    const folder = Deno.makeTempDirSync();
    try {
      Deno.writeTextFileSync(`${folder}/frame.c`, program);
      const args = ["-O1", "-mavx2", "-o", `${folder}/frame`, `${folder}/frame.c`];
      assert(new Deno.Command("gcc", { args }).outputSync().success);
      const { stdout } = await run(["/mnt/frame"], 3, folder);
      const native = new Deno.Command(`${folder}/frame`).outputSync();
      // A host without AVX cannot say what is right; the text is what one with it answers.
      const expected = native.success
        ? new TextDecoder().decode(native.stdout)
        : "2 0 0 4\n77 2 3 4 6 6 7 8 ";
      assertEquals(stdout, expected);
      const { result, errors } = await run(["/mnt/frame"], 2, folder);
      assertEquals(result.signal, 4);
      assertMatch(errors.join(""), /above the level x86-64-v2/);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  },
});

const state = `
#include <stdint.h>
#include <stdio.h>
#include <string.h>
static uint8_t area[4096] __attribute__((aligned(64)));
/* YMM3 is saved by one instruction, cleared, and restored. */
#define TRIP(name, save)                                                              \\
  do {                                                                                \\
    uint64_t in[4] = {1, 2, 3, 4}, out[4] = {0};                                      \\
    memset(area, 0, sizeof area);                                                     \\
    __asm__ volatile("vmovdqu %2, %%ymm3\\n " save " %1\\n vzeroall\\n xrstor64 %1\\n"  \\
                     "vmovdqu %%ymm3, %0"                                             \\
                     : "=m"(out), "+m"(area) : "m"(in), "a"(7), "d"(0) : "xmm3");     \\
    printf("%s %d %lx\\n", name, memcmp(in, out, 32), *(uint64_t *)(area + 520) >> 63); \\
  } while (0)
int main(void) {
  TRIP("xsave", "xsave64");
  TRIP("xsaveopt", "xsaveopt64");
  TRIP("xsavec", "xsavec64");
  uint32_t before, now;
  __asm__ volatile("rdpkru" : "=a"(before) : "c"(0) : "rdx");
  __asm__ volatile("wrpkru" :: "a"(0x12345670), "c"(0), "d"(0));
  __asm__ volatile("rdpkru" : "=a"(now) : "c"(0) : "rdx");
  __asm__ volatile("wrpkru" :: "a"(before), "c"(0), "d"(0));
  printf("pkru %x %x\\n", before, now);
  uint32_t low, high, aux;
  __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
  uint64_t first = (uint64_t)high << 32 | low;
  for (volatile int i = 0; i < 1000; i++) {}
  __asm__ volatile("rdtscp" : "=a"(low), "=d"(high), "=c"(aux));
  uint64_t passed = ((uint64_t)high << 32 | low) - first;
  /* A nanosecond an instruction. */
  printf("time %d processor %u\\n", passed > 3000 && passed < 20000, aux & 0xfff);
  fflush(stdout);
  __asm__ volatile(".byte 0x62, 0xf1, 0x7c, 0x48, 0x58, 0xc0"); /* vaddps zmm0, zmm0, zmm0 */
  return 0;
}`;

Deno.test({
  name: `XSAVE and its kin, PKRU, modelled time; AVX-512 is refused by name${
    compiler ? "" : " (skipped: needs gcc on x86_64 Linux)"
  }`,
  ignore: !compiler,
  async fn() {
    const folder = Deno.makeTempDirSync();
    try {
      Deno.writeTextFileSync(`${folder}/state.c`, state);
      const args = ["-O1", "-o", `${folder}/state`, `${folder}/state.c`];
      assert(new Deno.Command("gcc", { args }).outputSync().success);
      const { stdout, result, errors } = await run(["/mnt/state"], 3, folder);
      assertEquals(stdout.trim().split("\n"), [
        "xsave 0 0",
        "xsaveopt 0 0",
        // The compacted form says so in its header.
        "xsavec 0 1",
        "pkru 55555554 12345670",
        "time 1 processor 0",
      ]);
      assertEquals(result.signal, 4);
      assertMatch(errors.join(""), /AVX-512 \(EVEX\) instruction, which no level has: 62 f1 7c/);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  },
});
