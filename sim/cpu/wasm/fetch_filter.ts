/**
 * Leaves fetches out of the event stream that change nothing: those of lines that were used last of their sets of the
 * level-1 instruction cache. What is said of data in `line_filter.ts` holds for fetches. Regions filter; other tiers tell of
 * every block, so a region knows of no line after them.
 *
 * Of a region's block, lines that are fetched before the first access are told one by one. If one that is fetched
 * later is to be told, the block is, as in other tiers, and the reader fetches in time. The reader needs to know where such a
 * block ends. Fetches are counted by retired instructions, and by the instructions on two lines, which are static.
 */
import * as L from "../layout.ts";
import { type Code, typeCode, W } from "./code.ts";
import { type DataLines, EVENT_SIZE, EVENT_WORD, eventBits, EventKind } from "./event_stream.ts";

/** Whether the running block was told, and by whom. */
export const enum Told {
  Not = 0,
  Region = 1,
  /** The lines in `FETCH_LINES` may not be those used last. */
  Elsewhere = 2,
}

/** Instructions from number `from` on that lie on two lines, of a block whose first byte is at `physical`. */
export function straddlesOf(
  physical: number,
  offsets: ArrayLike<number>,
  line: number,
  from = 0,
): number {
  let straddles = 0;
  for (let i = from; i + 1 < offsets.length; i++) {
    const [first, last] = [physical + offsets[i], physical + offsets[i + 1] - 1];
    if (Math.floor(first / line) !== Math.floor(last / line)) straddles++;
  }
  return straddles;
}

/** What a block fetches. */
export interface Fetched {
  /** Lines, by physical address: those of its first instructions, which access nothing, and of those that follow. */
  readonly early: readonly number[];
  readonly late: readonly number[];
  readonly straddles: number;
}

/**
 * What a block fetches whose first byte is at `physical`, and whose instructions begin at the `offsets`, the last of which
 * is the block's end; the first `plain` of them can neither access memory nor fault.
 */
export function fetchedBy(
  physical: number,
  offsets: readonly number[],
  line: number,
  plain: number,
): Fetched {
  const lineOf = (at: number): number => Math.floor((physical + at) / line);
  const count = offsets.length - 1;
  const lines = (from: number, to: number): number[] =>
    Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => (from + i) * line);
  const first = lineOf(0);
  const last = lineOf(offsets[count] - 1);
  // The instruction after the plain ones is fetched before it does anything.
  const early = lineOf(offsets[Math.min(plain + 1, count)] - 1);
  return {
    early: lines(first, early),
    late: lines(early + 1, last),
    straddles: straddlesOf(physical, offsets, line),
  };
}

const place = (address: number, { fetchSets, line }: DataLines): number =>
  L.FETCH_LINES + 4 * (Math.floor(address / line) % fetchSets);

/** Append an event whose third word is `word`. */
function append(c: Code, events: number, kind: EventKind, word: number): void {
  c.get(events).i64(eventBits(kind, 0, 0)).mem(W.i64_store, 0)
    .get(events).i32(word).mem(W.i32_store, EVENT_WORD)
    .get(events).i32(EVENT_SIZE).op(W.i32_add).set(events);
}

/** In a region: a block begins. `tell` is lowered where it must be told; `events` is the local of the next event's place. */
export function filterFetch(
  c: Code,
  shape: DataLines,
  { early, late, straddles }: Fetched,
  events: number,
  tell: () => void,
): void {
  const isOther = (address: number): Code =>
    c.stateLoad(W.i32_load, place(address, shape)).i32(address).op(W.i32_ne);
  const note = (address: number): void =>
    void c.i32(0).i32(address).mem(W.i32_store, place(address, shape));
  if (late.length > 0) {
    late.forEach((address, i) => {
      isOther(address);
      if (i > 0) c.op(W.i32_or);
    });
    c.op(W.if, typeCode.void);
    tell();
    [...early, ...late].forEach(note);
    c.i32(0).i32(Told.Region).mem(W.i32_store, L.FETCH_TOLD).op(W.else);
  }
  if (straddles > 0) {
    c.i32(0).stateLoad(W.i32_load, L.QUIET_STRADDLES).i32(straddles).op(W.i32_add)
      .mem(W.i32_store, L.QUIET_STRADDLES);
  }
  c.stateLoad(W.i32_load, L.FETCH_TOLD).seldom().op(W.if, typeCode.void);
  append(c, events, EventKind.Quiet, 0);
  c.i32(0).i32(Told.Not).mem(W.i32_store, L.FETCH_TOLD).op(W.end);
  for (const address of early) {
    isOther(address).op(W.if, typeCode.void);
    append(c, events, EventKind.Line, address);
    note(address);
    c.op(W.end);
  }
  if (late.length > 0) c.op(W.end);
}

/** In the head of another tier: the block is told. */
export function toldElsewhere(c: Code, { fetchSets }: DataLines): void {
  if (fetchSets === 0) return;
  c.stateLoad(W.i32_load, L.FETCH_TOLD).i32(Told.Elsewhere).op(W.i32_ne, W.if, typeCode.void)
    .i32(0).i32(Told.Elsewhere).mem(W.i32_store, L.FETCH_TOLD)
    .i32(L.FETCH_LINES).i32(0).i32(4 * fetchSets).op(0xfc, 0x0b, 0x00).op(W.end);
}
