/**
 * Hot regions: which blocks go together, and the compiled functions' life. While a region is installed,
 * the heads of the blocks that it can be entered at lead to it instead of to the cold handler.
 */
import { warm } from "./block_functions.ts";
import { type Block, type Blocks, placeOf } from "./blocks.ts";
import { HOT } from "./cold_report.ts";
import type { Handlers } from "./handlers.ts";
import { Decoded, Flow, type Isa } from "./ir/decoded.ts";
import * as L from "./layout.ts";
import { Region as RegionLowering } from "./wasm/hot.ts";
import { ENTRY_TYPE } from "./wasm/module.ts";
import * as R from "./wasm/records.ts";
import type { RegionSource } from "./wasm/region_plan.ts";

/** Most blocks in a region, and in one that was extended; on average of at most eight instructions. */
const MAX_BLOCKS = 40;
const MAX_EXTENDED = 96;
const BLOCK_INSTRUCTIONS = 8;
/** Exits through a link, in terms of a block's heat, after which a region is extended there. */
const LINK_HEAT = 40;

/** Exits for want of a page, in terms of a block's heat, that cost what to make a region again does. */
const MISSING_HEAT = 3;
/** An access that left its region a MISSINGth of that is worth refilling for. */
const MISSING = 8;

/** A block that ran a WARMth of what makes it hot is worth compiling with a hot neighbour. */
const WARM = 3;
/** Regions that may hold the same block. */
const MAX_COPIES = 2;

/** Times that a region is made again. */
const MAX_GENERATIONS = 3;

/** Most blocks that a region can be entered at. */
const MAX_ENTRIES = 32;

/** An installed region. */
export interface Region {
  /** Its first `entries` blocks can be entered. */
  readonly blocks: readonly Block[];
  readonly entries: number;
  /** The guest pages that it holds code of, with the place each was translated from (`placeOf`). */
  readonly pages: ReadonlyMap<number, number>;
  readonly slot: number;
  /** How often it was made again. */
  readonly generation: number;
  alive: boolean;
}

/** A region to be compiled. */
interface Job {
  readonly old: Region | null;
  readonly entries: Set<Block>;
  /** Addresses to take in. */
  readonly extra: Set<number>;
  blocks: Block[];
}

/** Grows, compiles and retires regions. */
export class Regions {
  readonly #blocks: Blocks;
  readonly #handlers: Handlers;
  readonly #u32: Uint32Array;
  readonly #i32: Int32Array;
  readonly #scratch = new Decoded();
  readonly #queue: Block[] = [];
  /** Regions to make again, with addresses to take in. */
  readonly #extensions = new Map<Region, Set<number>>();
  /** Regions by the numbers of their entries, and by that of each member. */
  readonly #byEntry = new Map<number, Region>();
  readonly #byMember = new Map<number, Region[]>();
  readonly counts = { regions: 0, blocks: 0, instructions: 0, retired: 0 };

  /** What lowerings are made from. */
  readonly source: RegionSource;

  constructor(
    isa: Isa,
    blocks: Blocks,
    handlers: Handlers,
    state: WebAssembly.Memory,
    readonly heat: number,
    readonly batch: number,
    counterOf: (block: Block) => number,
  ) {
    this.#blocks = blocks;
    this.#handlers = handlers;
    this.#u32 = new Uint32Array(state.buffer);
    this.#i32 = new Int32Array(state.buffer);
    const u16 = new Uint16Array(state.buffer);
    this.source = {
      isa,
      decodeAt: blocks.decodeAt.bind(blocks),
      accessesOf: (block: Block) => ({
        loads: u16[(block.head + R.LOAD_COUNT) >> 1],
        stores: u16[(block.head + R.STORE_COUNT) >> 1],
      }),
      targets: blocks.targets.bind(blocks),
      linkHeat: heat * LINK_HEAT,
      crossingHeat: heat,
      missingHeat: heat * MISSING_HEAT,
      misses: (block: Block, index: number): boolean => {
        const at = L.SIDE_HEAT + L.heatPlace(block.head + R.RECORD_SIZE * (index + 1));
        return this.#u32[at >> 2] >= heat * MISSING_HEAT / MISSING;
      },
      offsetOf: blocks.offsetOf.bind(blocks),
      functionOf: (block: Block): number =>
        this.#u32[(R.siteRecord(block.head, block.count) + R.SITE_FUNCTION) >> 2],
      counterOf,
      linkOf: (block: Block, next: boolean): number => {
        const exits = block.head + R.RECORD_SIZE * (block.count + 1);
        return this.#u32[(exits + (next ? R.NEXT_LINK : R.TARGET_LINK)) >> 2];
      },
    };
  }

  /** The region entered at `block`, if one is installed. */
  at(block: Block): Region | undefined {
    return this.#byEntry.get(block.number);
  }

  /** `block` became hot. It stays cold until the next `compile`. Returns whether the batch is full. */
  enqueue(block: Block): boolean {
    this.#blocks.reheat(block, HOT);
    if (block.alive) this.#queue.push(block);
    return this.#queue.length >= this.batch;
  }

