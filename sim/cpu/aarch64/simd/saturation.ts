/**
 * FPSR.QC, the cumulative saturation bit: an instruction sets it if one of its elements did not fit.
 *
 * Until it is set, an instruction whose result looks saturated asks the host, which works it out
 * from the instruction word with exact integers.
 */
import type { Emitter } from "../../ir/emitter.ts";
import type { Helper, Node } from "../../ir/types.ts";
import { FPSR, SCRATCH } from "../../layout.ts";
import type { AArch64Row } from "../row.ts";
import { lane, zeros } from "./lanes.ts";

/** FPSR.QC. */
const QC = 1 << 27;

/** The operands of an instruction: destination, first and second source. */
class Operands {
  readonly u: boolean;
  readonly size: number;
  readonly count: number;

  constructor(readonly state: DataView, readonly word: number) {
    this.u = this.field(29, 1) === 1;
    this.size = this.field(22, 2);
    const bytes = this.field(30, 1) ? 16 : 8;
    this.count = this.isScalar ? 1 : bytes >> this.size;
  }
  get isScalar(): boolean {
    return this.field(28, 1) === 1;
  }
  field(shift: number, width: number): number {
    return (this.word >>> shift) & ((1 << width) - 1);
  }
  /** Element `i` of operand `operand`, of `8 << size` bits. */
  element(operand: 0 | 1 | 2, i: number, signed: boolean, size = this.size): bigint {
    const bits = 8 << size;
    const at = SCRATCH + 16 * operand + i * (bits / 8);
    let x = 0n;
    for (let k = bits / 8 - 1; k >= 0; k--) x = (x << 8n) | BigInt(this.state.getUint8(at + k));
    return signed ? BigInt.asIntN(bits, x) : x;
  }
  /** Whether any of the elements does. */
  any(saturates: (i: number) => boolean, count = this.count): boolean {
    for (let i = 0; i < count; i++) if (saturates(i)) return true;
    return false;
  }
}

function fits(x: bigint, bits: number, signed: boolean): boolean {
  return signed ? x === BigInt.asIntN(bits, x) : x === BigInt.asUintN(bits, x);
}

/** `x` shifted by the signed amount `by`, to the right with rounding if that is asked for. */
function shifted(x: bigint, by: number, rounding: boolean): bigint {
  if (by >= 0) return x << BigInt(by);
  const half = rounding ? 1n << BigInt(-by - 1) : 0n;
  return (x + half) >> BigInt(-by);
}

/** SQADD … SQRSHL, SQDMULH, SQRDMULH: opcode of "three same". */
function threeSame(o: Operands): boolean {
  const bits = 8 << o.size;
  const opcode = o.field(11, 5);
  const signed = !o.u;
  return o.any((i) => {
    const a = o.element(1, i, signed || opcode === 22),
      b = o.element(2, i, signed || opcode === 22);
    switch (opcode) {
      case 1:
        return !fits(a + b, bits, signed);
      case 5:
        return !fits(a - b, bits, signed);
      case 22:
        return isLeastSquared(a, b, bits);
      default: {
        const by = Number(BigInt.asIntN(8, o.element(2, i, true)));
        return !fits(shifted(a, by, opcode === 11), bits, signed);
      }
    }
  });
}
/** The only product that does not fit when it is doubled. */
function isLeastSquared(a: bigint, b: bigint, bits: number): boolean {
  const least = -(1n << BigInt(bits - 1));
  return a === least && b === least;
}

/** SQRDMLAH and SQRDMLSH of one element. */
function accumulates(bits: number, c: bigint, a: bigint, b: bigint, subtracts: boolean): boolean {
  const product = subtracts ? -2n * a * b : 2n * a * b;
  const sum = (c << BigInt(bits)) + product + (1n << BigInt(bits - 1));
  return !fits(sum >> BigInt(bits), bits, true);
}

