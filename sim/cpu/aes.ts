/** The Advanced Encryption Standard (FIPS 197) on the state as sixteen bytes, for both architectures. */
import type { Emitter } from "./ir/emitter.ts";
import type { Helper, Node, Type } from "./ir/types.ts";

/** Product in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1. */
function product(a: number, b: number): number {
  let r = 0;
  for (let x = a, y = b; y !== 0; y >>= 1) {
    if (y & 1) r ^= x;
    x = (x << 1) ^ (x & 0x80 ? 0x11b : 0);
  }
  return r;
}

/** The substitution box and its inverse. */
function substitutionBoxes(): [Uint8Array, Uint8Array] {
  const box = new Uint8Array(256);
  const inverse = new Uint8Array(256);
  for (let x = 0; x < 256; x++) {
    // x^254 is the multiplicative inverse, and 0 of 0.
    let power = 1;
    for (let i = 0; i < 254; i++) power = product(power, x);
    let s = 0x63;
    for (const by of [0, 1, 2, 3, 4]) s ^= ((power << by) | (power >> (8 - by))) & 0xff;
    box[x] = s;
    inverse[s] = x;
  }
  return [box, inverse];
}

const xor = (e: Emitter, a: Node, b: Node): Node => e.op("v128.xor", [a, b]);
const splat = (e: Emitter, byte: number): Node => e.v128(new Uint8Array(16).fill(byte));
const shuffle = (e: Emitter, x: Node, pick: (byte: number) => number): Node =>
  e.op("i8x16.shuffle", [x, x], Array.from({ length: 16 }, (_, i) => pick(i)));

/** Every byte replaced through a table of 256, sixteen at a time. */
function substitute(e: Emitter, table: Uint8Array, x: Node): Node {
  let r = splat(e, 0);
  for (let i = 0; i < 16; i++) {
    const part = e.v128(table.subarray(16 * i, 16 * i + 16));
    const places = e.op("i8x16.sub", [x, splat(e, 16 * i)]);
    r = e.op("v128.or", [r, e.op("i8x16.swizzle", [part, places])]);
  }
  return r;
}
const shiftRows = (e: Emitter, x: Node, by: number): Node =>
  shuffle(e, x, (i) => (4 * ((i >> 2) + by * (i & 3)) & 12) | (i & 3));

/** Every byte times x. */
function double(e: Emitter, x: Node): Node {
  const reduce = e.op("v128.and", [e.op("i8x16.shr_s", [x, e.i32(7)]), splat(e, 0x1b)]);
  return xor(e, e.op("i8x16.shl", [x, e.i32(1)]), reduce);
}
/** Every column rotated by `by` rows. */
const rotateColumns = (e: Emitter, x: Node, by: number): Node =>
  shuffle(e, x, (i) => (i & 12) | (i + by & 3));

function mixColumns(e: Emitter, x: Node): Node {
  const next = rotateColumns(e, x, 1);
  const others = xor(e, rotateColumns(e, x, 2), rotateColumns(e, x, 3));
  return xor(e, xor(e, double(e, xor(e, x, next)), next), others);
}

function helper(name: string, build: (e: Emitter, x: Node) => Node): Helper {
  const params: Type[] = ["v128"];
  return { name, params, result: "v128", reads: [], writes: [], build: (e, x) => build(e, x) };
}

let boxes: [Uint8Array, Uint8Array] | undefined;
const box = (inverse: number): Uint8Array => (boxes ??= substitutionBoxes())[inverse];

/** SubBytes after ShiftRows, and the inverse of both. */
export const substituteRows: readonly [Helper, Helper] = [
  helper("aes_rows", (e, x) => substitute(e, box(0), shiftRows(e, x, 1))),
  helper("aes_inverse_rows", (e, x) => substitute(e, box(1), shiftRows(e, x, -1))),
];
/** MixColumns and its inverse. */
export const mix: readonly [Helper, Helper] = [
  helper("aes_mix", mixColumns),
  helper("aes_inverse_mix", (e, x) => {
    const twice = xor(e, x, rotateColumns(e, x, 2));
    return mixColumns(e, xor(e, x, double(e, double(e, twice))));
  }),
];
/** SubBytes alone. */
export const substituteBytes: Helper = helper("aes_bytes", (e, x) => substitute(e, box(0), x));
