/** Conversions between half, single and double precision (FCVT, FCVTL, FCVTN, FCVTXN), on bits. */
import type { Emitter } from "../../ir/emitter.ts";
import type { Helper, Node, Type } from "../../ir/types.ts";
import { pure } from "../multiply.ts";
import { softHelper } from "./host.ts";
import { float, isNaNBits } from "./nan.ts";
import { Exception, fpcr, isDefaultMode, raise } from "./status.ts";
import * as soft from "./soft_float.ts";

/** Formats as `ftype` numbers them; half precision travels in the low bits of an i32. */
export const enum Precision {
  Single = 0,
  Double = 1,
  Half = 3,
}

const DEFAULT_NAN = 1 << 25;
/** FPCR.AHP. */
const ALTERNATIVE = 1 << 26;
const formatOf: Readonly<Record<number, soft.Format>> = {
  [Precision.Single]: soft.SINGLE,
  [Precision.Double]: soft.DOUBLE,
  [Precision.Half]: soft.HALF,
};
const typeOf = (p: Precision): "i32" | "i64" => p === Precision.Double ? "i64" : "i32";
const letter = (p: Precision): string => ["s", "d", "", "h"][p];

/** NaN bits in the other format: sign and upper payload kept, quiet. */
function convertNaN(e: Emitter, bits: Node, from: Precision, to: Precision): Node {
  const [a, b] = [formatOf[from], formatOf[to]];
  const x = from === Precision.Double ? bits : e.zext(bits);
  const fraction = e.shl(x, e.i64(64 - a.precision + 1));
  const payload = e.shrU(fraction, e.i64(64 - b.precision + 1));
  const sign = e.shl(e.shrU(x, e.i64(a.width - 1)), e.i64(b.width - 1));
  const isQuiet = e.and(e.wrap(e.shrU(x, e.i64(a.precision - 2))), e.i32(1));
  e.if(e.eqz(isQuiet), () => raise(e, Exception.Invalid));
  const none = e.ne(e.and(fpcr(e), e.i32(DEFAULT_NAN)), e.i32(0));
  const quiet = e.i64(soft.defaultNaN(b));
  const r = e.select(none, quiet, e.or(e.or(sign, quiet), payload));
  return to === Precision.Double ? r : e.wrap(r);
}

function halfToSingle(e: Emitter, h: Node): Node {
  const sign = e.shl(e.and(h, e.i32(0x8000)), e.i32(16));
  const magnitude = e.and(h, e.i32(0x7fff));
  const exponent = e.shrU(magnitude, e.i32(10));
  // Subnormals are a small integer times 2^-24.
  const unit = e.op("f32.reinterpret_i32", [e.i32(0x33800000)]);
  const small = e.op("f32.mul", [e.op("f32.convert_i32_u", [magnitude]), unit]);
  const normal = e.add(e.shl(magnitude, e.i32(13)), e.i32(112 << 23));
  const infinite = e.eq(exponent, e.i32(31));
  const r = e.select(
    infinite,
    e.i32(0x7f800000),
    e.select(e.eqz(exponent), e.op("i32.reinterpret_f32", [small]), normal),
  );
  return e.or(sign, r);
}

/** To nearest. */
function singleToHalf(e: Emitter, bits: Node): Node {
  const sign = e.and(e.shrU(bits, e.i32(16)), e.i32(0x8000));
  const magnitude = e.and(bits, e.i32(0x7fffffff));
  const x = e.op("f32.reinterpret_i32", [magnitude]);
  const scale = e.op("f32.reinterpret_i32", [e.i32(0x4b800000)]); // 2^24
  const small = e.op("i32.trunc_sat_f32_u", [
    e.op("f32.nearest", [e.op("f32.mul", [x, scale])]),
  ]);
  const odd = e.and(e.shrU(magnitude, e.i32(13)), e.i32(1));
  const carried = e.shrU(e.add(e.add(magnitude, e.i32(0xfff)), odd), e.i32(13));
  const normal = e.sub(carried, e.i32(112 << 10));
  const r = e.select(
    e.ltU(magnitude, e.i32(0x38800000)),
    small,
    e.select(e.geU(magnitude, e.i32(0x47800000)), e.i32(0x7c00), normal),
  );
  return e.or(sign, r);
}

/** Double to single rounded to odd, of a number. */
function doubleToSingleOdd(e: Emitter, bits: Node): Node {
  const x = e.op("f64.reinterpret_i64", [bits]);
  const nearest = e.op("f32.demote_f64", [x]);
  const back = e.op("f64.promote_f32", [nearest]);
  const r = e.op("i32.reinterpret_f32", [nearest]);
  const inexact = e.and(e.op("f64.ne", [back, x]), e.eqz(e.and(r, e.i32(1))));
  const smaller = e.op("f64.lt", [e.op("f64.abs", [back]), e.op("f64.abs", [x])]);
  // An infinity is even and too large: one step down is the largest finite number.
  return e.add(r, e.select(inexact, e.select(smaller, e.i32(1), e.i32(-1)), e.i32(0)));
}

