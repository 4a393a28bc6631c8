/**
 * 128-bit vector operations of the op table. Opcodes: WebAssembly core specification 3.0, section
 * 5.4.9 (vector instructions); the prefix is 0xfd. Evaluations work on lanes of sixteen bytes.
 */
import { fusedMultiplyAdd } from "./exact_fma.ts";
import type { Op, Value } from "./ops.ts";
import type { Type } from "./types.ts";

const table: Record<string, Op> = {};

/** Unsigned LEB128 after the vector prefix. */
function opcode(n: number): number[] {
  return n < 0x80 ? [0xfd, n] : [0xfd, (n & 0x7f) | 0x80, n >> 7];
}

type Shape = "i8x16" | "i16x8" | "i32x4" | "i64x2" | "f32x4" | "f64x2";
const laneBytes: Record<Shape, number> = {
  i8x16: 1,
  i16x8: 2,
  i32x4: 4,
  i64x2: 8,
  f32x4: 4,
  f64x2: 8,
};

/** Lane `i` of `bytes`, as an unsigned bigint. */
function lane(v: Value, size: number, i: number): bigint {
  const bytes = v as Uint8Array;
  let x = 0n;
  for (let k = size - 1; k >= 0; k--) x = (x << 8n) | BigInt(bytes[i * size + k]);
  return x;
}
function setLane(out: Uint8Array, size: number, i: number, x: bigint): void {
  for (let k = 0; k < size; k++) out[i * size + k] = Number((x >> BigInt(8 * k)) & 0xffn);
}
const signed = (x: bigint, size: number): bigint => BigInt.asIntN(8 * size, x);

/** Apply `run` lane by lane, `from` to `to` bytes a lane; lanes are unsigned bigints. */
function map(
  args: readonly Value[],
  size: number,
  run: (...lanes: bigint[]) => bigint,
): Uint8Array {
  const out = new Uint8Array(16);
  for (let i = 0; i < 16 / size; i++) {
    setLane(out, size, i, run(...args.map((a) => lane(a, size, i))));
  }
  return out;
}

function binary(shape: Shape, name: string, code: number, run: (a: bigint, b: bigint) => bigint) {
  table[`${shape}.${name}`] = {
    args: ["v128", "v128"],
    result: "v128",
    wasm: opcode(code),
    evaluate: (args) => map(args, laneBytes[shape], run),
  };
}
function unary(shape: Shape, name: string, code: number, run: (a: bigint) => bigint) {
  table[`${shape}.${name}`] = {
    args: ["v128"],
    result: "v128",
    wasm: opcode(code),
    evaluate: (args) => map(args, laneBytes[shape], run),
  };
}
function define(
  name: string,
  args: readonly Type[],
  result: Type,
  code: number,
  evaluate: Op["evaluate"],
  immediate?: number,
) {
  table[name] = { args, result, wasm: opcode(code), evaluate, immediate };
}

const scratch = new DataView(new ArrayBuffer(8));
function toFloat(x: bigint, size: number): number {
  if (size === 4) {
    scratch.setUint32(0, Number(x));
    return scratch.getFloat32(0);
  }
  scratch.setBigUint64(0, x);
  return scratch.getFloat64(0);
}
function fromFloat(x: number, size: number): bigint {
  if (size === 4) {
    scratch.setFloat32(0, x);
    return BigInt(scratch.getUint32(0));
  }
  scratch.setFloat64(0, x);
  return scratch.getBigUint64(0);
}

// Bitwise.
define("v128.not", ["v128"], "v128", 0x4d, (a) => map(a, 8, (x) => ~x));
define("v128.and", ["v128", "v128"], "v128", 0x4e, (a) => map(a, 8, (x, y) => x & y));
define("v128.andnot", ["v128", "v128"], "v128", 0x4f, (a) => map(a, 8, (x, y) => x & ~y));
define("v128.or", ["v128", "v128"], "v128", 0x50, (a) => map(a, 8, (x, y) => x | y));
define("v128.xor", ["v128", "v128"], "v128", 0x51, (a) => map(a, 8, (x, y) => x ^ y));
define(
  "v128.bitselect",
  ["v128", "v128", "v128"],
  "v128",
  0x52,
  (a) => map(a, 8, (x, y, m) => (x & m) | (y & ~m)),
);
define(
  "v128.any_true",
  ["v128"],
  "i32",
  0x53,
  ([a]) => (a as Uint8Array).some((b) => b !== 0) ? 1 : 0,
);

