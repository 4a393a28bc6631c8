/**
 * The execution engine: finds or translates the block at the pc, enters generated code, and turns
 * what comes back into a `CpuExit`.
 */
import { BlockFunctions } from "./block_functions.ts";
import { type Block, Blocks, type CodeSource, placeOf } from "./blocks.ts";
import { accepts, BranchTypes } from "./branch_types.ts";
import { Breakpoints, WatchedBytes, type WatchedRange } from "./breakpoints.ts";
import { Access, type Cpu, type CpuExit, type CpuSpace } from "./cpu.ts";
import { DescribedBlock } from "./described_block.ts";
import { EventBuffer, type EventReader } from "./event_buffer.ts";
import { BUS_ADRALN, Faults, SIGBUS } from "./faults.ts";
import { Handlers } from "./handlers.ts";
import type { Isa } from "./ir/decoded.ts";
import * as L from "./layout.ts";
import { Misses } from "./misses.ts";
import { Modes } from "./modes.ts";
import { isIndirect, Promotion, warmthOf } from "./promotion.ts";
import { Regions } from "./regions.ts";
import { Side } from "../models/hierarchy.ts";
import type { Preset } from "../models/preset.ts";
import type { SiteKeeper } from "../models/site_memory.ts";
import { type SiteRuntime, Sites } from "./sites.ts";
import { SoftTlb } from "./soft_tlb.ts";
import { LINK_AREA, SpaceLinks, SPACES } from "./space_links.ts";
import { Tail } from "./tail.ts";
import { ThreadRegisters } from "./thread_registers.ts";
import { Watch } from "./watch.ts";
import * as R from "./wasm/records.ts";

/** The largest block's records are smaller. */
const BLOCK_ROOM = 65536;
const U32 = 4294967296;
/** aarch64: addresses from here on have a tag. */
const TAGGED = 2 ** 56;
/** Options of an engine. */
export interface EngineOptions {
  readonly isa: Isa;
  /** The one memory: `layout.RESERVED` bytes of state, then the guest's frames. Committed lazily. */
  readonly physical: WebAssembly.Memory;
  /** Executions of a block before it goes into a region; Infinity keeps everything cold. */
  readonly heat?: number;
  /** The modelled core; without one, nothing is watched. */
  readonly preset?: Preset;
  /** log2 of the bytes of the machine's base pages; default 12. */
  readonly pageBits?: number;
  /** Whether its branches are modelled too; default true. */
  readonly branches?: boolean;
  /**
   * Called for every data access of the program, in order, page by page. Turns the soft TLB off, and
   * with it all speed.
   */
  readonly observe?: (address: number, size: number, write: boolean) => void;
  /** Models that read the event stream. */
  readonly readers?: readonly EventReader[];
  /** Is told where events of the modelled core happen; its branches are modelled then. */
  readonly sites?: SiteKeeper;
  /** Hot blocks that are compiled together; more of them cost less each. */
  readonly batch?: number;
}

/** One modelled CPU's engine. */
export class Engine extends ThreadRegisters implements Cpu, CodeSource {
  readonly state: WebAssembly.Memory;
  readonly isa: Isa;
  /** Physical memory by physical address. */
  readonly physical: Uint8Array;
  readonly handlers: Handlers;
  readonly blocks: Blocks;
  readonly regions: Regions;
  readonly functions: BlockFunctions;
  /** The models, if any. */
  readonly watch: Watch | null;
  /** The event stream, if models read it. */
  readonly stream: EventBuffer | null;
  /** Where events happen, if that is asked of inlined models. */
  readonly sites: Sites | null;
  retired = 0;
  /** Entries into generated code, and blocks found for it, for reports. */
  readonly counts = {
    entries: 0,
    links: 0,
    lookups: 0,
    translated: 0,
    loadMisses: 0,
    storeMisses: 0,
    invalidations: 0,
    resets: 0,
  };

  readonly #soft: SoftTlb;
  readonly #links: SpaceLinks;
  readonly #branches: BranchTypes;
  readonly #tail: Tail;
  readonly #faults: Faults;
  readonly #misses: Misses;
  readonly #breaks: Breakpoints;
  readonly #watched = new WatchedBytes();
  readonly #run: (record: number) => number;
  /** Host entry points: addresses in `[#hostStart, #hostEnd)` leave to the host. */
  #hostStart = -1;
  #hostEnd = -1;
  /** How often the program has changed what its protection keys permit. */
  keyChanges = 0;
  readonly #modes: Modes;
  readonly #promotion: Promotion;
  /** Translations are forgotten when records go beyond. */
  readonly #recordLimit: number;
  /** Instructions retired since the start. */
  #total = 0;
  /** Threads by where their registers are saved. */
  readonly #threads = new WeakMap<Uint8Array, number>();
  #threadCount = 0;

