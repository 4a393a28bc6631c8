/**
 * Random instances of decode rows: instruction bytes, and a machine state in which their memory
 * operand lies in the data window.
 */
import { type Encoding, File, Imm, Length, Place, Size } from "../../../../sim/cpu/x86_64/row.ts";

/** Where the harness keeps code and data. */
export const CODE = 0x10000000;
export const WINDOW = 0x20000000 + 2048;
export const WINDOW_SIZE = 256;

/** What the harness reads and writes (`struct record` of native_harness.c). */
export const RECORD = 16 + 112 + 128 + 16 + 512 + WINDOW_SIZE + 256 + 32;
export const AT = {
  address: 0,
  length: 8,
  signal: 12,
  code: 16,
  gpr: 128,
  rflags: 256,
  signalCode: 264,
  fx: 272,
  window: 784,
  upper: 784 + WINDOW_SIZE,
  /** si_addr, trap number, error code, RIP of a fault. */
  fault: 784 + WINDOW_SIZE + 256,
};

/** A small generator of 32-bit numbers (xorshift), seeded. */
export class Random {
  #s: number;
  constructor(seed: number) {
    this.#s = (seed * 2654435761) | 1;
  }
  next(): number {
    let s = this.#s;
    s ^= s << 13;
    s ^= s >>> 17;
    s ^= s << 5;
    this.#s = s;
    return s >>> 0;
  }
  below(n: number): number {
    return Math.floor(this.next() / 4294967296 * n);
  }
  chance(n: number): boolean {
    return this.below(n) === 0;
  }
  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)];
  }
  long(): bigint {
    return (BigInt(this.next()) << 32n) | BigInt(this.next());
  }
  /** A 64-bit value that is often at a boundary of some width, or small. */
  interesting(): bigint {
    switch (this.below(6)) {
      case 0:
        return this.pick(EDGES);
      case 1:
        return BigInt(this.below(300));
      case 2:
        return BigInt.asUintN(64, -BigInt(this.below(300)));
      case 3:
        return BigInt.asUintN(64, 1n << BigInt(this.below(64))) ^ BigInt(this.below(2));
      default:
        return this.long();
    }
  }
}

const EDGES = [
  ...[7n, 8n, 15n, 16n, 31n, 32n, 63n].flatMap((n) => [(1n << n) - 1n, 1n << n, (1n << n) + 1n]),
  ...[0n, 1n, 0xffffffffffffffffn, 0xfffffffffffffffen],
  ...[0x8080808080808080n, 0x7f7f7f7f7f7f7f7fn, 0x0000000100000001n],
];

/** Interesting 64- and 32-bit floating-point patterns. */
const DOUBLES = [
  ...[0, -0, 1, -1, 0.5, 1.5, 2.5, -2.5, 3, 1e300, -1e300, 1e-300, Infinity, -Infinity],
  ...[2 ** 31, 2 ** 31 - 1, -(2 ** 31), -(2 ** 31) - 1, 2 ** 63, -(2 ** 63), 5e-324, 2 ** -1022],
  ...[4503599627370497.5, 1e20, 2147483647.5, 0.1, Math.PI, Number.MAX_VALUE],
];
const convert = new DataView(new ArrayBuffer(8));
export function doubleBits(x: number): bigint {
  convert.setFloat64(0, x);
  return convert.getBigUint64(0);
}
function floatBits(x: number): bigint {
  convert.setFloat32(0, x);
  return BigInt(convert.getUint32(0));
}

/** 64 bits that are two floats, a double, or anything. */
export function vectorHalf(r: Random): bigint {
  const nan64 = [
    0x7ff8000000000123n,
    0xfff8000000000000n,
    0x7ff0000000000001n,
    0xfff4567812345678n,
  ];
  const nan32 = [0x7fc00123n, 0xffc00000n, 0x7f800001n, 0xffa12345n];
  const single = (): bigint => {
    if (r.chance(12)) return r.pick(nan32);
    if (r.chance(2)) return floatBits(r.pick(DOUBLES));
    return floatBits((r.below(2000000) - 1000000) / r.pick([1, 2, 3, 10, 1000]));
  };
  switch (r.below(6)) {
    case 0:
      return r.interesting();
    case 1:
    case 2:
      return (single() << 32n) | single();
    default:
      if (r.chance(12)) return r.pick(nan64);
      if (r.chance(2)) return doubleBits(r.pick(DOUBLES));
      return doubleBits((r.below(2000000) - 1000000) / r.pick([1, 2, 3, 10, 1000]));
  }
}