/** SQDMLAL, SQDMLSL, SQDMULL of one element. */
function doubles(bits: number, kind: "mlal" | "mlsl" | "mull", c: bigint, a: bigint, b: bigint) {
  let product = 2n * a * b;
  const wide = 2 * bits;
  const saturated = !fits(product, wide, true);
  if (saturated) product = (1n << BigInt(wide - 1)) - 1n;
  if (kind === "mull") return saturated;
  return saturated || !fits(kind === "mlal" ? c + product : c - product, wide, true);
}

function threeDifferent(o: Operands): boolean {
  const bits = 8 << o.size;
  const kind = ({ 9: "mlal", 11: "mlsl", 13: "mull" } as const)[o.field(12, 4) as 9];
  const count = o.isScalar ? 1 : 8 >> o.size;
  const first = !o.isScalar && o.field(30, 1) ? count : 0;
  return o.any((i) => {
    const [a, b] = [o.element(1, first + i, true), o.element(2, first + i, true)];
    return doubles(bits, kind, o.element(0, i, true, o.size + 1), a, b);
  }, count);
}

/** SUQADD, USQADD, SQABS, SQNEG, and the narrowing moves. */
function twoMisc(o: Operands): boolean {
  const bits = 8 << o.size;
  switch (o.field(12, 5)) {
    case 3:
      return o.any((i) => !fits(o.element(0, i, !o.u) + o.element(1, i, o.u), bits, !o.u));
    case 7:
      return o.any((i) => o.element(1, i, true) === -(1n << BigInt(bits - 1)));
    default: {
      const unsigned = o.field(12, 5) === 18;
      const count = o.isScalar ? 1 : 8 >> o.size;
      const from = unsigned || !o.u;
      return o.any((i) => !fits(o.element(1, i, from, o.size + 1), bits, !o.u), count);
    }
  }
}

function shiftImmediate(o: Operands): boolean {
  const encoded = o.field(16, 7);
  const size = 28 - Math.clz32(encoded);
  const bits = 8 << size;
  const opcode = o.field(11, 5);
  if (opcode < 16) {
    // SQSHLU is signed before and unsigned after.
    const from = opcode === 12 || !o.u, to = !o.u;
    const count = o.isScalar ? 1 : (o.field(30, 1) ? 16 : 8) >> size;
    const by = encoded - bits;
    return o.any((i) => !fits(o.element(1, i, from, size) << BigInt(by), bits, to), count);
  }
  const from = opcode < 18 || !o.u;
  const by = encoded - 2 * bits;
  const count = o.isScalar ? 1 : 8 >> size;
  const rounding = (opcode & 1) === 1;
  return o.any(
    (i) => !fits(shifted(o.element(1, i, from, size + 1), by, rounding), bits, !o.u),
    count,
  );
}

function byElement(o: Operands): boolean {
  const bits = 8 << o.size;
  const [h, l, m] = [11, 21, 20].map((at) => o.field(at, 1));
  const b = o.element(2, o.size === 1 ? 4 * h + 2 * l + m : 2 * h + l, true);
  const opcode = o.field(12, 4);
  const kind = ({ 3: "mlal", 7: "mlsl", 11: "mull" } as const)[opcode as 3];
  if (kind !== undefined) {
    const count = o.isScalar ? 1 : 8 >> o.size;
    const first = !o.isScalar && o.field(30, 1) ? count : 0;
    return o.any(
      (i) =>
        doubles(bits, kind, o.element(0, i, true, o.size + 1), o.element(1, first + i, true), b),
      count,
    );
  }
  return o.any((i) => {
    const a = o.element(1, i, true);
    return o.u
      ? accumulates(bits, o.element(0, i, true), a, b, opcode === 15)
      : isLeastSquared(a, b, bits);
  });
}