// Shuffles.
define("i8x16.shuffle", ["v128", "v128"], "v128", 0x0d, ([a, b], select) => {
  const from = [...(a as Uint8Array), ...(b as Uint8Array)];
  return Uint8Array.from(select!, (s) => from[s]);
}, 16);
define(
  "i8x16.swizzle",
  ["v128", "v128"],
  "v128",
  0x0e,
  ([a, s]) => Uint8Array.from(s as Uint8Array, (i) => i < 16 ? (a as Uint8Array)[i] : 0),
);

// Splats, extracts and replaces.
const scalar: [Shape, Type, number, number, number][] = [
  // shape, scalar, splat, extract (unsigned for small), replace
  ["i8x16", "i32", 0x0f, 0x16, 0x17],
  ["i16x8", "i32", 0x10, 0x19, 0x1a],
  ["i32x4", "i32", 0x11, 0x1b, 0x1c],
  ["i64x2", "i64", 0x12, 0x1d, 0x1e],
  ["f32x4", "f32", 0x13, 0x1f, 0x20],
  ["f64x2", "f64", 0x14, 0x21, 0x22],
];
for (const [shape, type, splat, extract, replace] of scalar) {
  const size = laneBytes[shape];
  const wide = size === 8;
  const toLane = (v: Value): bigint =>
    wide ? v as bigint : BigInt.asUintN(8 * size, BigInt(v as number));
  const fromLane = (x: bigint, sign: boolean): Value =>
    wide ? x : Number(BigInt.asIntN(32, sign ? signed(x, size) : x));
  define(`${shape}.splat`, [type], "v128", splat, ([a]) => {
    const out = new Uint8Array(16);
    for (let i = 0; i < 16 / size; i++) setLane(out, size, i, toLane(a));
    return out;
  });
  const suffix = size < 4 ? "_u" : "";
  define(
    `${shape}.extract_lane${suffix}`,
    ["v128"],
    type,
    extract,
    ([a], at) => fromLane(lane(a, size, at![0]), false),
    1,
  );
  if (size < 4) {
    define(
      `${shape}.extract_lane_s`,
      ["v128"],
      type,
      extract - 1,
      ([a], at) => fromLane(lane(a, size, at![0]), true),
      1,
    );
  }
  define(`${shape}.replace_lane`, ["v128", type], "v128", replace, ([a, b], at) => {
    const out = (a as Uint8Array).slice();
    setLane(out, size, at![0], toLane(b));
    return out;
  }, 1);
}

// Comparisons: all ones where true.
const ones = -1n;
const truth = (x: boolean): bigint => x ? ones : 0n;
for (
  const [shape, base] of [["i8x16", 0x23], ["i16x8", 0x2d], ["i32x4", 0x37]] as [Shape, number][]
) {
  const size = laneBytes[shape];
  const s = (x: bigint): bigint => signed(x, size);
  binary(shape, "eq", base, (a, b) => truth(a === b));
  binary(shape, "ne", base + 1, (a, b) => truth(a !== b));
  binary(shape, "lt_s", base + 2, (a, b) => truth(s(a) < s(b)));
  binary(shape, "lt_u", base + 3, (a, b) => truth(a < b));
  binary(shape, "gt_s", base + 4, (a, b) => truth(s(a) > s(b)));
  binary(shape, "gt_u", base + 5, (a, b) => truth(a > b));
  binary(shape, "le_s", base + 6, (a, b) => truth(s(a) <= s(b)));
  binary(shape, "le_u", base + 7, (a, b) => truth(a <= b));
  binary(shape, "ge_s", base + 8, (a, b) => truth(s(a) >= s(b)));
  binary(shape, "ge_u", base + 9, (a, b) => truth(a >= b));
}
{
  const s = (x: bigint): bigint => signed(x, 8);
  binary("i64x2", "eq", 0xd6, (a, b) => truth(a === b));
  binary("i64x2", "ne", 0xd7, (a, b) => truth(a !== b));
  binary("i64x2", "lt_s", 0xd8, (a, b) => truth(s(a) < s(b)));
  binary("i64x2", "gt_s", 0xd9, (a, b) => truth(s(a) > s(b)));
  binary("i64x2", "le_s", 0xda, (a, b) => truth(s(a) <= s(b)));
  binary("i64x2", "ge_s", 0xdb, (a, b) => truth(s(a) >= s(b)));
}
for (const [shape, base] of [["f32x4", 0x41], ["f64x2", 0x47]] as [Shape, number][]) {
  const size = laneBytes[shape];
  const f = (x: bigint): number => toFloat(x, size);
  binary(shape, "eq", base, (a, b) => truth(f(a) === f(b)));
  binary(shape, "ne", base + 1, (a, b) => truth(f(a) !== f(b)));
  binary(shape, "lt", base + 2, (a, b) => truth(f(a) < f(b)));
  binary(shape, "gt", base + 3, (a, b) => truth(f(a) > f(b)));
  binary(shape, "le", base + 4, (a, b) => truth(f(a) <= f(b)));
  binary(shape, "ge", base + 5, (a, b) => truth(f(a) >= f(b)));
}

