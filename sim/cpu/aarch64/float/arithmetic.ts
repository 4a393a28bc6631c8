/**
 * Floating-point arithmetic, for one number or a vector of them: WebAssembly's operation, and where
 * its result may have raised more than inexactness or FPCR's state word is not zero, an exact slow path.
 */
import type { Emitter } from "../../ir/emitter.ts";
import type { Helper, Node, Type } from "../../ir/types.ts";
import { pure } from "../multiply.ts";
import { hasExtreme, returnIfItStands, type Rounded } from "./exact.ts";
import { flushOperands } from "./flush.ts";
import { fusedMultiplyAdd } from "./fused.ts";
import { softHelper } from "./host.ts";
import { lanewise } from "./lanes.ts";
import { isBeyond, isExtreme } from "./limits.ts";
import {
  bitsConstant,
  float,
  type FloatKind,
  fromBits,
  isNaNBits,
  isSignalling,
  processNaNs,
  toBits,
} from "./nan.ts";
import { fpcr } from "./status.ts";
import * as soft from "./soft_float.ts";

/** FPCR.FZ. */
const FLUSH = 1 << 24;

/** Index of a kind in `float`. */
const index = (k: FloatKind): 0 | 1 => k.lanes === 4 ? 0 : 1;
const formats = [soft.SINGLE, soft.DOUBLE];

/** An operation with a slow path. */
interface Operation {
  readonly arity: 1 | 2;
  /** The WebAssembly operation, scalar and vector: name after the type or shape. */
  readonly fast: string;
  /** Result where an operand is a NaN, if the general rule does not hold. */
  readonly nan?: (e: Emitter, k: FloatKind, operands: Node[]) => void;
  /** How the result is rounded; without it, it is one of the operands. */
  readonly rounded?: Rounded;
  readonly soft: (f: soft.Format, fpcr: number, ...bits: bigint[]) => bigint;
}

/** FMAXNM and FMINNM: a quiet NaN loses against a number. */
function numberWins(e: Emitter, k: FloatKind, [a, b]: Node[]): void {
  const quiet = (x: Node): Node => e.and(isNaNBits(e, k, x), e.eqz(isSignalling(e, k, x)));
  const number = (x: Node): Node => e.eqz(isNaNBits(e, k, x));
  const flushed = (x: Node): Node => e.call(extremum[index(k)], x, x);
  e.if(e.and(quiet(a), number(b)), () => e.return(flushed(b)));
  e.if(e.and(quiet(b), number(a)), () => e.return(flushed(a)));
}
const extremum = float.map((k, i) =>
  softHelper(
    `flush_${k.type}`,
    [k.int, k.int],
    k.int,
    (control, a, b) => soft.extremum(formats[i], a, b, true, control),
  )
);

const TWO = [0x40000000n, 0x4000000000000000n];

const operations = {
  add: { arity: 2, fast: "add", rounded: "add", soft: (f, c, a, b) => soft.add(f, a, b, c) },
  sub: {
    arity: 2,
    fast: "sub",
    rounded: "sub",
    soft: (f, c, a, b) => soft.add(f, a, b ^ (1n << BigInt(f.width - 1)), c),
  },
  mul: {
    arity: 2,
    fast: "mul",
    rounded: "mul",
    soft: (f, c, a, b) => soft.fusedMultiplyAdd(f, null, a, b, c),
  },
  div: { arity: 2, fast: "div", rounded: "div", soft: (f, c, a, b) => soft.divide(f, a, b, c) },
  max: {
    arity: 2,
    fast: "max",
    soft: (f, c, a, b) => soft.extremum(f, a, b, true, c),
  },
  min: {
    arity: 2,
    fast: "min",
    soft: (f, c, a, b) => soft.extremum(f, a, b, false, c),
  },
  maxnm: {
    arity: 2,
    fast: "max",
    nan: numberWins,
    soft: (f, c, a, b) => soft.extremum(f, a, b, true, c),
  },
  minnm: {
    arity: 2,
    fast: "min",
    nan: numberWins,
    soft: (f, c, a, b) => soft.extremum(f, a, b, false, c),
  },
  mulx: {
    arity: 2,
    fast: "mul",
    rounded: "mul",
    soft: (f, c, a, b) => {
      const r = soft.fusedMultiplyAdd(f, null, a, b, c);
      if (r !== soft.defaultNaN(f)) return r;
      // Zero times infinity is 2 here, and valid.
      soft.withdrawInvalid();
      const sign = (a ^ b) & (1n << BigInt(f.width - 1));
      return sign | TWO[f === soft.DOUBLE ? 1 : 0];
    },
  },
  sqrt: { arity: 1, fast: "sqrt", rounded: "sqrt", soft: (f, c, a) => soft.squareRoot(f, a, c) },
} satisfies Record<string, Operation>;
export type ArithmeticName = keyof typeof operations;

