/**
 * Lazy condition flags of x86-64: the last flag-setting operation is a kind and two operands.
 *
 * Operands of 8 and 16 bits are kept sign-extended to 32: unsigned and signed comparisons of such
 * values order them as the narrow values, so most conditions of 8, 16 and 32 bits are one and the
 * same comparison; only signs of differences (SF and OF of SUB and ADD) look at the width.
 *
 * Flag definitions: Intel SDM volume 1, section 3.4.3; condition codes: volume 1, appendix B.
 */
import type { Emitter } from "../ir/emitter.ts";
import type { FlagModel } from "../ir/flags.ts";
import type { Node } from "../ir/types.ts";
import { signedHigh } from "./wide.ts";

/** RFLAGS bits. */
export const CF = 0x001;
export const PF = 0x004;
export const AF = 0x010;
export const ZF = 0x040;
export const SF = 0x080;
export const OF = 0x800;
/** The six status flags. */
export const STATUS = CF | PF | AF | ZF | SF | OF;

/**
 * Flag kinds. Where four widths follow one another, the kind is the base plus log2(width / 8).
 */
export const enum Kind {
  /** `a` = packed RFLAGS. */
  Explicit = 0,
  /** `a` = result, `b` = second operand. Four widths. */
  Add = 1,
  /** `a`, `b` = the operands of `a - b`. Four widths. */
  Sub = 5,
  /** `a` = result, `b` = the carry kept (0 or 1). Four widths each. */
  Inc = 9,
  Dec = 13,
  /** `a` = result, `b` = the carry (or borrow) out of every bit. Four widths. */
  Carry = 17,
  /** `a` = result; CF = OF = 0. 32 (and narrower, sign-extended) and 64 bits. */
  Logic = 21,
  /** Right shifts: `a` = result, `b` = the value one step before. 32 and 64 bits. */
  Right = 23,
  /** CF and OF from `a`, the other flags from `b`, both packed. */
  Merge = 25,
  /** Comparison of two floating-point values (bits), as (U)COMISS and (U)COMISD set flags. */
  Compare32 = 26,
  Compare64 = 27,
  /** Signed products: `a`, `b` = the 64-bit factors; CF and OF say that the product is wider. */
  Product64 = 28,
}

const kinds = [
  "explicit",
  ...["add", "sub", "inc", "dec", "carry"].flatMap((k) => [8, 16, 32, 64].map((n) => k + n)),
  ...["logic32", "logic64", "right32", "right64", "merge", "compare32", "compare64", "product64"],
];

/** Condition codes in encoding order. */
export const conditions = [
  ...["o", "no", "b", "ae", "e", "ne", "be", "a"],
  ...["s", "ns", "p", "np", "l", "ge", "le", "g"],
] as const;

/** Even condition codes, shifted right by one. */
const enum Test {
  O,
  B,
  E,
  BE,
  S,
  P,
  L,
  LE,
}

/** Comparison that is true when `name` is false. */
const opposite: Record<string, string> = {
  eq: "ne",
  lt_u: "ge_u",
  le_u: "gt_u",
  lt_s: "ge_s",
  le_s: "gt_s",
};

function compare(e: Emitter, name: string, a: Node, b: Node, negate: boolean): Node {
  return e.int(negate ? opposite[name] : name, a, b);
}

/** 1 if the low byte of `x` has an even number of ones. */
function parity(e: Emitter, x: Node): Node {
  const low = e.and(x.type === "i64" ? e.wrap(x) : x, e.i32(0xff));
  return e.eqz(e.and(e.op("i32.popcnt", [low]), e.i32(1)));
}

/** Bit `n` of `x` as 0 or 1 (i32). */
function bit(e: Emitter, x: Node, n: number): Node {
  if (x.type === "i64") return e.wrap(e.and(e.shrU(x, e.i64(n)), e.i64(1)));
  return e.and(e.shrU(x, e.i32(n)), e.i32(1));
}

/** `x < 0` as a signed value of `width` bits. */
function negative(e: Emitter, x: Node, width: number): Node {
  if (width < 32) x = e.op(`i32.extend${width}_s`, [x]);
  return e.ltS(x, width === 64 ? e.i64(0) : e.i32(0));
}

const zero = (e: Emitter, x: Node): Node => x.type === "i64" ? e.i64(0) : e.i32(0);

/** The operands of a kind, in the type that its width computes in. */
class Operands {
  readonly a: Node;
  readonly b: Node;
  constructor(
    readonly e: Emitter,
    /** Base kind. */
    readonly kind: Kind,
    readonly width: number,
    a: Node,
    b: Node,
  ) {
    this.a = width === 64 ? a : e.wrap(a);
    this.b = width === 64 ? b : e.wrap(b);
  }

