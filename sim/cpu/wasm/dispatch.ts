/**
 * The dispatch hash of an address space: guest address to head record, for indirect transfers. Sets of two
 * entries of 16 bytes: pc u64, head u32, padding. The host fills it (`Engine`); a new entry moves the
 * set's first to second place.
 */
import * as L from "../layout.ts";
import { type Code, typeCode, W } from "./code.ts";
import { ENTRY_TYPE } from "./module.ts";
import * as R from "./records.ts";

/** log2 of the number of sets. */
const SET_BITS = 13;
const SET_MASK = ((1 << SET_BITS) - 1) << 5;
/** Multiplicative hashing (Knuth, TAOCP 3, 6.4) of the address's low half: the product's high bits. */
const MULTIPLIER = 0x9e3779b1 | 0;
const SHIFT = 32 - SET_BITS - 5;
/** Byte offsets within an entry, and of the second entry of a set. */
const HEAD = 8;
const SECOND = 16;
/** Bytes of one hash. */
export const DISPATCH_AREA: number = 32 << SET_BITS;

/**
 * Go to the block at the address in local `pc` if the hash knows it, else fall through. `entry` is an i32
 * local to use; `area` pushes where the hash is. `go` is lowered, one label deep, with the head on the stack; it is a
 * tail call unless given.
 */
export function dispatch(
  code: Code,
  pc: number,
  entry: number,
  area: (code: Code) => void,
  go: (code: Code) => void = (c) =>
    c.tee(entry).get(entry).mem(W.i32_load, R.HANDLER)
      .op(W.return_call_indirect).u32(ENTRY_TYPE).u32(0),
): void {
  code.get(pc).op(W.i32_wrap_i64).i32(MULTIPLIER).op(W.i32_mul).i32(SHIFT).op(W.i32_shr_u)
    .i32(SET_MASK).op(W.i32_and);
  area(code);
  code.op(W.i32_add).set(entry);
  for (const at of [0, SECOND]) {
    code.get(entry).mem(W.i64_load, at).get(pc).op(W.i64_eq, W.if, typeCode.void)
      .get(entry).mem(W.i32_load, at + HEAD);
    go(code);
    code.op(W.end);
  }
}

/** Push where the hash of branches of `type` is. */
export const hashOf = (type: number) => (code: Code): void =>
  void code.stateLoad(W.i32_load, L.DISPATCH + 4 * type);

/** The same hash as the host sees it. */
export class DispatchHash {
  readonly #u32: Uint32Array;

  constructor(memory: WebAssembly.Memory) {
    this.#u32 = new Uint32Array(memory.buffer);
  }

  /** Head record of the block at `pc`, or 0. */
  find(area: number, pc: number): number {
    const at = (area + setOffset(pc)) >> 2;
    const low = pc >>> 0;
    const high = Math.floor(pc / 4294967296);
    const u32 = this.#u32;
    if (u32[at] === low && u32[at + 1] === high) return u32[at + 2];
    if (u32[at + 4] === low && u32[at + 5] === high) return u32[at + 6];
    return 0;
  }

  /** The block at `pc` has its head at `head`. */
  insert(area: number, pc: number, head: number): void {
    const at = (area + setOffset(pc)) >> 2;
    const low = pc >>> 0;
    const high = Math.floor(pc / 4294967296);
    const u32 = this.#u32;
    if (u32[at] !== low || u32[at + 1] !== high) {
      u32[at + 4] = u32[at];
      u32[at + 5] = u32[at + 1];
      u32[at + 6] = u32[at + 2];
    }
    u32[at] = low;
    u32[at + 1] = high;
    u32[at + 2] = head;
  }

  /** Empty the sets of `pcs`. */
  forget(area: number, pcs: readonly number[]): void {
    for (const pc of pcs) {
      const at = (area + setOffset(pc)) >> 2;
      this.#u32.fill(0, at, at + (2 * SECOND >> 2));
    }
    this.#guard(area);
  }

  /** Empty the hash at `area`. */
  clear(area: number): void {
    this.#u32.fill(0, area >> 2, (area + DISPATCH_AREA) >> 2);
    this.#guard(area);
  }
  /** An empty entry must not match a jump to address 0: set 0 gets others, if it is empty. */
  #guard(area: number): void {
    this.#u32[area >> 2] = this.#u32[(area + SECOND) >> 2] = 1;
  }
}

function setOffset(pc: number): number {
  return (Math.imul(pc | 0, MULTIPLIER) >>> SHIFT) & SET_MASK;
}
