/** Encoded immediates of A64. */
import type { Decoded } from "../ir/decoded.ts";

/**
 * DecodeBitMasks (DDI 0487, shared pseudocode) for logical immediates: fills immediate 0 with the
 * mask, replicated to 64 bits. Returns false for reserved encodings.
 */
export function logicalImmediate(n: number, immr: number, imms: number, out: Decoded): boolean {
  const length = 31 - Math.clz32((n << 6) | (~imms & 0x3f));
  if (length < 1) return false;
  const size = 1 << length;
  const ones = (imms & (size - 1)) + 1;
  const rotate = immr & (size - 1);
  if (ones === size) return false;
  if (size === 64) {
    const low = ones >= 32 ? -1 : (1 << ones) - 1;
    const high = ones <= 32 ? 0 : (1 << (ones - 32)) - 1;
    const r = rotate & 31;
    const a = r === 0 ? low : (low >>> r) | (high << (32 - r));
    const b = r === 0 ? high : (high >>> r) | (low << (32 - r));
    out.imm0Low = rotate < 32 ? a : b;
    out.imm0High = rotate < 32 ? b : a;
    return true;
  }
  const mask = size === 32 ? -1 : (1 << size) - 1;
  const run = (1 << ones) - 1;
  let x = ((run >>> rotate) | (rotate === 0 ? 0 : run << (size - rotate))) & mask;
  for (let w = size; w < 32; w *= 2) x |= x << w;
  out.imm0Low = x;
  out.imm0High = x;
  return true;
}

/** Every byte of `x` repeated: immediate 0 from one byte, eight times. */
function bytes(x: number, out: Decoded): void {
  out.imm0Low = Math.imul(x, 0x01010101);
  out.imm0High = out.imm0Low;
}

/** VFPExpandImm for half precision: the half's bits. */
export function expandFloat16(imm8: number): number {
  const b = (imm8 >> 6) & 1;
  const exponent = ((b ^ 1) << 4) | (b ? 0xc : 0) | ((imm8 >> 4) & 3);
  return ((imm8 & 0x80) << 8) | (exponent << 10) | ((imm8 & 15) << 6);
}

/** VFPExpandImm for single precision: the float's bits. */
export function expandFloat32(imm8: number): number {
  const b = (imm8 >> 6) & 1;
  const exponent = ((b ^ 1) << 7) | (b ? 0x7c : 0) | ((imm8 >> 4) & 3);
  return ((imm8 & 0x80) << 24) | (exponent << 23) | ((imm8 & 15) << 19);
}

/** VFPExpandImm for double precision: the upper word of the double's bits (the lower is zero). */
export function expandFloat64(imm8: number): number {
  const b = (imm8 >> 6) & 1;
  const exponent = ((b ^ 1) << 10) | (b ? 0x3fc : 0) | ((imm8 >> 4) & 3);
  return ((imm8 & 0x80) << 24) | (exponent << 20) | ((imm8 & 15) << 16);
}

/** AdvSIMDExpandImm: fills immediate 0 with the 64-bit value; `inverted` complements it. */
export function vectorImmediate(
  op: number,
  cmode: number,
  imm8: number,
  inverted: boolean,
  out: Decoded,
): void {
  const kind = cmode >> 1;
  if (kind < 4) {
    out.imm0Low = out.imm0High = imm8 << (8 * kind);
  } else if (kind < 6) {
    const half = imm8 << (8 * (kind - 4));
    out.imm0Low = out.imm0High = half | (half << 16);
  } else if (kind === 6) {
    out.imm0Low = out.imm0High = cmode & 1 ? (imm8 << 16) | 0xffff : (imm8 << 8) | 0xff;
  } else if ((cmode & 1) === 0) {
    if (op === 0) bytes(imm8, out);
    else {
      let low = 0;
      let high = 0;
      for (let i = 0; i < 4; i++) {
        if (imm8 & (1 << i)) low |= 0xff << (8 * i);
        if (imm8 & (16 << i)) high |= 0xff << (8 * i);
      }
      out.imm0Low = low;
      out.imm0High = high;
    }
  } else if (op === 0) {
    out.imm0Low = out.imm0High = expandFloat32(imm8);
  } else {
    out.imm0Low = 0;
    out.imm0High = expandFloat64(imm8);
  }
  if (inverted) {
    out.imm0Low = ~out.imm0Low;
    out.imm0High = ~out.imm0High;
  }
}
