/**
 * Translated blocks: predecoded records in state memory, found by guest address and physical frame,
 * shared by every address space that maps the frame at that address.
 */
import { Decoded, Flow, type Isa } from "./ir/decoded.ts";
import { ALL_TYPES } from "./branch_types.ts";
import { ColdReport } from "./cold_report.ts";
import { ARENA } from "./layout.ts";
import { handlerKey, type Handlers, withFlagKind } from "./handlers.ts";
import * as R from "./wasm/records.ts";
import { CONTINUE_SLOT, DEAD_SLOT, HEAD_SLOT, RESYNC_SLOT } from "./wasm/runtime.ts";

/** Most instructions in a block. */
const MAX_INSTRUCTIONS = 64;
/** Where a block with a breakpoint counts down from. */
export const ARMED = 1;
/** Number of the first link slot: odd, and its offset is no exit (`R.EXITS`). */
const FIRST_LINK = 5;
/** Targets that an indirect transfer is compared with. */
const MAX_TARGETS = 6;
/** Translated bytes are tracked by lines of 64 bytes within a frame. */
const LINE_SHIFT = 6;

/** A translated block. */
export interface Block {
  readonly number: number;
  /** Address of its head record in state memory. */
  readonly head: number;
  readonly pc: number;
  /** Frame numbers of its bytes; `frame2` is -1 unless an instruction straddles two pages. */
  readonly frame: number;
  readonly frame2: number;
  /** Whether its page is guarded, and which branches may go to it: a bit for each type (`branch_types.ts`). */
  readonly guarded: boolean;
  readonly accepted: number;
  /** Guest instructions and bytes. */
  readonly count: number;
  readonly bytes: number;
  /** How it ends. */
  readonly flow: Flow;
  /** Where a direct transfer goes, or what follows if there is none; 0 for an indirect one. */
  readonly target: number;
  /** Row and statics of each instruction are found again by decoding; offsets lie in the records. */
  alive: boolean;
  /** Whether regions may translate once for accesses that lie together. */
  clustered: boolean;
  /** Table slot of its own function, 0 while it has none. */
  slot: number;
  /** Another translation of the same bytes, for spaces that cannot enter this one's region. */
  variant: Block | undefined;
}

/** A frame that is fetched from, as a guarded page or not: what translations depend on. */
export function placeOf(frame: number, guarded: boolean): number {
  return 2 * frame + (guarded ? 1 : 0);
}
/** What a frame's blocks are found by; instructions that can be guarded are aligned. */
function keyOf(pc: number, guarded: boolean): number {
  return guarded ? pc + 1 : pc;
}

/** Where instruction bytes are fetched: filled by `CodeSource.fetch`. */
export interface CodeSource {
  /** Physical address of `pc` for execution; throws a guest fault. */
  fetch(pc: number): number;
}

/** Owns the arena of records and the index of blocks. */
export class Blocks {
  readonly #isa: Isa;
  readonly #handlers: Handlers;
  readonly #physical: Uint8Array;
  readonly #u16: Uint16Array;
  readonly #u32: Uint32Array;
  readonly #i32: Int32Array;
  readonly #decoded = new Decoded();
  readonly #straddle = new Uint8Array(32);
  /** Blocks by number, and by frame then pc. */
  readonly all: Block[] = [];
  readonly #byFrame = new Map<number, Map<number, Block>>();
  /** Blocks whose last instruction lies on two pages, by the second one's frame. */
  readonly #straddling = new Map<number, Block[]>();
  /** Per frame with code: which 64-byte lines hold translated bytes (two 32-bit words). */
  readonly #lines = new Map<number, Uint32Array>();
  readonly #targets = new Map<number, readonly number[]>();
  /** Handler slots of dead blocks' instructions: their records lead elsewhere. */
  readonly #killed = new Map<number, Uint32Array>();
  /** 1 for each frame that holds translated code. */
  readonly codeFrames: Uint8Array;
  #next: number;
  #links = FIRST_LINK;
  #heat: number;
  readonly cold = new ColdReport();
  /** Addresses that only begin blocks and that regions leave out, and the blocks that begin there. */
  readonly cuts = new Set<number>();
  readonly cut: Block[] = [];
  /** Instructions predecoded so far. */
  decodedInstructions = 0;

