/**
 * SSE floating-point arithmetic and comparison.
 *
 * The fast path is the host's arithmetic, right when MXCSR rounds to nearest with all exceptions
 * masked, its sticky inexact flag is set already, and the result is an ordinary number. Otherwise
 * `sse_exact.ts` says whether the result stands all the same, and what remains goes to
 * `sse_float_slow.ts`, which is exact. So the sticky flags are exact too, with one exception: DE is
 * not set by denormal operands of comparisons, conversions and operations with ordinary results.
 */
import type { Node, Type } from "../ir/types.ts";
import { MXCSR } from "../layout.ts";
import { Kind } from "./flags.ts";
import type { Instruction } from "./instruction.ts";
import { type Encoding, row, type Semantic } from "./row.ts";
import { MODE_DEFAULT, MODE_MASK, PE, stands } from "./sse_exact.ts";
import { FIRST, FloatOp, RESULT, SECOND, Shape, slowFloat } from "./sse_float_slow.ts";

/** IR type of values of a shape: integers for scalars, so that NaN bits survive. */
const valueTypes: Record<Shape, Type> = {
  [Shape.S1]: "i32",
  [Shape.S4]: "v128",
  [Shape.D1]: "i64",
  [Shape.D2]: "v128",
};
const irShapes = ["f32", "f32x4", "f64", "f64x2"];

/** Nonzero if MXCSR is not in the default mode. */
export function unusualMode(x: Instruction): Node {
  const e = x.e;
  const mode = e.and(e.getState("i32", MXCSR), e.i32(MODE_MASK));
  return e.xor(mode, e.i32(MODE_DEFAULT));
}

/** Nonzero if MXCSR is not in the default mode, or no inexact result was seen yet. */
export function unusualOrExact(x: Instruction): Node {
  const e = x.e;
  const mode = e.and(e.getState("i32", MXCSR), e.i32(MODE_MASK | PE));
  return e.xor(mode, e.i32(MODE_DEFAULT | PE));
}

/** Operands of the slow path: vectors as two halves. */
function passOperand(x: Instruction, at: number, value: Node): void {
  const e = x.e;
  if (value.type === "v128") {
    e.setState(at, e.op("i64x2.extract_lane", [value], 0));
    e.setState(at + 8, e.op("i64x2.extract_lane", [value], 1));
  } else e.setState(at, value);
}

/** Call the slow path; its result in the shape's type. */
export function slow(x: Instruction, op: number, shape: Shape, a: Node | null, b: Node): Node {
  const e = x.e;
  if (a !== null) passOperand(x, FIRST, a);
  passOperand(x, SECOND, b);
  x.report(e.call(slowFloat, e.i32(op), e.i32(shape)));
  if (valueTypes[shape] !== "v128") return e.getState(valueTypes[shape], RESULT);
  const low = e.op("i64x2.splat", [e.getState("i64", RESULT)]);
  return e.op("i64x2.replace_lane", [low, e.getState("i64", RESULT + 8)], 1);
}
/** `fast`, or the slow path's answer where `unusual` ≠ 0 and `fast` does not stand. */
export function guarded(
  x: Instruction,
  fast: Node,
  unusual: Node,
  op: number,
  shape: Shape,
  a: Node | null,
  b: Node,
  stand?: () => Node,
): Node {
  const e = x.e;
  const result = e.variable(fast.type, fast);
  const compute = (): void => e.assign(result, slow(x, op, shape, a, b));
  e.if(unusual, () => {
    if (stand === undefined) compute();
    else e.if(e.eqz(stand()), compute);
  });
  return e.read(result);
}

/** Bits of a scalar float, or back. */
export function toBits(x: Instruction, v: Node): Node {
  if (v.type === "f32") return x.e.op("i32.reinterpret_f32", [v]);
  return v.type === "f64" ? x.e.op("i64.reinterpret_f64", [v]) : v;
}
export function toFloat(x: Instruction, v: Node): Node {
  if (v.type === "i32") return x.e.op("f32.reinterpret_i32", [v]);
  return v.type === "i64" ? x.e.op("f64.reinterpret_i64", [v]) : v;
}