  /**
   * `region` is often left through a link to `pc`: make it again with what lies there, unless it was
   * made often enough. It stays installed until the next `compile`.
   */
  extend(region: Region, pc: number): boolean {
    if (region.generation >= MAX_GENERATIONS || region.blocks.length >= MAX_EXTENDED) {
      this.#blocks.cold.refuse(
        region.blocks.length >= MAX_EXTENDED ? "extensions.full" : "extensions.again",
      );
      return false;
    }
    const known = this.#extensions.get(region);
    if (known === undefined) this.#extensions.set(region, new Set([pc]));
    else known.add(pc);
    return this.#queue.length + this.#extensions.size >= this.batch;
  }

  /** Accesses of `block` often lie on two pages: make the regions that hold it again without clusters in it. */
  scatter(block: Block): void {
    if (!block.clustered) return;
    block.clustered = false;
    this.remake(block);
  }

  /** What the regions that hold `block` are made from has changed. */
  remake(block: Block): void {
    for (const region of this.#byMember.get(block.number) ?? []) {
      if (!this.#extensions.has(region)) this.#extensions.set(region, new Set());
    }
  }

  /** Forget all regions: their blocks are gone. Slots of the function table are not used again. */
  reset(): void {
    this.#queue.length = 0;
    this.#extensions.clear();
    this.#byEntry.clear();
    this.#byMember.clear();
  }

  get pending(): number {
    return this.#queue.length + this.#extensions.size;
  }

  /**
   * Compile what is queued, in one module, and install it. `peek` finds blocks of the current
   * address space without translating. Returns the regions installed.
   */
  compile(peek: (pc: number) => Block | undefined): Region[] {
    const jobs = this.#plan(peek);
    if (jobs.length === 0) return [];
    const builder = this.#handlers.builder();
    const linker = this.#handlers.linker(builder);
    const first = this.#handlers.takeSlots(jobs.length);
    const lowered = jobs.map(({ entries, blocks }) =>
      new RegionLowering(this.source, linker, blocks, entries.size, this.#scratch)
    );
    lowered.forEach((l, i) =>
      builder.element(first + i, builder.function(ENTRY_TYPE, l.locals, l.code))
    );
    this.#handlers.instantiate(builder.build());
    return jobs.map((job, i) => this.#install(job, first + i));
  }

  /** What to compile: regions to extend, and those that hold, or will hold, the blocks that became hot. */
  #plan(peek: (pc: number) => Block | undefined): Job[] {
    const jobs: Job[] = [];
    const jobOf = new Map<Region | Block, Job>();
    const add = (old: Region | null, entries: readonly Block[], extra: Iterable<number>): Job => {
      const job = { old, entries: new Set(entries), extra: new Set(extra), blocks: [] as Block[] };
      job.blocks = this.#grow(old === null ? [...entries] : [...old.blocks], job.extra, peek);
      jobs.push(job);
      if (old !== null) jobOf.set(old, job);
      for (const b of job.blocks) if (!jobOf.has(b)) jobOf.set(b, job);
      return job;
    };
    for (const [region, extra] of this.#extensions) {
      if (region.alive) add(region, region.blocks.slice(0, region.entries), extra);
    }
    this.#extensions.clear();
    for (const block of this.#queue.splice(0)) {
      if (!block.alive || this.#byEntry.has(block.number)) continue;
      const home = this.#byMember.get(block.number)?.find((r) =>
        r.generation < MAX_GENERATIONS && r.entries < MAX_ENTRIES
      );
      const job = jobOf.get(block) ?? (home === undefined ? undefined : jobOf.get(home)) ??
        (home === undefined
          ? add(null, [block], [])
          : add(home, home.blocks.slice(0, home.entries), []));
      job.entries.add(block);
    }
    for (const job of jobs) this.#addReturns(job);
    return jobs;
  }

  /** Calls to what lies outside return through the dispatch hash. Entries come first among the blocks. */
  #addReturns({ entries, blocks }: Job): Block[] {
    const byPc = new Map(blocks.map((b) => [b.pc, b]));
    for (const b of blocks) {
      if (b.flow !== Flow.Call && b.flow !== Flow.IndirectCall) continue;
      const site = byPc.get(b.pc + b.bytes);
      if (site === undefined || byPc.has(b.target) || this.#byEntry.has(site.number)) continue;
      if (entries.size < MAX_ENTRIES) entries.add(site);
    }
    const rest = blocks.filter((b) => !entries.has(b));
    return blocks.splice(0, blocks.length, ...entries, ...rest);
  }

  /**
   * Blocks that belong with those `chosen`, the first of which is the entry, and `extra`: those of its own function first, as far as branches reach, then
   * those of the functions it calls, one after the other.
   */
  #grow(
    chosen: Block[],
    extra: ReadonlySet<number>,
    peek: (pc: number) => Block | undefined,
  ): Block[] {
    const seen = new Set(chosen.map((b) => b.pc));
    const calls: number[] = [];
    const limit = extra.size > 0 ? MAX_EXTENDED : MAX_BLOCKS;
    let instructions = chosen.reduce((n, b) => n + b.count, 0);
    const take = (pc: number, near: boolean): void => {
      if (seen.has(pc)) return;
      const block = peek(pc);
      if (block === undefined || !block.alive || !(extra.has(pc) || this.#warm(block, near))) {
        return;
      }
      if (
        chosen.length >= limit || instructions + block.count > limit * BLOCK_INSTRUCTIONS
      ) return this.#blocks.cold.refuse("full");
      seen.add(pc);
      chosen.push(block);
      instructions += block.count;
    };
    extra.forEach((pc) => take(pc, false));
    for (let at = 0, call = 0;;) {
      if (at < chosen.length) {
        const { near, far } = successors(chosen[at++], this.#blocks);
        near.forEach((pc) => take(pc, true));
        calls.push(...far);
      } else if (call < calls.length) take(calls[call++], false);
      else return chosen;
    }
  }

  /**
   * Whether a block runs often enough to be compiled along, and is not in many regions already; one that
   * a region of the same function can be entered at is linked to instead.
   */
  #warm(block: Block, near: boolean): boolean {
    const left = this.#i32[(block.head + R.HEAT) >> 2];
    const copies = this.#byMember.get(block.number)?.length ?? 0;
    if (copies === 0 && left <= this.heat && this.heat - left < this.heat / WARM) return false;
    // Below, `left` is still of the executions after which it gets a function of its own.
    if (copies === 0 && block.slot === 0 && this.#blocks.heat < this.heat) return false;
    if (copies < MAX_COPIES && !(near && this.#byEntry.has(block.number))) return true;
    this.#blocks.cold.refuse("copies");
    return false;
  }

  #install({ old, entries, blocks }: Job, slot: number): Region {
    if (old !== null) {
      old.alive = false;
      for (const b of old.blocks) this.#leave(b, old);
    }
    const grown = old !== null && blocks.length > old.blocks.length;
    const generation = (old?.generation ?? 0) + (grown ? 1 : 0);
    const pages = new Map<number, number>();
    for (const b of blocks) {
      pages.set(Math.floor(b.pc / 4096), placeOf(b.frame, b.guarded));
      if (b.frame2 >= 0) pages.set(Math.floor(b.pc / 4096) + 1, placeOf(b.frame2, b.guarded));
    }
    const region = { blocks, entries: entries.size, pages, slot, generation, alive: true };
    this.counts.regions++;
    blocks.forEach((b, i) => {
      this.counts.blocks++;
      this.counts.instructions += b.count;
      if (i < region.entries) {
        this.#u32[(b.head + R.HANDLER) >> 2] = slot;
        this.#u32[(b.head + R.ENTRY) >> 2] = i;
        this.#byEntry.set(b.number, region);
        if (this.#i32[(b.head + R.HEAT) >> 2] <= this.heat) this.#blocks.reheat(b, HOT);
      } else if (b.slot !== 0 && this.#i32[(b.head + R.HEAT) >> 2] <= this.heat) {
        // Its counter is near its end: without this, a few executions outside would make it an entry.
        this.#blocks.reheat(b, this.heat);
      }
      const list = this.#byMember.get(b.number);
      if (list === undefined) this.#byMember.set(b.number, [region]);
      else list.push(region);
    });
    return region;
  }

  /** `region` no longer holds `block`. */
  #leave(block: Block, region: Region): void {
    const list = this.#byMember.get(block.number);
    const at = list?.indexOf(region) ?? -1;
    if (at >= 0) list!.splice(at, 1);
  }

  /** `block` died: the regions that hold it are no longer entered. */
  retire(block: Block): void {
    const regions = this.#byMember.get(block.number);
    if (regions === undefined) return;
    this.#byMember.delete(block.number);
    for (const region of regions) {
      if (!region.alive) continue;
      region.alive = false;
      this.counts.retired++;
      // A later region must not be grown from this one: bytes of the dead block may be anything by then.
      for (const member of region.blocks) this.#leave(member, region);
      for (const entry of region.blocks.slice(0, region.entries)) {
        if (this.#byEntry.get(entry.number) !== region) continue;
        this.#byEntry.delete(entry.number);
        if (!entry.alive) continue;
        warm(this.#u32, entry);
        this.#blocks.reheat(entry, entry.slot === 0 ? this.#blocks.heat : this.heat);
      }
    }
  }
}

/**
 * Where control goes from a block: `near` in the same function, `far` in another (calls, returns). For
 * an indirect transfer it is where it last went.
 */
function successors(b: Block, blocks: Blocks): { near: readonly number[]; far: readonly number[] } {
  const next = b.pc + b.bytes;
  switch (b.flow) {
    case Flow.Next:
      return { near: [next], far: [] };
    case Flow.Jump:
      return { near: [b.target], far: [] };
    case Flow.Branch:
    case Flow.Repeat:
      return { near: [b.target, next], far: [] };
    case Flow.Call:
      return { near: [next], far: [b.target] };
    case Flow.IndirectCall:
      return { near: [next], far: blocks.targets(b) };
    case Flow.IndirectJump:
      return { near: blocks.targets(b), far: [] };
    case Flow.Return:
      return { near: [], far: blocks.targets(b) };
    default:
      return { near: [], far: [] };
  }
}
