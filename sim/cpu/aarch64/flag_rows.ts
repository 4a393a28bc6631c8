/** Flag manipulation (FEAT_FlagM): CFINV, RMIF, SETF8, SETF16. */
import type { Emitter } from "../ir/emitter.ts";
import type { Node } from "../ir/types.ts";
import { setExplicit } from "./flags.ts";
import { row } from "./row.ts";

const N = 1 << 31, Z = 1 << 30, C = 1 << 29, V = 1 << 28;

/** N, Z and V of the low `bits` of a register, whose overflow is bit `bits`; C stays. */
function setFrom(e: Emitter, bits: 8 | 16): void {
  const x = e.get32(e.reg(0));
  const bit = (n: number): Node => e.and(e.shrU(x, e.i32(n)), e.i32(1));
  const zero = e.eqz(e.and(x, e.i32((1 << bits) - 1)));
  const kept = e.and(e.packedFlags(), e.i32(C));
  const negative = e.shl(bit(bits - 1), e.i32(31));
  const overflow = e.shl(e.xor(bit(bits), bit(bits - 1)), e.i32(28));
  setExplicit(e, e.or(e.or(kept, negative), e.or(e.shl(zero, e.i32(30)), overflow)));
}

export const rows = [
  row("CFINV", "1101010100 0 00 000 0100 0000 000 11111", () => ({
    emit: (e) => setExplicit(e, e.xor(e.packedFlags(), e.i32(C))),
  })),
  row("RMIF", "1 01 11010000 imm6:6 00001 rn:5 0 mask:4", (f) => ({
    regs: [f.rn.x],
    statics: ["mask"],
    imm1: f.imm6,
    emit: (e, { mask }) => {
      const chosen = [N, Z, C, V].reduce((m, flag, i) => mask & (8 >> i) ? m | flag : m, 0);
      const turned = e.wrap(e.rotr(e.get64(e.reg(0)), e.imm(1)));
      const moved = e.shl(turned, e.i32(28));
      const kept = e.and(e.packedFlags(), e.i32(~chosen));
      setExplicit(e, e.or(kept, e.and(moved, e.i32(chosen))));
    },
  })),
  row("SETF8", "0 01 11010000 000000 0 0010 rn:5 0 1101", (f) => ({
    regs: [f.rn.x],
    emit: (e) => setFrom(e, 8),
  })),
  row("SETF16", "0 01 11010000 000000 1 0010 rn:5 0 1101", (f) => ({
    regs: [f.rn.x],
    emit: (e) => setFrom(e, 16),
  })),
];