/** Nonzero if some lane of `r` is a NaN. */
export function anyNan(x: Instruction, shape: Shape, r: Node): Node {
  const unequal = x.e.op(`${irShapes[shape]}.ne`, [r, r]);
  return r.type === "v128" ? x.e.op("v128.any_true", [unequal]) : unequal;
}

/** Source operand 1 in the shape's value type. */
export function source(x: Instruction, shape: Shape): Node {
  if (shape === Shape.S1) return x.low32(1);
  return shape === Shape.D1 ? x.low64(1) : x.vector(1);
}
function destination(x: Instruction, shape: Shape): Node {
  if (shape === Shape.S1) return x.low32(0);
  return shape === Shape.D1 ? x.low64(0) : x.vector(0);
}
/** Write the result: scalars into the low lane. */
export function write(x: Instruction, value: Node): void {
  if (value.type === "v128") x.setVector(0, value);
  else x.setLow(0, value);
}

const DAZ = 1 << 6;

/** `bits` with denormals made zeros if MXCSR.DAZ asks for it. */
export function flushed(x: Instruction, shape: Shape, bits: Node): Node {
  const e = x.e;
  const result = e.variable(bits.type, bits);
  const wide = shape >= Shape.D1;
  const least = wide ? 1n << 52n : 1n << 23n;
  const sign = wide ? 1n << 63n : 1n << 31n;
  e.if(e.and(e.getState("i32", MXCSR), e.i32(DAZ)), () => {
    const scalar = (n: bigint): Node => wide ? e.i64(n) : e.i32(Number(BigInt.asIntN(32, n)));
    if (bits.type === "v128") {
      const lanes = wide ? "i64x2" : "i32x4";
      const splat = (n: bigint): Node => e.op(`${lanes}.splat`, [scalar(n)]);
      const magnitude = e.op("v128.and", [bits, splat(sign - 1n)]);
      const small = e.op(`${lanes}.lt_s`, [magnitude, splat(least)]);
      const zeros = e.op("v128.and", [bits, splat(sign)]);
      e.assign(result, e.op("v128.bitselect", [zeros, bits, small]));
    } else {
      const small = e.ltU(e.and(bits, scalar(sign - 1n)), scalar(least));
      e.assign(result, e.select(small, e.and(bits, scalar(sign)), bits));
    }
  });
  return e.read(result);
}

type Fast = (x: Instruction, shape: string, a: Node, b: Node) => Node;

/** Nonzero if a lane of `a` or `b` is a NaN. */
function unordered(x: Instruction, shape: Shape, a: Node, b: Node): Node {
  return x.e.or(anyNan(x, shape, a), anyNan(x, shape, b));
}

/** Nonzero if some lane of `r` is infinite or a NaN; with `tiny`, also if it might have underflowed. */
export function special(x: Instruction, shape: Shape, r: Node, tiny: boolean): Node {
  const e = x.e;
  const wide = shape >= Shape.D1;
  const bits = toBits(x, r);
  const vector = bits.type === "v128";
  const lanes = wide ? "i64x2" : "i32x4";
  const fraction = wide ? 52n : 23n;
  const all = wide ? 0x7ffn : 0xffn;
  const constant = (n: bigint): Node => {
    const scalar = wide ? e.i64(n) : e.i32(Number(BigInt.asIntN(32, n)));
    return vector ? e.op(`${lanes}.splat`, [scalar]) : scalar;
  };
  // Adding one to the exponent brings its greatest value to 0. Two more than it is below 4 for the
  // greatest two, for 0, and for 1, where a tiny result may have been rounded to.
  const step = constant((tiny ? 2n : 1n) << fraction);
  const next = vector ? e.op(`${lanes}.add`, [bits, step]) : e.add(bits, step);
  const mask = constant((tiny ? all - 3n : all) << fraction);
  if (!vector) return e.eqz(e.and(next, mask));
  return e.eqz(e.op(`${lanes}.all_true`, [e.op("v128.and", [next, mask])]));
}

