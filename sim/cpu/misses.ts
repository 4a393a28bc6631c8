/**
 * What generated code asks the host: accesses that the soft TLB does not serve, and fetches that models want to see. Arguments are those of `RuntimeHost`: the size with the access's number from bit 8 on, and
 * the record of the instruction; the address is in `FAULT_ADDRESS`.
 */
import { Side } from "../models/hierarchy.ts";
import type { Blocks } from "./blocks.ts";
import type { WatchedBytes } from "./breakpoints.ts";
import { Access, type CpuExit } from "./cpu.ts";
import { BUS_ADRALN, type FaultParts, type Faults, SIGBUS } from "./faults.ts";
import type { EventBuffer } from "./event_buffer.ts";
import type { Isa } from "./ir/decoded.ts";
import * as L from "./layout.ts";
import type { Sites } from "./sites.ts";
import type { SoftTlb } from "./soft_tlb.ts";
import type { SpaceLinks } from "./space_links.ts";
import type { StateMemory } from "./state_memory.ts";
import type { Watch } from "./watch.ts";

/** Where a read that straddles two frames is put together. */
const BOUNCE = 0x1000;
const U32 = 4294967296;
/** Beside the kinds of access: a load of what is stored to next. */
const UPDATE = -1;
type Asked = Access | typeof UPDATE;

/** What misses need of an engine. */
export interface MissParts extends Omit<FaultParts, "tail"> {
  readonly faults: Faults;
  readonly soft: SoftTlb;
  readonly watched: WatchedBytes;
  /** Accesses that come here are counted in it. */
  readonly counts: { loadMisses: number; storeMisses: number };
  /** Told of every data access, in order; the soft TLB then holds nothing. */
  readonly observe?: (address: number, size: number, write: boolean) => void;
  /** Bytes that hold translated code changed; whether any of it went. */
  readonly codeWritten: (physical: number, size: number) => boolean;
}

export class Misses {
  /** Thrown through a block's own function that is to change, and before an access to watched bytes. */
  readonly changing = new Error("a block changes itself");
  readonly watching = new Error("watched bytes are accessed");
  /** Whether RFLAGS.AC asks for aligned accesses; the soft TLB then holds nothing. */
  checksAlignment = false;
  /** The record whose access is being looked at. */
  record = 0;
  readonly #isa: Isa;
  readonly #memory: StateMemory;
  readonly #blocks: Blocks;
  readonly #links: SpaceLinks;
  readonly #watch: Watch | null;
  readonly #stream: EventBuffer | null;
  readonly #sites: Sites | null;
  readonly #faults: Faults;
  readonly #soft: SoftTlb;
  readonly #watched: WatchedBytes;
  readonly #counts: MissParts["counts"];
  readonly #observe: MissParts["observe"];
  readonly #codeWritten: MissParts["codeWritten"];
  /** The kind of the access to watched bytes. */
  #access: Access = Access.Read;

  constructor(parts: MissParts) {
    this.#isa = parts.isa;
    this.#memory = parts.memory;
    this.#blocks = parts.blocks;
    this.#links = parts.links;
    this.#watch = parts.watch;
    this.#stream = parts.stream;
    this.#sites = parts.sites;
    this.#faults = parts.faults;
    this.#soft = parts.soft;
    this.#watched = parts.watched;
    this.#counts = parts.counts;
    this.#observe = parts.observe;
    this.#codeWritten = parts.codeWritten;
  }

  /** Physical address of the bytes to read; throws the fault. */
  load(sizeAndNumber: number, record: number): number {
    this.#counts.loadMisses++;
    const size = sizeAndNumber & 0xff;
    const number = sizeAndNumber >> 8;
    const offset = this.#memory.u32[L.FAULT_ADDRESS >> 2] & 4095;
    const asked = this.#updates(record) ? UPDATE : Access.Read;
    this.#begin(size, Access.Read, asked, record);
    if (offset + size <= 4096) {
      const physical = this.#translate(0, asked, record, number);
      this.#append(Access.Read, size, record, physical, -1);
      return physical;
    }
    const part = 4096 - offset;
    this.#check(0, asked, record);
    this.#check(part, asked, record);
    const first = this.#translate(0, asked, record, number);
    const second = this.#translate(part, asked, record, number + 1);
    this.#watch?.crossed(this.#address(0), size);
    this.#append(Access.Read, size, record, first, second);
    const { u8 } = this.#memory;
    u8.copyWithin(BOUNCE, first, first + part);
    u8.copyWithin(BOUNCE + part, second, second + size - part);
    return BOUNCE;
  }