// Integer arithmetic.
const abs = (x: bigint): bigint => x < 0n ? -x : x;
const clamp = (x: bigint, low: bigint, high: bigint): bigint => x < low ? low : x > high ? high : x;
for (
  const [shape, o] of [
    ["i8x16", { abs: 0x60, neg: 0x61, popcnt: 0x62, all: 0x63, mask: 0x64, shl: 0x6b, add: 0x6e }],
    ["i16x8", { abs: 0x80, neg: 0x81, popcnt: 0, all: 0x83, mask: 0x84, shl: 0x8b, add: 0x8e }],
    ["i32x4", { abs: 0xa0, neg: 0xa1, popcnt: 0, all: 0xa3, mask: 0xa4, shl: 0xab, add: 0xae }],
    ["i64x2", { abs: 0xc0, neg: 0xc1, popcnt: 0, all: 0xc3, mask: 0xc4, shl: 0xcb, add: 0xce }],
  ] as [Shape, Record<string, number>][]
) {
  const size = laneBytes[shape];
  const width = BigInt(8 * size);
  const s = (x: bigint): bigint => signed(x, size);
  unary(shape, "abs", o.abs, (a) => abs(s(a)));
  unary(shape, "neg", o.neg, (a) => -a);
  if (o.popcnt) {
    unary(
      shape,
      "popcnt",
      o.popcnt,
      (a) => BigInt([...a.toString(2)].filter((c) => c === "1").length),
    );
  }
  define(`${shape}.all_true`, ["v128"], "i32", o.all, ([a]) => {
    for (let i = 0; i < 16 / size; i++) if (lane(a, size, i) === 0n) return 0;
    return 1;
  });
  define(`${shape}.bitmask`, ["v128"], "i32", o.mask, ([a]) => {
    let m = 0;
    for (let i = 0; i < 16 / size; i++) if (s(lane(a, size, i)) < 0n) m |= 1 << i;
    return m;
  });
  const shift = (name: string, code: number, run: (x: bigint, n: bigint) => bigint) =>
    define(
      `${shape}.${name}`,
      ["v128", "i32"],
      "v128",
      code,
      ([a, n]) => map([a], size, (x) => run(x, BigInt((n as number) & (8 * size - 1)))),
    );
  shift("shl", o.shl, (x, n) => x << n);
  shift("shr_s", o.shl + 1, (x, n) => s(x) >> n);
  shift("shr_u", o.shl + 2, (x, n) => x >> n);
  binary(shape, "add", o.add, (a, b) => a + b);
  const sub = shape === "i8x16" ? 0x71 : shape === "i16x8" ? 0x91 : shape === "i32x4" ? 0xb1 : 0xd1;
  binary(shape, "sub", sub, (a, b) => a - b);
  if (size <= 2) {
    const low = -(1n << (width - 1n));
    const high = (1n << (width - 1n)) - 1n;
    const max = (1n << width) - 1n;
    binary(shape, "add_sat_s", o.add + 1, (a, b) => clamp(s(a) + s(b), low, high));
    binary(shape, "add_sat_u", o.add + 2, (a, b) => clamp(a + b, 0n, max));
    binary(shape, "sub_sat_s", sub + 1, (a, b) => clamp(s(a) - s(b), low, high));
    binary(shape, "sub_sat_u", sub + 2, (a, b) => clamp(a - b, 0n, max));
    binary(shape, "avgr_u", size === 1 ? 0x7b : 0x9b, (a, b) => (a + b + 1n) >> 1n);
  }
  if (size <= 4) {
    const min = size === 1 ? 0x76 : size === 2 ? 0x96 : 0xb6;
    binary(shape, "min_s", min, (a, b) => s(a) < s(b) ? a : b);
    binary(shape, "min_u", min + 1, (a, b) => a < b ? a : b);
    binary(shape, "max_s", min + 2, (a, b) => s(a) > s(b) ? a : b);
    binary(shape, "max_u", min + 3, (a, b) => a > b ? a : b);
  }
}
binary("i16x8", "mul", 0x95, (a, b) => a * b);
binary("i32x4", "mul", 0xb5, (a, b) => a * b);
binary("i64x2", "mul", 0xd5, (a, b) => a * b);
binary(
  "i16x8",
  "q15mulr_sat_s",
  0x82,
  (a, b) => clamp((signed(a, 2) * signed(b, 2) + 0x4000n) >> 15n, -0x8000n, 0x7fffn),
);
define("i32x4.dot_i16x8_s", ["v128", "v128"], "v128", 0xba, ([a, b]) => {
  const out = new Uint8Array(16);
  for (let i = 0; i < 4; i++) {
    const p = (k: number): bigint => signed(lane(a, 2, k), 2) * signed(lane(b, 2, k), 2);
    setLane(out, 4, i, p(2 * i) + p(2 * i + 1));
  }
  return out;
});

