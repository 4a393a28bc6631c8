/**
 * CPUID: announces what this CPU implements at its level and nothing else (`features.ts`).
 *
 * Vendor `GenuineIntel`, brand string `Isthmus`: C libraries pick the string functions they pick for
 * the model. No ERMS, no AVX-512. Leaves: Intel SDM volume 2, CPUID, table 3-8.
 */
import type { Helper } from "../ir/types.ts";
import { gpr } from "../layout.ts";
import {
  AVX_OFFSET,
  AVX_SIZE,
  BRAND,
  Component,
  featureBits,
  PKRU_OFFSET,
  PKRU_SIZE,
  Register,
  signature,
  xcr0,
  XSAVE_SIZE,
} from "./features.ts";
import type { Level } from "./level.ts";

type Registers = readonly [eax: number, ebx: number, ecx: number, edx: number];

/** Bytes of `text` as little-endian words. */
function words(text: string): number[] {
  const bytes = new Uint8Array(48);
  new TextEncoder().encodeInto(text, bytes);
  return [...new Int32Array(bytes.buffer)];
}

const [vendorB, vendorD, vendorC] = words("GenuineIntel");
const brand = words(BRAND);

const maxBasic = (level: Level): number => level < 3 ? 0xb : 0xd;
const MAX_EXTENDED = 0x80000008;

/** EAX of leaf 1. */
function signatureBits(level: Level): number {
  const { family, model, stepping } = signature(level);
  return ((model >> 4) << 16) | (family << 8) | ((model & 15) << 4) | stepping;
}

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

/** Leaf 0xd: the XSAVE areas. */
function saveAreas(level: Level, subleaf: number): Registers {
  if (xcr0(level) === 0) return NOTHING;
  switch (subleaf) {
    case 0:
      return [xcr0(level), XSAVE_SIZE, XSAVE_SIZE, 0];
    case 1:
      // EBX: the compacted form of all components.
      return [
        featureBits(level, 0xd, Register.Eax),
        AVX_OFFSET + AVX_SIZE + PKRU_SIZE,
        0,
        0,
      ];
    case Component.Avx:
      return [AVX_SIZE, AVX_OFFSET, 0, 0];
    case Component.Pkru:
      return [PKRU_SIZE, PKRU_OFFSET, 0, 0];
    default:
      return NOTHING;
  }
}

/** What CPUID of a processor of `level` answers for `leaf` and `subleaf`, as signed 32-bit values. */
export function cpuid(leaf: number, subleaf: number, level: Level = 2): Registers {
  leaf >>>= 0;
  // Beyond the last basic leaf, Intel processors answer with that leaf.
  if (leaf < 0x80000000 && leaf > maxBasic(level)) leaf = maxBasic(level);
  const bits = (register: Register): number => featureBits(level, leaf, register);
  switch (leaf) {
    case 0:
      return [maxBasic(level), vendorB, vendorC, vendorD];
    case 1:
      return [
        signatureBits(level),
        (1 << 16) | (8 << 8),
        bits(Register.Ecx),
        bits(Register.Edx),
      ];
    case 2:
      // One descriptor: "see leaf 4".
      return [0xff01, 0, 0, 0];
    case 4:
      return caches[subleaf] ?? NOTHING;
    case 7:
      return subleaf === 0 ? [0, bits(Register.Ebx), bits(Register.Ecx), 0] : NOTHING;
    case 0xd:
      return saveAreas(level, subleaf);
    case 0x80000000:
      return [MAX_EXTENDED | 0, 0, 0, 0];
    case 0x80000001:
      return [0, 0, bits(Register.Ecx), bits(Register.Edx)];
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

/** The instruction, by level; one machine has one level, so one name does. */
export const cpuidHelpers: readonly Helper[] = ([1, 2, 3] as const).map((level): Helper => ({
  name: "x86_cpuid",
  params: [],
  result: null,
  reads: [gpr(0), gpr(1)],
  writes: [gpr(0), gpr(1), gpr(2), gpr(3)],
  run(state) {
    const [a, b, c, d] = cpuid(
      state.getUint32(gpr(0), true),
      state.getUint32(gpr(1), true),
      level,
    );
    const put = (i: number, v: number): void => state.setBigUint64(gpr(i), BigInt(v >>> 0), true);
    put(0, a);
    put(3, b);
    put(1, c);
    put(2, d);
  },
}));
