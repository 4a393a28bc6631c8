/**
 * CPUID: announces what this CPU implements and nothing else, the level x86-64-v2.
 *
 * Vendor `GenuineIntel`, family 6, model 26, stepping 3 (the first processors of that level), brand
 * string `Isthmus`: C libraries pick the string functions they pick for that model. No AVX, XSAVE,
 * AES, PCLMUL, RDRAND, BMI, FSGSBASE, ERMS, RDTSCP.
 * Leaves: Intel SDM volume 2, CPUID, table 3-8.
 */
import type { Helper } from "../ir/types.ts";
import { gpr } from "../layout.ts";

type Registers = readonly [eax: number, ebx: number, ecx: number, edx: number];

const bits = (...numbers: number[]): number => numbers.reduce((m, n) => m | (1 << n), 0);

/** Bytes of `text` as little-endian words. */
function words(text: string): number[] {
  const bytes = new Uint8Array(48);
  new TextEncoder().encodeInto(text, bytes);
  return [...new Int32Array(bytes.buffer)];
}

const [vendorB, vendorD, vendorC] = words("GenuineIntel");
const brand = words("Isthmus");

const MAX_BASIC = 0xb;
const MAX_EXTENDED = 0x80000008;

/** Family 6, model 26, stepping 3. */
const SIGNATURE = (1 << 16) | (6 << 8) | (10 << 4) | 3;
/** FPU PSE TSC PAE CX8 PGE CMOV CLFSH MMX FXSR SSE SSE2. */
const FEATURES_EDX = bits(0, 3, 4, 6, 8, 13, 15, 19, 23, 24, 25, 26);
/** SSE3 SSSE3 CMPXCHG16B SSE4.1 SSE4.2 POPCNT. */
const FEATURES_ECX = bits(0, 9, 13, 19, 20, 23);
/** SYSCALL NX 1-GiB-pages long-mode. */
const EXTENDED_EDX = bits(11, 20, 26, 29);
/** LAHF and SAHF. */
const EXTENDED_ECX = bits(0);

/** One cache of leaf 4: type (1 data, 2 instruction, 3 unified), level, ways, sets; 64-byte lines. */
function cache(type: number, level: number, ways: number, sets: number): Registers {
  return [type | (level << 5) | (1 << 8), ((ways - 1) << 22) | 63, sets - 1, 0];
}

/** 32 KiB L1 data and instruction, 256 KiB L2, 8 MiB L3. */
const caches: readonly Registers[] = [
  cache(1, 1, 8, 64),
  cache(2, 1, 4, 128),
  cache(3, 2, 8, 512),
  cache(3, 3, 16, 8192),
];

const NOTHING: Registers = [0, 0, 0, 0];

const brandPart = (i: number): Registers => [
  brand[4 * i],
  brand[4 * i + 1],
  brand[4 * i + 2],
  brand[4 * i + 3],
];

/** What CPUID answers for `leaf` and `subleaf`, as signed 32-bit values. */
export function cpuid(leaf: number, subleaf: number): Registers {
  leaf >>>= 0;
  // Beyond the last basic leaf, Intel processors answer with that leaf.
  if (leaf < 0x80000000 && leaf > MAX_BASIC) leaf = MAX_BASIC;
  switch (leaf) {
    case 0:
      return [MAX_BASIC, vendorB, vendorC, vendorD];
    case 1:
      return [SIGNATURE, (1 << 16) | (8 << 8), FEATURES_ECX, FEATURES_EDX];
    case 2:
      // One descriptor: "see leaf 4".
      return [0xff01, 0, 0, 0];
    case 4:
      return caches[subleaf] ?? NOTHING;
    case 0x80000000:
      return [MAX_EXTENDED | 0, 0, 0, 0];
    case 0x80000001:
      return [0, 0, EXTENDED_ECX, EXTENDED_EDX];
    case 0x80000002:
    case 0x80000003:
    case 0x80000004:
      return brandPart(leaf - 0x80000002);
    case 0x80000006:
      // L2: 256 KiB, 8-way, 64-byte lines.
      return [0, 0, (256 << 16) | (6 << 12) | 64, 0];
    case 0x80000008:
      // 48 linear and 40 physical address bits.
      return [(48 << 8) | 40, 0, 0, 0];
    default:
      return NOTHING;
  }
}

/** The instruction. */
export const cpuidHelper: Helper = {
  name: "x86_cpuid",
  params: [],
  result: null,
  reads: [gpr(0), gpr(1)],
  writes: [gpr(0), gpr(1), gpr(2), gpr(3)],
  run(state) {
    const [a, b, c, d] = cpuid(
      state.getUint32(gpr(0), true),
      state.getUint32(gpr(1), true),
    );
    const put = (i: number, v: number): void => state.setBigUint64(gpr(i), BigInt(v >>> 0), true);
    put(0, a);
    put(3, b);
    put(1, c);
    put(2, d);
  },
};