  /** Do the store of `STORE_VALUE`; 1 if it changed translated code. Throws the fault. */
  store(sizeAndNumber: number, record: number): number {
    this.#counts.storeMisses++;
    const size = sizeAndNumber & 0xff;
    const number = sizeAndNumber >> 8;
    const { u8, u32 } = this.#memory;
    this.#begin(size, Access.Write, Access.Write, record);
    const part = Math.min(size, 4096 - (u32[L.FAULT_ADDRESS >> 2] & 4095));
    if (part < size) {
      this.#check(0, Access.Write, record);
      this.#check(part, Access.Write, record);
    }
    const first = this.#translate(0, Access.Write, record, number);
    const second = part < size ? this.#translate(part, Access.Write, record, number + 1) : 0;
    if (part < size) this.#watch?.crossed(this.#address(0), size);
    this.#append(Access.Write, size, record, first, part < size ? second : -1);
    const from = L.STORE_VALUE;
    for (let i = 0; i < part; i++) u8[first + i] = u8[from + i];
    for (let i = part; i < size; i++) u8[second + i - part] = u8[from + i];
    const changed = this.#wrote(first, part);
    return (part < size && this.#wrote(second, size - part)) || changed ? 1 : 0;
  }

  /**
   * The same for a block's own function, which does not look whether a store changed it: it leaves before one that
   * may, and the cold tier does the instruction.
   */
  ownStore(sizeAndNumber: number, record: number): number {
    if (this.#isa.arch === "x86_64") {
      const block = this.#faults.blockOf(record);
      const { u32 } = this.#memory;
      const size = sizeAndNumber & 0xff;
      if (this.checksAlignment) this.#checkAlignment(size, record);
      const part = Math.min(size, 4096 - (u32[L.FAULT_ADDRESS >> 2] & 4095));
      for (const extra of part < size ? [0, part] : [0]) {
        this.#check(extra, Access.Write, record);
        const frame = this.#links.current!.resolved.physical >>> 12;
        if (frame !== block.frame && frame !== block.frame2) continue;
        u32[L.EXIT_RECORD >> 2] = record;
        throw this.changing;
      }
    }
    return this.store(sizeAndNumber, record);
  }

  /** Fetch from the page of `FAULT_ADDRESS`: the modelled instruction TLB, and a soft entry. */
  fetch(): void {
    const va = this.#memory.unsigned(L.FAULT_ADDRESS);
    const space = this.#links.current!;
    const shift = space.peekExecutable(va) < 0 ? 12 : space.resolved.pageShift;
    const stamp = this.#model(Side.Instruction, va, shift, 0, this.#memory.signed(L.NOW));
    this.#soft.fillFetch(va, stamp);
  }

  /** The exit before an access to watched bytes. */
  watchExit(): CpuExit {
    this.#faults.rewindTo(this.#memory.u32[L.EXIT_RECORD >> 2], false);
    return { kind: "watch", address: this.#address(0), access: this.#access };
  }

  /** Address in `FAULT_ADDRESS` plus `extra`, as the access sees it. */
  #address(extra: number): number {
    const { u32 } = this.#memory;
    let high = u32[(L.FAULT_ADDRESS >> 2) + 1];
    if (this.#isa.arch === "aarch64") high &= 0xffffff;
    return high * U32 + u32[L.FAULT_ADDRESS >> 2] + extra;
  }

  /** What comes before an access whatever it is to: watched bytes, alignment, who observes. */
  #begin(size: number, access: Access, asked: Asked, record: number): void {
    if (this.#watched.any) this.#heed(size, access, record);
    if (this.checksAlignment) this.#checkAlignment(size, record);
    if (this.#observe === undefined) return;
    this.#check(0, asked, record);
    this.#check(size - 1, asked, record);
    this.#observe(this.#address(0), size, access === Access.Write);
  }

  /** Leave if the access is to watched bytes. */
  #heed(size: number, access: Access, record: number): void {
    if (!this.#watched.hit(this.#links.current!, this.#address(0), size, access)) return;
    this.#access = access;
    this.#memory.u32[L.EXIT_RECORD >> 2] = record;
    throw this.watching;
  }

  /** RFLAGS.AC: refuse an access whose address is not as aligned as it must be. Canonical it is first, mapped after. */
  #checkAlignment(size: number, record: number): void {
    const { u32 } = this.#memory;
    if (!this.#faults.isCanonical(u32[(L.FAULT_ADDRESS >> 2) + 1])) return;
    const alignment = this.#isa.alignment!(this.#faults.bytesOf(record), size);
    if (u32[L.FAULT_ADDRESS >> 2] % alignment === 0) return;
    this.#faults.refuse((SIGBUS << 8) | BUS_ADRALN, 0, 0, Access.Read, record);
  }

  /** Whether a load is of what the instruction stores to next, which faults as a store on x86_64. */
  #updates(record: number): boolean {
    if (this.#isa.arch !== "x86_64") return false;
    const block = this.#faults.blockOf(record);
    return this.#blocks.accessesOf(block, this.#faults.indexOf(record)).updates;
  }

  /**
   * The page fault to take for an access. Where a page is, the load of an update takes none and the store that
   * follows does, as when the soft TLB serves the load.
   */
  #taken(va: number, asked: Asked): Access {
    if (asked !== UPDATE) return asked;
    return (this.#links.current!.walkEnd?.(va) ?? 0) < 0 ? Access.Write : Access.Read;
  }

  /** Take the page fault of an access if there is one to take; throws what cannot be mended. */
  #check(extra: number, asked: Asked, record: number): void {
    const va = this.#address(extra);
    this.record = record;
    const result = this.#faults.isUser(va)
      ? this.#links.current!.resolve(va, this.#taken(va, asked))
      : -1;
    if (result === 0) return;
    const { u32 } = this.#memory;
    const low = u32[L.FAULT_ADDRESS >> 2] + extra;
    const carry = low >= U32 ? 1 : 0;
    const high = result < 0 ? u32[(L.FAULT_ADDRESS >> 2) + 1] : Math.floor(va / U32) - carry;
    const access = asked === UPDATE ? Access.Write : asked;
    this.#faults.refuse(result, low >>> 0, high + carry, access, record);
  }

  /**
   * Translate the address in `FAULT_ADDRESS` (plus `extra`) for access `number` of `record`; throws
   * the fault. Returns the physical address, shows the access to the models, fills the soft TLB.
   */
  #translate(extra: number, asked: Asked, record: number, number: number): number {
    this.#check(extra, asked, record);
    const va = this.#address(extra);
    const space = this.#links.current!;
    const { physical, writable, pageShift } = space.resolved;
    const stamp = this.#watch === null ? 0 : this.#modelData(va, pageShift, number, record);
    this.#stream?.sawPage(va, pageShift);
    if (this.#observe !== undefined || this.checksAlignment) return physical;
    if (this.#watched.any && this.#watched.onPage(space, va)) return physical;
    const stores = writable && this.#blocks.codeFrames[physical >>> 12] === 0;
    this.#soft.fill(va, physical, stamp, stores);
    return physical;
  }

  #modelData(va: number, shift: number, number: number, record: number): number {
    const index = this.#faults.indexOf(record);
    return this.#model(
      Side.Data,
      va,
      shift,
      index,
      this.#memory.signed(L.NOW) + 64 * index + number,
    );
  }
  /** A modelled TLB sees an access of instruction `index` to `va`; returns the address of its entry's stamp. */
  #model(side: Side, va: number, shift: number, index: number, ordinal: number): number {
    const { hierarchy } = this.#watch!;
    const { stlbAccesses, stlbMisses } = hierarchy.counts;
    hierarchy.access(side, va, shift, this.#links.current!.id, ordinal);
    if (hierarchy.counts.stlbMisses !== stlbMisses) {
      this.#stream?.walk(side, va, index);
    }
    if (this.#sites !== null && hierarchy.counts.stlbAccesses !== stlbAccesses) {
      this.#sites.missed(side, va, index, hierarchy.counts.stlbMisses !== stlbMisses);
    }
    return hierarchy.stampAddress;
  }

  /** The event of an access that generated code did not append. */
  #append(access: Access, size: number, record: number, physical: number, second: number): void {
    if (this.#stream === null) return;
    const index = this.#faults.indexOf(record);
    this.#stream.access(access === Access.Write, this.#address(0), size, index, physical, second);
  }

  /** Bytes were stored; whether translated code went with them. */
  #wrote(physical: number, size: number): boolean {
    return this.#blocks.codeFrames[physical >>> 12] !== 0 && this.#codeWritten(physical, size);
  }
}
