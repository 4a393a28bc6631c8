/**
 * A model that reads the event stream, with the stream's encoding undone: what remains to say is what
 * fetches, accesses and branches do.
 */
import type { CodeBlock, EventReader, StreamContext } from "../cpu/event_buffer.ts";
import {
  ARGUMENT_SHIFT,
  EVENT_WORDS,
  EventKind,
  INDEX_SHIFT,
  KIND_SHIFT,
  type StreamKinds,
} from "../cpu/wasm/event_stream.ts";
import type { Side } from "./hierarchy.ts";

const U32 = 4294967296;
const NO_BLOCK: CodeBlock = {
  ...{ number: -1, pc: 0, count: 0, bytes: 0, flow: 0, target: -1, physical: 0, physical2: -1 },
  offsets: new Uint16Array(1),
};

/** Branches as models see them. */
export const enum BranchKind {
  NotTaken = EventKind.NotTaken,
  Taken = EventKind.Taken,
  Jump = EventKind.Jump,
  Call = EventKind.Call,
  IndirectJump = EventKind.IndirectJump,
  IndirectCall = EventKind.IndirectCall,
  Return = EventKind.Return,
}

/**
 * A model that is told of fetches, accesses and branches one by one, out of the stream's words.
 */
export abstract class StreamModel implements EventReader {
  /** What the model needs in the stream. */
  abstract readonly kinds: StreamKinds;
  /** What the stream's numbers stand for; there from `attach` on. */
  protected context!: StreamContext;
  /** The block under way, how many of its instructions retire, and how many were fetched. */
  protected block: CodeBlock = NO_BLOCK;
  /** Instructions of the block that retire. */
  protected count = 0;
  /** Instructions of the block that were fetched. */
  protected fetched = 0;
  #second = -1;

  /** Called once, before the first event. */
  attach(context: StreamContext): void {
    this.context = context;
  }

  read(words: Uint32Array, from: number, to: number): void {
    const { accesses, branches } = this.kinds;
    for (let at = from; at < to; at += EVENT_WORDS) {
      const high = words[at + 1];
      const kind = (high >>> KIND_SHIFT) & 15;
      if (kind === EventKind.Walk) continue;
      if (kind <= EventKind.Cut || kind === EventKind.Straddle ? !accesses : !branches) continue;
      if (kind <= EventKind.Store) {
        const index = high >>> INDEX_SHIFT;
        if (index >= this.fetched) this.#fetch(index + 1);
        const address = words[at] + (high & 0xffff) * U32;
        const size = (high >>> ARGUMENT_SHIFT) & 63;
        this.access(address, size, kind === EventKind.Store, words[at + 2], this.#second, index);
        this.#second = -1;
      } else if (kind === EventKind.Block) {
        this.finish();
        this.block = this.context.block(words[at + 2]);
        this.count = ((((high >>> ARGUMENT_SHIFT) & 63) - 1) & 63) + 1;
        this.fetched = 0;
        this.entered();
      } else if (kind === EventKind.Cut) {
        this.count = (high >>> ARGUMENT_SHIFT) & 63;
      } else if (kind === EventKind.Straddle) {
        this.#second = words[at + 2];
      } else {
        const index = high >>> INDEX_SHIFT;
        const block = this.context.block(words[at + 2]);
        if (accesses && index >= this.fetched) this.#fetch(index + 1);
        this.branch(kind as number as BranchKind, block, index, words[at] + (high & 0xffff) * U32);
      }
    }
  }

  #fetch(to: number): void {
    this.fetch(this.fetched, to);
    this.fetched = to;
  }
  executing(index: number): void {
    if (index >= this.fetched) this.#fetch(index + 1);
  }
  finish(): void {
    if (this.fetched < this.count) this.#fetch(this.count);
    if (this.count > 0) this.retired();
    this.count = this.fetched = 0;
  }

  /** `block` is entered; nothing of it was fetched yet. */
  protected entered(): void {}
  /** `count` instructions of `block` retired. */
  protected retired(): void {}
  /** Instructions `[from, to)` of `block` are fetched. */
  protected abstract fetch(from: number, to: number): void;
  /**
   * Instruction `index` of `block` loads or stores `size` bytes. `physical` is the address of the first,
   * `second` that of the first on a second page, or -1.
   */
  protected abstract access(
    address: number,
    size: number,
    write: boolean,
    physical: number,
    second: number,
    index: number,
  ): void;
  /** The branch that is instruction `index` of `block`; `target` is where it goes if that is not static. */
  protected abstract branch(
    kind: BranchKind,
    block: CodeBlock,
    index: number,
    target: number,
  ): void;

  /** The events that follow are of another address space. */
  enterSpace(_space: number): void {}
  abstract invalidate(space: number, from: number, to: number): void;
  abstract pageFault(side: Side, va: number): void;
}
