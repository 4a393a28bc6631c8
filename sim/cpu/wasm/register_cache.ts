/**
 * Guest registers in a region. Between blocks the truth is in state memory; a few registers are
 * also held in locals throughout, if there are loops; the others in locals from a block's first use to its end. Writes
 * reach memory at the end of their block, so that leaving a region costs nothing, faults find
 * registers where they belong, and the compiler has few values to carry around.
 */
import { bitsOf } from "../ir/emitter.ts";
import type { Helper, Node, Reg, Statement, Type } from "../ir/types.ts";
import { NodeKind } from "../ir/types.ts";
import * as L from "../layout.ts";
import { type Code, W } from "./code.ts";
import { loadOpcode, merged, part, storeOpcode, zero } from "./lower.ts";

/** Registers held throughout: as many as a host of sixteen registers can keep. */
const HELD_GENERAL = 6;
const HELD_VECTOR = 6;
/** A use in a loop weighs as much as so many outside it. */
const LOOP_WEIGHT = 8;

/** Slot of the whole register that `slot` is a part of. */
export function baseSlot(slot: number): number {
  return slot >= L.VECTOR ? slot & ~15 : slot & ~7;
}

/** Whether the register at `slot` is one of those that live in locals. */
function isCached(slot: number): boolean {
  return slot >= L.GPR && slot < L.X87_REGISTERS;
}

export class RegisterCache {
  readonly #code: Code;
  readonly #newLocal: (type: Type) => number;
  readonly #locals = new Map<number, number>();
  readonly #held = new Set<number>();
  /** Registers whose locals are right, and those whose memory is not, in the current block. */
  readonly #valid = new Set<number>();
  readonly #dirty = new Set<number>();

  /** `blocks` holds the statements of each block's instructions, `depths` how many loops each is in. */
  constructor(
    code: Code,
    newLocal: (type: Type) => number,
    blocks: readonly (readonly (readonly Statement[])[])[],
    depths: ArrayLike<number>,
  ) {
    this.#code = code;
    this.#newLocal = newLocal;
    const weights = new Map<number, number>();
    blocks.forEach((instructions, i) => {
      if (depths[i] === 0) return;
      const weight = LOOP_WEIGHT ** Math.min(depths[i], 4);
      const used = new Set<number>();
      for (const body of instructions) usedBy(body, used);
      for (const slot of used) weights.set(slot, (weights.get(slot) ?? 0) + weight);
    });
    const ranked = [...weights].sort(([a, x], [b, y]) => y - x || a - b).map(([slot]) => slot);
    for (const slot of ranked.filter((s) => s < L.VECTOR).slice(0, HELD_GENERAL)) {
      this.#held.add(slot);
    }
    for (const slot of ranked.filter((s) => s >= L.VECTOR).slice(0, HELD_VECTOR)) {
      this.#held.add(slot);
    }
  }

