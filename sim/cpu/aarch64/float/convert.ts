/** Conversions between floating-point formats and integers, and rounding to integral values. */
import type { Emitter } from "../../ir/emitter.ts";
import type { Helper, Node } from "../../ir/types.ts";
import { pure } from "../multiply.ts";
import { wide } from "../registers.ts";
import { flushOperands } from "./flush.ts";
import { softHelper } from "./host.ts";
import { lanewise } from "./lanes.ts";
import { float, type FloatKind, fromBits, isNaNBits, processNaNs, toBits } from "./nan.ts";
import { Exception, fpcr, raise } from "./status.ts";
import * as soft from "./soft_float.ts";
import { Rounding } from "./soft_float.ts";

const index = (k: FloatKind): 0 | 1 => k.lanes === 4 ? 0 : 1;
const formats = [soft.SINGLE, soft.DOUBLE];

/** Rounding that FPCR chooses, beside the fixed ones. */
export const CURRENT = -1;
/** The same, and inexactness is told (FRINTX). */
export const EXACT = -2;
/** A rounding mode of an instruction. */
export type Mode = Rounding | typeof CURRENT | typeof EXACT;

/** Vectors and scalars differ in the prefix of their operations. */
function prefix(k: FloatKind, x: Node): string {
  return x.type === "v128" ? k.shape : k.type;
}

/** Rounded to an integral value by WebAssembly's operations, FPCR being zero. */
function roundFast(e: Emitter, k: FloatKind, x: Node, mode: Mode): Node {
  const p = prefix(k, x);
  switch (mode) {
    case Rounding.Up:
      return e.op(`${p}.ceil`, [x]);
    case Rounding.Down:
      return e.op(`${p}.floor`, [x]);
    case Rounding.Zero:
      return e.op(`${p}.trunc`, [x]);
    case Rounding.Away:
      return roundAway(e, k, x);
    default:
      return e.op(`${p}.nearest`, [x]);
  }
}

/** To nearest, ties away from zero: one more if what truncation dropped is at least a half. */
function roundAway(e: Emitter, k: FloatKind, x: Node): Node {
  const p = prefix(k, x);
  const vector = x.type === "v128";
  const constant = (value: number): Node => vector ? splat(e, k, value) : scalar(e, k, value);
  const whole = e.op(`${p}.trunc`, [x]);
  const dropped = e.op(`${p}.abs`, [e.op(`${p}.sub`, [x, whole])]);
  const up = e.op(`${p}.ge`, [dropped, constant(0.5)]);
  const further = e.op(`${p}.add`, [whole, signedOne(e, k, x)]);
  return vector ? e.op("v128.bitselect", [further, whole, up]) : e.select(up, further, whole);
}
function scalar(e: Emitter, k: FloatKind, value: number): Node {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat32(0, value);
  if (k.int === "i32") return fromBits(e, k, e.i32(view.getInt32(0)));
  view.setFloat64(0, value);
  return fromBits(e, k, e.i64(view.getBigUint64(0)));
}
function splat(e: Emitter, k: FloatKind, value: number): Node {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < k.lanes; i++) {
    if (k.lanes === 4) view.setFloat32(4 * i, value, true);
    else view.setFloat64(8 * i, value, true);
  }
  return e.v128(bytes);
}
/** 1 with the sign of `x`. */
function signedOne(e: Emitter, k: FloatKind, x: Node): Node {
  if (x.type === "v128") {
    const sign = e.op("v128.and", [x, splat(e, k, -0)]);
    return e.op("v128.or", [sign, splat(e, k, 1)]);
  }
  const sign = e.and(toBits(e, k, x), toBits(e, k, scalar(e, k, -0)));
  return fromBits(e, k, e.or(sign, toBits(e, k, scalar(e, k, 1))));
}

/** IR functions (bits, mode) → bits. */
const roundSlow: Helper[] = float.map((k, i) => {
  const exact = softHelper(
    `round_${k.type}`,
    [k.int, "i32"],
    k.int,
    (control, x, mode) => {
      const named = Number(BigInt.asIntN(32, mode));
      const rounding = named < 0 ? soft.roundingOf(control) : named;
      return soft.roundToIntegral(formats[i], x, control, rounding, named === EXACT);
    },
  );
  return pure(`aarch64.round_${k.type}`, [k.int, "i32"], k.int, (e, bits, mode) => {
    e.if(isNaNBits(e, k, bits), () => e.return(processNaNs(e, k, bits)));
    return e.call(exact, bits, mode);
  });
});
const roundModes: Mode[] = [
  EXACT,
  CURRENT,
  Rounding.Nearest,
  Rounding.Up,
  Rounding.Down,
  Rounding.Zero,
  Rounding.Away,
];
const roundSlowVector: Helper[][] = float.map((k, i) =>
  roundModes.map((mode) =>
    lanewise(
      `round${mode}_${k.shape}`,
      k,
      1,
      (e, bits) => e.call(roundSlow[i], bits, e.i32(mode)),
    )
  )
);

