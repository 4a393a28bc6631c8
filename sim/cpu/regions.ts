/**
 * Hot regions: which blocks go together, and the compiled functions' life. A region is entered at
 * one block; while it is installed, that block's head leads to it instead of to the cold handler.
 */
import type { Block, Blocks } from "./blocks.ts";
import { HOT } from "./cold_report.ts";
import type { Handlers } from "./handlers.ts";
import { Decoded, Flow, type Isa } from "./ir/decoded.ts";
import { Region as RegionLowering } from "./wasm/hot.ts";
import { ENTRY_TYPE } from "./wasm/module.ts";
import * as R from "./wasm/records.ts";
import { HEAD_SLOT } from "./wasm/runtime.ts";

/** Most blocks in a region, and in one that was extended; on average of at most eight instructions. */
const MAX_BLOCKS = 40;
const MAX_EXTENDED = 96;
const BLOCK_INSTRUCTIONS = 8;
/** Exits through a link, in terms of a block's heat, after which a region is extended there. */
const LINK_HEAT = 10;

/** A block that ran a WARMth of what makes it hot is worth compiling with a hot neighbour. */
const WARM = 3;
/** Regions that may hold the same block. */
const MAX_COPIES = 2;

/** Times that a region is made again. */
const MAX_GENERATIONS = 4;
const NO_EXTRA: ReadonlySet<number> = new Set();

/** An installed region. */
export interface Region {
  readonly entry: Block;
  readonly blocks: readonly Block[];
  /** The guest pages that it holds code of, with the frame each was translated from. */
  readonly pages: ReadonlyMap<number, number>;
  readonly slot: number;
  /** How often the region at this entry was made again. */
  readonly generation: number;
  alive: boolean;
}

/** Grows, compiles and retires regions. */
export class Regions {
  readonly #isa: Isa;
  readonly #blocks: Blocks;
  readonly #handlers: Handlers;
  readonly #u32: Uint32Array;
  readonly #i32: Int32Array;
  readonly #u16: Uint16Array;
  readonly #scratch = new Decoded();
  readonly #queue: Block[] = [];
  /** Entries of regions to make again, with addresses to take in. */
  readonly #extensions = new Map<Block, Set<number>>();
  /** Regions by the number of their entry, and by that of each member. */
  readonly #byEntry = new Map<number, Region>();
  readonly #byMember = new Map<number, Region[]>();
  /** Blocks that became hot as members of a region: the next time they get one of their own. */
  readonly #spared = new Set<Block>();
  readonly counts = { regions: 0, blocks: 0, instructions: 0, retired: 0 };

  constructor(
    isa: Isa,
    blocks: Blocks,
    handlers: Handlers,
    state: WebAssembly.Memory,
    readonly heat: number,
    readonly batch: number,
  ) {
    this.#isa = isa;
    this.#blocks = blocks;
    this.#handlers = handlers;
    this.#u32 = new Uint32Array(state.buffer);
    this.#i32 = new Int32Array(state.buffer);
    this.#u16 = new Uint16Array(state.buffer);
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
    const known = this.#extensions.get(region.entry);
    if (known === undefined) this.#extensions.set(region.entry, new Set([pc]));
    else known.add(pc);
    return this.#queue.length + this.#extensions.size >= this.batch;
  }