/** IR functions on bits: the exact result of `name`. */
const slow: Record<string, Helper[]> = {};
/** IR functions on whole vectors, lane by lane. */
const slowVector: Record<string, Helper[]> = {};
for (const [name, operation] of Object.entries<Operation>(operations)) {
  slow[name] = float.map((k, i) => {
    const params = Array.from({ length: operation.arity }, () => k.int as Type);
    const exact = softHelper(
      `${name}_${k.type}`,
      params,
      k.int,
      (control, ...bits) => operation.soft(formats[i], control, ...bits),
    );
    return pure(`aarch64.${name}_${k.type}`, params, k.int, (e, ...bits) => {
      let anyNaN = isNaNBits(e, k, bits[0]);
      if (bits.length === 2) anyNaN = e.or(anyNaN, isNaNBits(e, k, bits[1]));
      e.if(anyNaN, () => {
        operation.nan?.(e, k, bits);
        e.return(processNaNs(e, k, ...bits));
      });
      const operands = bits.map((b) => fromBits(e, k, b));
      const fast = e.op(`${k.type}.${operation.fast}`, operands);
      if (operation.rounded) returnIfItStands(e, k, operation.rounded, operands, fast);
      else e.if(e.eqz(e.and(fpcr(e), e.i32(FLUSH))), () => e.return(toBits(e, k, fast)));
      return e.call(exact, ...bits);
    });
  });
  slowVector[name] = float.map((k, i) =>
    lanewise(`${name}_${k.shape}`, k, operation.arity, (e, ...lanes) => {
      const fast = e.op(`${k.type}.${operation.fast}`, lanes.map((x) => fromBits(e, k, x)));
      const r = e.variable(k.int, toBits(e, k, fast));
      e.if(
        isSpecial(e, k, operation, fast),
        () => e.assign(r, e.call(slow[name][i], ...lanes)),
      );
      return e.read(r);
    })
  );
}

/** Whether a float or a vector has a NaN. */
function hasNaN(e: Emitter, k: FloatKind, x: Node): Node {
  return x.type === "v128"
    ? e.op("v128.any_true", [e.op(`${k.shape}.ne`, [x, x])])
    : e.op(`${k.type}.ne`, [x, x]);
}
/** Whether an operation may have raised more than inexactness, or FPCR's state word is not zero. */
function isSpecial(e: Emitter, k: FloatKind, { rounded }: Operation, r: Node): Node {
  const vector = r.type === "v128";
  switch (rounded) {
    case "mul":
    case "div":
      return vector ? e.or(hasExtreme(e, k, r), fpcr(e)) : isExtreme(e, k, r);
    case "add":
    case "sub":
      if (!vector) return isBeyond(e, k, r);
      // An infinity less itself is a NaN.
      return e.or(hasNaN(e, k, e.op(`${k.shape}.sub`, [r, r])), fpcr(e));
    default:
      return e.or(hasNaN(e, k, r), fpcr(e));
  }
}

/** `name` of floats (f32 or f64). */
export function arithmetic(
  e: Emitter,
  k: FloatKind,
  name: ArithmeticName,
  ...operands: Node[]
): Node {
  const operation: Operation = operations[name];
  const fast = e.op(`${k.type}.${operation.fast}`, operands);
  const r = e.variable(k.type, fast);
  e.ifSeldom(isSpecial(e, k, operation, e.read(r)), () => {
    const bits = operands.map((x) => toBits(e, k, x));
    e.assign(r, fromBits(e, k, e.call(slow[name][index(k)], ...bits)));
  });
  return e.read(r);
}

