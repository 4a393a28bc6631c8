/** Lazy NZCV: kinds of flag-setting operations and the sixteen condition codes. */
import type { Emitter } from "../ir/emitter.ts";
import type { FlagModel } from "../ir/flags.ts";
import { type Node, NodeKind } from "../ir/types.ts";

/** What last set the flags. Operands of 32-bit kinds are zero-extended. */
export const enum FlagKind {
  /** `a` is NZCV in bits 31–28. */
  Explicit,
  /** `a + b`. */
  Add32,
  Add64,
  /** `a - b`. */
  Sub32,
  Sub64,
  /** Result `a`; C and V are clear. */
  Logic32,
  Logic64,
  /** Floating-point comparison of the doubles whose bits are `a` and `b`. */
  Compare,
}

/** Condition codes (DDI 0487, C1.2.4). */
export const enum Cond {
  EQ,
  NE,
  CS,
  CC,
  MI,
  PL,
  VS,
  VC,
  HI,
  LS,
  GE,
  LT,
  GT,
  LE,
  AL,
  NV,
}

const CONDITIONS = "eq ne cs cc mi pl vs vc hi ls ge lt gt le al nv".split(" ");
const KINDS = "explicit add32 add64 sub32 sub64 logic32 logic64 compare".split(" ");

/** The low word of an i64, seeing through an extension. */
function low(e: Emitter, x: Node): Node {
  if (x.kind === NodeKind.Op && (x.op === "i64.extend_i32_u" || x.op === "i64.extend_i32_s")) {
    return x.args[0];
  }
  return e.wrap(x);
}

function zero(e: Emitter, like: Node): Node {
  return like.type === "i32" ? e.i32(0) : e.i64(0);
}

/** Comparison per condition after SUB: `a name b`. */
const SUB: Readonly<Record<number, string>> = {
  [Cond.EQ]: "eq",
  [Cond.NE]: "ne",
  [Cond.CS]: "ge_u",
  [Cond.CC]: "lt_u",
  [Cond.HI]: "gt_u",
  [Cond.LS]: "le_u",
  [Cond.GE]: "ge_s",
  [Cond.LT]: "lt_s",
  [Cond.GT]: "gt_s",
  [Cond.LE]: "le_s",
};
function afterSub(e: Emitter, condition: number, a: Node, b: Node): Node {
  const direct = SUB[condition];
  if (direct !== undefined) return direct === "eq" ? e.eq(a, b) : e.int(direct, a, b);
  const r = e.sub(a, b);
  if (condition === Cond.MI) return e.ltS(r, zero(e, r));
  if (condition === Cond.PL) return e.geS(r, zero(e, r));
  const overflow = e.and(e.xor(a, b), e.xor(a, r));
  return condition === Cond.VS ? e.ltS(overflow, zero(e, r)) : e.geS(overflow, zero(e, r));
}

function afterAdd(e: Emitter, condition: number, a: Node, b: Node): Node {
  const r = e.add(a, b);
  const none = zero(e, r);
  const overflow = (): Node => e.and(e.xor(a, r), e.xor(b, r));
  // The sign of the exact sum: N differs from V.
  const sign = (): Node => e.xor(r, overflow());
  switch (condition) {
    case Cond.EQ:
      return e.eqz(r);
    case Cond.NE:
      return e.ne(r, none);
    case Cond.CS:
      return e.ltU(r, a);
    case Cond.CC:
      return e.geU(r, a);
    case Cond.MI:
      return e.ltS(r, none);
    case Cond.PL:
      return e.geS(r, none);
    case Cond.VS:
      return e.ltS(overflow(), none);
    case Cond.VC:
      return e.geS(overflow(), none);
    case Cond.HI:
      return e.and(e.ltU(r, a), e.ne(r, none));
    case Cond.LS:
      return e.or(e.geU(r, a), e.eqz(r));
    case Cond.GE:
      return e.geS(sign(), none);
    case Cond.LT:
      return e.ltS(sign(), none);
    case Cond.GT:
      return e.and(e.geS(sign(), none), e.ne(r, none));
    default:
      return e.or(e.ltS(sign(), none), e.eqz(r));
  }
}

function afterLogic(e: Emitter, condition: number, r: Node): Node {
  const none = zero(e, r);
  switch (condition) {
    case Cond.EQ:
      return e.eqz(r);
    case Cond.NE:
      return e.ne(r, none);
    case Cond.CS:
    case Cond.VS:
    case Cond.HI:
      return e.i32(0);
    case Cond.CC:
    case Cond.VC:
    case Cond.LS:
      return e.i32(1);
    case Cond.MI:
    case Cond.LT:
      return e.ltS(r, none);
    case Cond.PL:
    case Cond.GE:
      return e.geS(r, none);
    case Cond.GT:
      return e.gtS(r, none);
    default:
      return e.leS(r, none);
  }
}