/** `fast` on value-typed operands with the slow path behind it. */
function compute(
  x: Instruction,
  op: FloatOp,
  shape: Shape,
  fast: Fast,
  a: Node,
  b: Node,
): Node {
  const e = x.e;
  const fa = toFloat(x, a), fb = toFloat(x, b);
  const r = fast(x, irShapes[shape], fa, fb);
  if (op === FloatOp.Min || op === FloatOp.Max) {
    const unusual = e.or(unordered(x, shape, fa, fb), unusualMode(x));
    return guarded(x, toBits(x, r), unusual, op, shape, a, b);
  }
  const tiny = op === FloatOp.Mul || op === FloatOp.Div;
  const unusual = e.or(special(x, shape, r, tiny), unusualOrExact(x));
  return guarded(
    x,
    toBits(x, r),
    unusual,
    op,
    shape,
    a,
    b,
    () => stands(e, op, shape, fa, fb, r),
  );
}

function arithmetic(op: FloatOp, shape: Shape, fast: Fast): Semantic {
  return (x) => {
    const b = source(x, shape);
    write(x, compute(x, op, shape, fast, destination(x, shape), b));
  };
}

const binary = (name: string): Fast => (x, shape, a, b) => x.e.op(`${shape}.${name}`, [a, b]);
const root: Fast = (x, shape, _, b) => x.e.op(`${shape}.sqrt`, [b]);

/** MINxx and MAXxx: the second operand unless the first is strictly less (greater). */
function extreme(less: boolean): Fast {
  return (x, shape, a, b) => {
    const e = x.e;
    if (a.type === "v128") return e.op(`${shape}.${less ? "pmin" : "pmax"}`, [b, a]);
    const first = e.op(`${shape}.${less ? "lt" : "gt"}`, [a, b]);
    return e.select(first, a, b);
  };
}

/** ADDSUBPx: even lanes subtract, odd lanes add. */
const addsub: Fast = (x, shape, a, b) => {
  const size = shape === "f32x4" ? 4 : 8;
  const order = Array.from({ length: 16 }, (_, i) => Math.floor(i / size) & 1 ? i + 16 : i);
  const difference = x.e.op(`${shape}.sub`, [a, b]);
  return x.e.op("i8x16.shuffle", [difference, x.e.op(`${shape}.add`, [a, b])], order);
};

/** HADDPx, HSUBPx: neighbours of the destination, then of the source. */
function horizontal(op: FloatOp, shape: Shape, name: string): Semantic {
  const size = shape === Shape.S4 ? 4 : 8;
  const every = (first: number): number[] =>
    Array.from({ length: 16 }, (_, i) => 2 * size * Math.floor(i / size) + size * first + i % size);
  return (x) => {
    const b = x.vector(1), a = x.vector(0);
    const even = x.e.op("i8x16.shuffle", [a, b], every(0));
    const odd = x.e.op("i8x16.shuffle", [a, b], every(1));
    x.setVector(0, compute(x, op, shape, binary(name), even, odd));
  };
}

/**
 * CMPccxx: what the sixteen predicates ask, and whether the answer is inverted. 0–7 are SSE's; VEX has 32,
 * where bit 4 tells which NaNs raise an exception.
 */
const predicates: readonly [test: string, inverted: boolean][] = [
  ["eq", false],
  ["lt", false],
  ["le", false],
  ["unordered", false],
  ["ne", false],
  ["lt", true],
  ["le", true],
  ["unordered", true],
  ["differ", true],
  ["ge", true],
  ["gt", true],
  ["never", false],
  ["differ", false],
  ["ge", false],
  ["gt", false],
  ["never", true],
];