  constructor(
    isa: Isa,
    handlers: Handlers,
    memory: WebAssembly.Memory,
    heat: number,
    readonly died: (block: Block) => void,
    /** A frame that held no translated code does now. */
    readonly becameCode: (frame: number) => void,
  ) {
    this.#isa = isa;
    this.#handlers = handlers;
    this.#heat = heat;
    this.#physical = new Uint8Array(memory.buffer);
    this.#u16 = new Uint16Array(memory.buffer);
    this.#u32 = new Uint32Array(memory.buffer);
    this.#i32 = new Int32Array(memory.buffer);
    this.codeFrames = new Uint8Array(this.#physical.length / 4096);
    this.#next = ARENA;
  }

  /** Where new blocks count down from. */
  get heat(): number {
    return this.#heat;
  }

  /** Figures of the cold tier and of what regions leave out. */
  report(): Record<string, number> {
    const report = this.cold.copy();
    this.#settle(report);
    return report.figures();
  }
  /** Add to `report` what blocks ran since they last began to count down. */
  #settle(report: ColdReport): void {
    for (const b of this.all) this.#ran(b, report);
  }

  /** `block` counts down from `heat` now. What it ran since it last began to is kept for reports. */
  reheat(block: Block, heat: number): void {
    this.#ran(block, this.cold);
    this.#i32[(block.head + R.HEAT) >> 2] = heat;
  }
  /** Blocks count down from `heat` from now on, if that is less than before; what they have run already counts. */
  hasten(heat: number): void {
    const saved = this.#heat - heat;
    if (saved <= 0) return;
    for (const { head, slot, count } of this.all) {
      const at = (head + R.HEAT) >> 2;
      const left = this.#i32[at];
      if (slot !== 0 || left <= ARMED || left > this.#heat) continue;
      const due = Math.max(left - saved, ARMED);
      this.#i32[at] = due;
      // More than it would have run before.
      this.cold.warming += count * (due - left + saved);
    }
    this.#heat = heat;
  }
  #ran(block: Block, report: ColdReport): void {
    if (block.slot !== 0) return;
    const left = this.#i32[(block.head + R.HEAT) >> 2];
    if (left > ARMED || !this.cuts.has(block.pc)) report.ran(block, this.heat, left);
  }

  /** From now on blocks begin at `pc`, and none goes over it: those that do are dropped, and their pages. */
  cutAt(pc: number): void {
    if (this.cuts.has(pc)) return;
    this.cuts.add(pc);
    for (const b of this.all) {
      if (b.alive && b.pc <= pc && pc < b.pc + b.bytes) this.drop(b.frame);
    }
  }
  /** Blocks may go over every address again. */
  uncut(): void {
    this.cuts.clear();
    this.cut.length = 0;
  }

  /** Forget everything: room was short. No generated code may be running. */
  reset(): void {
    this.#settle(this.cold);
    this.cut.length = 0;
    this.all.length = 0;
    this.#byFrame.clear();
    this.#lines.clear();
    this.#straddling.clear();
    this.#killed.clear();
    this.#targets.clear();
    this.codeFrames.fill(0);
    this.#next = ARENA;
    this.#links = FIRST_LINK;
  }

  /** Link slots given out so far; the first ones are unused. */
  get links(): number {
    return this.#links;
  }
  /** First byte of state memory that is not yet used by records. */
  get arenaEnd(): number {
    return this.#next;
  }

  /** The block at `pc`, whose first byte lies at `physical`, on a guarded page or not, if it was translated. */
  find(pc: number, physical: number, guarded: boolean, source: CodeSource): Block | undefined {
    const block = this.#byFrame.get(physical >>> 12)?.get(keyOf(pc, guarded));
    if (block === undefined || block.frame2 < 0) return block;
    const second = source.fetch((Math.floor(pc / 4096) + 1) * 4096) >>> 12;
    return second === block.frame2 ? block : undefined;
  }