/** One generated case: its record, and what to compare. */
export interface Case {
  readonly row: Encoding;
  readonly record: Uint8Array;
  readonly bytes: readonly number[];
  /** Effective operand size in bits, and the masked shift count where the row shifts. */
  readonly size: number;
  readonly count: number;
  /** Whether it has a memory operand. */
  readonly memory: boolean;
}

/** The bits of a VEX prefix beyond those of REX. */
interface VexBits {
  readonly third: number;
  readonly long: number;
  readonly wide: number;
}

/** A VEX prefix of two bytes or three; `rex` has R, X and B as a REX prefix does. */
function vexPrefix(row: Encoding, rex: number, v: VexBits, r: Random): number[] {
  const last = ((v.third ^ 15) << 3) | (v.long << 2) | row.prefix;
  const short = row.map === 1 && v.wide === 0 && (rex & 3) === 0;
  if (short && !r.chance(4)) return [0xc5, ((rex & 4) << 5 ^ 0x80) | last];
  return [0xc4, ((rex & 7) << 5 ^ 0xe0) | row.map, (v.wide << 7) | last];
}

const opcodeMaps = [[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]];
const mandatory = [[], [0x66], [0xf3], [0xf2]];

/** Whether the row works on x87 or MMX registers. */
export function usesX87(row: Encoding): boolean {
  return (row.map === 0 && (row.opcode & 0xf8) === 0xd8) || row.name === "emms" ||
    row.operands.some((o) => o.file === File.Mmx);
}

