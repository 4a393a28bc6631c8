/**
 * The event stream: what happens in the program, in order, for models that are not inlined. Generated code
 * appends to a buffer in state memory, models read it when it is full or when the machine's state is about
 * to change under them.
 *
 * An event is three u32 words. The first two hold an address of 48 bits, with its kind from bit 48 on, then
 * an argument, then from bit 58 on the instruction's number in its block. A block's event is followed by
 * those of its instructions, which are told apart by their numbers; a block of which not all instructions
 * retired has a `Cut`.
 */
import * as L from "../layout.ts";
import { type Code, W } from "./code.ts";
import * as R from "./records.ts";

/** What the models that read the stream need to see. */
export interface StreamKinds {
  /** Blocks and data accesses. */
  readonly accesses: boolean;
  readonly branches: boolean;
  /** Accesses that change nothing in the level-1 data cache are left out, and page walks are told. */
  readonly lines?: DataLines;
}

/** Geometry of level-1 caches: numbers of sets and bytes of a line, powers of two. */
export interface DataLines {
  readonly sets: number;
  readonly line: number;
  /** Sets of the instruction cache, whose fetches are filtered too; 0 if they are not. */
  readonly fetchSets: number;
}

export const enum EventKind {
  /** A data access: its address, its size in bytes, the physical address of its first byte. */
  Load = 0,
  Store = 1,
  /** A block is entered: its pc, how many instructions are to retire (modulo 64), its number. */
  Block = 2,
  /** Only so many instructions (the argument) of the block retired. */
  Cut = 3,
  /** Branches: their target where that is not static, 0; the number of the block. */
  NotTaken = 4,
  Taken = 5,
  Jump = 6,
  Call = 7,
  IndirectJump = 8,
  IndirectCall = 9,
  Return = 10,
  /** The next access lies on two pages: physical address of its first byte on the second. */
  Straddle = 11,
  /** With `lines`: a page walk for an address, and the side (`Side`). */
  Walk = 12,
  /** With `lines`: the block before has retired, and blocks follow that are not told. */
  Quiet = 13,
  /** With `lines`: a fetch of such a block, by the physical address of its line. */
  Line = 14,
}

/** Bytes of an event; offset of its third word. */
export const EVENT_SIZE = 12;
export const EVENT_WORD = 8;
export const EVENT_WORDS: number = EVENT_SIZE / 4;
/** Where the parts lie in the second word. */
export const KIND_SHIFT = 16;
export const ARGUMENT_SHIFT = 20;
export const INDEX_SHIFT = 26;
const ADDRESS_MASK = (1n << 48n) - 1n;

/** The upper bits of an event's first 64. */
export function eventBits(kind: EventKind, argument: number, index: number): bigint {
  const bits = BigInt(kind) | (BigInt(argument & 63) << 4n) | (BigInt(index) << 10n);
  return BigInt.asIntN(64, bits << 48n);
}

/** Turn the address on the stack, and with `record` the number in it, into an event's first 64 bits. */
export function packEvent(
  c: Code,
  kind: EventKind,
  argument: number,
  instruction: { readonly index: number } | { readonly record: number },
): Code {
  if ("index" in instruction) {
    return c.i64(eventBits(kind, argument, instruction.index)).op(W.i64_or);
  }
  return c.i64(ADDRESS_MASK).op(W.i64_and).i64(eventBits(kind, argument, 0)).op(W.i64_or)
    .get(instruction.record).mem(W.i64_load16_u, R.INDEX).i64(58n).op(W.i64_shl, W.i64_or);
}

/** In the cold tier's head: let the host's `drain` empty a full buffer. */
export function makeRoom(c: Code, drain: number): void {
  c.stateLoad(W.i32_load, L.EVENTS).i32(L.EVENT_LIMIT).op(W.i32_ge_u, W.if, 0x40).call(drain)
    .op(W.end);
}

/**
 * In the cold tier's head, whose record is parameter 0: make room, and append the block's event.
 * `at` is an i32 local, `drain` the host's function.
 */
export function appendBlock(c: Code, at: number, drain: number): void {
  makeRoom(c, drain);
  c.stateLoad(W.i32_load, L.EVENTS).tee(at)
    .get(0).mem(W.i64_load, R.HEAD_PC).i64(eventBits(EventKind.Block, 0, 0)).op(W.i64_or)
    .get(0).mem(W.i64_load16_u, R.COUNT).i64(63n).op(W.i64_and).i64(52n).op(W.i64_shl, W.i64_or)
    .mem(W.i64_store, 0);
  c.get(at).get(0).mem(W.i32_load, R.BLOCK).mem(W.i32_store, EVENT_WORD);
  c.i32(0).get(at).i32(EVENT_SIZE).op(W.i32_add).mem(W.i32_store, L.EVENTS);
}