/** FRINT* of a float or a vector. */
export function roundToIntegral(e: Emitter, k: FloatKind, x: Node, mode: Mode): Node {
  const r = e.variable(x.type, roundFast(e, k, x, mode));
  const p = prefix(k, x);
  const unequal = e.op(`${p}.ne`, [x, x]);
  const special = x.type === "v128" ? e.op("v128.any_true", [unequal]) : unequal;
  e.if(e.or(special, fpcr(e)), () => {
    e.assign(
      r,
      x.type === "v128"
        ? e.call(roundSlowVector[index(k)][mode - EXACT], x)
        : fromBits(e, k, e.call(roundSlow[index(k)], toBits(e, k, x), e.i32(mode))),
    );
  });
  return e.read(r);
}

/** Host functions (bits, mode, signed, width) → integer, of a number, for FPCR other than zero. */
const toIntegerSoft: Helper[] = float.map((k, i) =>
  softHelper(
    `to_integer_${k.type}`,
    [k.int, "i32", "i32", "i32"],
    "i64",
    (control, x, mode, signed, width) =>
      soft.toInteger(
        formats[i],
        x,
        0,
        Number(width),
        signed === 1n,
        control,
        Number(mode) as Rounding,
      ),
  )
);

/** FCVT{N,P,M,Z,A}{S,U}: a float to an i32 or i64, saturating; a NaN becomes 0. */
export function toInteger(
  e: Emitter,
  k: FloatKind,
  x: Node,
  mode: Rounding,
  signed: boolean,
  sf: number,
): Node {
  const int = sf ? "i64" : "i32";
  const truncate = (v: Node): Node => e.op(`${int}.trunc_sat_${k.type}_${signed ? "s" : "u"}`, [v]);
  const r = e.variable(int, truncate(mode === Rounding.Zero ? x : roundFast(e, k, x, mode)));
  e.if(fpcr(e), () =>
    e.if(e.op(`${k.type}.ne`, [x, x]), () => raise(e, Exception.Invalid), () => {
      const exact = e.call(
        toIntegerSoft[index(k)],
        toBits(e, k, x),
        e.i32(mode),
        e.i32(signed ? 1 : 0),
        e.i32(sf ? 64 : 32),
      );
      e.assign(r, sf ? exact : e.wrap(exact));
    }));
  return e.read(r);
}

/** FCVTZ{S,U} with fraction bits: `scale` is 2^fraction as f64. */
export function toFixed(
  e: Emitter,
  k: FloatKind,
  x: Node,
  scale: Node,
  signed: boolean,
  sf: number,
): Node {
  const [number] = flushOperands(e, k, x);
  const precise = k.type === "f32" ? e.op("f64.promote_f32", [number]) : number;
  const scaled = e.op("f64.mul", [precise, scale]);
  return toInteger(e, float[1], scaled, Rounding.Zero, signed, sf);
}

/** Host functions (integer as i64, signed) → bits. */
const fromIntegerSoft: Helper[] = float.map((k, i) =>
  softHelper(
    `from_integer_${k.type}`,
    ["i64", "i32"],
    k.int,
    (control, value, signed) =>
      soft.fromInteger(formats[i], signed ? BigInt.asIntN(64, value) : value, 0, control),
  )
);

/** SCVTF and UCVTF of an i32 or i64. */
export function fromInteger(e: Emitter, k: FloatKind, value: Node, signed: boolean): Node {
  const suffix = signed ? "s" : "u";
  const r = e.variable(k.type, e.op(`${k.type}.convert_${value.type}_${suffix}`, [value]));
  e.if(fpcr(e), () => {
    const extended = value.type === "i32" && signed ? e.sext(value) : wide(e, value);
    const exact = e.call(fromIntegerSoft[index(k)], extended, e.i32(signed ? 1 : 0));
    e.assign(r, fromBits(e, k, exact));
  });
  return e.read(r);
}

/** The same divided by a power of two: `scale` is 2^-fraction as f64; the product is exact. */
export function fromFixed(
  e: Emitter,
  k: FloatKind,
  value: Node,
  scale: Node,
  signed: boolean,
): Node {
  const factor = k.type === "f32" ? e.op("f32.demote_f64", [scale]) : scale;
  return e.op(`${k.type}.mul`, [fromInteger(e, k, value, signed), factor]);
}
