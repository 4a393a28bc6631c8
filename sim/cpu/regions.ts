/**
 * Hot regions: which blocks go together, and the compiled functions' life. A region is entered at
 * one block; while it is installed, that block's head leads to it instead of to the cold handler.
 */
import type { Block, Blocks } from "./blocks.ts";
import type { Handlers } from "./handlers.ts";
import { Decoded, Flow, type Isa } from "./ir/decoded.ts";
import { Region as RegionLowering } from "./wasm/hot.ts";
import { ENTRY_TYPE } from "./wasm/module.ts";
import * as R from "./wasm/records.ts";
import { HEAD_SLOT } from "./wasm/runtime.ts";

/** Most blocks and instructions in a region. */
const MAX_BLOCKS = 96;
const MAX_REGION_INSTRUCTIONS = 800;

/** A block that ran a WARMth of what makes it hot is worth compiling with a hot neighbour. */
const WARM = 4;
/** Regions that may hold the same block. */
const MAX_COPIES = 8;

/** An installed region. */
export interface Region {
  readonly entry: Block;
  readonly blocks: readonly Block[];
  /** The guest pages that it holds code of, with the frame each was translated from. */
  readonly pages: ReadonlyMap<number, number>;
  readonly slot: number;
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
    this.#i32[(block.head + R.HEAT) >> 2] = 0x7fffffff;
    if (block.alive) this.#queue.push(block);
    return this.#queue.length >= this.batch;
  }

  get pending(): number {
    return this.#queue.length;
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
    for (const entry of candidates) {
      if (covered.has(entry) || (this.#byMember.has(entry.number) && !this.#spared.has(entry))) {
        this.#spared.add(entry);
        this.#i32[(entry.head + R.HEAT) >> 2] = this.heat;
        continue;
      }
      const blocks = this.#grow(entry, peek);
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
      lastTarget: this.#blocks.lastTarget.bind(this.#blocks),
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
      regions.push({ entry, blocks, pages, slot: first + i, alive: true });
      return new RegionLowering(source, linker, blocks, this.#scratch);
    });
    lowered.forEach((l, i) =>
      builder.element(first + i, builder.function(ENTRY_TYPE, l.locals, l.code))
    );
    this.#handlers.instantiate(builder.build());
    for (const region of regions) this.#install(region);
    return regions;
  }

  /** Blocks reachable by direct branches from `entry` that have run often enough. */
  #grow(entry: Block, peek: (pc: number) => Block | undefined): Block[] {
    const chosen = [entry];
    const seen = new Set([entry.pc]);
    let instructions = entry.count;
    for (let i = 0; i < chosen.length; i++) {
      const b = chosen[i];
      for (const pc of successors(b, this.#blocks)) {
        if (seen.has(pc) || chosen.length >= MAX_BLOCKS) continue;
        const next = peek(pc);
        if (next === undefined || !next.alive || !this.#warm(next)) continue;
        if (instructions + next.count > MAX_REGION_INSTRUCTIONS) continue;
        seen.add(pc);
        chosen.push(next);
        instructions += next.count;
      }
    }
    return chosen;
  }

  /** Whether a block runs often enough to be compiled along, and is not in many regions already. */
  #warm(block: Block): boolean {
    const left = this.#i32[(block.head + R.HEAT) >> 2];
    if (left <= this.heat) return this.heat - left >= this.heat / WARM;
    return (this.#byMember.get(block.number)?.length ?? 0) < MAX_COPIES;
  }

  #install(region: Region): void {
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
        this.#i32[(region.entry.head + R.HEAT) >> 2] = this.heat;
      }
    }
  }
}

/** Successors of a block, for an indirect transfer the last one, and where its call returns to. */
function successors(b: Block, blocks: Blocks): number[] {
  const next = b.pc + b.bytes;
  switch (b.flow) {
    case Flow.Next:
      return [next];
    case Flow.IndirectCall:
      return [blocks.lastTarget(b), next];
    case Flow.IndirectJump:
    case Flow.Return:
      return [blocks.lastTarget(b)];
    case Flow.Jump:
      return [b.target];
    case Flow.Branch:
    case Flow.Repeat:
    case Flow.Call:
      return [b.target, next];
    default:
      return [];
  }
}