  /** The result that ZF, SF and PF describe. */
  result(): Node {
    if (this.kind === Kind.Product64) return this.e.mul(this.a, this.b);
    return this.kind === Kind.Sub ? this.e.sub(this.a, this.b) : this.a;
  }

  carry(): Node {
    const { e, a, b } = this;
    switch (this.kind) {
      case Kind.Add:
        return e.ltU(a, b);
      case Kind.Sub:
        return e.ltU(a, b);
      case Kind.Inc:
      case Kind.Dec:
        return b.type === "i64" ? e.wrap(b) : b;
      case Kind.Carry:
        return bit(e, b, this.width - 1);
      case Kind.Right:
        return bit(e, b, 0);
      case Kind.Product64:
        return e.ne(signedHigh(e, a, b), e.shrS(this.result(), e.i64(63)));
      default:
        return e.i32(0);
    }
  }

  overflow(): Node {
    const { e, a, b, width } = this;
    switch (this.kind) {
      case Kind.Add:
        return negative(e, e.and(e.xor(a, b), e.xor(a, e.sub(a, b))), width);
      case Kind.Sub:
        return negative(e, e.and(e.xor(a, b), e.xor(a, e.sub(a, b))), width);
      case Kind.Inc:
      case Kind.Dec: {
        const least = -(1n << BigInt(width - 1));
        const at = this.kind === Kind.Inc ? least : -1n - least;
        return e.eq(a, width === 64 ? e.i64(at) : e.i32(Number(at)));
      }
      case Kind.Carry:
        return bit(e, e.xor(b, e.shl(b, width === 64 ? e.i64(1) : e.i32(1))), width - 1);
      case Kind.Right:
        return negative(e, e.xor(a, b), width);
      case Kind.Product64:
        return this.carry();
      default:
        return e.i32(0);
    }
  }

  auxiliary(): Node {
    const { e, a, b } = this;
    switch (this.kind) {
      case Kind.Add:
      case Kind.Sub:
        return bit(e, e.xor(e.xor(a, b), e.sub(a, b)), 4);
      case Kind.Inc:
      case Kind.Dec: {
        const low = e.and(a.type === "i64" ? e.wrap(a) : a, e.i32(15));
        return e.eq(low, e.i32(this.kind === Kind.Inc ? 0 : 15));
      }
      case Kind.Carry:
        return bit(e, b, 3);
      default:
        return e.i32(0);
    }
  }

  test(test: Test, negate: boolean): Node {
    const { e, a, b } = this;
    const nothing = zero(e, a);
    const direct = this.kind === Kind.Sub
      ? compareSub[test]
      : this.kind === Kind.Logic
      ? compareLogic[test]
      : test === Test.E && this.kind !== Kind.Product64
      ? "eq"
      : "";
    if (direct) return compare(e, direct, a, this.kind === Kind.Sub ? b : nothing, negate);
    if (test === Test.S && this.width >= 32) {
      return compare(e, "lt_s", this.result(), nothing, negate);
    }
    const value = this.#value(test);
    return negate ? e.eqz(value) : value;
  }