// Narrowing, widening, extended multiply, pairwise add.
function narrow(name: string, code: number, from: number, low: bigint, high: bigint) {
  define(name, ["v128", "v128"], "v128", code, (args) => {
    const out = new Uint8Array(16);
    const n = 16 / from;
    for (let i = 0; i < 2 * n; i++) {
      setLane(
        out,
        from / 2,
        i,
        clamp(signed(lane(args[i < n ? 0 : 1], from, i % n), from), low, high),
      );
    }
    return out;
  });
}
narrow("i8x16.narrow_i16x8_s", 0x65, 2, -128n, 127n);
narrow("i8x16.narrow_i16x8_u", 0x66, 2, 0n, 255n);
narrow("i16x8.narrow_i32x4_s", 0x85, 4, -32768n, 32767n);
narrow("i16x8.narrow_i32x4_u", 0x86, 4, 0n, 65535n);
for (
  const [shape, from, extend, multiply, pairwise] of [
    ["i16x8", "i8x16", 0x87, 0x9c, 0x7c],
    ["i32x4", "i16x8", 0xa7, 0xbc, 0x7e],
    ["i64x2", "i32x4", 0xc7, 0xdc, 0],
  ] as [Shape, Shape, number, number, number][]
) {
  const size = laneBytes[from];
  const n = 16 / (2 * size);
  ["low_s", "high_s", "low_u", "high_u"].forEach((suffix, k) => {
    const [half, sign] = suffix.split("_");
    const at = (v: Value, i: number): bigint => {
      const x = lane(v, size, half === "high" ? i + n : i);
      return sign === "s" ? signed(x, size) : x;
    };
    const name = `${shape}.extend_${half}_${from}_${sign}`;
    define(name, ["v128"], "v128", extend + k, ([a]) => {
      const out = new Uint8Array(16);
      for (let i = 0; i < n; i++) setLane(out, 2 * size, i, at(a, i));
      return out;
    });
    define(
      `${shape}.extmul_${half}_${from}_${sign}`,
      ["v128", "v128"],
      "v128",
      multiply + k,
      ([a, b]) => {
        const out = new Uint8Array(16);
        for (let i = 0; i < n; i++) setLane(out, 2 * size, i, at(a, i) * at(b, i));
        return out;
      },
    );
  });
  if (pairwise) {
    ["s", "u"].forEach((sign, k) =>
      define(`${shape}.extadd_pairwise_${from}_${sign}`, ["v128"], "v128", pairwise + k, ([a]) => {
        const at = (i: number): bigint =>
          sign === "s" ? signed(lane(a, size, i), size) : lane(a, size, i);
        const out = new Uint8Array(16);
        for (let i = 0; i < n; i++) setLane(out, 2 * size, i, at(2 * i) + at(2 * i + 1));
        return out;
      })
    );
  }
}