/** Comparison, and whether its result is negated, per condition after FCMP. */
const FLOAT: Readonly<Record<number, readonly [string, boolean]>> = {
  [Cond.EQ]: ["eq", false],
  [Cond.NE]: ["ne", false],
  [Cond.CS]: ["lt", true],
  [Cond.CC]: ["lt", false],
  [Cond.MI]: ["lt", false],
  [Cond.PL]: ["lt", true],
  [Cond.HI]: ["le", true],
  [Cond.LS]: ["le", false],
  [Cond.GE]: ["ge", false],
  [Cond.LT]: ["ge", true],
  [Cond.GT]: ["gt", false],
  [Cond.LE]: ["gt", true],
};
function afterCompare(e: Emitter, condition: number, a: Node, b: Node): Node {
  const x = e.op("f64.reinterpret_i64", [a]);
  const y = e.op("f64.reinterpret_i64", [b]);
  if (condition === Cond.VS) return e.or(e.op("f64.ne", [x, x]), e.op("f64.ne", [y, y]));
  if (condition === Cond.VC) return e.and(e.op("f64.eq", [x, x]), e.op("f64.eq", [y, y]));
  const [name, negated] = FLOAT[condition];
  const result = e.op(`f64.${name}`, [x, y]);
  return negated ? e.eqz(result) : result;
}

function explicit(e: Emitter, condition: number, nzcv: Node): Node {
  const at = (bit: number): Node => e.shrU(nzcv, e.i32(bit));
  const differ = (): Node => e.xor(at(31), at(28));
  let bit: Node;
  switch (condition & ~1) {
    case Cond.EQ:
      bit = at(30);
      break;
    case Cond.CS:
      bit = at(29);
      break;
    case Cond.MI:
      bit = at(31);
      break;
    case Cond.VS:
      bit = at(28);
      break;
    case Cond.HI:
      bit = e.and(at(29), e.not(at(30)));
      break;
    case Cond.GE:
      bit = e.not(differ());
      break;
    default:
      bit = e.not(e.or(differ(), at(30)));
  }
  return e.and(condition & 1 ? e.not(bit) : bit, e.i32(1));
}

/** NZCV in bits 31–28 from its four conditions. */
function combine(e: Emitter, of: (condition: number) => Node): Node {
  return e.or(
    e.or(e.shl(of(Cond.MI), e.i32(31)), e.shl(of(Cond.EQ), e.i32(30))),
    e.or(e.shl(of(Cond.CS), e.i32(29)), e.shl(of(Cond.VS), e.i32(28))),
  );
}

function condition(e: Emitter, kind: number, code: number, a: Node, b: Node): Node {
  if (code >= Cond.AL) return e.i32(1);
  switch (kind) {
    case FlagKind.Explicit:
      return explicit(e, code, low(e, a));
    case FlagKind.Add32:
      return afterAdd(e, code, low(e, a), low(e, b));
    case FlagKind.Add64:
      return afterAdd(e, code, a, b);
    case FlagKind.Sub32:
      return afterSub(e, code, low(e, a), low(e, b));
    case FlagKind.Sub64:
      return afterSub(e, code, a, b);
    case FlagKind.Logic32:
      return afterLogic(e, code, low(e, a));
    case FlagKind.Logic64:
      return afterLogic(e, code, a);
    default:
      return afterCompare(e, code, a, b);
  }
}

/** The flag model of AArch64. */
export const flags: FlagModel = {
  kinds: KINDS,
  conditions: CONDITIONS,
  condition,
  pack: (e, kind, a, b) =>
    kind === FlagKind.Explicit ? low(e, a) : combine(e, (code) => condition(e, kind, code, a, b)),
};

/** NZCV (i32, bits 31–28) of `a` minus or plus `b`, as conditional compares need it at once. */
export function packedFlags(e: Emitter, kind: FlagKind, a: Node, b: Node): Node {
  return flags.pack(e, kind, a, b);
}

/** Set NZCV from an i32 that holds it in bits 31–28. */
export function setExplicit(e: Emitter, nzcv: Node): void {
  e.setFlags(FlagKind.Explicit, e.zext(nzcv), e.i64(0));
}
