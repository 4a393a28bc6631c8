/** BMI1, BMI2, ADX, LZCNT and MOVBE. */
import type { Node } from "../ir/types.ts";
import { CF, Kind, OF } from "./flags.ts";
import type { Instruction } from "./instruction.ts";
import type { Helper } from "../ir/types.ts";
import { type Encoding, row, type Semantic } from "./row.ts";
import { unsignedHigh } from "./wide.ts";

/** ZF and SF of `result`, CF from `carry`; OF is clear. PF and AF are undefined: clear. */
function status(x: Instruction, result: Node, carry: Node): void {
  const e = x.e;
  const zero = e.shl(e.eqz(result), e.i32(6));
  x.packed(e.or(e.or(zero, e.shl(x.sign(result), e.i32(7))), carry));
}

/** TZCNT, LZCNT: ZF from the count, CF from the source. */
const count = (name: "ctz" | "clz"): Semantic => (x) => {
  const e = x.e;
  const source = x.get(1);
  let n: Node;
  if (x.size === 16) {
    // A bit just past the value stops the count.
    n = name === "ctz"
      ? e.ctz(e.or(source, e.i32(0x10000)))
      : e.clz(e.or(e.shl(source, e.i32(16)), e.i32(0x8000)));
  } else n = e.op(`${source.type}.${name}`, [source]);
  x.set(0, n);
  x.packed(e.or(e.shl(e.eqz(n), e.i32(6)), e.eqz(source)));
};

/** ANDN: flags as of a logical operation. */
const andn: Semantic = (x) => {
  const e = x.e;
  const b = x.get(2);
  const r = e.and(e.not(x.get(1)), b);
  x.set(0, r);
  x.flags(Kind.Logic, r, x.number(0));
};

/** BLSR, BLSMSK, BLSI: `f` of the source and the source less (or negated). */
const lowest = (
  result: (x: Instruction, v: Node) => Node,
  carry: (x: Instruction, v: Node) => Node,
): Semantic =>
(x) => {
  const v = x.get(1);
  const r = result(x, v);
  x.set(0, r);
  status(x, r, carry(x, v));
};
const less = (x: Instruction, v: Node): Node => x.e.sub(v, x.number(1));
const isZero = (x: Instruction, v: Node): Node => x.e.eqz(v);
const blsr = lowest((x, v) => x.e.and(v, less(x, v)), isZero);
const blsmsk = lowest((x, v) => x.e.xor(v, less(x, v)), isZero);
const blsi = lowest((x, v) => x.e.and(v, x.e.neg(v)), (x, v) => x.e.eqz(x.e.eqz(v)));

/** Bits of `v` below bit `n` (i32, 0–255). */
function below(x: Instruction, v: Node, n: Node): Node {
  const e = x.e;
  const wide = x.size === 64;
  const mask = e.not(e.shl(x.number(-1), wide ? e.zext(n) : n));
  return e.select(e.geU(n, e.i32(x.size)), v, e.and(v, mask));
}

/** BEXTR: start and length in the low bytes of the control; only ZF is defined. */
const bextr: Semantic = (x) => {
  const e = x.e;
  const control = x.low(x.get(2));
  const v = x.get(1);
  const start = e.and(control, e.i32(255));
  const length = e.and(e.shrU(control, e.i32(8)), e.i32(255));
  const wide = x.size === 64;
  const moved = e.select(
    e.geU(start, e.i32(x.size)),
    x.number(0),
    e.shrU(v, wide ? e.zext(start) : start),
  );
  const r = below(x, moved, length);
  x.set(0, r);
  x.packed(e.shl(e.eqz(r), e.i32(6)));
};

/** BZHI: CF says that the index was past the operand. */
const bzhi: Semantic = (x) => {
  const e = x.e;
  const index = e.and(x.low(x.get(2)), e.i32(255));
  const r = below(x, x.get(1), index);
  x.set(0, r);
  status(x, r, e.gtU(index, e.i32(x.size - 1)));
};

/** SHLX, SHRX, SARX: no flags. */
const shiftBy = (name: "shl" | "shr_u" | "shr_s"): Semantic => (x) => {
  const v = x.get(1);
  x.set(0, x.e.int(name, v, x.get(2)));
};

/** RORX. */
const rorx: Semantic = (x) => {
  const v = x.get(1);
  x.set(0, x.e.rotr(v, x.size === 64 ? x.e.i64(x.extra & 63) : x.e.i32(x.extra & 31)));
};

/** MULX: RDX times operand 2; the high half wins where both destinations are one. */
const mulx: Semantic = (x) => {
  const e = x.e;
  const a = x.getGpr(2), b = x.get(2);
  if (x.size === 64) {
    const low = e.mul(a, b), high = unsignedHigh(e, a, b);
    x.set(1, low);
    x.set(0, high);
  } else {
    const product = e.mul(e.zext(a), e.zext(b));
    x.set(1, e.wrap(product));
    x.set(0, e.wrap(e.shrU(product, e.i64(32))));
  }
};

