/**
 * The execution engine: finds or translates the block at the pc, enters generated code, and turns
 * what comes back into a `CpuExit`.
 */
import type { Arch } from "../arch.ts";
import { BlockFunctions } from "./block_functions.ts";
import { ARMED, type Block, Blocks, type CodeSource } from "./blocks.ts";
import { Access, type Cpu, type CpuExit, type CpuSpace } from "./cpu.ts";
import { Handlers } from "./handlers.ts";
import { type CodeBlock, EventBuffer, type EventReader } from "./event_buffer.ts";
import { Flow, type Isa } from "./ir/decoded.ts";
import * as L from "./layout.ts";
import { FAULT_AFTER, FAULT_HAS_ADDRESS } from "./wasm/cold.ts";
import { DISPATCH_AREA, DispatchHash } from "./wasm/dispatch.ts";
import { type Region, Regions } from "./regions.ts";
import { Side } from "../models/hierarchy.ts";
import type { Preset } from "../models/preset.ts";
import { SoftTlb } from "./soft_tlb.ts";
import { Watch } from "./watch.ts";
import * as R from "./wasm/records.ts";
import { HEAD_SLOT, RESYNC_SLOT, STOP_SLOT } from "./wasm/runtime.ts";

/** Bytes of link slots reserved for each address space. */
const LINK_AREA = 1 << 22;
/** Where the per-space areas begin; records lie below. */
const SPACES: number = 2 ** 29;
/** Records end here: the largest block still fits below the spaces' areas. */
const ARENA_LIMIT = SPACES - 65536;
/** Records copied here run the tail of a quantum. */
const SCRATCH = 0x2000;
/** Instructions that a hot block waits for others, in terms of a block's heat; none waits where that is low. */
const PATIENCE = 500;
/** A block gets a function of its own after this part of its heat; how many instructions it waits for others. */
const WARMTH = 80;
const WARM_PATIENCE = 2_000_000;
const LOW_HEAT = 100;
/** Where a read that straddles two frames is put together. */
const BOUNCE = 0x1000;
const U32 = 4294967296;

/** Signal numbers and codes that the engine itself raises (Linux, include/uapi/asm-generic/siginfo.h). */
const SIGBUS = 7;
const SIGSEGV = 11;
const BUS_ADRALN = 1;
const SEGV_MAPERR = 1;
const SI_KERNEL = 0x80;
/** Beside the kinds of access: a load of what is stored to next. */
const UPDATE = -1;
/** aarch64: addresses from here on have a tag. */
const TAGGED = 2 ** 56;
/** x86_64: the upper 17 bits of the kernel's addresses. */
const KERNEL_HALF = 0x1ffff;

/** Bytes of a program's memory that are watched, and accesses of which kind. */
export interface WatchedRange {
  readonly start: number;
  readonly size: number;
  readonly access: "read" | "write" | "any";
}

/** Per-address-space areas in state memory. */
interface SpaceAreas {
  readonly links: number;
  readonly dispatch: number;
  /** Pages from which instructions were fetched, with their frames; forgotten at code shootdowns. */
  readonly pages: Map<number, number>;
  /** Links made and addresses put into the hash since both were cleared, while they are `FEW`. */
  readonly made: number[];
  readonly entered: number[];
}

/** As many links or addresses are cleared one by one. */
const FEW = 1000;

function newSpaceAreas(links: number, dispatch: number): SpaceAreas {
  return { links, dispatch, pages: new Map(), made: [], entered: [] };
}

/** Thrown through generated code when an access faults; one reused instance. */
class MemoryFault extends Error {
  signal = 0;
  code = 0;
  addressLow = 0;
  addressHigh = 0;
  access: Access = Access.Read;
}

/** Executions after which a block is first compiled; functions of blocks append to no event stream. */
function warmthOf(heat: number, streaming: boolean): number {
  if (!Number.isFinite(heat)) return 0x7fffffff;
  return heat < LOW_HEAT || streaming ? heat : Math.floor(heat / WARMTH);
}

function isIndirect(flow: Flow): boolean {
  return flow === Flow.IndirectJump || flow === Flow.IndirectCall || flow === Flow.Return;
}

/** Options of an engine. */
export interface EngineOptions {
  readonly isa: Isa;
  /** The one memory: `layout.RESERVED` bytes of state, then the guest's frames. Committed lazily. */
  readonly physical: WebAssembly.Memory;
  /** Executions of a block before it goes into a region; Infinity keeps everything cold. */
  readonly heat?: number;
  /** The modelled core; without one, nothing is watched. */
  readonly preset?: Preset;
  /** Whether its branches are modelled too; default true. */
  readonly branches?: boolean;
  /**
   * Called for every data access of the program, in order, page by page. Turns the soft TLB off, and
   * with it all speed.
   */
  readonly observe?: (address: number, size: number, write: boolean) => void;
  /** Models that read the event stream. */
  readonly readers?: readonly EventReader[];
  /** Hot blocks that are compiled together; more of them cost less each. */
  readonly batch?: number;
}

/** One modelled CPU's engine. */
export class Engine implements Cpu, CodeSource {
  readonly arch: Arch;
  readonly stateBytes: Uint8Array;
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

  readonly #view: DataView;
  readonly #soft: SoftTlb;
  readonly #dispatch: DispatchHash;
  readonly #u32: Uint32Array;
  readonly #i32: Int32Array;
  readonly #u8: Uint8Array;
  readonly #run: (record: number) => number;
  readonly #fault = new MemoryFault("guest memory fault");
  /** Thrown through a block's own function. */
  readonly #changing = new Error("a block changes itself");
  readonly #spaces = new Map<CpuSpace, SpaceAreas>();
  readonly #freeAreas: SpaceAreas[] = [];
  #nextArea = SPACES;
  #space: CpuSpace | null = null;
  #areas: SpaceAreas = newSpaceAreas(0, 0);
  /** Host entry points: addresses in `[#hostStart, #hostEnd)` leave to the host. */
  #hostStart = -1;
  #hostEnd = -1;
  /** Block whose tail runs from SCRATCH, if any. */
  #scratchBlock: Block | null = null;
  #linksStale = false;
  /** Thrown before an access to watched bytes. */
  readonly #watching = new Error("watched bytes are accessed");
  /** Watched bytes by space. */
  readonly #watched = new Map<CpuSpace, readonly WatchedRange[]>();
  /** Addresses by space whose next execution leaves with a `break` exit. */
  readonly #breaks = new Map<CpuSpace, ReadonlySet<number>>();
  /** Whether breakpoints are gone over. */
  #stepping = false;
  /** How often the program has changed what its protection keys permit. */
  keyChanges = 0;
  /** PKRU under which the soft TLB was filled. */
  #keys = 0;
  /** Instructions retired since the start, and when nothing waited to be compiled last. */
  #total = 0;
  #compiled = 0;
  #compiledWarm = 0;
  readonly #warmPatience: number;
  readonly #observe: EngineOptions["observe"];
  /** Threads by where their registers are saved. */
  readonly #threads = new WeakMap<Uint8Array, number>();
  #threadCount = 0;
  /** The record whose access is being checked. */
  #checked = 0;
  /** Whether RFLAGS.AC asks for aligned accesses; the soft TLB then holds nothing. */
  #checksAlignment = false;