/** Encode a random instance of `row` at `address`, and a state for it. */
export function instance(row: Encoding, address: number, r: Random): Case {
  const gpr = Array.from({ length: 16 }, () => r.interesting());
  const string = row.options.rep === true;
  const prefixes: number[] = [];
  let opsize = false, rexW = 0, size = 8;
  if (row.size === Size.V || row.size === Size.D64) {
    size = r.pick([16, 32, 64]);
    if (row.size === Size.D64 && size === 32) size = 64;
    if (size === 64 && row.size === Size.V) rexW = 8;
    opsize = size === 16;
  } else if (row.size === Size.Y) {
    size = r.pick([32, 64]);
    if (size === 64) rexW = 8;
  }
  if (opsize) prefixes.push(0x66);
  if (row.prefix > 0 && !row.vex) prefixes.push(...mandatory[row.prefix]);
  if (string && r.chance(2)) prefixes.push(r.pick([0xf2, 0xf3]));
  let rex = rexW;
  let useRex = rexW !== 0 || r.chance(2);
  const tail: number[] = [];
  let length = 0;
  const opcode = row.opcode + (row.count > 1 ? r.below(row.count) : 0);
  if (row.count === 8 && useRex) rex |= r.below(2);

  // ModRM, and registers such that the operand lies in the window.
  const file = (place: Place) => row.operands.find((o) => o.place === place)?.file ?? File.General;
  let target = -1;
  let relative = -1;
  /** Registers that the address needs. */
  const addressing: number[] = [];
  if (row.modrm) {
    let modrm: number;
    if (row.exact >= 0) modrm = row.exact + r.below(row.exactCount);
    else {
      const memory = row.memory && (!row.register || r.chance(2));
      const reg = row.digit >= 0 ? row.digit : r.below(8);
      if (useRex && row.digit < 0 && file(Place.Reg) !== File.Mmx) rex |= r.below(2) << 2;
      if (!memory) {
        modrm = 0xc0 | (reg << 3) | r.below(8);
        if (useRex && file(Place.Rm) !== File.Mmx) rex |= r.below(2);
      } else {
        target = WINDOW + 64 + (r.chance(3) ? r.below(84) : 16 * r.below(6));
        if (row.options.staticReg) target = WINDOW + 64;
        // The stack pointer is never a base here: instructions that push would move it.
        const base = r.pick([0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
        const index = r.pick([0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
        if (base > 7 || index > 7) useRex = true;
        if (row.options.vsib) target = WINDOW + 64;
        const displacement = r.below(256) - 128;
        const wide = r.chance(3);
        const bytesOf = (n: number): number[] =>
          wide ? [n & 255, (n >> 8) & 255, (n >> 16) & 255, (n >> 24) & 255] : [n & 255];
        const mode = wide ? 0x80 : 0x40;
        const kind = row.options.vsib ? 2 : r.below(4);
        if (row.options.vsib) {
          // The index is a vector register, neither destination nor mask; RBX is the base.
          tail.push((r.below(4) << 6) | (VSIB_INDEX << 3) | 3, ...bytesOf(displacement));
          modrm = mode | (reg << 3) | 4;
          gpr[3] = BigInt(target - displacement);
        } else if (kind === 0) {
          modrm = (reg << 3) | 5;
          relative = 0;
          tail.push(0, 0, 0, 0);
        } else if (kind === 1 || (base & 7) === 4 || base === index) {
          if ((base & 7) === 4) {
            modrm = mode | (reg << 3) | 4;
            tail.push(0x24, ...bytesOf(displacement));
          } else {
            modrm = mode | (reg << 3) | (base & 7);
            tail.push(...bytesOf(displacement));
          }
          rex |= base >> 3;
          gpr[base] = BigInt(target - displacement);
          addressing.push(base);
        } else {
          const scale = r.below(4);
          modrm = mode | (reg << 3) | 4;
          tail.push((scale << 6) | ((index & 7) << 3) | (base & 7), ...bytesOf(displacement));
          rex |= (base >> 3) | ((index >> 3) << 1);
          addressing.push(base, index);
          const i = r.interesting();
          gpr[index] = i;
          gpr[base] = BigInt.asUintN(64, BigInt(target - displacement) - (i << BigInt(scale)));
        }
      }
    }
    tail.unshift(modrm);
    if (relative >= 0) relative = 1;
  }

  // Immediate.
  let count = -1;
  const bytes = (n: number): number[] => Array.from({ length: n }, () => r.below(256));
  switch (row.immediate) {
    case Imm.None:
    case Imm.One:
      break;
    case Imm.Iw:
      tail.push(...bytes(2));
      break;
    case Imm.IwIb:
      tail.push(r.below(32), 0, r.chance(2) ? 0 : r.below(4));
      break;
    case Imm.Iz:
      tail.push(...bytes(size === 16 ? 2 : 4));
      break;
    case Imm.Iv:
      tail.push(...bytes(size / 8));
      break;
    case Imm.Moffs: {
      const at = WINDOW + 64;
      tail.push(at & 255, (at >> 8) & 255, (at >> 16) & 255, (at >> 24) & 255, 0, 0, 0, 0);
      break;
    }
    default:
      tail.push(r.chance(2) ? r.below(66) : r.below(256));
      // INT 80 would enter the kernel's 32-bit calls.
      if (row.name.startsWith("int ") && tail[0] === 0x80) tail[0] = 0x81;
  }
  if (row.immediate === Imm.Count) count = tail[tail.length - 1] & (size === 64 ? 63 : 31);
  else if (row.immediate === Imm.One) count = 1;

  const code = [...prefixes];
  const hasThird = row.operands.some((o) => o.place === Place.Vex);
  const long = row.length === Length.Any || row.length === Length.Ignored ? r.below(2) : row.length;
  if (row.vex) {
    const wide = row.wide >= 0 ? row.wide : row.size === Size.Y ? rexW >> 3 : 0;
    let third = hasThird ? r.below(16) : 0;
    if (row.options.vsib) {
      const reg = ((tail[0] >> 3) & 7) | ((rex & 4) << 1);
      if (reg === VSIB_INDEX) return instance(row, address, r);
      while (third === VSIB_INDEX || third === reg) third = r.below(16);
    }
    code.push(...vexPrefix(row, rex, { third, long, wide }, r), opcode);
  } else {
    if (useRex) code.push(0x40 | rex);
    code.push(...opcodeMaps[row.map], opcode);
  }
  const modrmAt = code.length;
  code.push(...tail);
  length = code.length;
  if (relative >= 0) {
    const displacement = target - (address + length);
    for (let i = 0; i < 4; i++) code[modrmAt + 1 + i] = (displacement >> (8 * i)) & 255;
  }

  gpr[4] = BigInt(WINDOW + 64 + 8 * r.below(12));
  if (/^(leave|enter)/.test(row.name)) gpr[5] = BigInt(WINDOW + 80 + 8 * r.below(8));
  if (string) {
    gpr[6] = BigInt(WINDOW + 96 + r.below(64));
    gpr[7] = BigInt(WINDOW + 96 + r.below(64));
    gpr[1] = BigInt(r.below(5));
  }
  if (/^v?maskmov[dq]/.test(row.name)) gpr[7] = BigInt(WINDOW + r.below(200));
  if (row.name === "xlat") gpr[3] = BigInt(WINDOW);
  // Quotients that fit, half of the time.
  if (/^i?div/.test(row.name) && target < 0 && r.chance(2)) {
    gpr[2] = r.chance(2) ? 0n : BigInt.asUintN(64, BigInt.asIntN(64, gpr[0]) >> 63n);
    if (size === 8) gpr[0] = BigInt(r.below(65536)) >> BigInt(r.below(12));
  }
  // A bit offset in a register reaches far: keep it near.
  if (/^bt.? Ev,Gv/.test(row.name) && target >= 0) {
    const reg = ((tail[0] >> 3) & 7) | ((rex & 4) << 1);
    if (addressing.includes(reg)) return instance(row, address, r);
    gpr[reg] = BigInt.asUintN(64, BigInt(r.below(512) - 256));
  }
  if (row.operands.some((o) => o.place === Place.Fixed && o.slot !== 0)) {
    count = Number(gpr[1] & (size === 64 ? 63n : 31n));
  }

  const record = new Uint8Array(RECORD);
  const view = new DataView(record.buffer);
  view.setBigUint64(AT.address, BigInt(address), true);
  view.setUint32(AT.length, code.length, true);
  record.set(code, AT.code);
  gpr.forEach((v, i) => view.setBigUint64(AT.gpr + 8 * i, v, true));
  view.setBigUint64(AT.rflags, BigInt(r.next() & (string ? 0xcd5 : 0x8d5)), true);
  fillFx(view, r);
  if (row.options.vsib) fillIndices(view, r);
  if (usesX87(row)) fillX87(view, r);
  if (/^pcmp.str/.test(row.name)) {
    // Short strings over few letters; lengths near the register's size.
    const letters = (at: number, n: number): void => {
      for (let i = 0; i < n; i++) view.setUint8(at + i, r.chance(8) ? 0 : 97 + r.below(4));
    };
    letters(AT.fx + 160, 256);
    letters(AT.window, WINDOW_SIZE);
    for (const i of [0, 2]) {
      if (!addressing.includes(i)) {
        view.setBigUint64(AT.gpr + 8 * i, BigInt.asUintN(64, BigInt(r.below(40) - 20)), true);
      }
    }
    return { row, record, bytes: code, size, count, memory: target >= 0 };
  }
  for (let i = 0; i < WINDOW_SIZE; i += 8) {
    const value = r.chance(3) ? r.interesting() : vectorHalf(r);
    view.setBigUint64(AT.window + i, value, true);
  }
  if (row.name === "popf") {
    // Neither single steps nor alignment checks.
    view.setUint32(AT.window + Number(gpr[4]) - WINDOW, r.next() & 0x200cd5, true);
  }
  if (/ Mt$/.test(row.name)) {
    const [low, high] = extended(r);
    view.setBigUint64(AT.window + target - WINDOW, low, true);
    view.setUint16(AT.window + target - WINDOW + 8, high, true);
  }
  return { row, record, bytes: code, size, count, memory: target >= 0 };
}

/** An 80-bit value: significand, and sign with exponent. */
function extended(r: Random): [bigint, number] {
  const sign = r.below(2) << 15;
  switch (r.below(12)) {
    case 0:
      return [0n, sign];
    case 1:
      return [1n << 63n, sign | 0x7fff];
    case 2:
      return [r.long() | (1n << 63n), sign | 0x7fff];
    case 3:
      return [r.long() >> BigInt(1 + r.below(60)), sign];
    case 4:
      return [r.long(), r.next() & 0xffff];
    case 5:
      return [
        BigInt.asUintN(64, r.long() | (1n << 63n)),
        sign | (r.chance(2) ? r.below(80) : 0x7ffe - r.below(80)),
      ];
    case 6:
    case 7:
      return [BigInt(0x80000000 + r.below(1 << 30)) << 32n, sign | (16383 + r.below(30))];
    default:
      return [r.long() | (1n << 63n), sign | (16383 - 40 + r.below(120))];
  }
}

/** A random x87 stack, rounding and precision; exceptions masked. */
function fillX87(view: DataView, r: Random): void {
  const precision = r.pick([0, 2, 3, 3, 3]);
  const masks = r.chance(8) ? 0x40 | r.below(64) : 0x7f;
  view.setUint16(AT.fx, masks | (precision << 8) | ((r.chance(2) ? 0 : r.below(4)) << 10), true);
  view.setUint16(AT.fx + 2, (r.below(8) << 11) | (r.next() & 0x4700), true);
  // The last instruction's pointers: canonical addresses.
  view.setUint16(AT.fx + 6, r.below(0x800), true);
  view.setBigUint64(AT.fx + 8, r.long() & 0x7fffffffffffn, true);
  view.setBigUint64(AT.fx + 16, r.long() & 0x7fffffffffffn, true);
  view.setUint8(AT.fx + 4, r.chance(2) ? r.below(256) : r.chance(2) ? 0x7f : 0xff);
  for (let i = 0; i < 8; i++) {
    const [low, high] = extended(r);
    view.setBigUint64(AT.fx + 32 + 16 * i, low, true);
    view.setUint16(AT.fx + 40 + 16 * i, high, true);
  }
}

/** Random vector registers; an empty x87 stack and default controls. */
function fillFx(view: DataView, r: Random): void {
  view.setUint16(AT.fx, 0x37f, true);
  // Sometimes another rounding mode, flush-to-zero or denormals-are-zero.
  const mode = r.chance(3) ? (r.below(4) << 13) | (r.below(2) << 15) | (r.below(2) << 6) : 0;
  // Seldom, some exceptions are not masked.
  const masks = r.chance(8) ? r.next() & 0x1f80 : 0x1f80;
  view.setUint32(AT.fx + 24, masks | mode | (r.chance(2) ? 0x20 : 0), true);
  view.setUint32(AT.fx + 28, 0xffff, true);
  for (let i = 0; i < 32; i++) view.setBigUint64(AT.fx + 160 + 8 * i, vectorHalf(r), true);
  for (let i = 0; i < 32; i++) view.setBigUint64(AT.upper + 8 * i, vectorHalf(r), true);
}

/** The vector register that gathers take their indices from. */
const VSIB_INDEX = 5;

/** Small indices, as 32 or as 64 bits. */
function fillIndices(view: DataView, r: Random): void {
  const wide = r.chance(2);
  for (const at of [AT.fx + 160 + 16 * VSIB_INDEX, AT.upper + 16 * VSIB_INDEX]) {
    for (let i = 0; i < 16; i += 8) {
      const low = r.below(20) - 8, high = wide ? Math.sign(low) >> 1 : r.below(20) - 8;
      view.setInt32(at + i, low, true);
      view.setInt32(at + i + 4, high, true);
    }
  }
}