function fast(e: Emitter, bits: Node, from: Precision, to: Precision): Node {
  if (from === Precision.Half) {
    const single = halfToSingle(e, bits);
    return to === Precision.Single ? single : fast(e, single, Precision.Single, to);
  }
  if (to === Precision.Half) {
    return singleToHalf(e, from === Precision.Single ? bits : doubleToSingleOdd(e, bits));
  }
  if (to === Precision.Double) {
    const x = e.op("f32.reinterpret_i32", [bits]);
    return e.op("i64.reinterpret_f64", [e.op("f64.promote_f32", [x])]);
  }
  const x = e.op("f64.reinterpret_i64", [bits]);
  return e.op("i32.reinterpret_f32", [e.op("f32.demote_f64", [x])]);
}

function isNaN(e: Emitter, bits: Node, p: Precision): Node {
  if (p === Precision.Half) return e.gtU(e.and(bits, e.i32(0x7fff)), e.i32(0x7c00));
  return isNaNBits(e, float[p], bits);
}

/** Whether `r`, to nearest or odd, has raised nothing new in FPSR. */
function stands(e: Emitter, bits: Node, from: Precision, r: Node, to: Precision): Node {
  if (from === Precision.Half || to === Precision.Double) return isDefaultMode(e);
  const back = fast(e, r, to, from);
  const exact = e.and(isDefaultMode(e), e.eq(back, bits));
  // An overflow that is rounded to odd is the largest number.
  const [least, most] = to === Precision.Half ? [0x400, 0x7bff] : [0x800000, 0x7f7fffff];
  const magnitude = e.and(r, e.i32(to === Precision.Half ? 0x7fff : 0x7fffffff));
  const inside = e.and(e.gtU(magnitude, e.i32(least)), e.ltU(magnitude, e.i32(most)));
  return e.or(exact, e.and(e.eqz(fpcr(e)), inside));
}

function converter(from: Precision, to: Precision, odd: boolean): Helper {
  const name = `${letter(from)}_${letter(to)}${odd ? "_odd" : ""}`;
  const params: Type[] = [typeOf(from)];
  const exact = softHelper(
    `convert_${name}`,
    params,
    typeOf(to),
    (control, bits) =>
      soft.convert(
        formatOf[from],
        formatOf[to],
        bits,
        control,
        odd ? soft.Rounding.Odd : soft.roundingOf(control),
      ),
  );
  return pure(`aarch64.fcvt_${name}`, params, typeOf(to), (e, bits) => {
    if (from === Precision.Half) {
      // Without NaNs, what looks like one is a number.
      const alternative = e.and(fpcr(e), e.i32(ALTERNATIVE));
      e.if(alternative, () => e.return(e.call(exact, bits)));
    }
    e.if(isNaN(e, bits, from), () => {
      if (to === Precision.Half) {
        e.if(e.and(fpcr(e), e.i32(ALTERNATIVE)), () => e.return(e.call(noNaN[from], bits)));
      }
      e.return(convertNaN(e, bits, from, to));
    });
    const r = odd ? doubleToSingleOdd(e, bits) : fast(e, bits, from, to);
    e.if(stands(e, bits, from, r, to), () => e.return(r));
    return e.call(exact, bits);
  });
}
const noNaN: Readonly<Record<number, Helper>> = Object.fromEntries(
  [Precision.Single, Precision.Double].map((from) => [
    from,
    softHelper(
      `alternative_nan_${letter(from)}`,
      [typeOf(from)],
      "i32",
      (_control, bits) => soft.alternativeOfNaN(formatOf[from], bits),
    ),
  ]),
);

const precisions = [Precision.Single, Precision.Double, Precision.Half];
const converters = new Map<number, Helper>();
for (const from of precisions) {
  for (const to of precisions) {
    if (from !== to) converters.set(from * 4 + to, converter(from, to, false));
  }
}
const oddConverter = converter(Precision.Double, Precision.Single, true);

/** Bits of one format as bits of another, rounded as FPCR says. */
export function convertBits(e: Emitter, bits: Node, from: Precision, to: Precision): Node {
  return e.call(converters.get(from * 4 + to)!, bits);
}
/** FCVTXN of one number. */
export function convertToOdd(e: Emitter, bits: Node): Node {
  return e.call(oddConverter, bits);
}