// Floating point, lane by lane. NaN payloads are unspecified here as in the scalar operations.
for (
  const [shape, base, round] of [
    ["f32x4", 0xe0, [0x67, 0x68, 0x69, 0x6a]],
    ["f64x2", 0xec, [0x74, 0x75, 0x7a, 0x94]],
  ] as [Shape, number, number[]][]
) {
  const size = laneBytes[shape];
  const f = (x: bigint): number => toFloat(x, size);
  const g = (x: number): bigint => fromFloat(x, size);
  const sign = 1n << BigInt(8 * size - 1);
  unary(shape, "abs", base, (a) => a & ~sign);
  unary(shape, "neg", base + 1, (a) => a ^ sign);
  unary(shape, "sqrt", base + 3, (a) => g(Math.sqrt(f(a))));
  binary(shape, "add", base + 4, (a, b) => g(f(a) + f(b)));
  binary(shape, "sub", base + 5, (a, b) => g(f(a) - f(b)));
  binary(shape, "mul", base + 6, (a, b) => g(f(a) * f(b)));
  binary(shape, "div", base + 7, (a, b) => g(f(a) / f(b)));
  binary(shape, "min", base + 8, (a, b) => g(Math.min(f(a), f(b))));
  binary(shape, "max", base + 9, (a, b) => g(Math.max(f(a), f(b))));
  binary(shape, "pmin", base + 10, (a, b) => f(b) < f(a) ? b : a);
  binary(shape, "pmax", base + 11, (a, b) => f(a) < f(b) ? b : a);
  const even = (x: number): number => {
    if (!Number.isFinite(x) || x === 0 || Math.abs(x) >= 2 ** 52) return x;
    const floor = Math.floor(x);
    const rest = x - floor;
    const r = rest < 0.5 || (rest === 0.5 && floor % 2 === 0) ? floor : floor + 1;
    return r === 0 && x < 0 ? -0 : r;
  };
  unary(shape, "ceil", round[0], (a) => g(Math.ceil(f(a))));
  unary(shape, "floor", round[1], (a) => g(Math.floor(f(a))));
  unary(shape, "trunc", round[2], (a) => g(Math.trunc(f(a))));
  unary(shape, "nearest", round[3], (a) => g(even(f(a))));
}
function convert(name: string, code: number, from: number, to: number, run: (x: bigint) => bigint) {
  define(name, ["v128"], "v128", code, ([a]) => {
    const out = new Uint8Array(16);
    const n = 16 / Math.max(from, to);
    for (let i = 0; i < n; i++) setLane(out, to, i, run(lane(a, from, i)));
    return out;
  });
}
function saturate(x: number, low: number, high: number): bigint {
  return Number.isNaN(x) ? 0n : BigInt(Math.min(Math.max(Math.trunc(x), low), high));
}
const I32 = [-(2 ** 31), 2 ** 31 - 1] as const;
const U32 = [0, 2 ** 32 - 1] as const;
convert("i32x4.trunc_sat_f32x4_s", 0xf8, 4, 4, (x) => saturate(toFloat(x, 4), ...I32));
convert("i32x4.trunc_sat_f32x4_u", 0xf9, 4, 4, (x) => saturate(toFloat(x, 4), ...U32));
convert("f32x4.convert_i32x4_s", 0xfa, 4, 4, (x) => fromFloat(Number(signed(x, 4)), 4));
convert("f32x4.convert_i32x4_u", 0xfb, 4, 4, (x) => fromFloat(Number(x), 4));
convert("i32x4.trunc_sat_f64x2_s_zero", 0xfc, 8, 4, (x) => saturate(toFloat(x, 8), ...I32));
convert("i32x4.trunc_sat_f64x2_u_zero", 0xfd, 8, 4, (x) => saturate(toFloat(x, 8), ...U32));
convert("f64x2.convert_low_i32x4_s", 0xfe, 4, 8, (x) => fromFloat(Number(signed(x, 4)), 8));
convert("f64x2.convert_low_i32x4_u", 0xff, 4, 8, (x) => fromFloat(Number(x), 8));
convert("f32x4.demote_f64x2_zero", 0x5e, 8, 4, (x) => fromFloat(toFloat(x, 8), 4));
convert("f64x2.promote_low_f32x4", 0x5f, 4, 8, (x) => fromFloat(toFloat(x, 4), 8));

// Relaxed: one rounding where the host has a fused multiply-add, two elsewhere. Semantics that want
// it fused must probe the host first; here it is always fused.
for (
  const [shape, code, precision, least] of [
    ["f32x4", 0x105, 24, -149],
    ["f64x2", 0x107, 53, -1074],
  ] as [Shape, number, number, number][]
) {
  const size = laneBytes[shape];
  define(
    `${shape}.relaxed_madd`,
    ["v128", "v128", "v128"],
    "v128",
    code,
    (args) =>
      map(args, size, (a, b, c) =>
        fromFloat(
          fusedMultiplyAdd(toFloat(a, size), toFloat(b, size), toFloat(c, size), precision, least),
          size,
        )),
  );
}

/** Vector operations by name. */
export const simdOps: Readonly<Record<string, Op>> = table;
