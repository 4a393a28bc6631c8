/**
 * Streamed branch prediction: directions, levels of branch target buffers, targets of indirect branches,
 * the return stack.
 */
import { Associative } from "./associative.ts";
import { type DirectionPredictor, WasmPredictor } from "./direction.ts";
import { BranchKind } from "./stream_model.ts";
import type { TargetBufferShape } from "./target_buffer.ts";

/** Structures beside the direction predictor. */
export interface BranchShape {
  /** Targets of indirect jumps and calls. */
  readonly targetBuffer: TargetBufferShape;
  /** Levels of buffers that every taken branch occupies, the fastest first; default none. */
  readonly btb?: readonly TargetBufferShape[];
  readonly returnStack: number;
}

/** What an event of the unit was worth. */
export const enum Outcome {
  Right,
  Mispredicted,
}

export class BranchUnit {
  conditional = 0;
  conditionalWrong = 0;
  indirect = 0;
  indirectWrong = 0;
  returns = 0;
  returnsWrong = 0;
  btbAccesses = 0;
  readonly btbMisses: number[];
  readonly #step: ((pc: number, taken: number) => number) | null;
  readonly #targets: Associative;
  readonly #target: Float64Array;
  readonly #historyMask: number;
  /** Targets of the last indirect branches, hashed. */
  #path = 0;
  readonly #btb: readonly Associative[];
  readonly #stack: Float64Array;
  #top = 0;
  #depth = 0;
  readonly #unit: number;

  /** @param pcShift low bits of an instruction address that never differ */
  constructor(shape: BranchShape, readonly direction: DirectionPredictor, pcShift: number) {
    const { targetBuffer, btb = [], returnStack } = shape;
    this.#step = direction instanceof WasmPredictor ? direction.step : null;
    this.#targets = new Associative(targetBuffer.entries, targetBuffer.ways);
    this.#target = new Float64Array(targetBuffer.entries);
    this.#historyMask = 2 ** (targetBuffer.historyBits ?? 0) - 1;
    this.#btb = btb.map(({ entries, ways }) => new Associative(entries, ways));
    this.btbMisses = btb.map(() => 0);
    this.#stack = new Float64Array(returnStack);
    this.#unit = 2 ** pcShift;
  }

  /** The branch at `pc`, which `next` follows, goes `to` if it is taken. */
  branch(kind: BranchKind, pc: number, next: number, to: number): Outcome {
    let wrong = false;
    if (kind <= BranchKind.Taken) {
      const taken = kind === BranchKind.Taken;
      wrong = this.#conditional(pc, to, taken);
      if (!taken) return wrong ? Outcome.Mispredicted : Outcome.Right;
    }
    if (this.#btb.length > 0) this.#lookUp(pc);
    switch (kind) {
      case BranchKind.IndirectJump:
        wrong = this.#indirect(pc, to);
        break;
      case BranchKind.IndirectCall:
        wrong = this.#indirect(pc, to);
        this.#push(next);
        break;
      case BranchKind.Call:
        this.#push(next);
        break;
      case BranchKind.Return:
        wrong = this.#pop(to);
        break;
    }
    return wrong ? Outcome.Mispredicted : Outcome.Right;
  }

  #conditional(pc: number, to: number, taken: boolean): boolean {
    this.conditional++;
    let predicted: boolean;
    if (this.#step !== null) predicted = this.#step(pc | 0, taken ? 1 : 0) !== 0;
    else {
      predicted = this.direction.predict(pc, to);
      this.direction.update(pc, taken, predicted);
    }
    if (predicted === taken) return false;
    this.conditionalWrong++;
    return true;
  }

  #lookUp(pc: number): void {
    this.btbAccesses++;
    const index = Math.floor(pc / this.#unit);
    for (let level = 0; level < this.#btb.length; level++) {
      const store = this.#btb[level];
      if (store.find(index, pc, 0) >= 0) return;
      this.btbMisses[level]++;
      store.fill(store.victim(index), pc, 0);
    }
  }

  #indirect(pc: number, to: number): boolean {
    this.indirect++;
    const path = this.#path;
    const index = path === 0
      ? Math.floor(pc / this.#unit)
      : (Math.floor(pc / this.#unit) ^ path) >>> 0;
    let at = this.#targets.find(index, pc, path);
    const right = at >= 0 && this.#target[at] === to;
    if (at < 0) {
      at = this.#targets.victim(index);
      this.#targets.fill(at, pc, path);
    }
    this.#target[at] = to;
    if (this.#historyMask !== 0) {
      this.#path = ((path << 2) ^ Math.floor(to / this.#unit)) & this.#historyMask;
    }
    if (!right) this.indirectWrong++;
    return !right;
  }

  #push(address: number): void {
    this.#top = (this.#top + 1) % this.#stack.length;
    this.#stack[this.#top] = address;
    if (this.#depth < this.#stack.length) this.#depth++;
  }
  #pop(to: number): boolean {
    this.returns++;
    if (this.#depth > 0) {
      const predicted = this.#stack[this.#top];
      this.#top = (this.#top === 0 ? this.#stack.length : this.#top) - 1;
      this.#depth--;
      if (predicted === to) return false;
    }
    this.returnsWrong++;
    return true;
  }

  /** Counters under their report names. */
  report(): Record<string, number> {
    const report: Record<string, number> = {
      "branches.conditional": this.conditional,
      "branches.conditional.mispredicted": this.conditionalWrong,
      "branches.indirect": this.indirect,
      "branches.indirect.mispredicted": this.indirectWrong,
      "returns": this.returns,
      "returns.mispredicted": this.returnsWrong,
    };
    if (this.#btb.length > 0) report["btb.accesses"] = this.btbAccesses;
    this.btbMisses.forEach((misses, i) => report[`btb.${i + 1}.misses`] = misses);
    return report;
  }
}