/** Whether the instruction saturates, by its group (DDI 0487, C4.1.96). */
function saturates(o: Operands): boolean {
  if (o.field(24, 4) === 15) return o.field(10, 1) ? shiftImmediate(o) : byElement(o);
  if (o.field(10, 2) === 2) return twoMisc(o);
  if (o.field(10, 2) === 0) return threeDifferent(o);
  if (o.field(21, 1)) return threeSame(o);
  const bits = 8 << o.size;
  return o.any((i) => {
    const [c, a, b] = ([0, 1, 2] as const).map((k) => o.element(k, i, true));
    return accumulates(bits, c, a, b, o.field(11, 1) === 1);
  });
}

const collector: Helper = {
  name: "aarch64.saturation",
  params: ["i32"],
  result: null,
  reads: [],
  writes: [],
  run(state, word: number) {
    if (saturates(new Operands(state, word))) {
      state.setUint32(FPSR, (state.getUint32(FPSR, true) | QC) >>> 0, true);
    }
  },
};

const SATURATING = /^(SQ|UQ|SUQ|USQ)/;

/** Whether some lane of `x`, of `8 << size` bits, has these bits, which repeat from the lowest byte up. */
function hasLane(e: Emitter, size: number, x: Node, top: number, rest: number): Node {
  const bytes = Array.from({ length: 16 }, (_, i) => (i + 1) % (1 << size) === 0 ? top : rest);
  return e.op("v128.any_true", [lane(e, size, "eq", x, e.v128(bytes))]);
}

/** log2 of the bytes of a row's narrower elements. */
function elementSize(name: string, statics: Readonly<Record<string, number>>): number {
  const width = /(\d+)\)$/.exec(name)?.[1];
  if (width !== undefined) return Math.log2(Number(width)) - 3;
  // By element, those of 16 bits have an index of three bits.
  return statics.size ?? ("m" in statics ? 1 : 2);
}

/**
 * Whether an instruction may have saturated, by its result and what its operands were. The upper
 * half of a saturated element looks like a saturated one, so `size` may be that of the narrower elements.
 */
function mayHave(e: Emitter, name: string, size: number, result: Node, before: Node[]): Node {
  const signed = e.or(hasLane(e, size, result, 0x7f, 0xff), hasLane(e, size, result, 0x80, 0));
  // A doubled product saturates by itself only where both factors are the least number.
  if (/^SQDML[AS]L/.test(name)) return e.or(signed, hasLane(e, size, before[1], 0x80, 0));
  if (!/^U|^SQ.*U/.test(name)) return signed;
  const either = e.or(signed, hasLane(e, size, result, 0xff, 0xff));
  // Unsigned results are also cut off at zero: of negative operands, and of differences.
  if (name.startsWith("UQSUB")) return e.or(either, hasLane(e, size, result, 0, 0));
  const source = /^SQ.*SHRUN|^SQXTUN/.test(name) ? size + 1 : size;
  if (!/^SQ.*SHRUN|^SQXTUN|^SQSHLU|^USQADD/.test(name)) return either;
  const negative = lane(e, source, "lt_s", before[1], zeros(e));
  return e.or(either, e.op("v128.any_true", [negative]));
}

/** The rows, those that saturate with a look at FPSR.QC. */
export function collectingSaturation(rows: readonly AArch64Row[]): AArch64Row[] {
  return rows.map((row) =>
    !SATURATING.test(row.name) ? row : row.changed((spec) => ({
      ...spec,
      operands: (w, pc, out) => {
        spec.operands?.(w, pc, out);
        out.imm0Low = w;
      },
      emit: (e: Emitter, statics, variant) => {
        const before = spec.regs!.map((_, i) => e.getVector(e.reg(i)));
        spec.emit(e, statics, variant);
        e.if(e.eqz(e.and(e.getState("i32", FPSR), e.i32(QC))), () => {
          const result = e.getVector(e.reg(0));
          const size = elementSize(row.name, statics);
          e.if(mayHave(e, row.name, size, result, before), () => {
            before.forEach((x, i) => e.setState(SCRATCH + 16 * i, x));
            e.call(collector, e.imm32(0));
          });
        });
      },
    }))
  );
}