  /** Local of the register at `slot`. */
  #local(slot: number): number {
    let local = this.#locals.get(slot);
    if (local === undefined) {
      local = this.#newLocal(slot >= L.VECTOR ? "v128" : "i64");
      this.#locals.set(slot, local);
    }
    return local;
  }
  /** Whether the local of the register at `slot` has its value. */
  #holds(slot: number): boolean {
    return this.#held.has(slot) || this.#valid.has(slot);
  }

  /** Control enters the region. */
  enter(): void {
    for (const slot of this.#held) this.#load(slot);
  }
  /** A block begins. */
  begin(): void {
    this.#valid.clear();
    this.#dirty.clear();
  }
  /** Have what an instruction needs in locals: what it reads, and what it may leave partly as it was. */
  prepare(body: readonly Statement[], conditional = false): void {
    for (const s of body) {
      if (s.kind === "def") {
        if (s.node.kind !== NodeKind.Reg || s.node.uses === 0) continue;
        const { slot } = s.node.reg!;
        if (conditional || slot < L.VECTOR || s.node.type === "v128") this.#need(slot);
      } else if (s.kind === "setReg") {
        if (conditional || s.bits < 32) this.#need(s.reg.slot);
      } else if (s.kind === "if") {
        this.prepare(s.then, true);
        this.prepare(s.else, true);
      } else if (s.kind === "loop") this.prepare(s.body, true);
    }
  }
  #need(slot: number): void {
    if (!isCached(slot)) return;
    const base = baseSlot(slot);
    if (this.#holds(base)) return;
    this.#load(base);
    this.#valid.add(base);
  }

  /** Push what the node reads of a register. */
  read(n: Node): void {
    const code = this.#code;
    const { slot } = n.reg!;
    if (slot < L.GPR) {
      if (slot >= L.TRASH + 16) throw new TypeError(`register at state offset ${slot}`);
      zero(code, n.type);
      return;
    }
    if (!isCached(slot)) {
      code.i32(0);
      if (n.type === "v128") code.op(0xfd, 0x00).memarg(slot);
      else code.mem(loadOpcode(n.type, n.bits!, n.signed === true), slot);
      return;
    }
    const base = baseSlot(slot);
    if (!this.#holds(base)) {
      // A lane that is used alone.
      code.i32(0).mem(loadOpcode(n.type, bitsOf(n.type), false), slot);
      return;
    }
    code.get(this.#local(base));
    part(code, n, slot - base, base >= L.VECTOR);
  }

  /** Write the low `bits` of what `value` pushes, a `type`, to a register. */
  write({ slot }: Reg, type: Type, bits: number, value: () => void): void {
    const code = this.#code;
    if (slot < L.GPR) {
      value();
      code.op(W.drop);
      return;
    }
    if (!isCached(slot)) {
      code.i32(0);
      value();
      if (type === "v128") code.op(0xfd, 0x0b).memarg(slot);
      else code.mem(storeOpcode(type, bits), slot);
      return;
    }
    const base = baseSlot(slot);
    const local = this.#local(base);
    merged(code, bits, slot - base, () => code.get(local), value);
    code.set(local);
    this.#valid.add(base);
    this.#dirty.add(base);
  }

  /** Make memory right on a path that leaves the block. */
  flush(): void {
    for (const slot of this.#dirty) this.#store(slot);
  }
  /** The same on all paths from here on. */
  flushForGood(): void {
    this.flush();
    this.#dirty.clear();
  }
  /** Before a helper runs: make memory right where it looks. */
  share({ reads, writes }: Helper): void {
    for (const slot of this.#dirty) {
      if (touches(reads, slot) || touches(writes, slot)) this.#store(slot);
    }
  }
  /** After a helper ran: locals of what it wrote. */
  reload({ writes }: Helper): void {
    for (const slot of new Set([...this.#held, ...this.#valid])) {
      if (touches(writes, slot)) this.#load(slot);
    }
  }

  #load(slot: number): void {
    this.#code.i32(0);
    if (slot >= L.VECTOR) this.#code.op(0xfd, 0x00).memarg(slot);
    else this.#code.mem(W.i64_load, slot);
    this.#code.set(this.#local(slot));
  }
  #store(slot: number): void {
    this.#code.i32(0).get(this.#local(slot));
    if (slot >= L.VECTOR) this.#code.op(0xfd, 0x0b).memarg(slot);
    else this.#code.mem(W.i64_store, slot);
  }
}

function touches(slots: readonly number[] | "all", slot: number): boolean {
  return slots === "all" || slots.some((s) => baseSlot(s) === slot);
}

/** Registers that statements read or write. */
function usedBy(body: readonly Statement[], used: Set<number>): void {
  for (const s of body) {
    const reg = s.kind === "def" ? s.node.reg : s.kind === "setReg" ? s.reg : undefined;
    if (reg !== undefined && isCached(reg.slot)) used.add(baseSlot(reg.slot));
    if (s.kind === "if") {
      usedBy(s.then, used);
      usedBy(s.else, used);
    } else if (s.kind === "loop") usedBy(s.body, used);
  }
}