  #value(test: Test): Node {
    const e = this.e;
    switch (test) {
      case Test.O:
        return this.overflow();
      case Test.B:
        return this.carry();
      case Test.E:
        return e.eqz(this.result());
      case Test.BE:
        return e.or(this.carry(), e.eqz(this.result()));
      case Test.S:
        return negative(e, this.result(), this.width);
      case Test.P:
        return parity(e, this.result());
      case Test.L:
        return e.xor(this.#value(Test.S), this.overflow());
      case Test.LE:
        return e.or(e.eqz(this.result()), this.#value(Test.L));
    }
  }
}

/** Conditions that one comparison of the operands of a subtraction decides. */
const compareSub: Record<number, string> = {
  [Test.B]: "lt_u",
  [Test.E]: "eq",
  [Test.BE]: "le_u",
  [Test.L]: "lt_s",
  [Test.LE]: "le_s",
};
/** Conditions that one comparison of a logical result with zero decides. */
const compareLogic: Record<number, string> = {
  [Test.E]: "eq",
  [Test.BE]: "eq",
  [Test.S]: "lt_s",
  [Test.L]: "lt_s",
  [Test.LE]: "le_s",
};

function operands(e: Emitter, kind: number, a: Node, b: Node): Operands {
  if (kind === Kind.Product64) return new Operands(e, kind, 64, a, b);
  if (kind >= Kind.Right) return new Operands(e, Kind.Right, 32 << (kind - Kind.Right), a, b);
  if (kind >= Kind.Logic) return new Operands(e, Kind.Logic, 32 << (kind - Kind.Logic), a, b);
  const at = kind - 1;
  return new Operands(e, 1 + (at & ~3), 8 << (at & 3), a, b);
}

/** A condition over packed flags `f` (i32). */
function packedTest(e: Emitter, test: Test, f: Node): Node {
  switch (test) {
    case Test.O:
      return bit(e, f, 11);
    case Test.B:
      return bit(e, f, 0);
    case Test.E:
      return bit(e, f, 6);
    case Test.BE:
      return e.ne(e.and(f, e.i32(CF | ZF)), e.i32(0));
    case Test.S:
      return bit(e, f, 7);
    case Test.P:
      return bit(e, f, 2);
    case Test.L:
      return e.xor(bit(e, f, 7), bit(e, f, 11));
    case Test.LE:
      return e.or(bit(e, f, 6), packedTest(e, Test.L, f));
  }
}

/** Where CF and OF come from one packed word and the rest from another. */
function mergedTest(e: Emitter, test: Test, a: Node, b: Node): Node {
  switch (test) {
    case Test.O:
    case Test.B:
      return packedTest(e, test, e.wrap(a));
    case Test.E:
    case Test.S:
    case Test.P:
      return packedTest(e, test, e.wrap(b));
    default:
      return packedTest(e, test, merge(e, a, b));
  }
}

function merge(e: Emitter, a: Node, b: Node): Node {
  return e.or(e.and(e.wrap(a), e.i32(CF | OF)), e.and(e.wrap(b), e.i32(STATUS & ~(CF | OF))));
}

/** (U)COMISx: unordered sets ZF, PF and CF; less sets CF; equal sets ZF. */
function floatTest(e: Emitter, type: "f32" | "f64", test: Test, negate: boolean, a: Node, b: Node) {
  const not = (x: Node): Node => negate ? x : e.eqz(x);
  const yes = (x: Node): Node => negate ? e.eqz(x) : x;
  const is = (name: string): Node => e.op(`${type}.${name}`, [a, b]);
  switch (test) {
    case Test.B:
      return not(is("ge"));
    case Test.BE:
      return not(is("gt"));
    case Test.E:
    case Test.LE:
      return not(e.or(is("lt"), is("gt")));
    case Test.P:
      return yes(e.or(e.op(`${type}.ne`, [a, a]), e.op(`${type}.ne`, [b, b])));
    default:
      return e.i32(negate ? 1 : 0);
  }
}

function floats(e: Emitter, kind: number, a: Node, b: Node): ["f32" | "f64", Node, Node] {
  if (kind === Kind.Compare64) {
    return ["f64", e.op("f64.reinterpret_i64", [a]), e.op("f64.reinterpret_i64", [b])];
  }
  const f = (x: Node): Node => e.op("f32.reinterpret_i32", [e.wrap(x)]);
  return ["f32", f(a), f(b)];
}

/** The flag model of x86-64. */
export const flags: FlagModel = {
  kinds,
  conditions,
  condition(e, kind, condition, a, b) {
    const test: Test = condition >> 1;
    const negate = (condition & 1) !== 0;
    if (kind === Kind.Compare32 || kind === Kind.Compare64) {
      const [type, x, y] = floats(e, kind, a, b);
      return floatTest(e, type, test, negate, x, y);
    }
    if (kind === Kind.Explicit || kind === Kind.Merge) {
      const value = kind === Kind.Explicit
        ? packedTest(e, test, e.wrap(a))
        : mergedTest(e, test, a, b);
      return negate ? e.eqz(value) : value;
    }
    return operands(e, kind, a, b).test(test, negate);
  },
  pack(e, kind, a, b) {
    if (kind === Kind.Explicit) return e.and(e.wrap(a), e.i32(STATUS));
    if (kind === Kind.Merge) return merge(e, a, b);
    const at = (x: Node, n: number): Node => e.shl(x, e.i32(n));
    if (kind === Kind.Compare32 || kind === Kind.Compare64) {
      const [type, x, y] = floats(e, kind, a, b);
      const flag = (t: Test): Node => floatTest(e, type, t, false, x, y);
      return e.or(e.or(flag(Test.B), at(flag(Test.P), 2)), at(flag(Test.E), 6));
    }
    const o = operands(e, kind, a, b);
    const low = e.or(o.carry(), at(o.test(Test.P, false), 2));
    const middle = e.or(at(o.auxiliary(), 4), at(o.test(Test.E, false), 6));
    const high = e.or(at(o.test(Test.S, false), 7), at(o.overflow(), 11));
    return e.or(e.or(low, middle), high);
  },
};