  /** The block at `pc` in `place`, if it was translated and lies on one page. */
  peek(pc: number, place: number): Block | undefined {
    const block = this.#byFrame.get(place >>> 1)?.get(keyOf(pc, (place & 1) !== 0));
    if (block === undefined || block.frame2 < 0) return block;
    this.decodeAt(block, 0, this.#decoded);
    this.cold.refuse(`straddling.${this.#isa.rows[this.#decoded.row].name}`);
    return undefined;
  }

  /** Predecode the block at `pc`. */
  translate(pc: number, physical: number, guarded: boolean, source: CodeSource): Block {
    const d = this.#decoded;
    d.guarded = guarded;
    const start = physical;
    const room = 4096 - (physical & 4095);
    const head = this.#next;
    let record = head + R.RECORD_SIZE;
    let offset = 0;
    let count = 0;
    let frame2 = -1;
    const keys: number[] = [];
    let flow: Flow = Flow.Next;
    while (count < MAX_INSTRUCTIONS && offset < room) {
      let complete = this.#isa.decode(
        this.#physical,
        start + offset,
        Math.min(15, room - offset),
        pc + offset,
        d,
      );
      if (!complete) {
        if (count > 0) break;
        frame2 = this.#fetchStraddling(pc, start, room, source);
        complete = this.#isa.decode(this.#straddle, 0, 15, pc, d);
        if (!complete) throw new RangeError("decoder asks for more than 15 bytes");
      }
      if (count > 0 && this.cuts.size !== 0 && this.cuts.has(pc + offset)) break;
      // A self-repeating instruction is a block of its own.
      if (d.flow === Flow.Repeat && count > 0) break;
      this.#write(record, d, count, offset);
      keys.push(handlerKey(d.row, d.statics, d.flow));
      record += R.RECORD_SIZE;
      offset += d.length;
      count++;
      flow = d.flow;
      if (flow !== Flow.Next || frame2 >= 0) break;
      if (endsHere(count, start + offset, d.length)) break;
    }
    this.decodedInstructions += count;
    this.#resolve(head, keys);

    const exits = record;
    // Only reached when the block ends without a control transfer.
    this.#u32[exits >> 2] = CONTINUE_SLOT;
    const link = this.#links;
    this.#links += 2;
    this.#u32[(exits + R.TARGET_LINK) >> 2] = link * 4;
    this.#u32[(exits + R.NEXT_LINK) >> 2] = (link + 1) * 4;
    const target = flow === Flow.Next ? pc + offset : isDirect(flow) ? d.target : 0;
    this.#pc(exits + R.TARGET_PC, target);
    this.#pc(exits + R.NEXT_PC, pc + offset);
    this.#next = exits + R.RECORD_SIZE;
    if (this.#handlers.instrumentation?.sites === true) {
      this.#u32.fill(0, this.#next >> 2, (this.#next += R.SITE_SIZE) >> 2);
    }

    const block: Block = {
      number: this.all.length,
      head,
      pc,
      frame: start >>> 12,
      frame2,
      guarded,
      accepted: guarded ? this.#isa.landing!(this.#physical, start) : ALL_TYPES,
      count,
      bytes: offset,
      flow,
      target,
      alive: true,
      clustered: true,
      slot: 0,
      variant: undefined,
    };
    this.#u32[(head + R.HANDLER) >> 2] = HEAD_SLOT;
    this.#i32[(head + R.HEAT) >> 2] = this.heat;
    this.#u16[(head + R.COUNT) >> 1] = count;
    this.#u16[(head + R.STRADDLES) >> 1] = frame2 >= 0 ? 1 : 0;
    this.#pc(head + R.HEAD_PC, pc);
    this.#u32[(head + R.BLOCK) >> 2] = block.number;
    this.all.push(block);
    if (this.cuts.has(pc)) this.cut.push(block);
    this.#index(block, start, offset, room);
    return block;
  }

  /** Decode the instruction at `pc + offset` of a block again (hot tier, error messages). */
  decodeAt(block: Block, index: number, out: Decoded): void {
    out.guarded = block.guarded;
    const record = block.head + R.RECORD_SIZE * (index + 1);
    const offset = this.#u16[(record + R.PC_OFFSET) >> 1];
    const physical = block.frame * 4096 + (block.pc % 4096) + offset;
    const room = 4096 - (physical & 4095);
    if (
      !this.#isa.decode(this.#physical, physical, Math.min(15, room), block.pc + offset, out)
    ) {
      this.#straddle.set(this.#physical.subarray(physical, physical + room));
      const second = block.frame2 * 4096;
      this.#straddle.set(this.#physical.subarray(second, second + 16), room);
      this.#isa.decode(this.#straddle, 0, 15, block.pc + offset, out);
    }
  }