  constructor(options: EngineOptions) {
    this.isa = options.isa;
    this.arch = options.isa.arch;
    this.#observe = options.observe;
    this.state = options.physical;
    this.#soft = new SoftTlb(this.state);
    this.#dispatch = new DispatchHash(this.state);
    this.#u8 = new Uint8Array(this.state.buffer);
    this.#u32 = new Uint32Array(this.state.buffer);
    this.#i32 = new Int32Array(this.state.buffer);
    this.#view = new DataView(this.state.buffer);
    this.physical = this.#u8;
    this.stateBytes = this.#u8.subarray(0, L.THREAD_SIZE);
    this.watch = options.preset === undefined ? null : new Watch(
      options.preset,
      this.arch,
      this.state,
      this.#soft,
      () => this.#space?.id ?? -1,
      options.branches ?? true,
    );
    const { readers = [] } = options;
    this.stream = readers.length === 0 ? null : new EventBuffer(
      readers,
      this.state,
      (number) => this.#describe(this.blocks.all[number]),
    );
    if (this.watch !== null && this.stream?.kinds.accesses === true) {
      throw new RangeError("accesses cannot be both inlined in models and streamed");
    }
    this.handlers = new Handlers(
      options.isa,
      this.state,
      {
        load_miss: (size, record) => this.#loadMiss(size, record),
        store_miss: (size, record) => this.#storeMiss(size, record),
        own_store_miss: (size, record) => this.#ownStoreMiss(size, record),
        indirect_miss: (record) => this.#indirect(record),
        fetch_miss: () => this.#fetchMiss(),
        drain: () => this.stream!.drain(),
      },
      this.watch?.instrumentation ?? null,
      this.stream?.kinds ?? null,
    );
    const heat = options.heat ?? Infinity;
    this.blocks = new Blocks(
      options.isa,
      this.handlers,
      this.state,
      warmthOf(heat, this.stream !== null),
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
    );
    const { blocks, handlers, state, regions } = this;
    this.functions = new BlockFunctions(blocks, handlers, state, regions.source, heat);
    // Where regions come early, in tests, functions do so too.
    this.#warmPatience = heat < 10 * LOW_HEAT ? 0 : WARM_PATIENCE;
    this.#run = this.handlers.functions.run as (record: number) => number;
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

  // ---- registers -------------------------------------------------------------------------

  reg(i: number): bigint {
    return this.#view.getBigUint64(L.gpr(i), true);
  }
  setReg(i: number, value: bigint): void {
    this.#view.setBigUint64(L.gpr(i), BigInt.asUintN(64, value), true);
  }
  regNumber(i: number): number {
    return this.#signed(L.gpr(i));
  }
  setRegNumber(i: number, value: number): void {
    this.#put(L.gpr(i), value);
  }
  get exactPc(): bigint {
    return this.#view.getBigUint64(L.PC, true);
  }
  get pc(): number {
    return this.#u32[L.PC >> 2] + this.#u32[(L.PC >> 2) + 1] * U32;
  }
  set pc(value: number) {
    this.#put(L.PC, value);
  }
  get threadPointer(): number {
    return this.#u32[L.FS_BASE >> 2] + this.#u32[(L.FS_BASE >> 2) + 1] * U32;
  }
  set threadPointer(value: number) {
    this.#put(L.FS_BASE, value);
  }
  get flags(): number {
    const kind = this.#u32[L.FLAG_KIND >> 2];
    const packed = this.handlers.functions.flags(
      kind,
      this.#view.getBigInt64(L.FLAG_A, true),
      this.#view.getBigInt64(L.FLAG_B, true),
    );
    if (this.arch === "aarch64") return packed >>> 0;
    // Bit 1 always reads as set, IF (bit 9) too in user mode.
    return packed | 0x202 | (this.#u32[L.DF >> 2] << 10) | this.#u32[L.RFLAGS_OTHER >> 2];
  }
  set flags(value: number) {
    this.#u32[L.FLAG_KIND >> 2] = 0;
    if (this.arch === "aarch64") {
      this.#put(L.FLAG_A, value >>> 0 & 0xf0000000);
      this.#u32[L.FLAG_A >> 2] = value & 0xf0000000;
    } else {
      this.#put(L.FLAG_A, value & 0x8d5);
      this.#u32[L.DF >> 2] = (value >> 10) & 1;
      this.#u32[L.RFLAGS_OTHER >> 2] = value & (L.RFLAGS_TF | L.RFLAGS_AC | L.RFLAGS_ID);
    }
    this.#put(L.FLAG_B, 0);
  }
  save(into: Uint8Array): void {
    into.set(this.stateBytes);
  }
  load(from: Uint8Array): void {
    this.stateBytes.set(from);
    if (this.stream === null) return;
    // A thread's registers are saved in the same place always.
    let thread = this.#threads.get(from);
    if (thread === undefined) this.#threads.set(from, thread = ++this.#threadCount);
    this.stream.enterThread(thread);
  }
  clearMonitor(): void {
    this.#u32[L.MONITOR_ADDRESS >> 2] = 0xffffffff;
    this.#u32[(L.MONITOR_ADDRESS >> 2) + 1] = 0xffffffff;
  }

  #signed(at: number): number {
    return this.#u32[at >> 2] + this.#i32[(at >> 2) + 1] * U32;
  }
  #put(at: number, value: number): void {
    this.#u32[at >> 2] = value >>> 0;
    this.#i32[(at >> 2) + 1] = Math.floor(value / U32);
  }