  /** Forget all regions: their blocks are gone. Slots of the function table are not used again. */
  reset(): void {
    this.#queue.length = 0;
    this.#extensions.clear();
    this.#spared.clear();
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
    const candidates = this.#queue.splice(0).filter((b) => b.alive && !this.#byEntry.has(b.number));
    // Neighbours become hot together: one region of them all is enough, until another entry proves hot.
    const entries: Block[] = [];
    const members: Block[][] = [];
    const covered = new Set<Block>();
    for (const [entry, extra] of this.#extensions) {
      const old = this.#byEntry.get(entry.number);
      if (old === undefined || !entry.alive) continue;
      entries.push(entry);
      members.push(this.#grow([...old.blocks], extra, peek));
    }
    this.#extensions.clear();
    for (const entry of candidates) {
      if (covered.has(entry) || (this.#byMember.has(entry.number) && !this.#spared.has(entry))) {
        this.#spared.add(entry);
        this.#blocks.reheat(entry, this.heat);
        continue;
      }
      const blocks = this.#grow([entry], NO_EXTRA, peek);
      entries.push(entry);
      members.push(blocks);
      for (const b of blocks) covered.add(b);
    }
    if (entries.length === 0) return [];
    const builder = this.#handlers.builder();
    const linker = this.#handlers.linker(builder);
    const source = {
      isa: this.#isa,
      decodeAt: this.#blocks.decodeAt.bind(this.#blocks),
      accessesOf: (block: Block) => ({
        loads: this.#u16[(block.head + R.LOAD_COUNT) >> 1],
        stores: this.#u16[(block.head + R.STORE_COUNT) >> 1],
      }),
      targets: this.#blocks.targets.bind(this.#blocks),
      linkHeat: this.heat * LINK_HEAT,
      offsetOf: this.#blocks.offsetOf.bind(this.#blocks),
      linkOf: (block: Block, next: boolean): number => {
        const exits = block.head + R.RECORD_SIZE * (block.count + 1);
        return this.#u32[(exits + (next ? R.NEXT_LINK : R.TARGET_LINK)) >> 2];
      },
    };
    const first = this.#handlers.takeSlots(entries.length);
    const regions: Region[] = [];
    const lowered = entries.map((entry, i) => {
      const blocks = members[i];
      const pages = new Map<number, number>();
      for (const b of blocks) {
        pages.set(Math.floor(b.pc / 4096), b.frame);
        if (b.frame2 >= 0) pages.set(Math.floor(b.pc / 4096) + 1, b.frame2);
      }
      const generation = (this.#byEntry.get(entry.number)?.generation ?? -1) + 1;
      regions.push({ entry, blocks, pages, slot: first + i, alive: true, generation });
      return new RegionLowering(source, linker, blocks, this.#scratch);
    });
    lowered.forEach((l, i) =>
      builder.element(first + i, builder.function(ENTRY_TYPE, l.locals, l.code))
    );
    this.#handlers.instantiate(builder.build());
    for (const region of regions) this.#install(region);
    return regions;
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
    const take = (pc: number): void => {
      if (seen.has(pc)) return;
      const block = peek(pc);
      if (block === undefined || !block.alive || !(extra.has(pc) || this.#warm(block))) return;
      if (
        chosen.length >= limit || instructions + block.count > limit * BLOCK_INSTRUCTIONS
      ) return this.#blocks.cold.refuse("full");
      seen.add(pc);
      chosen.push(block);
      instructions += block.count;
    };
    extra.forEach(take);
    for (let at = 0, call = 0;;) {
      if (at < chosen.length) {
        const { near, far } = successors(chosen[at++], this.#blocks);
        near.forEach(take);
        calls.push(...far);
      } else if (call < calls.length) take(calls[call++]);
      else return chosen;
    }
  }

  /** Whether a block runs often enough to be compiled along, and is not in many regions already. */
  #warm(block: Block): boolean {
    const left = this.#i32[(block.head + R.HEAT) >> 2];
    if (left <= this.heat) return this.heat - left >= this.heat / WARM;
    if ((this.#byMember.get(block.number)?.length ?? 0) < MAX_COPIES) return true;
    this.#blocks.cold.refuse("copies");
    return false;
  }

  #install(region: Region): void {
    const old = this.#byEntry.get(region.entry.number);
    if (old !== undefined) {
      old.alive = false;
      for (const b of old.blocks) {
        const list = this.#byMember.get(b.number);
        list?.splice(list.indexOf(old), 1);
      }
    }
    this.#u32[(region.entry.head + R.HANDLER) >> 2] = region.slot;
    this.#byEntry.set(region.entry.number, region);
    this.counts.regions++;
    for (const b of region.blocks) {
      this.counts.blocks++;
      this.counts.instructions += b.count;
      const list = this.#byMember.get(b.number);
      if (list === undefined) this.#byMember.set(b.number, [region]);
      else list.push(region);
    }
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
      this.#byEntry.delete(region.entry.number);
      if (region.entry.alive) {
        this.#u32[(region.entry.head + R.HANDLER) >> 2] = HEAD_SLOT;
        this.#blocks.reheat(region.entry, this.heat);
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