  constructor(options: EngineOptions) {
    super(options.isa.arch, options.physical);
    this.isa = options.isa;
    this.state = options.physical;
    this.physical = this.memory.u8;
    this.#soft = new SoftTlb(this.state);
    this.#links = new SpaceLinks(this.state, this.memory, () => this.blocks.links * 4);
    this.#branches = new BranchTypes(this.memory, options.isa.landing !== undefined);
    this.watch = options.preset === undefined ? null : new Watch(
      options.preset,
      this.arch,
      this.state,
      this.#soft,
      () => this.#links.current?.id ?? -1,
      options.branches ?? true,
      options.sites !== undefined,
    );
    const { readers = [] } = options;
    this.stream = readers.length === 0 ? null : new EventBuffer(
      readers,
      this.state,
      (number) => new DescribedBlock(this.blocks.all[number], this.blocks),
      options.pageBits,
    );
    const kinds = this.stream?.kinds;
    if (this.watch !== null && kinds?.accesses === true && kinds.lines === undefined) {
      throw new RangeError("accesses cannot be both inlined in models and streamed");
    }
    this.sites = options.sites === undefined ? null : new Sites(
      options.sites,
      this.memory,
      {
        blocks: () => this.blocks.all,
        describe: (block) => new DescribedBlock(block, this.blocks),
        runtime: () => this.handlers.functions as unknown as SiteRuntime,
        events: (into) => this.watch!.events(into),
        accessed: (loads, stores) => this.watch!.refund(-loads, -stores),
      },
      options.pageBits,
    );
    this.handlers = new Handlers(
      options.isa,
      this.state,
      {
        load_miss: (size, record) => this.#misses.load(size, record),
        store_miss: (size, record) => this.#misses.store(size, record),
        own_store_miss: (size, record) => this.#misses.ownStore(size, record),
        fetch_miss: () => this.#misses.fetch(),
        drain: () => this.stream!.drain(),
        sites: this.sites?.host,
      },
      this.watch?.instrumentation ?? null,
      this.stream?.kinds ?? null,
    );
    const heat = options.heat ?? Infinity;
    this.blocks = new Blocks(
      options.isa,
      this.handlers,
      this.state,
      warmthOf(heat, kinds !== undefined && kinds.lines === undefined),
      (block) => this.regions.retire(block),
      (frame) => this.#soft.dropStores(frame),
    );
    this.regions = new Regions(
      options.isa,
      this.blocks,
      this.handlers,
      this.state,
      heat,
      options.batch ?? 16,
      (block) => this.sites!.counterOf(block),
    );
    const { isa, memory, blocks, handlers, state, regions, watch, stream, sites } = this;
    this.functions = new BlockFunctions(blocks, handlers, state, regions.source, heat);
    this.#breaks = new Breakpoints(blocks, this.#links);
    this.#tail = new Tail(memory, blocks);
    const models = { watch, stream, sites };
    const parts = { isa, memory, blocks, links: this.#links, tail: this.#tail, ...models };
    this.#faults = new Faults(parts);
    this.#misses = new Misses({
      ...parts,
      faults: this.#faults,
      soft: this.#soft,
      watched: this.#watched,
      counts: this.counts,
      observe: options.observe,
      codeWritten: (physical, size) => this.#written(physical, size),
    });
    this.#modes = new Modes(isa, memory, this.#soft, this.#misses);
    this.#promotion = new Promotion(blocks, this.functions, regions, this.#links);
    this.#run = this.handlers.functions.run as (record: number) => number;
    this.#recordLimit = (this.sites === null ? SPACES : L.SITES) - BLOCK_ROOM;
    this.clearMonitor();
  }

  /** Addresses whose execution leaves to the host, 16 bytes apart. */
  hostRange(start: number, end: number): void {
    this.#hostStart = start;
    this.#hostEnd = end;
  }

  /** Whether control that gets to `pc` leaves to the host. */
  isHost(pc: number): boolean {
    return pc >= this.#hostStart && pc < this.#hostEnd;
  }

  protected override packFlags(kind: number, a: bigint, b: bigint): number {
    return this.handlers.functions.flags(kind, a, b);
  }
  override load(from: Uint8Array): void {
    super.load(from);
    if (this.stream === null && this.sites === null) return;
    // A thread's registers are saved in the same place always.
    let thread = this.#threads.get(from);
    if (thread === undefined) this.#threads.set(from, thread = ++this.#threadCount);
    this.stream?.enterThread(thread);
    this.sites?.enterThread(thread);
  }

  /** Instructions that retired in blocks that were entered in the hot tier. */
  get hotRetired(): number {
    return this.#total - this.memory.signed(L.COLD_RETIRED);
  }

  /** How often a region was left in the middle of a block, modulo 2^32. */
  get sideExits(): number {
    return this.memory.u32[L.SIDE_EXITS >> 2];
  }

  // ---- running ---------------------------------------------------------------------------

  run(space: CpuSpace, budget: number): CpuExit {
    if (budget === 0 || !this.#modes.traces) return this.#runFor(space, budget);
    const from = this.pc;
    const exit = this.#runFor(space, 1);
    if (exit.kind !== "quantum" && exit.kind !== "yield") return exit;
    return this.#modes.trap(this.#faults.bytesAt(from), from, exit);
  }

  #runFor(space: CpuSpace, budget: number): CpuExit {
    if (space !== this.#links.current) this.#enterSpace(space);
    this.memory.put(L.BUDGET, budget);
    this.memory.put(L.QUANTUM, budget);
    this.#modes.heed(space);
    this.#branches.begin(budget);
    this.watch?.begin(budget);
    this.stream?.begin();
    this.sites?.begin();
    let exit: CpuExit;
    try {
      exit = this.#loop();
    } catch (e) {
      if (e === this.#faults.thrown) exit = this.#faults.ofAccess();
      else if (e === this.#misses.watching) exit = this.#misses.watchExit();
      else throw e;
    }
    this.#branches.end();
    this.#tail.block = null;
    this.retired = budget - this.memory.signed(L.BUDGET);
    this.#total += this.retired;
    this.#promotion.ran(this.#total);
    this.watch?.end(this.retired);
    this.stream?.end();
    this.sites?.end();
    return exit;
  }

  step(space: CpuSpace): CpuExit {
    this.#breaks.stepping = true;
    try {
      return this.run(space, 1);
    } finally {
      this.#breaks.stepping = false;
      this.#breaks.arm();
    }
  }

  #loop(): CpuExit {
    let link = 0;
    // A record to go on at; else it is the block at the pc.
    let record = 0;
    for (;;) {
      if (record === 0) {
        let { pc } = this;
        if (pc >= TAGGED && this.arch === "aarch64") pc = this.#ignoreTag();
        if (this.isHost(pc)) {
          this.#branches.forget();
          return { kind: "host", id: (pc - this.#hostStart) / 16 };
        }
        const { resets } = this.counts;
        const type = this.#branches.current;
        const block = this.#find(pc, type);
        if (!accepts(block, type)) return this.#faults.ofBranch(pc);
        record = block.head;
        if (resets !== this.counts.resets) link = 0;
        if (link !== 0) {
          this.#links.link(link, record);
          link = 0;
        }
      }
      this.counts.entries++;
      let exit = this.#enter(record);
      record = 0;
      if (exit === R.Exit.Quantum) {
        const left = this.memory.signed(L.BUDGET);
        if (left === 0) return { kind: "quantum" };
        const tail = this.#ofHead(this.memory.u32[L.EXIT_RECORD >> 2]);
        if (this.#reached(tail)) return { kind: "break" };
        exit = this.#runTail(tail, left);
        if (exit === R.Exit.Stop) return { kind: "quantum" };
      }
      switch (exit) {
        case R.Exit.Link:
          this.counts.links++;
          link = this.memory.u32[L.EXIT_SLOT >> 2];
          this.pc = this.blocks.targetOfLink(link);
          continue;
        case R.Exit.Lookup:
          this.counts.lookups++;
          continue;
        case R.Exit.Syscall:
          return { kind: "syscall" };
        case R.Exit.Yield:
          return { kind: "yield" };
        case R.Exit.Mode:
          if (this.#modes.heed(this.#links.current!)) this.keyChanges++;
          // The next instruction is to be traced.
          if (this.#modes.traces) return { kind: "quantum" };
          continue;
        case R.Exit.Fault:
          return this.#faults.ofSemantics();
        case R.Exit.Hot:
          if (this.#hot(this.#ofHead(this.memory.u32[L.EXIT_RECORD >> 2]))) {
            return { kind: "break" };
          }
          continue;
        case R.Exit.HotLink:
          this.#hotLink(this.memory.u32[L.EXIT_SLOT >> 2]);
          continue;
        case R.Exit.Changing:
          record = this.memory.u32[L.EXIT_RECORD >> 2];
          continue;
        case R.Exit.Crossing:
          record = this.memory.u32[L.EXIT_RECORD >> 2];
          this.regions.scatter(this.#faults.blockOf(record));
          continue;
        case R.Exit.Missing:
          record = this.memory.u32[L.EXIT_RECORD >> 2];
          this.regions.remake(this.#faults.blockOf(record));
          continue;
        case R.Exit.Resync:
          this.#faults.rewindTo(this.memory.u32[L.EXIT_RECORD >> 2], false);
          continue;
        default:
          throw new RangeError(`generated code returned ${exit}`);
      }
    }
  }

  /** Run generated code from `record` on. */
  #enter(record: number): R.Exit {
    try {
      return this.#run(record);
    } catch (e) {
      if (e !== this.#misses.changing) throw e;
      return R.Exit.Changing;
    }
  }

  /** Run the first `count` instructions of `block` alone, from a copy that ends in a stop record. */
  #runTail(block: Block, count: number): number {
    const record = this.#tail.prepare(block, count);
    this.sites?.enter(block, count);
    if (this.watch !== null) this.#enterTail(block, count);
    this.stream?.enter(block.pc, count, block.number);
    this.memory.put(L.BUDGET, 0);
    this.blocks.cold.tails += count;
    this.memory.put(L.COLD_RETIRED, this.memory.signed(L.COLD_RETIRED) + count);
    return this.#run(record);
  }

  /** What a block's head does for the models, for its first `count` instructions alone. */
  #enterTail(block: Block, count: number): void {
    this.memory.put(L.NOW, this.memory.signed(L.ORDINAL_BASE) - 64 * count);
    for (let i = 0; i < count; i++) {
      const { loads, stores } = this.blocks.accessesOf(block, i);
      this.watch!.refund(-loads, -stores);
    }
    this.memory.put(L.FAULT_ADDRESS, block.pc);
    this.#misses.fetch();
    if (block.frame2 >= 0) {
      this.watch!.counts.fetchStraddles++;
      this.memory.put(L.NOW, this.memory.signed(L.NOW) + 1);
      this.memory.put(L.FAULT_ADDRESS, (Math.floor(block.pc / 4096) + 1) * 4096);
      this.#misses.fetch();
    }
  }

  /** A branch ignores an address's top byte: bit 55 stands for it (DDI 0487, AArch64.BranchAddr). */
  #ignoreTag(): number {
    const high = (L.PC >> 2) + 1;
    this.memory.i32[high] = (this.memory.i32[high] << 8) >> 8;
    return this.pc;
  }

  /** The block at `pc` in the current space, through the dispatch hash of branches of `type`. */
  #find(pc: number, type: number): Block {
    const head = this.#links.find(pc, type);
    if (head !== 0) {
      const block = this.#ofHead(head);
      if (block.alive) return block;
    }
    const physical = this.fetch(pc);
    const guarded = this.#links.current!.resolved.guarded === true;
    if (guarded) this.#links.guard();
    this.#links.fetched(Math.floor(pc / 4096), placeOf(physical >>> 12, guarded));
    const known = this.blocks.find(pc, physical, guarded, this);
    let block = this.#promotion.enterable(known, (va) => this.#sawPage(va));
    if (block === undefined) {
      if (this.blocks.links * 4 + 8 > LINK_AREA || this.blocks.arenaEnd > this.#recordLimit) {
        this.#startOver();
        return this.#find(pc, type);
      }
      this.counts.translated++;
      block = this.blocks.translate(pc, physical, guarded, this);
      this.sites?.translated(block);
      if (this.blocks.cut.length > 0) this.#breaks.arm();
    }
    if (accepts(block, type)) this.#links.insert(pc, block.head, type);
    return block;
  }

  /** Physical address of `pc` for execution; throws the fault. */
  fetch(pc: number): number {
    const space = this.#links.current!;
    const isUser = this.#faults.isUser(pc);
    let result = isUser ? 0 : -1;
    // An address beyond 2^53 is exact in state memory only.
    const low = result === 0 ? pc : this.memory.u32[L.PC >> 2];
    if (this.arch === "aarch64" && low % 4 !== 0) result = (SIGBUS << 8) | BUS_ADRALN;
    if (result === 0) result = space.resolve(pc, Access.Execute);
    if (result === 0) {
      this.#sawPage(pc);
      return space.resolved.physical;
    }
    const high = isUser ? Math.floor(pc / U32) : this.memory.u32[(L.PC >> 2) + 1];
    this.#faults.refuse(result, low >>> 0, high, Access.Execute, 0);
  }

  /** The room for translations is used up: forget them all. */
  #startOver(): void {
    this.counts.resets++;
    this.stream?.forgetBlocks();
    this.sites?.forgetBlocks();
    this.#links.clearAll();
    this.blocks.reset();
    this.regions.reset();
    this.functions.reset();
    this.memory.u8.fill(0, L.LINK_HEAT, L.LINK_HEAT + LINK_AREA);
  }

  /** Models may see the page of `va`, which was resolved just now. */
  #sawPage(va: number): void {
    this.stream?.sawPage(va, this.#links.current!.resolved.pageShift);
  }

  #ofHead(head: number): Block {
    return this.blocks.all[this.memory.u32[(head + R.BLOCK) >> 2]];
  }

  /** `block` counted down to zero: it is hot, or breaks, which is the answer. */
  #hot(block: Block): boolean {
    if (this.#reached(block)) return true;
    this.#promotion.hot(block);
    return false;
  }

  /** A region, whose entry's head is `EXIT_RECORD`, often leaves through the link at `slot`. */
  #hotLink(slot: number): void {
    const block = this.blocks.blockOfLink(slot);
    if (!isIndirect(block.flow)) this.pc = this.blocks.targetOfLink(slot);
    const entry = this.#ofHead(this.memory.u32[L.EXIT_RECORD >> 2]);
    this.#promotion.hotLink(block, entry, this.pc);
  }

  #reached(block: Block): boolean {
    if (!this.#breaks.reached(block)) return false;
    this.pc = block.pc;
    return true;
  }

  // ---- breakpoints ------------------------------------------------------------------------

  /**
   * Leave with a `break` exit before the next execution of any of `pcs` in `space`, once. Replaces
   * those of before; the blocks at `pcs` stay out of regions until `clearBreaks`.
   */
  breakAt(space: CpuSpace, pcs: readonly number[]): void {
    this.#breaks.set(space, pcs);
  }

  /** No address breaks any more. */
  clearBreaks(): void {
    this.#breaks.clear();
  }

  /**
   * Leave with a `watch` exit before every access of the program to `ranges` of `space`. Replaces those of
   * before. Their pages stay out of the soft TLB, so accesses to them are slow.
   */
  watchData(space: CpuSpace, ranges: readonly WatchedRange[]): void {
    if (this.#watched.set(space, ranges)) this.#soft.flush();
  }

  // ---- address spaces --------------------------------------------------------------------

  #enterSpace(space: CpuSpace): void {
    this.#links.enter(space);
    this.watch?.enterSpace(space.id);
    this.stream?.enterSpace(space);
    this.sites?.enterSpace(space);
    this.#soft.flush();
    this.#breaks.arm();
  }

  pageFault(space: CpuSpace, va: number, access: Access): void {
    const side = access === Access.Execute ? Side.Instruction : Side.Data;
    this.watch?.pageFault(side, va, space.id);
    if (this.stream !== null) {
      const index = side === Side.Data ? this.#faults.indexOf(this.#misses.record) : -1;
      this.stream.pageFault(side, va, index);
    }
  }

  shootdown(space: CpuSpace, va: number, size: number, code: boolean): void {
    this.watch?.hierarchy.invalidate(space.id, va, va + size);
    this.stream?.invalidate(space.id, va, va + size);
    if (space === this.#links.current) {
      if (size >= 256 * 4096) this.#soft.flush();
      else {
        this.#soft.clearData(va, va + size);
        this.#soft.clearFetch(va, va + size);
      }
    }
    if (code) this.#links.clear(space);
  }

  frameWritten(physical: number, size: number): void {
    this.#written(physical, size);
  }
  /** Bytes changed; whether translated code went with them. */
  #written(physical: number, size: number): boolean {
    if (this.blocks.written(physical, size) === 0) return false;
    this.counts.invalidations++;
    this.#links.stale = true;
    this.#tail.changed();
    return true;
  }

  frameFreed(physical: number, size: number): void {
    const end = (physical + size) / 4096;
    for (let frame = physical >>> 12; frame < end; frame++) {
      if (this.blocks.codeFrames[frame] !== 0 && this.blocks.drop(frame) > 0) {
        this.#links.stale = true;
      }
    }
  }

  spaceFreed(space: CpuSpace): void {
    this.#breaks.free(space);
    this.#watched.free(space);
    this.#links.free(space);
  }
}