/** PDEP and PEXT, a bit of the mask at a time, lowest first. */
const scatter = (deposit: boolean): Helper => ({
  name: deposit ? "x86_pdep" : "x86_pext",
  params: ["i64", "i64"],
  result: "i64",
  reads: [],
  writes: [],
  build(e, source, selector) {
    const mask = e.variable("i64", selector);
    const rest = e.variable("i64", source);
    const result = e.variable("i64", e.i64(0));
    const place = e.variable("i64", e.i64(0));
    e.if(e.eqz(selector), () => e.return(e.i64(0)));
    e.loop(() => {
      const m = e.read(mask);
      const lowest = e.and(m, e.neg(m));
      if (deposit) {
        const bit = e.and(lowest, e.neg(e.and(e.read(rest), e.i64(1))));
        e.assign(result, e.or(e.read(result), bit));
        e.assign(rest, e.shrU(e.read(rest), e.i64(1)));
      } else {
        const bit = e.zext(e.ne(e.and(source, lowest), e.i64(0)));
        e.assign(result, e.or(e.read(result), e.shl(bit, e.read(place))));
        e.assign(place, e.add(e.read(place), e.i64(1)));
      }
      e.assign(mask, e.xor(m, lowest));
      e.continueIf(e.ne(e.read(mask), e.i64(0)));
    });
    return e.read(result);
  },
});
const scattered = (deposit: boolean): Semantic => {
  const helper = scatter(deposit);
  return (x) => {
    const mask = x.get(2);
    const r = x.e.call(helper, x.wide(x.get(1)), x.wide(mask));
    x.set(0, x.size === 64 ? r : x.e.wrap(r));
  };
};

/** ADCX, ADOX: an addition with CF or OF alone as carry in and out. */
const addThrough = (flag: number): Semantic => (x) => {
  const e = x.e;
  const b = x.get(1), a = x.get(0);
  const old = e.packedFlags();
  const bit = Math.log2(flag);
  const carry = e.and(e.shrU(old, e.i32(bit)), e.i32(1));
  const sum = e.add(a, b);
  const r = e.add(sum, x.size === 64 ? e.zext(carry) : carry);
  const out = e.or(e.ltU(sum, a), e.ltU(r, sum));
  x.set(0, r);
  x.packed(e.or(e.and(old, e.i32(~flag)), e.shl(out, e.i32(bit))));
};

/** The bytes of `v` in reverse. */
function swapped(x: Instruction, v: Node): Node {
  const e = x.e;
  if (x.size === 64) {
    const splat = e.op("i64x2.splat", [v]);
    const order = [7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8];
    return e.op("i64x2.extract_lane", [e.op("i8x16.shuffle", [splat, splat], order)], 0);
  }
  const even = e.and(e.rotl(v, e.i32(8)), e.i32(0x00ff00ff));
  const both = e.or(even, e.and(e.rotr(v, e.i32(8)), e.i32(0xff00ff00)));
  return x.size === 32 ? both : e.shrU(both, e.i32(16));
}
const movbe: Semantic = (x) => x.set(0, swapped(x, x.get(1)));

export const bmi: readonly Encoding[] = [
  row("f3.0f.bc", "tzcnt Gv,Ev", count("ctz")),
  row("f3.0f.bd", "lzcnt Gv,Ev", count("clz")),
  row("vex.np.0f38.f2 L0", "andn Gy,By,Ey", andn),
  row("vex.np.0f38.f3 /1 L0", "blsr By,Ey", blsr),
  row("vex.np.0f38.f3 /2 L0", "blsmsk By,Ey", blsmsk),
  row("vex.np.0f38.f3 /3 L0", "blsi By,Ey", blsi),
  row("vex.np.0f38.f7 L0", "bextr Gy,Ey,By", bextr),
  row("vex.np.0f38.f5 L0", "bzhi Gy,Ey,By", bzhi),
  row("vex.66.0f38.f7 L0", "shlx Gy,Ey,By", shiftBy("shl")),
  row("vex.f3.0f38.f7 L0", "sarx Gy,Ey,By", shiftBy("shr_s")),
  row("vex.f2.0f38.f7 L0", "shrx Gy,Ey,By", shiftBy("shr_u")),
  row("vex.f2.0f3a.f0 L0", "rorx Gy,Ey,Kb", rorx),
  row("vex.f2.0f38.f6 L0", "mulx Gy,By,Ey", mulx),
  row("vex.f2.0f38.f5 L0", "pdep Gy,By,Ey", scattered(true)),
  row("vex.f3.0f38.f5 L0", "pext Gy,By,Ey", scattered(false)),
  row("66.0f38.f6", "adcx Gy,Ey", addThrough(CF)),
  row("f3.0f38.f6", "adox Gy,Ey", addThrough(OF)),
  row("np.0f38.f0 m", "movbe Gv,Mv", movbe),
  row("66.0f38.f0 m", "movbe Gv,Mv", movbe),
  row("np.0f38.f1 m", "movbe Mv,Gv", movbe),
  row("66.0f38.f1 m", "movbe Mv,Gv", movbe),
];