function compare(shape: Shape): Semantic {
  return (x) => {
    const e = x.e;
    const predicate = x.extra & (x.row.vex ? 31 : 7);
    const b = source(x, shape), a = destination(x, shape);
    const fa = toFloat(x, a), fb = toFloat(x, b);
    const is = (name: string, p: Node, q: Node): Node => e.op(`${irShapes[shape]}.${name}`, [p, q]);
    const wide = a.type === "v128";
    const either = (p: Node, q: Node): Node => wide ? e.op("v128.or", [p, q]) : e.or(p, q);
    const [test, inverted] = predicates[predicate & 15];
    let truth: Node;
    if (test === "unordered") truth = either(is("ne", fa, fa), is("ne", fb, fb));
    else if (test === "differ") truth = either(is("lt", fa, fb), is("gt", fa, fb));
    else if (test === "never") truth = wide ? e.v128(new Uint8Array(16)) : e.i32(0);
    else truth = is(test, fa, fb);
    if (inverted) truth = wide ? e.op("v128.not", [truth]) : e.eqz(truth);
    // A scalar truth value becomes a mask.
    if (!wide) truth = e.neg(shape === Shape.D1 ? e.zext(truth) : truth);
    const unusual = e.or(unordered(x, shape, fa, fb), unusualMode(x));
    write(x, guarded(x, truth, unusual, FloatOp.Compare + predicate, shape, a, b));
  };
}

/** COMISx and UCOMISx: lazy flags over both bit patterns; `strict` refuses quiet NaNs. */
function comis(bits: 32 | 64, strict: boolean): Semantic {
  return (x) => {
    const e = x.e;
    const shape = bits === 64 ? Shape.D1 : Shape.S1;
    const b = source(x, shape), a = destination(x, shape);
    const first = e.variable(a.type, a), second = e.variable(b.type, b);
    const nan = unordered(x, shape, toFloat(x, a), toFloat(x, b));
    e.if(e.or(nan, unusualMode(x)), () => {
      // For its exceptions: LT refuses quiet NaNs, EQ does not.
      slow(x, FloatOp.Compare + (strict ? 1 : 0), shape, a, b);
      e.assign(first, flushed(x, shape, a));
      e.assign(second, flushed(x, shape, b));
    });
    const kind = bits === 64 ? Kind.Compare64 : Kind.Compare32;
    e.setFlags(kind, x.wide(e.read(first)), x.wide(e.read(second)));
  };
}

/** DPPS and DPPD: products, a sum in pairs, and where it goes, as the immediate says. */
function dotProduct(shape: Shape): Semantic {
  const size = shape === Shape.S4 ? 4 : 8;
  return (x) => {
    const e = x.e;
    const b = x.vector(1), a = x.vector(0);
    const mask = (bits: number): Node =>
      e.v128(Array.from({ length: 16 }, (_, i) => (bits >> Math.floor(i / size)) & 1 ? 255 : 0));
    const and = (v: Node, bits: number): Node => e.op("v128.and", [v, mask(bits)]);
    const times = binary("mul"), plus = binary("add");
    // Lanes that take no part must raise nothing: they multiply zeros.
    const take = x.extra >> 4;
    let v = compute(x, FloatOp.Mul, shape, times, and(a, take), and(b, take));
    v = and(v, take);
    const addSwapped = (by: number): void => {
      const other = Array.from({ length: 16 }, (_, i) => i ^ by);
      const second = e.op("i8x16.shuffle", [v, v], other);
      v = compute(x, FloatOp.Add, shape, plus, v, second);
    };
    addSwapped(size);
    if (size === 4) addSwapped(8);
    x.setVector(0, and(v, x.extra & 15));
  };
}