  /** Instructions that retired in blocks that were entered in the hot tier. */
  get hotRetired(): number {
    return this.#total - this.#signed(L.COLD_RETIRED);
  }

  /** How often a region was left in the middle of a block, modulo 2^32. */
  get sideExits(): number {
    return this.#u32[L.SIDE_EXITS >> 2];
  }

  // ---- running ---------------------------------------------------------------------------

  run(space: CpuSpace, budget: number): CpuExit {
    if (budget === 0 || !this.#isTracing) return this.#runFor(space, budget);
    const from = this.pc;
    const exit = this.#runFor(space, 1);
    return exit.kind === "quantum" || exit.kind === "yield" ? this.#trace(from, exit) : exit;
  }

  #runFor(space: CpuSpace, budget: number): CpuExit {
    if (space !== this.#space) this.#enterSpace(space);
    this.#put(L.BUDGET, budget);
    this.#put(L.QUANTUM, budget);
    this.#useKeys();
    this.#useAlignment();
    this.watch?.begin(budget);
    this.stream?.begin();
    let exit: CpuExit;
    try {
      exit = this.#loop();
    } catch (e) {
      if (e === this.#fault) exit = this.#memoryFault();
      else if (e === this.#watching) exit = this.#watchExit();
      else throw e;
    }
    this.#scratchBlock = null;
    this.retired = budget - this.#signed(L.BUDGET);
    this.#total += this.retired;
    if (this.functions.pending === 0) this.#compiledWarm = this.#total;
    else if (this.#total - this.#compiledWarm > this.#warmPatience) this.#compileWarm();
    // A batch that does not fill up is compiled all the same, after as long as some blocks take to get hot.
    if (this.regions.pending === 0) this.#compiled = this.#total;
    else {
      const { heat } = this.regions;
      const patience = heat < LOW_HEAT ? 0 : heat * PATIENCE;
      if (this.#total - this.#compiled > patience) this.#compile();
    }
    this.watch?.end(this.retired);
    this.stream?.end();
    return exit;
  }

  step(space: CpuSpace): CpuExit {
    this.#stepping = true;
    try {
      return this.run(space, 1);
    } finally {
      this.#stepping = false;
      if (this.#breaks.size > 0) this.#arm();
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
          return { kind: "host", id: (pc - this.#hostStart) / 16 };
        }
        const { resets } = this.counts;
        record = this.#find(pc).head;
        if (resets !== this.counts.resets) link = 0;
        if (link !== 0) {
          if (this.#linksStale) this.#unlinkAll();
          this.#u32[(this.#areas.links + link) >> 2] = record;
          if (this.#areas.made.length < FEW) this.#areas.made.push(link);
          link = 0;
        }
      }
      this.counts.entries++;
      let exit = this.#enter(record);
      record = 0;
      if (exit === R.Exit.Quantum) {
        const left = this.#signed(L.BUDGET);
        if (left === 0) return { kind: "quantum" };
        const tail = this.blocks.all[this.#u32[(this.#u32[L.EXIT_RECORD >> 2] + R.BLOCK) >> 2]];
        if (this.#reached(tail)) return { kind: "break" };
        exit = this.#runTail(tail, left);
        if (exit === R.Exit.Stop) return { kind: "quantum" };
      }
      switch (exit) {
        case R.Exit.Link:
          this.counts.links++;
          link = this.#u32[L.EXIT_SLOT >> 2];
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
          if (this.#useKeys()) this.keyChanges++;
          this.#useAlignment();
          // The next instruction is to be traced.
          if (this.#isTracing) return { kind: "quantum" };
          continue;
        case R.Exit.Fault:
          return this.#semanticFault();
        case R.Exit.Hot:
          if (this.#hot(this.#u32[L.EXIT_RECORD >> 2])) return { kind: "break" };
          continue;
        case R.Exit.HotLink:
          this.#hotLink(this.#u32[L.EXIT_SLOT >> 2], this.#u32[L.EXIT_RECORD >> 2]);
          continue;
        case R.Exit.Changing:
          record = this.#u32[L.EXIT_RECORD >> 2];
          continue;
        case R.Exit.Crossing:
          record = this.#u32[L.EXIT_RECORD >> 2];
          this.regions.scatter(this.#blockOf(record));
          continue;
        case R.Exit.Resync:
          this.#rewindTo(this.#u32[L.EXIT_RECORD >> 2], false);
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
      if (e !== this.#changing) throw e;
      return R.Exit.Changing;
    }
  }

  /**
   * aarch64: POR_EL0 in the form of PKRU, the keys of which nothing may be fetched aside. Each field holds R,
   * X and W in bits 0, 1 and 2 (DDI 0487, D8.4.3).
   */
  #overlay(space: CpuSpace): number {
    let keys = 0;
    let noFetch = 0;
    for (let key = 0; key < 8; key++) {
      const field = this.#u32[L.POR >> 2] >>> (4 * key);
      if ((field & 1) === 0) keys |= 1 << (2 * key);
      if ((field & 4) === 0) keys |= 2 << (2 * key);
      if ((field & 2) === 0) noFetch |= 1 << key;
    }
    if (space.noFetch !== noFetch) this.#keys = -1;
    space.noFetch = noFetch;
    return keys;
  }

  /** Let translations obey the running thread's protection keys; whether they are others than before. */
  #useKeys(): boolean {
    if (this.#u32[L.XCR0 >> 2] === 0) return false;
    const space = this.#space!;
    const keys = this.arch === "x86_64" ? this.#u32[L.PKRU >> 2] : this.#overlay(space);
    space.pkru = keys;
    if (keys === this.#keys) return false;
    this.#keys = keys;
    this.#soft.flush();
    return true;
  }

  /** Whether RFLAGS.TF asks for a trap after every instruction. */
  get #isTracing(): boolean {
    return this.isa.singleStep !== undefined &&
      (this.#u32[L.RFLAGS_OTHER >> 2] & L.RFLAGS_TF) !== 0;
  }

  /** The instruction at `from` retired and `exit` is what came of it: the trap of RFLAGS.TF, if it is not held back. */
  #trace(from: number, exit: CpuExit): CpuExit {
    const trap = this.isa.singleStep!(this.#bytesAt(from), from, this.pc);
    return trap === undefined ? exit : { kind: "fault", address: this.exactPc, ...trap };
  }

  /** Let accesses be checked, or no longer, as RFLAGS.AC says: each goes to the host while they are. */
  #useAlignment(): void {
    const checks = this.isa.alignment !== undefined &&
      (this.#u32[L.RFLAGS_OTHER >> 2] & L.RFLAGS_AC) !== 0;
    if (checks && !this.#checksAlignment) this.#soft.flush();
    this.#checksAlignment = checks;
  }

  /** Run the first `count` instructions of `block` alone, from a copy that ends in a stop record. */
  #runTail(block: Block, count: number): number {
    const bytes = (count + 1) * R.RECORD_SIZE;
    this.#u8.copyWithin(SCRATCH, block.head, block.head + bytes);
    this.#u32[SCRATCH >> 2] = this.#u32[(SCRATCH + R.RECORD_SIZE) >> 2];
    this.#view.setUint16(SCRATCH + R.COUNT, count, true);
    const stop = SCRATCH + bytes;
    this.#u32[stop >> 2] = STOP_SLOT;
    this.#put(stop + R.IMM0, block.pc + this.blocks.offsetOf(block, count));
    this.#scratchBlock = block;
    if (this.watch !== null) this.#enterTail(block, count);
    this.stream?.enter(block.pc, count, block.number);
    this.#put(L.BUDGET, 0);
    this.blocks.cold.tails += count;
    this.#put(L.COLD_RETIRED, this.#signed(L.COLD_RETIRED) + count);
    // The copy's head is never executed: enter at the first instruction.
    return this.#run(SCRATCH + R.RECORD_SIZE);
  }

  /** What a block's head does for the models, for its first `count` instructions alone. */
  #enterTail(block: Block, count: number): void {
    this.#put(L.NOW, this.#signed(L.ORDINAL_BASE) - 64 * count);
    for (let i = 0; i < count; i++) {
      const { loads, stores } = this.blocks.accessesOf(block, i);
      this.watch!.refund(-loads, -stores);
    }
    this.#put(L.FAULT_ADDRESS, block.pc);
    this.#fetchMiss();
    if (block.frame2 >= 0) {
      this.watch!.counts.fetchStraddles++;
      this.#put(L.NOW, this.#signed(L.NOW) + 1);
      this.#put(L.FAULT_ADDRESS, (Math.floor(block.pc / 4096) + 1) * 4096);
      this.#fetchMiss();
    }
  }

  /** A branch ignores an address's top byte: bit 55 stands for it (DDI 0487, AArch64.BranchAddr). */
  #ignoreTag(): number {
    const high = (L.PC >> 2) + 1;
    this.#i32[high] = (this.#i32[high] << 8) >> 8;
    return this.pc;
  }

  /** The block at `pc` in the current space, through the dispatch hash. */
  #find(pc: number): Block {
    const head = this.#dispatch.find(this.#areas.dispatch, pc);
    if (head !== 0) {
      const block = this.blocks.all[this.#u32[(head + R.BLOCK) >> 2]];
      if (block.alive) return block;
    }
    const physical = this.fetch(pc);
    this.#areas.pages.set(Math.floor(pc / 4096), physical >>> 12);
    let block = this.blocks.find(pc, physical, this);
    while (block !== undefined) {
      const region = this.regions.at(block);
      if (region === undefined || region.pages.size === 1 || this.#maps(region)) break;
      // Its region spans pages that this space maps otherwise: use another translation.
      block = block.variant;
    }
    if (block === undefined) {
      if (this.blocks.links * 4 + 8 > LINK_AREA || this.blocks.arenaEnd > ARENA_LIMIT) {
        this.#startOver();
        return this.#find(pc);
      }
      this.counts.translated++;
      block = this.blocks.translate(pc, physical, this);
      if (this.blocks.cut.length > 0) this.#arm();
    }
    this.#dispatch.insert(this.#areas.dispatch, pc, block.head);
    if (this.#areas.entered.length < FEW) this.#areas.entered.push(pc);
    return block;
  }

  /** Physical address of `pc` for execution; throws the fault. */
  fetch(pc: number): number {
    const space = this.#space!;
    let result = this.#canonical(pc) ? 0 : -1;
    // An address beyond 2^53 is exact in state memory only.
    const low = result === 0 ? pc : this.#u32[L.PC >> 2];
    if (this.arch === "aarch64" && low % 4 !== 0) result = (SIGBUS << 8) | BUS_ADRALN;
    if (result === 0) result = space.resolve(pc, Access.Execute);
    if (result === 0) {
      this.stream?.sawPage(pc, space.resolved.pageShift);
      return space.resolved.physical;
    }
    const high = this.#canonical(pc) ? Math.floor(pc / U32) : this.#u32[(L.PC >> 2) + 1];
    this.#refuse(result, low >>> 0, high, Access.Execute, 0);
  }

  /** Throw what `resolve` answered, or -1 where it was not asked, for an access to `high:low`. */
  #refuse(result: number, low: number, high: number, access: Access, record: number): never {
    const f = this.#fault;
    f.signal = result < 0 ? SIGSEGV : result >> 8;
    f.code = result < 0 ? SEGV_MAPERR : result & 0xff;
    f.addressLow = low;
    f.addressHigh = high;
    f.access = access;
    if (result < 0 && this.arch === "aarch64") {
      // Tags are not shown: the top byte is what bit 55 says.
      f.addressHigh = (high << 8) >> 8;
    } else if (result < 0 && high >>> 15 !== KERNEL_HALF) {
      // Not canonical: a general protection fault, which has no address.
      f.code = SI_KERNEL;
      f.addressLow = f.addressHigh = 0;
    }
    this.#u32[L.EXIT_RECORD >> 2] = record;
    throw f;
  }

  /** The room for translations is used up: forget them all. */
  #startOver(): void {
    this.counts.resets++;
    this.stream?.forgetBlocks();
    this.#unlinkAll();
    this.blocks.reset();
    this.regions.reset();
    this.functions.reset();
    this.#u8.fill(0, L.LINK_HEAT, L.LINK_HEAT + LINK_AREA);
  }

  #canonical(va: number): boolean {
    return va < (this.arch === "x86_64" ? 2 ** 47 : 2 ** 48);
  }

  /** The block of an instruction's record. */
  #blockOf(record: number): Block {
    const head = record - (this.#view.getUint16(record + R.INDEX, true) + 1) * R.RECORD_SIZE;
    return this.blocks.all[this.#u32[(head + R.BLOCK) >> 2]];
  }

  /** The block of `head` counted down to zero: it is hot, or breaks, which is the answer. */
  #hot(head: number): boolean {
    const block = this.blocks.all[this.#u32[(head + R.BLOCK) >> 2]];
    if (this.#reached(block)) return true;
    if (this.blocks.cuts.has(block.pc)) this.blocks.reheat(block, this.blocks.heat);
    else if (this.#wantsFunction(block)) {
      if (this.functions.enqueue(block)) this.#compileWarm();
    } else if (this.regions.enqueue(block)) this.#compile();
    return false;
  }

  /** Whether `block` is to get a function of its own first. One that repeats itself stores conditionally. */
  #wantsFunction(block: Block): boolean {
    return block.slot === 0 && block.flow !== Flow.Repeat && this.blocks.heat < this.regions.heat;
  }

  // ---- breakpoints ------------------------------------------------------------------------

  /**
   * Leave with a `break` exit before the next execution of any of `pcs` in `space`, once. Replaces
   * those of before; the blocks at `pcs` stay out of regions until `clearBreaks`.
   */
  breakAt(space: CpuSpace, pcs: readonly number[]): void {
    for (const pc of pcs) this.blocks.cutAt(pc);
    this.#linksStale = true;
    if (pcs.length > 0) this.#breaks.set(space, new Set(pcs));
    else this.#breaks.delete(space);
    this.#arm();
  }

  /** No address breaks any more. */
  clearBreaks(): void {
    this.#breaks.clear();
    this.#arm();
    this.blocks.uncut();
  }

  /** Let blocks that break in the current space, and no others, count down to zero at once. */
  #arm(): void {
    const { heat, cut } = this.blocks;
    const here = this.#space === null ? undefined : this.#breaks.get(this.#space);
    for (const block of cut) this.blocks.reheat(block, here?.has(block.pc) ? ARMED : heat);
  }

  #reached({ pc }: Block): boolean {
    if (this.#stepping || !this.#breaks.get(this.#space!)?.has(pc)) return false;
    this.#breaks.delete(this.#space!);
    this.#arm();
    this.pc = pc;
    return true;
  }

  /**
   * Leave with a `watch` exit before every access of the program to `ranges` of `space`. Replaces those of
   * before. Their pages stay out of the soft TLB, so accesses to them are slow.
   */
  watchData(space: CpuSpace, ranges: readonly WatchedRange[]): void {
    if (ranges.length > 0) this.#watched.set(space, ranges);
    else if (!this.#watched.delete(space)) return;
    this.#soft.flush();
  }

  /** Leave if the access to `size` bytes at `FAULT_ADDRESS` is to watched bytes. */
  #heedWatched(size: number, access: Access, record: number): void {
    const first = this.#address(0);
    const other = access === Access.Write ? "read" : "write";
    for (const range of this.#watched.get(this.#space!) ?? []) {
      if (range.access === other || first >= range.start + range.size) continue;
      if (first + size <= range.start) continue;
      this.#fault.access = access;
      this.#u32[L.EXIT_RECORD >> 2] = record;
      throw this.#watching;
    }
  }

  /** Whether bytes on the page of `va` are watched. */
  #watchesPage(va: number): boolean {
    const page = Math.floor(va / 4096);
    return (this.#watched.get(this.#space!) ?? []).some(({ start, size }) =>
      Math.floor(start / 4096) <= page && page <= Math.floor((start + size - 1) / 4096)
    );
  }

  #watchExit(): CpuExit {
    this.#rewindTo(this.#u32[L.EXIT_RECORD >> 2], false);
    return { kind: "watch", address: this.#address(0), access: this.#fault.access };
  }

  /** The region at `head` often leaves through the link at `slot` to the current pc. */
  #hotLink(slot: number, head: number): void {
    const block = this.blocks.blockOfLink(slot);
    if (isIndirect(block.flow)) this.blocks.addTarget(block, this.pc);
    else this.pc = this.blocks.targetOfLink(slot);
    const region = this.regions.at(this.blocks.all[this.#u32[(head + R.BLOCK) >> 2]]);
    if (region !== undefined && this.regions.extend(region, this.pc)) this.#compile();
  }

  /** Compile blocks that wait for functions of their own. */
  #compileWarm(): void {
    this.#compiledWarm = this.#total;
    this.functions.compile();
  }

  /** Compile hot regions; those over several pages must be checked before another space enters them. */
  #compile(): void {
    this.#compiled = this.#total;
    const installed = this.regions.compile((pc) => {
      const frame = this.#areas.pages.get(Math.floor(pc / 4096));
      if (frame === undefined || this.blocks.cuts.has(pc)) return undefined;
      return this.blocks.peek(pc, frame);
    });
    if (!installed.some((r) => r.pages.size > 1)) return;
    for (const [space, areas] of this.#spaces) {
      if (space !== this.#space) this.#clearAreas(areas);
    }
  }

  /** Whether the current space maps all pages of `region` as they were when it was compiled. */
  #maps(region: Region): boolean {
    for (const [page, frame] of region.pages) {
      const known = this.#areas.pages.get(page);
      if (known === frame) continue;
      if (known !== undefined) return false;
      const physical = this.#space!.peekExecutable(page * 4096);
      if (physical < 0 || physical >>> 12 !== frame) return false;
      this.stream?.sawPage(page * 4096, this.#space!.resolved.pageShift);
      this.#areas.pages.set(page, frame);
    }
    return true;
  }

  // ---- faults ----------------------------------------------------------------------------

  /** Refund what the block of `record` was charged beyond it, and set pc to it (or past it). */
  #rewindTo(record: number, after: boolean): void {
    const index = this.#view.getUint16(record + R.INDEX, true);
    const head = record - (index + 1) * R.RECORD_SIZE;
    const count = this.#view.getUint16(head + R.COUNT, true);
    const block = this.blocks.all[this.#u32[(head + R.BLOCK) >> 2]];
    const done = after ? index + 1 : index;
    this.#put(L.BUDGET, this.#signed(L.BUDGET) + count - done);
    if (this.#u32[(head + R.HANDLER) >> 2] === HEAD_SLOT || block === this.#scratchBlock) {
      this.#put(L.COLD_RETIRED, this.#signed(L.COLD_RETIRED) - (count - done));
    }
    this.stream?.cut(done);
    if (this.watch !== null) {
      // A straddling instruction is a block of its own.
      if (block.frame2 >= 0 && done === 0) this.watch.counts.fetchStraddles--;
      for (let i = done; i < count; i++) {
        const { loads, stores } = this.blocks.accessesOf(block, i);
        this.watch.refund(loads, stores);
      }
    }
    this.pc = block.pc +
      (after && done === block.count ? block.bytes : this.blocks.offsetOf(block, done));
  }

  #memoryFault(): CpuExit {
    const f = this.#fault;
    const record = this.#u32[L.EXIT_RECORD >> 2];
    if (record !== 0) this.#rewindTo(record, false);
    const address = (BigInt(f.addressHigh >>> 0) << 32n) | BigInt(f.addressLow >>> 0);
    if (f.code === SI_KERNEL && record !== 0 && this.isa.trap !== undefined) {
      const bytes = this.#bytesOf(record);
      return {
        kind: "fault",
        address,
        ...this.isa.trap(f.signal, f.code, true, this.#view, bytes),
        resume: true,
      };
    }
    const va = (f.addressHigh >>> 0) * U32 + (f.addressLow >>> 0);
    const { signal, code, access } = f;
    const end = this.#canonical(va) ? this.#space!.walkEnd?.(va) ?? -1 : -1;
    const walk = { present: end >= 0, level: end < 0 ? ~end : end };
    const bytes = record === 0 ? undefined : this.#bytesOf(record);
    const at = { state: this.#view, bytes };
    const report = this.isa.accessFault?.({ signal, code, access, va, ...walk, ...at });
    return { kind: "fault", signal, code, address, resume: true, ...report };
  }

  #semanticFault(): CpuExit {
    const record = this.#u32[L.EXIT_RECORD >> 2];
    const info = this.#u32[L.FAULT_ACCESS >> 2];
    const bytes = this.#bytesOf(record);
    const after = (info & FAULT_AFTER) !== 0;
    this.#rewindTo(record, after);
    const address = (info & FAULT_HAS_ADDRESS) !== 0
      ? this.#view.getBigUint64(L.FAULT_ADDRESS, true)
      : BigInt(this.pc);
    const signal = info & 0xff, code = (info >> 8) & 0xff;
    const trap = this.isa.trap?.(signal, code, false, this.#view, bytes) ?? { signal, code };
    const detail = this.isa.describe(bytes, 0, bytes.length, this.pc);
    return { kind: "fault", address, detail, resume: !after, ...trap };
  }

  /** The bytes of the instruction of `record`, and some that follow: 15. */
  #bytesOf(record: number): Uint8Array {
    const index = this.#view.getUint16(record + R.INDEX, true);
    const head = record - (index + 1) * R.RECORD_SIZE;
    const block = this.blocks.all[this.#u32[(head + R.BLOCK) >> 2]];
    const pc = block.pc + this.blocks.offsetOf(block, index);
    const physical = block.frame * 4096 + (pc % 4096);
    return this.#bytesIn(physical, block.frame2 < 0 ? -1 : block.frame2 * 4096);
  }

  /** The same of the instruction at `pc`, which was executed just now. */
  #bytesAt(pc: number): Uint8Array {
    const space = this.#space!;
    const next = (Math.floor(pc / 4096) + 1) * 4096;
    return this.#bytesIn(space.peekExecutable(pc), space.peekExecutable(next));
  }

  /** 15 bytes from `physical` on; those of another page are at `second`, if that is not -1. */
  #bytesIn(physical: number, second: number): Uint8Array {
    const bytes = new Uint8Array(15);
    if (physical < 0) return bytes;
    const room = Math.min(15, 4096 - physical % 4096);
    bytes.set(this.physical.subarray(physical, physical + room));
    if (room < 15 && second >= 0) {
      bytes.set(this.physical.subarray(second, second + 15 - room), room);
    }
    return bytes;
  }

  // ---- memory ----------------------------------------------------------------------------

  /** Address in `FAULT_ADDRESS` plus `extra`, as the access sees it. */
  #address(extra: number): number {
    let high = this.#u32[(L.FAULT_ADDRESS >> 2) + 1];
    if (this.arch === "aarch64") high &= 0xffffff;
    return high * U32 + this.#u32[L.FAULT_ADDRESS >> 2] + extra;
  }

  /** Take the page fault of an access if there is one to take; throws what cannot be mended. */
  #check(extra: number, access: Access | typeof UPDATE, record: number): void {
    const va = this.#address(extra);
    this.#checked = record;
    const result = this.#canonical(va) ? this.#space!.resolve(va, this.#taken(va, access)) : -1;
    if (result === 0) return;
    const low = this.#u32[L.FAULT_ADDRESS >> 2] + extra;
    const carry = low >= U32 ? 1 : 0;
    const high = result < 0 ? this.#u32[(L.FAULT_ADDRESS >> 2) + 1] : Math.floor(va / U32) - carry;
    this.#refuse(
      result,
      low >>> 0,
      high + carry,
      access === UPDATE ? Access.Write : access,
      record,
    );
  }

  /**
   * Translate the address in `FAULT_ADDRESS` (plus `extra`) for access `number` of `record`; throws
   * the fault. Returns the physical address, shows the access to the models, fills the soft TLB.
   */
  #translate(
    extra: number,
    access: Access | typeof UPDATE,
    record: number,
    number: number,
  ): number {
    this.#check(extra, access, record);
    const va = this.#address(extra);
    const { physical, writable, pageShift } = this.#space!.resolved;
    const stamp = this.watch === null ? 0 : this.#model(va, pageShift, number, record);
    this.stream?.sawPage(va, pageShift);
    if (this.#observe !== undefined || this.#checksAlignment) return physical;
    if (this.#watched.size > 0 && this.#watchesPage(va)) return physical;
    this.#soft.fill(L.READ_TLB, va, physical, stamp);
    if (writable && this.blocks.codeFrames[physical >>> 12] === 0) {
      this.#soft.fill(L.WRITE_TLB, va, physical, stamp);
    }
    return physical;
  }

  /** Take the page faults of an access of `size` bytes. */
  #checkAll(size: number, access: Access | typeof UPDATE, record: number): void {
    this.#check(0, access, record);
    this.#check(size - 1, access, record);
  }

  /** RFLAGS.AC: refuse an access whose address is not as aligned as it must be. Canonical it is first, mapped after. */
  #checkAlignment(size: number, record: number): void {
    const low = this.#u32[L.FAULT_ADDRESS >> 2];
    const high = this.#u32[(L.FAULT_ADDRESS >> 2) + 1];
    if (high >>> 15 !== 0 && high >>> 15 !== KERNEL_HALF) return;
    if (low % this.isa.alignment!(this.#bytesOf(record), size) === 0) return;
    this.#refuse((SIGBUS << 8) | BUS_ADRALN, 0, 0, Access.Read, record);
  }

  /** Whether a load is of what the instruction stores to next, which faults as a store on x86_64. */
  #loadAccess(record: number): Access.Read | typeof UPDATE {
    if (this.arch !== "x86_64") return Access.Read;
    const index = this.#view.getUint16(record + R.INDEX, true);
    const { updates } = this.blocks.accessesOf(this.#blockOf(record), index);
    return updates ? UPDATE : Access.Read;
  }

  /**
   * The page fault to take for an access. Where a page is, the load of an update takes none and the store that
   * follows does, as when the soft TLB serves the load.
   */
  #taken(va: number, access: Access | typeof UPDATE): Access {
    if (access !== UPDATE) return access;
    return (this.#space!.walkEnd?.(va) ?? 0) < 0 ? Access.Write : Access.Read;
  }

  /** The event of an access that generated code did not append. */
  #append(access: Access, size: number, record: number, physical: number, second: number): void {
    if (this.stream === null) return;
    const index = this.#view.getUint16(record + R.INDEX, true);
    this.stream.access(access === Access.Write, this.#address(0), size, index, physical, second);
  }

  /** A block as models see it. */
  #describe(block: Block): CodeBlock {
    const { number, pc, count, bytes, flow, target, frame, frame2 } = block;
    const offsets = new Uint16Array(count + 1);
    for (let i = 0; i < count; i++) offsets[i] = this.blocks.offsetOf(block, i);
    offsets[count] = bytes;
    const physical = frame * 4096 + pc % 4096;
    const physical2 = frame2 < 0 ? -1 : frame2 * 4096;
    return { number, pc, count, bytes, flow, target, physical, physical2, offsets };
  }

  /** Ordinal of access `number` of the instruction of `record`. */
  #ordinal(number: number, record: number): number {
    return this.#signed(L.NOW) + 64 * this.#view.getUint16(record + R.INDEX, true) + number;
  }

  /** The modelled data TLB sees an access to `va`; returns the address of its entry's stamp. */
  #model(va: number, shift: number, number: number, record: number): number {
    const { hierarchy } = this.watch!;
    hierarchy.access(Side.Data, va, shift, this.#space!.id, this.#ordinal(number, record));
    return hierarchy.stampAddress;
  }

  #indirect(record: number): void {
    const index = this.#view.getUint16(record + R.INDEX, true);
    const head = record - (index + 1) * R.RECORD_SIZE;
    const offset = this.#view.getUint16(record + R.PC_OFFSET, true);
    const pc = this.#u32[(head + R.HEAD_PC) >> 2] + this.#u32[(head + R.HEAD_PC + 4) >> 2] * U32 +
      offset;
    const target = this.#u32[L.BRANCH_TARGET >> 2] + this.#u32[(L.BRANCH_TARGET >> 2) + 1] * U32;
    this.watch!.targets.access(pc, target);
  }

  /** Fetch from the page of `FAULT_ADDRESS`: the modelled instruction TLB, and a soft entry. */
  #fetchMiss(): void {
    const low = this.#u32[L.FAULT_ADDRESS >> 2];
    const va = low + this.#u32[(L.FAULT_ADDRESS >> 2) + 1] * U32;
    const space = this.#space!;
    const { hierarchy } = this.watch!;
    const shift = space.peekExecutable(va) < 0 ? 12 : space.resolved.pageShift;
    hierarchy.access(Side.Instruction, va, shift, space.id, this.#signed(L.NOW));
    this.#soft.fillFetch(va, hierarchy.stampAddress);
  }
  #loadMiss(sizeAndNumber: number, record: number): number {
    this.counts.loadMisses++;
    const size = sizeAndNumber & 0xff;
    const number = sizeAndNumber >> 8;
    const offset = this.#u32[L.FAULT_ADDRESS >> 2] & 4095;
    if (this.#watched.size > 0) this.#heedWatched(size, Access.Read, record);
    if (this.#checksAlignment) this.#checkAlignment(size, record);
    const access = this.#loadAccess(record);
    if (this.#observe !== undefined) {
      this.#checkAll(size, access, record);
      this.#observe(this.#address(0), size, false);
    }
    if (offset + size <= 4096) {
      const physical = this.#translate(0, access, record, number);
      this.#append(Access.Read, size, record, physical, -1);
      return physical;
    }
    const part = 4096 - offset;
    this.#check(0, access, record);
    this.#check(part, access, record);
    const first = this.#translate(0, access, record, number);
    const second = this.#translate(part, access, record, number + 1);
    if (this.watch !== null) this.watch.counts.dataStraddles++;
    this.#append(Access.Read, size, record, first, second);
    this.physical.copyWithin(BOUNCE, first, first + part);
    this.physical.copyWithin(BOUNCE + part, second, second + size - part);
    return BOUNCE;
  }

  /**
   * A block's own function does not look whether a store changed it. It leaves before one that may, and the
   * cold tier does the instruction.
   */
  #ownStoreMiss(sizeAndNumber: number, record: number): number {
    if (this.arch === "x86_64") {
      const block = this.#blockOf(record);
      const size = sizeAndNumber & 0xff;
      const part = Math.min(size, 4096 - (this.#u32[L.FAULT_ADDRESS >> 2] & 4095));
      for (const extra of part < size ? [0, part] : [0]) {
        this.#check(extra, Access.Write, record);
        const frame = this.#space!.resolved.physical >>> 12;
        if (frame !== block.frame && frame !== block.frame2) continue;
        this.#u32[L.EXIT_RECORD >> 2] = record;
        throw this.#changing;
      }
    }
    return this.#storeMiss(sizeAndNumber, record);
  }

  #storeMiss(sizeAndNumber: number, record: number): number {
    this.counts.storeMisses++;
    const size = sizeAndNumber & 0xff;
    const number = sizeAndNumber >> 8;
    const offset = this.#u32[L.FAULT_ADDRESS >> 2] & 4095;
    if (this.#watched.size > 0) this.#heedWatched(size, Access.Write, record);
    if (this.#checksAlignment) this.#checkAlignment(size, record);
    if (this.#observe !== undefined) {
      this.#checkAll(size, Access.Write, record);
      this.#observe(this.#address(0), size, true);
    }
    const part = Math.min(size, 4096 - offset);
    if (part < size) {
      this.#check(0, Access.Write, record);
      this.#check(part, Access.Write, record);
    }
    const first = this.#translate(0, Access.Write, record, number);
    const second = part < size ? this.#translate(part, Access.Write, record, number + 1) : 0;
    if (part < size && this.watch !== null) this.watch.counts.dataStraddles++;
    this.#append(Access.Write, size, record, first, part < size ? second : -1);
    const from = L.STORE_VALUE;
    for (let i = 0; i < part; i++) this.physical[first + i] = this.#u8[from + i];
    for (let i = part; i < size; i++) this.physical[second + i - part] = this.#u8[from + i];
    const before = this.counts.invalidations;
    if (this.blocks.codeFrames[first >>> 12] !== 0) this.frameWritten(first, part);
    if (part < size && this.blocks.codeFrames[second >>> 12] !== 0) {
      this.frameWritten(second, size - part);
    }
    return this.counts.invalidations === before ? 0 : 1;
  }

  // ---- address spaces --------------------------------------------------------------------

  #enterSpace(space: CpuSpace): void {
    let areas = this.#spaces.get(space);
    if (areas === undefined) {
      areas = this.#freeAreas.pop() ?? this.#newAreas();
      this.#spaces.set(space, areas);
    }
    this.#space = space;
    this.#areas = areas;
    this.#u32[L.LINKS >> 2] = areas.links;
    this.#u32[L.DISPATCH >> 2] = areas.dispatch;
    this.watch?.enterSpace(space.id);
    this.stream?.enterSpace(space);
    this.#soft.flush();
    this.#arm();
  }

  #newAreas(): SpaceAreas {
    const links = this.#nextArea;
    if (links + LINK_AREA + DISPATCH_AREA > L.RESERVED) return this.#takeAreas();
    this.#nextArea += LINK_AREA + DISPATCH_AREA;
    const areas = newSpaceAreas(links, links + LINK_AREA);
    this.#dispatch.clear(areas.dispatch);
    return areas;
  }

  /** The areas of the space that was entered first and is not in use; it links anew when it returns. */
  #takeAreas(): SpaceAreas {
    for (const [space, areas] of this.#spaces) {
      if (space === this.#space) continue;
      this.#spaces.delete(space);
      this.#clearAreas(areas);
      return areas;
    }
    throw new RangeError("no room for a second address space");
  }

  #clearAreas({ links, dispatch, pages, made, entered }: SpaceAreas): void {
    if (made.length < FEW) { for (const link of made) this.#u32[(links + link) >> 2] = 0; }
    else this.#u8.fill(0, links, links + this.blocks.links * 4);
    if (entered.length < FEW) this.#dispatch.forget(dispatch, entered);
    else this.#dispatch.clear(dispatch);
    made.length = entered.length = 0;
    pages.clear();
  }

  #unlinkAll(): void {
    for (const areas of this.#spaces.values()) this.#clearAreas(areas);
    this.#linksStale = false;
  }

  pageFault(space: CpuSpace, va: number, access: Access): void {
    const side = access === Access.Execute ? Side.Instruction : Side.Data;
    this.watch?.pageFault(side, va, space.id);
    if (this.stream !== null) {
      const index = this.#view.getUint16(this.#checked + R.INDEX, true);
      this.stream.pageFault(side, va, side === Side.Data ? index : -1);
    }
  }

  shootdown(space: CpuSpace, va: number, size: number, code: boolean): void {
    this.watch?.hierarchy.invalidate(space.id, va, va + size);
    this.stream?.invalidate(space.id, va, va + size);
    if (space === this.#space) {
      if (size >= 256 * 4096) this.#soft.flush();
      else {
        this.#soft.clearData(va, va + size);
        this.#soft.clearFetch(va, va + size);
      }
    }
    if (code) {
      const areas = this.#spaces.get(space);
      if (areas !== undefined) this.#clearAreas(areas);
    }
  }

  frameWritten(physical: number, size: number): void {
    if (this.blocks.written(physical, size) === 0) return;
    this.counts.invalidations++;
    this.#linksStale = true;
    const block = this.#scratchBlock;
    if (block !== null && !block.alive) {
      const count = this.#view.getUint16(SCRATCH + R.COUNT, true);
      for (let i = 1; i <= count; i++) this.#u32[(SCRATCH + i * R.RECORD_SIZE) >> 2] = RESYNC_SLOT;
    }
  }

  frameFreed(physical: number): void {
    const frame = physical >>> 12;
    if (this.blocks.codeFrames[frame] !== 0 && this.blocks.drop(frame) > 0) this.#linksStale = true;
  }

  spaceFreed(space: CpuSpace): void {
    this.#breaks.delete(space);
    this.#watched.delete(space);
    const areas = this.#spaces.get(space);
    if (areas === undefined) return;
    this.#clearAreas(areas);
    this.#spaces.delete(space);
    this.#freeAreas.push(areas);
    if (space === this.#space) this.#space = null;
  }
}