/** `name` of vectors, lane by lane. */
export function vectorArithmetic(
  e: Emitter,
  k: FloatKind,
  name: ArithmeticName,
  ...operands: Node[]
): Node {
  const operation: Operation = operations[name];
  const fast = e.op(`${k.shape}.${operation.fast}`, operands);
  const r = e.variable("v128", fast);
  e.ifSeldom(
    isSpecial(e, k, operation, e.read(r)),
    () => e.assign(r, e.call(slowVector[name][index(k)], ...operands)),
  );
  return e.read(r);
}

/** -x and |x| of scalars and vectors: sign bits alone, NaNs included. */
export function negate(e: Emitter, k: FloatKind, x: Node): Node {
  return e.op(`${x.type === "v128" ? k.shape : k.type}.neg`, [x]);
}
export function absolute(e: Emitter, k: FloatKind, x: Node): Node {
  return e.op(`${x.type === "v128" ? k.shape : k.type}.abs`, [x]);
}

/** FRECPS (`2 - a b`) and FRSQRTS (`(3 - a b) / 2`), fused, on bits. */
function step(root: boolean): Helper[] {
  return float.map((k) => {
    const name = `aarch64.${root ? "rsqrts" : "recps"}_${k.type}`;
    return pure(name, [k.int, k.int], k.int, (e, a, b) => {
      const minus = e.xor(a, bitsConstant(e, k, k.sign));
      e.if(
        e.or(isNaNBits(e, k, a), isNaNBits(e, k, b)),
        () => e.return(processNaNs(e, k, minus, b)),
      );
      const constant = (x: number): Node => fromBits(e, k, floatConstant(e, k, x));
      const [x, y] = flushOperands(e, k, fromBits(e, k, minus), fromBits(e, k, b));
      // 0 times infinity counts as 0 here; that product alone is a NaN.
      const product = e.op(`${k.type}.mul`, [x, y]);
      e.if(
        e.op(`${k.type}.ne`, [product, product]),
        () => e.return(floatConstant(e, k, root ? 1.5 : 2)),
      );
      if (!root) return toBits(e, k, fusedMultiplyAdd(e, k, constant(2), x, y));
      // Halve the larger factor; where even that is tiny, the product is lost in rounding anyway.
      const abs = (v: Node): Node => e.op(`${k.type}.abs`, [v]);
      const first = e.op(`${k.type}.ge`, [abs(x), abs(y)]);
      const larger = e.select(first, x, y);
      const tiny = e.op(`${k.type}.lt`, [abs(larger), constant(2 ** -60)]);
      const p = e.select(tiny, larger, e.op(`${k.type}.mul`, [larger, constant(0.5)]));
      const q = e.select(first, y, x);
      return toBits(e, k, fusedMultiplyAdd(e, k, constant(1.5), p, q));
    });
  });
}
const recps = step(false);
const rsqrts = step(true);
const stepVectors = [recps, rsqrts].map((helpers, root) =>
  float.map((k, i) =>
    lanewise(
      `${root ? "rsqrts" : "recps"}_${k.shape}`,
      k,
      2,
      (e, a, b) => e.call(helpers[i], a, b),
    )
  )
);

/** FRECPS or FRSQRTS of floats or vectors. */
export function reciprocalStep(
  e: Emitter,
  k: FloatKind,
  root: boolean,
  a: Node,
  b: Node,
): Node {
  if (a.type === "v128") return e.call(stepVectors[root ? 1 : 0][index(k)], a, b);
  const helper = (root ? rsqrts : recps)[index(k)];
  return fromBits(e, k, e.call(helper, toBits(e, k, a), toBits(e, k, b)));
}

/** Bits of a small constant. */
export function floatConstant(e: Emitter, k: FloatKind, x: number): Node {
  const view = new DataView(new ArrayBuffer(8));
  if (k.int === "i64") {
    view.setFloat64(0, x);
    return e.i64(view.getBigUint64(0));
  }
  view.setFloat32(0, x);
  return e.i32(view.getInt32(0));
}