  /**
   * Where the indirect transfer at the end of `block` is known to go: last in the cold tier, and often
   * in the hot tier.
   */
  targets(block: Block): readonly number[] {
    const at = (block.head + R.RECORD_SIZE * (block.count + 1) + R.TARGET_PC) >> 2;
    const last = this.#u32[at] + this.#u32[at + 1] * 4294967296;
    const known = this.#targets.get(block.number);
    if (known === undefined) return last === 0 ? [] : [last];
    return known;
  }
  /** The indirect transfer at the end of `block` often goes to `pc`. */
  addTarget(block: Block, pc: number): void {
    const known = this.targets(block);
    if (known.includes(pc) || known.length >= MAX_TARGETS) return;
    this.#targets.set(block.number, [...known, pc]);
  }
  /** The block whose exits record has the link at byte offset `slot`. */
  blockOfLink(slot: number): Block {
    return this.all[((slot >> 2) - FIRST_LINK) >> 1];
  }

  /** Where the link at byte offset `slot`, of a direct transfer, leads. */
  targetOfLink(slot: number): number {
    const block = this.blockOfLink(slot);
    return ((slot >> 2) & 1) !== 0 ? block.target : block.pc + block.bytes;
  }

  /** Loads and stores that instruction `index` of `block` was charged for, and whether it stores where it loads. */
  accessesOf(block: Block, index: number): ReturnType<Handlers["accessesAt"]> {
    const slots = this.#killed.get(block.number);
    const slot = slots === undefined
      ? this.#u32[(block.head + R.RECORD_SIZE * (index + 1)) >> 2]
      : slots[index];
    return this.#handlers.accessesAt(slot);
  }
  #slots(block: Block): Uint32Array {
    return Uint32Array.from(
      { length: block.count },
      (_, i) => this.#u32[(block.head + R.RECORD_SIZE * (i + 1)) >> 2],
    );
  }

  /** Byte offset of instruction `index` from the block's start. */
  offsetOf(block: Block, index: number): number {
    return this.#u16[(block.head + R.RECORD_SIZE * (index + 1) + R.PC_OFFSET) >> 1];
  }

  #write(record: number, d: Decoded, index: number, offset: number): void {
    const h = record >> 1;
    for (let i = 0; i < 6; i++) this.#u16[h + 2 + i] = d.regs[i];
    this.#i32[(record + R.IMM0) >> 2] = d.imm0Low;
    this.#i32[(record + R.IMM0 + 4) >> 2] = d.imm0High;
    this.#i32[(record + R.IMM1) >> 2] = d.imm1;
    this.#u16[(record + R.INDEX) >> 1] = index;
    this.#u16[(record + R.PC_OFFSET) >> 1] = offset;
  }

  #pc(at: number, pc: number): void {
    this.#u32[at >> 2] = pc >>> 0;
    this.#u32[(at >> 2) + 1] = Math.floor(pc / 4294967296);
  }

  /** Put handler slots into the records from `head` on, making handlers that are missing. */
  #resolve(head: number, keys: readonly number[]): void {
    this.#make(keys);
    const used = this.#specialise(keys);
    if (used !== keys) this.#make(used);
    let record = head;
    let loads = 0;
    let stores = 0;
    for (const key of used) {
      record += R.RECORD_SIZE;
      const info = this.#handlers.find(key)!;
      this.#u32[record >> 2] = info.slot;
      loads += info.loads;
      stores += info.stores;
    }
    this.#u16[(head + R.LOAD_COUNT) >> 1] = loads;
    this.#u16[(head + R.STORE_COUNT) >> 1] = stores;
  }

  #make(keys: readonly number[]): void {
    let missing: number[] | undefined;
    for (const key of keys) {
      if (this.#handlers.find(key) === undefined) {
        missing ??= [];
        if (!missing.includes(key)) missing.push(key);
      }
    }
    if (missing !== undefined) this.#handlers.make(missing);
  }

  /** Readers of flags that were set in this block use the handler made for their kind. */
  #specialise(keys: readonly number[]): readonly number[] {
    let result: number[] | undefined;
    let kind = -1;
    for (let i = 0; i < keys.length; i++) {
      const info = this.#handlers.find(keys[i])!;
      if (info.readsFlags && kind >= 0) {
        result ??= [...keys];
        result[i] = withFlagKind(keys[i], kind);
      }
      if (info.kindSet !== -1) kind = info.kindSet;
    }
    return result ?? keys;
  }

  /** Collect 15 bytes that begin at the end of a page; returns the second frame. */
  #fetchStraddling(pc: number, physical: number, room: number, source: CodeSource): number {
    this.#straddle.fill(0);
    this.#straddle.set(this.#physical.subarray(physical, physical + room));
    const second = source.fetch(pc + room);
    this.#straddle.set(this.#physical.subarray(second, second + 16), room);
    return second >>> 12;
  }

  #index(block: Block, physical: number, bytes: number, room: number): void {
    let map = this.#byFrame.get(block.frame);
    if (map === undefined) this.#byFrame.set(block.frame, map = new Map());
    const key = keyOf(block.pc, block.guarded);
    const known = map.get(key);
    if (known === undefined) map.set(key, block);
    else {
      block.variant = known.variant;
      known.variant = block;
    }
    this.#mark(block.frame, physical & 4095, Math.min(bytes, room));
    if (block.frame2 < 0) return;
    this.#mark(block.frame2, 0, bytes - room);
    const others = this.#straddling.get(block.frame2);
    if (others === undefined) this.#straddling.set(block.frame2, [block]);
    else others.push(block);
  }

  #mark(frame: number, offset: number, bytes: number): void {
    let lines = this.#lines.get(frame);
    if (lines === undefined) {
      this.#lines.set(frame, lines = new Uint32Array(2));
      this.codeFrames[frame] = 1;
      this.becameCode(frame);
    }
    const last = (offset + bytes - 1) >> LINE_SHIFT;
    for (let l = offset >> LINE_SHIFT; l <= last; l++) lines[l >> 5] |= 1 << (l & 31);
  }

  /**
   * Bytes `[physical, physical + size)` changed: blocks with translated bytes on those lines die.
   * Returns how many did.
   */
  written(physical: number, size: number): number {
    let dead = 0;
    for (let at = physical; at < physical + size;) {
      const frame = Math.floor(at / 4096);
      const end = Math.min(physical + size, (frame + 1) * 4096);
      if (this.codeFrames[frame] !== 0) dead += this.#writtenInFrame(frame, at & 4095, end - at);
      at = end;
    }
    return dead;
  }

  #writtenInFrame(frame: number, offset: number, size: number): number {
    const lines = this.#lines.get(frame)!;
    const first = offset >> LINE_SHIFT;
    const last = (offset + size - 1) >> LINE_SHIFT;
    let hit = false;
    for (let l = first; l <= last; l++) hit ||= (lines[l >> 5] & (1 << (l & 31))) !== 0;
    if (!hit) return 0;
    // Everything on the frame goes: rare, and what is still needed is predecoded again.
    return this.drop(frame);
  }

  /** Kill every block with bytes in `frame`. Returns how many there were. */
  drop(frame: number): number {
    let dead = 0;
    const kill = (b: Block): void => {
      if (!b.alive) return;
      b.alive = false;
      dead++;
      this.died(b);
      if (b.variant !== undefined) kill(b.variant);
      this.#u32[(b.head + R.HANDLER) >> 2] = DEAD_SLOT;
      this.#killed.set(b.number, this.#slots(b));
      for (let i = 1; i <= b.count; i++) {
        this.#u32[(b.head + i * R.RECORD_SIZE) >> 2] = RESYNC_SLOT;
      }
    };
    const map = this.#byFrame.get(frame);
    map?.forEach(kill);
    this.#byFrame.delete(frame);
    // Straddling blocks that end in this frame begin in another one. Variants go together.
    for (const b of this.#straddling.get(frame) ?? []) {
      if (!b.alive) continue;
      const others = this.#byFrame.get(b.frame)!;
      kill(others.get(b.pc)!);
      others.delete(b.pc);
    }
    this.#straddling.delete(frame);
    this.#lines.delete(frame);
    this.codeFrames[frame] = 0;
    return dead;
  }
}

/**
 * Whether a block of `count` instructions, the last of which has `length` bytes and is followed by `end`, is long
 * enough to end at this aligned address. So what begins anywhere in long straight code, as after each time
 * slice, soon goes on in the same blocks as all the rest. What is nearly full takes a lesser alignment: being full
 * at any address, it would pass its misalignment on.
 */
function endsHere(count: number, end: number, length: number): boolean {
  const shift = count >= 48 ? 6 : 8;
  return count >= 16 && (end ^ (end - length)) >>> shift !== 0;
}

function isDirect(flow: Flow): boolean {
  return flow === Flow.Jump || flow === Flow.Branch || flow === Flow.Call || flow === Flow.Repeat;
}