/** The estimates RCPxx and RSQRTxx: full precision here, where processors give 12 bits. */
function estimate(root: boolean, packed: boolean): Semantic {
  return (x) => {
    const e = x.e;
    const b = packed ? x.vector(1) : e.op("i32x4.splat", [x.low32(1)]);
    const splat = (n: number): Node => e.op("i32x4.splat", [e.i32(n)]);
    // Denormals count as zeros.
    const magnitude = e.op("v128.and", [b, splat(0x7fffffff)]);
    const sign = e.op("v128.and", [b, splat(1 << 31)]);
    const small = e.op("i32x4.lt_u", [magnitude, splat(0x00800000)]);
    const v = e.op("v128.bitselect", [sign, b, small]);
    const one = splat(0x3f800000);
    const base = root ? e.op("f32x4.sqrt", [v]) : v;
    const r = e.op("f32x4.div", [one, base]);
    const isNan = e.op("f32x4.ne", [b, b]);
    const quiet = e.op("v128.or", [b, splat(0x00400000)]);
    const made = e.op("f32x4.ne", [r, r]);
    const numbers = e.op("v128.bitselect", [splat(0xffc00000 | 0), r, made]);
    // So do denormal results.
    const tiny = e.op("i32x4.lt_u", [
      e.op("v128.and", [numbers, splat(0x7fffffff)]),
      splat(0x00800000),
    ]);
    const normal = e.op("v128.andnot", [numbers, e.op("v128.andnot", [tiny, splat(1 << 31)])]);
    const result = e.op("v128.bitselect", [quiet, normal, isNan]);
    if (packed) x.setVector(0, result);
    else x.setLow(0, e.op("i32x4.extract_lane", [result], 0));
  };
}

/** Prefix, operand codes and shape of the four forms. */
export const forms: readonly [prefix: string, suffix: string, operands: string, shape: Shape][] = [
  ["np", "ps", "Vx,Wx", Shape.S4],
  ["66", "pd", "Vx,Wx", Shape.D2],
  ["f3", "ss", "Vd,Wd", Shape.S1],
  ["f2", "sd", "Vq,Wq", Shape.D1],
];

const all: [opcode: string, name: string, op: FloatOp, fast: Fast][] = [
  ["51", "sqrt", FloatOp.Sqrt, root],
  ["58", "add", FloatOp.Add, binary("add")],
  ["59", "mul", FloatOp.Mul, binary("mul")],
  ["5c", "sub", FloatOp.Sub, binary("sub")],
  ["5d", "min", FloatOp.Min, extreme(true)],
  ["5e", "div", FloatOp.Div, binary("div")],
  ["5f", "max", FloatOp.Max, extreme(false)],
];

export const sseFloat: readonly Encoding[] = [
  ...forms.flatMap(([prefix, suffix, operands, shape]) => [
    ...all.map(([opcode, name, op, fast]) =>
      row(
        `${prefix}.0f.${opcode}`,
        `${name}${suffix} ${operands}`,
        arithmetic(op, shape, fast),
      )
    ),
    row(`${prefix}.0f.c2`, `cmp${suffix} ${operands},Kb`, compare(shape)),
  ]),
  row("66.0f.d0", "addsubpd Vx,Wx", arithmetic(FloatOp.AddSub, Shape.D2, addsub)),
  row("f2.0f.d0", "addsubps Vx,Wx", arithmetic(FloatOp.AddSub, Shape.S4, addsub)),
  row("66.0f.7c", "haddpd Vx,Wx", horizontal(FloatOp.Add, Shape.D2, "add")),
  row("f2.0f.7c", "haddps Vx,Wx", horizontal(FloatOp.Add, Shape.S4, "add")),
  row("66.0f.7d", "hsubpd Vx,Wx", horizontal(FloatOp.Sub, Shape.D2, "sub")),
  row("f2.0f.7d", "hsubps Vx,Wx", horizontal(FloatOp.Sub, Shape.S4, "sub")),
  row("np.0f.2e", "ucomiss Vd,Wd", comis(32, false)),
  row("66.0f.2e", "ucomisd Vq,Wq", comis(64, false)),
  row("np.0f.2f", "comiss Vd,Wd", comis(32, true)),
  row("66.0f.2f", "comisd Vq,Wq", comis(64, true)),
  row("66.0f3a.40", "dpps Vx,Wx,Kb", dotProduct(Shape.S4)),
  row("66.0f3a.41", "dppd Vx,Wx,Kb", dotProduct(Shape.D2)),
  row("np.0f.52", "rsqrtps Vx,Wx", estimate(true, true)),
  row("f3.0f.52", "rsqrtss Vd,Wd", estimate(true, false)),
  row("np.0f.53", "rcpps Vx,Wx", estimate(false, true)),
  row("f3.0f.53", "rcpss Vd,Wd", estimate(false, false)),
];
