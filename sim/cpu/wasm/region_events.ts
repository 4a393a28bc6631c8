/** The event stream in a region: blocks and branches. Data accesses append their events where they are lowered. */
import type { Statement } from "../ir/types.ts";
import * as L from "../layout.ts";
import { W } from "./code.ts";
import { EVENT_SIZE, EVENT_WORD, eventBits, EventKind, packEvent } from "./event_stream.ts";
import { allAccesses, isPlain } from "./events.ts";
import { fetchedBy, filterFetch, toldElsewhere } from "./fetch_filter.ts";
import type { RegionContext } from "./region_context.ts";

export class RegionEvents {
  readonly #region: RegionContext;
  /** Whether the instruction may leave between two events that are told again when it is executed anew. */
  #many = false;

  constructor(region: RegionContext) {
    this.#region = region;
  }

  /** Push where the next event goes; turn an address on the stack into an event's first 64 bits; step on. */
  place(): void {
    this.#region.code.get(this.#region.locals.events);
  }
  pack(kind: EventKind, argument: number): void {
    packEvent(this.#region.code, kind, argument, { index: this.#region.index });
  }
  next(): void {
    const { code, locals } = this.#region;
    code.get(locals.events).i32(EVENT_SIZE).op(W.i32_add).set(locals.events);
  }
  /** Complete an event with the number of the block. */
  #end(): void {
    const { code, locals, block } = this.#region;
    code.get(locals.events).i32(block.number).mem(W.i32_store, EVENT_WORD);
    this.next();
  }

  /** An instruction begins; `undo` takes back what it appended. */
  begin(body: readonly Statement[]): void {
    const { code, locals, stream } = this.#region;
    // Filtered ones may be told of twice.
    const whole = stream?.accesses === true && stream.lines === undefined;
    this.#many = whole && allAccesses(body) > 1;
    if (this.#many) code.get(locals.events).set(locals.eventsBefore);
  }
  undo(): void {
    const { code, locals } = this.#region;
    if (this.#many) code.get(locals.eventsBefore).set(locals.events);
  }

  /** Append the block under way, unless its fetches change nothing. */
  appendBlock(): void {
    const { code, locals, source, stream, member, block } = this.#region;
    if (stream?.accesses !== true) return;
    const tell = (): void => {
      const bits = eventBits(EventKind.Block, block.count, 0);
      code.get(locals.events).i64(BigInt(block.pc) | bits).mem(W.i64_store, 0);
      this.#end();
    };
    const shape = stream.lines;
    if (shape === undefined || shape.fetchSets === 0) return tell();
    const offsets = Array.from(
      { length: block.count + 1 },
      (_, i) => i < block.count ? source.offsetOf(block, i) : block.bytes,
    );
    const plain = member.instructions.findIndex(({ body }) => !isPlain(body));
    const physical = block.frame * 4096 + block.pc % 4096;
    const fetched = fetchedBy(physical, offsets, shape.line, plain < 0 ? block.count : plain);
    // A block on two pages lies in two frames, and one of many lines may have two of a set: they are rare.
    if (block.frame2 >= 0 || block.bytes > shape.line * (shape.fetchSets - 1)) {
      toldElsewhere(code, shape);
      return tell();
    }
    filterFetch(code, shape, fetched, locals.events, tell);
    code.get(locals.events).set(locals.quietEvents);
  }

  /** Append a branch to `target`, a local, if that is not static; `plus`, a local, is added to its kind. */
  appendBranch(kind: EventKind, target = -1, plus = -1): void {
    const { code, locals, stream } = this.#region;
    if (stream?.branches !== true) return;
    code.get(locals.events);
    if (target >= 0) code.get(target).i64((1n << 48n) - 1n).op(W.i64_and);
    else code.i64(0n);
    this.pack(kind, 0);
    if (plus >= 0) {
      code.get(plus).i32(0).op(W.i32_ne, W.i64_extend_i32_u).i64(48n).op(W.i64_shl, W.i64_add);
    }
    code.mem(W.i64_store, 0);
    this.#end();
  }

  /** Around what appends events itself: `EVENTS` is right, then the local is. */
  store(): void {
    const { code, locals, stream } = this.#region;
    if (stream !== null) code.i32(0).get(locals.events).mem(W.i32_store, L.EVENTS);
  }
  reload(): void {
    const { code, locals, stream } = this.#region;
    if (stream !== null) code.stateLoad(W.i32_load, L.EVENTS).set(locals.events);
  }
}
