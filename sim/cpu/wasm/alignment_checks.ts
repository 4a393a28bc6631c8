/**
 * Drops checks of a register's alignment that an earlier instruction of the same block has made: most of a
 * function's accesses have the stack pointer as their base, which changes by multiples of 16.
 */
import { type Node, NodeKind, type Statement } from "../ir/types.ts";

/** A register and the low bits of it that must be zero. */
interface Check {
  readonly slot: number;
  readonly mask: number;
}

/** What `s` checks, if it is a check: `if ((register & mask) != 0) fault`. */
function checkOf(s: Statement): Check | null {
  if (s.kind !== "if" || s.then.length !== 1 || s.then[0].kind !== "fault") return null;
  const { condition } = s;
  if (condition.op !== "i32.and" || s.else.length !== 0) return null;
  const [wrapped, mask] = condition.args;
  if (wrapped.op !== "i32.wrap_i64" || mask.kind !== NodeKind.Const) return null;
  const register = wrapped.args[0];
  const { reg } = register;
  if (register.kind !== NodeKind.Reg || reg === undefined || reg.slot < 0) return null;
  return { slot: reg.slot, mask: Number(mask.value) };
}

/** The checks that a block's instructions have made so far. */
export class AlignmentChecks {
  /** Low bits that are zero, by the register's slot. */
  readonly #known = new Map<number, number>();

  /** Take the next instruction's statements, and the checks out of them that say nothing new. */
  next(body: Statement[]): void {
    for (let i = 0; i < body.length; i++) {
      const check = checkOf(body[i]);
      if (check === null) {
        if (this.#known.size !== 0) this.#forget(body[i]);
      } else if (this.#known.get(check.slot) === check.mask) {
        body.splice(i--, 1);
      } else {
        this.#known.set(check.slot, check.mask);
      }
    }
  }

  #forget(s: Statement): void {
    switch (s.kind) {
      case "setReg":
        if (!this.#keeps(s.reg.slot, s.value)) this.#known.delete(s.reg.slot);
        break;
      case "call":
        if (s.helper.writes === "all") this.#known.clear();
        else s.helper.writes.forEach((slot) => this.#known.delete(slot));
        break;
      case "if":
        s.then.forEach((inner) => this.#forget(inner));
        s.else.forEach((inner) => this.#forget(inner));
        break;
      case "loop":
        s.body.forEach((inner) => this.#forget(inner));
        break;
    }
  }

  /** Whether a value is the register's own plus a constant that keeps it aligned. */
  #keeps(slot: number, value: Node): boolean {
    const mask = this.#known.get(slot);
    if (mask === undefined || (value.op !== "i64.add" && value.op !== "i64.sub")) return false;
    const [register, by] = value.args;
    return register.kind === NodeKind.Reg && register.reg?.slot === slot &&
      by.kind === NodeKind.Const && (Number(BigInt(by.value as bigint) & 0xffffn) & mask) === 0;
  }
}
