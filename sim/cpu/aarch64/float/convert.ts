/** Conversions between floating-point formats and integers, and rounding to integral values. */
import type { Emitter } from "../../ir/emitter.ts";
import type { Helper, Node } from "../../ir/types.ts";
import { pure } from "../multiply.ts";
import { wide } from "../registers.ts";
import { flushOperands } from "./flush.ts";
import { softHelper } from "./host.ts";
import { lanewise } from "./lanes.ts";
import { float, type FloatKind, fromBits, isNaNBits, processNaNs, toBits } from "./nan.ts";
import { Exception, fpcr, isDefaultMode, raise } from "./status.ts";
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

/** IR functions (bits, mode, bits rounded with FPCR at its default) → bits. */
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
  return pure(`aarch64.round_${k.type}`, [k.int, "i32", k.int], k.int, (e, bits, mode, fast) => {
    e.if(isNaNBits(e, k, bits), () => e.return(processNaNs(e, k, bits)));
    const silent = e.or(e.ne(mode, e.i32(EXACT)), e.eqz(fpcr(e)));
    const stands = e.or(silent, e.eq(bits, fast));
    e.if(e.and(isDefaultMode(e), stands), () => e.return(fast));
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
      2,
      (e, bits, fast) => e.call(roundSlow[i], bits, e.i32(mode), fast),
    )
  )
);

/** FRINT* of a float or a vector. */
export function roundToIntegral(e: Emitter, k: FloatKind, x: Node, mode: Mode): Node {
  const fast = roundFast(e, k, x, mode);
  const r = e.variable(x.type, fast);
  const p = prefix(k, x);
  const unequal = e.op(`${p}.ne`, [x, x]);
  const special = x.type === "v128" ? e.op("v128.any_true", [unequal]) : unequal;
  e.if(e.or(special, fpcr(e)), () => {
    e.assign(
      r,
      x.type === "v128" ? e.call(roundSlowVector[index(k)][mode - EXACT], x, fast) : fromBits(
        e,
        k,
        e.call(roundSlow[index(k)], toBits(e, k, x), e.i32(mode), toBits(e, k, fast)),
      ),
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

/** IR functions (x, x rounded, in range, integer, mode, signed, width) → the integer as i64. */
const toIntegerSlow: Helper[] = float.map((k, i) =>
  pure(
    `aarch64.to_integer_${k.type}`,
    [k.type, k.type, "i32", "i64", "i32", "i32", "i32"],
    "i64",
    (e, x, rounded, inRange, fast, mode, signed, width) => {
      e.if(e.op(`${k.type}.ne`, [x, x]), () => {
        raise(e, Exception.Invalid);
        e.return(e.i64(0));
      });
      const whole = e.op(`${k.type}.eq`, [x, e.op(`${k.type}.trunc`, [rounded])]);
      const stands = e.and(inRange, e.or(whole, e.eqz(fpcr(e))));
      e.if(e.and(isDefaultMode(e), stands), () => e.return(fast));
      return e.call(toIntegerSoft[i], toBits(e, k, x), mode, signed, width);
    },
  )
);

/** Whether a rounded number fits; of the least negative one, it may be denied. */
function isInRange(e: Emitter, k: FloatKind, x: Node, signed: boolean, width: number): Node {
  const limit = scalar(e, k, 2 ** (signed ? width - 1 : width));
  if (signed) return e.op(`${k.type}.lt`, [e.op(`${k.type}.abs`, [x]), limit]);
  // Negative numbers are large ones here.
  return e.ltU(toBits(e, k, x), toBits(e, k, limit));
}

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
  const rounded = mode === Rounding.Zero ? x : roundFast(e, k, x, mode);
  const r = e.variable(int, e.op(`${int}.trunc_sat_${k.type}_${signed ? "s" : "u"}`, [rounded]));
  const inRange = isInRange(e, k, rounded, signed, sf ? 64 : 32);
  e.if(e.or(e.eqz(inRange), fpcr(e)), () => {
    const exact = e.call(
      toIntegerSlow[index(k)],
      x,
      rounded,
      inRange,
      wide(e, e.read(r)),
      e.i32(mode),
      e.i32(signed ? 1 : 0),
      e.i32(sf ? 64 : 32),
    );
    e.assign(r, sf ? exact : e.wrap(exact));
  });
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

/** IR functions (integer as i64, signed, float) → the float. */
const fromIntegerSlow: Helper[] = float.map((k, i) =>
  pure(
    `aarch64.from_integer_${k.type}`,
    ["i64", "i32", k.type],
    k.type,
    (e, value, signed, fast) => {
      const back = e.select(
        signed,
        e.op(`i64.trunc_sat_${k.type}_s`, [fast]),
        e.op(`i64.trunc_sat_${k.type}_u`, [fast]),
      );
      // What saturates on its way back was rounded up.
      const fits = e.op(`${k.type}.lt`, [fast, scalar(e, k, 2 ** 63)]);
      const exact = e.and(fits, e.eq(back, value));
      e.if(e.and(isDefaultMode(e), exact), () => e.return(fast));
      return fromBits(e, k, e.call(fromIntegerSoft[i], value, signed));
    },
  )
);

/** SCVTF and UCVTF of an i32 or i64. */
export function fromInteger(e: Emitter, k: FloatKind, value: Node, signed: boolean): Node {
  const suffix = signed ? "s" : "u";
  const fast = e.op(`${k.type}.convert_${value.type}_${suffix}`, [value]);
  if (k.type === "f64" && value.type === "i32") return fast;
  const r = e.variable(k.type, fast);
  e.if(fpcr(e), () => {
    const extended = value.type === "i32" && signed ? e.sext(value) : wide(e, value);
    e.assign(r, e.call(fromIntegerSlow[index(k)], extended, e.i32(signed ? 1 : 0), e.read(r)));
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
