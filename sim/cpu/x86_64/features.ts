/**
 * What the processor of each level announces: one table for CPUID, the auxiliary vector and
 * /proc/cpuinfo. Bits: Intel SDM volume 2, CPUID; names: Linux, arch/x86/include/asm/cpufeatures.h.
 */
import type { Level } from "./level.ts";

/** Register of a CPUID leaf. */
export const enum Register {
  Eax,
  Ebx,
  Ecx,
  Edx,
}

/** One feature: its CPUID bit, the least level that has it, and its name in /proc/cpuinfo. */
interface Feature {
  readonly leaf: number;
  readonly register: Register;
  readonly bit: number;
  readonly level: Level;
  readonly name: string;
}

/** Features of one leaf and register, `bit name` each, by the level that adds them. */
function features(leaf: number, register: Register, level: Level, text: string): Feature[] {
  const words = text.split(" ");
  const result: Feature[] = [];
  for (let i = 0; i < words.length; i += 2) {
    result.push({ leaf, register, level, bit: Number(words[i]), name: words[i + 1] });
  }
  return result;
}

const table: readonly Feature[] = [
  ...features(
    1,
    Register.Edx,
    1,
    "0 fpu 3 pse 4 tsc 6 pae 8 cx8 13 pge 15 cmov 19 clflush 23 mmx 24 fxsr 25 sse 26 sse2",
  ),
  ...features(0x80000001, Register.Edx, 1, "11 syscall 20 nx 26 pdpe1gb 29 lm"),
  ...features(1, Register.Ecx, 2, "0 pni 9 ssse3 13 cx16 19 sse4_1 20 sse4_2 23 popcnt"),
  ...features(0x80000001, Register.Ecx, 2, "0 lahf_lm"),
  ...features(
    1,
    Register.Ecx,
    3,
    "1 pclmulqdq 12 fma 22 movbe 25 aes 26 xsave 27 osxsave 28 avx 29 f16c 30 rdrand",
  ),
  ...features(0x80000001, Register.Ecx, 3, "5 abm 8 3dnowprefetch"),
  ...features(0x80000001, Register.Edx, 3, "27 rdtscp"),
  ...features(
    7,
    Register.Ebx,
    3,
    "0 fsgsbase 3 bmi1 5 avx2 8 bmi2 18 rdseed 19 adx 23 clflushopt 24 clwb 29 sha_ni",
  ),
  ...features(7, Register.Ebx, 1, "6 fdp_excptn_only 13 zero_fcs_fds"),
  ...features(7, Register.Ecx, 3, "3 pku 4 ospke 9 vaes 10 vpclmulqdq 22 rdpid"),
  ...features(0xd, Register.Eax, 3, "0 xsaveopt 1 xsavec 2 xgetbv1"),
];

/** Features without a CPUID bit that Linux shows. */
const SYNTHETIC = "constant_tsc rep_good nopl cpuid";
/** Features that Linux does not show by themselves. */
const HIDDEN = ["osxsave", "fdp_excptn_only", "zero_fcs_fds"];

/** The feature bits of a register; leaf 0xd stands for its subleaf 1. */
export function featureBits(level: Level, leaf: number, register: Register): number {
  let bits = 0;
  for (const f of table) {
    if (f.leaf === leaf && f.register === register && f.level <= level) bits |= 1 << f.bit;
  }
  return bits;
}

/** The `flags` line of /proc/cpuinfo. */
export function featureNames(level: Level): string {
  const names = table.filter((f) => f.level <= level && !HIDDEN.includes(f.name)).map((f) =>
    f.name
  );
  return `${names.join(" ")} ${SYNTHETIC}`;
}

/** Family, model and stepping: the first processors with SSE4.2, and Alder Lake, which has SHA and AVX2. */
export function signature(level: Level): { family: number; model: number; stepping: number } {
  return level < 3 ? { family: 6, model: 26, stepping: 3 } : { family: 6, model: 151, stepping: 2 };
}

/** Processor brand. */
export const BRAND = "Isthmus";

/** AT_HWCAP2: user mode may use RDFSBASE and its kin (bit 1). */
export const hwcap2 = (level: Level): number => level < 3 ? 0 : 2;

// ---- XSAVE -------------------------------------------------------------------------------

/** State components of XCR0: x87, SSE, AVX's upper halves, PKRU. */
export const enum Component {
  X87 = 0,
  Sse = 1,
  Avx = 2,
  Pkru = 9,
}
/** XCR0 of a level; 0 without XSAVE. */
export const xcr0 = (level: Level): number => level < 3 ? 0 : 0x207;
/** Where components lie in the standard form of an XSAVE area, and its size. */
export const AVX_OFFSET = 576;
export const AVX_SIZE = 256;
export const PKRU_OFFSET = 2688;
export const PKRU_SIZE = 8;
export const XSAVE_SIZE = 2696;
