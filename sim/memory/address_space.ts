/**
 * An address space: a sorted list of areas and a page table. Processes and threads share it by
 * reference count. Addresses are JS numbers below 2^48.
 */
import type { ElfFile } from "../../lib/elf/mod.ts";
import { Access, type CpuSpace, type Resolved } from "../cpu/cpu.ts";
import { ENOMEM, FAULT_MAPERR } from "./abi.ts";
import { type AddressLayout, addressLayout } from "./address_layout.ts";
import * as advice from "./advice.ts";
import { Pte, PTE_KEY_SHIFT } from "./entry_format.ts";
import { FrameKind } from "./frames.ts";
import type { Granule } from "./granule.ts";
import * as guest from "./guest_access.ts";
import * as mapping from "./mapping.ts";
import { Domain, type Memory } from "./memory.ts";
import { keyPermits, pageFault, readFlags } from "./page_fault.ts";
import { PageTable } from "./page_table.ts";
import * as protection from "./protection.ts";
import { remap } from "./remap.ts";
import { AnonymousSet, type MapSource, Vm, type Vma, VmaList } from "./vma.ts";

/** Memory ran out in the middle of an operation that cannot be undone: the machine stops. */
export class OutOfMemoryError extends Error {
  override readonly name = "OutOfMemoryError";
}

/** An ELF object that the modular linker placed: guest addresses are those of the file plus `base`. */
export interface PlacedObject {
  readonly path: string;
  readonly base: number;
  readonly elf: ElfFile;
}

/** Longest string that is read unless a caller says otherwise. */
const PATH_MAX = 4096;

export interface SpaceOptions {
  readonly layout?: AddressLayout;
  /** RLIMIT_STACK, bytes; default 8 MiB. */
  readonly stackLimit?: number;
}

export class AddressSpace implements CpuSpace {
  readonly id: number;
  readonly areas = new VmaList();
  readonly table: PageTable;
  readonly layout: AddressLayout;
  readonly granule: Granule;
  readonly resolved: Resolved;
  /** PKRU of the running thread; the kernel loads it at a switch. 0 permits everything. */
  pkru = 0;
  /** Keys of which it may fetch no instruction, a bit each (aarch64). */
  noFetch = 0;
  /** Protection keys that are given out, a bit each; key 0 always is. */
  keys = 1;
  /** RLIMIT_STACK in bytes. */
  stackLimit: number;
  /** RLIMIT_AS in bytes. */
  sizeLimit = Infinity;
  /** RLIMIT_DATA in bytes. */
  dataLimit = Infinity;
  /** Bounds of the heap: where it starts, and the current break. */
  heapStart = 0;
  heapEnd = 0;
  /** Initial stack pointer: names `[stack]`. */
  stackStart = 0;
  /** What the modular linker placed here, the program first; empty where the guest links itself. */
  objects: readonly PlacedObject[] = [];
  /** Bytes done by the last kernel copy, also when it failed. */
  copied = 0;
  private users = 1;

  /** @param root an empty table's frame */
  constructor(
    readonly memory: Memory,
    options: SpaceOptions = {},
    root = memory.allocateZeroed(0, FrameKind.Table),
  ) {
    if (root === 0) throw new OutOfMemoryError("no frame left for a page table");
    this.id = memory.nextSpace++;
    this.granule = memory.granule;
    this.resolved = { physical: 0, pageShift: this.granule.shift, writable: false, guarded: false };
    this.layout = options.layout ?? addressLayout(memory.arch, null, undefined, this.granule);
    this.stackLimit = options.stackLimit ?? 8 << 20;
    this.table = new PageTable(memory, root);
  }

  // ---- faults -------------------------------------------------------------------------------

  /** See `CpuSpace.resolve`. `va` must be a canonical user address or is refused with SEGV_MAPERR. */
  resolve(va: number, access: Access): number {
    if (!(va >= 0 && va < this.layout.taskSize)) return FAULT_MAPERR;
    if (this.permitted(va, access)) return 0;
    const { memory } = this;
    if (memory.domain === Domain.Program) memory.observer.pageFault(this, va, access);
    const fault = pageFault(this, va, access);
    if (fault !== 0) return fault;
    return this.permitted(va, access) ? 0 : FAULT_MAPERR;
  }

  /** See `CpuSpace.peekExecutable`. */
  peekExecutable(va: number): number {
    return this.permitted(va, Access.Execute) ? this.resolved.physical : -1;
  }

  /** See `CpuSpace.walkEnd`. */
  walkEnd(va: number): number {
    const { table } = this;
    const leaf = table.find(va);
    const { readMask, readable } = table.format;
    return leaf && (table.low & readMask) === readable ? table.level : ~table.level;
  }

  /** See `CpuSpace.entryAddress`. */
  entryAddress(va: number, index: number): number {
    const { depth, entries } = this.table.walk(va);
    return index < depth ? entries[index] : -1;
  }

  private permitted(va: number, access: Access): boolean {
    const table = this.table;
    if (!table.find(va)) return false;
    const { low, high, format } = table;
    const writable = (low & format.writeMask) === format.writable;
    if (access === Access.Write ? !writable : (low & format.readMask) !== format.readable) {
      return false;
    }
    if (access === Access.Execute && (high & format.noExecute) !== 0) return false;
    if (this.pkru !== 0 || this.noFetch !== 0) {
      const key = format.flags(low, high) >>> PTE_KEY_SHIFT & 15;
      if (!keyPermits(this, key, access)) return false;
    }
    const resolved = this.resolved;
    const shift = this.granule.levelShifts[table.level];
    const inPage = (1 << shift) - 1;
    resolved.pageShift = shift;
    // The low 32 bits of `va` hold all bits of the address below the page.
    resolved.physical = ((low & 0xffff_f000 & ~inPage) | (va & inPage)) >>> 0;
    resolved.writable = writable;
    resolved.guarded = (high & format.guarded) !== 0;
    return true;
  }

  // ---- system calls -------------------------------------------------------------------------

  /**
   * mmap(2). `source` is the open file, null with `MAP_ANONYMOUS`; `offset` is in bytes.
   * The address, or a negative errno.
   */
  mmap(
    address: number,
    length: number,
    prot: number,
    flags: number,
    source: MapSource | null = null,
    offset = 0,
  ): number {
    return mapping.mmap(this, address, length, prot, flags, source, offset);
  }

  /** munmap(2). */
  munmap(address: number, length: number): number {
    return mapping.munmap(this, address, length);
  }

  /** mprotect(2), or pkey_mprotect(2) when `key` is given. */
  mprotect(address: number, length: number, prot: number, key = -1): number {
    return protection.mprotect(this, address, length, prot, key);
  }

  /** mremap(2). The address, or a negative errno. */
  mremap(
    address: number,
    oldLength: number,
    newLength: number,
    flags: number,
    newAddress = 0,
  ): number {
    return remap(this, address, oldLength, newLength, flags, newAddress);
  }

  /** brk(2): the new break, or the old one if it cannot move. */
  brk(address: number): number {
    return mapping.brk(this, address);
  }

  /** Where the heap starts, page-aligned: execve sets it once. */
  setHeap(start: number): void {
    this.heapStart = this.heapEnd = start;
  }

  /** madvise(2). */
  madvise(address: number, length: number, behaviour: number): number {
    return advice.madvise(this, address, length, behaviour);
  }

  /** mincore(2): one byte for each page into `into`. */
  mincore(address: number, length: number, into: Uint8Array): number {
    return advice.mincore(this, address, length, into);
  }

  /** msync(2). */
  msync(address: number, length: number, flags: number): number {
    return advice.msync(this, address, length, flags);
  }

  /** mlock(2) and munlock(2): checked, counted, without effect. */
  mlock(address: number, length: number): number {
    return advice.mlock(this, address, length);
  }

  /**
   * Bring whole ranges of a huge page inside `[address, address + length)` onto huge pages: private memory
   * by copying, file text in the page cache. The number of ranges that are huge afterwards.
   */
  promote(address: number, length: number): number {
    return advice.promote(this, address, length);
  }

  /** A special mapping such as `[vdso]`, made of anonymous memory; an errno as mmap gives. */
  mapSpecial(address: number, length: number, prot: number, name: string): number {
    return mapping.mapSpecial(this, address, length, prot, name);
  }

  // ---- kernel copies ------------------------------------------------------------------------

  /** Fill `into` from the guest: 0, or -EFAULT; `copied` tells how far it got. */
  copyIn(va: number, into: Uint8Array): number {
    return guest.copyIn(this, va, into);
  }

  /** The guest's bytes, or -EFAULT. */
  readBytes(va: number, length: number): Uint8Array | number {
    const bytes = new Uint8Array(length);
    const failed = guest.copyIn(this, va, bytes);
    return failed !== 0 ? failed : bytes;
  }

  /** Write bytes to the guest as its own store would: 0, or -EFAULT; `copied` tells how far it got. */
  copyOut(va: number, bytes: Uint8Array): number {
    return guest.copyOut(this, va, bytes, false);
  }

  /** Write even where the guest may only read, on private copies of the pages: 0 or -EFAULT. */
  poke(va: number, bytes: Uint8Array): number {
    return guest.copyOut(this, va, bytes, true);
  }

  /** Fill with zeros: 0, or -EFAULT. */
  clear(va: number, length: number): number {
    return guest.clear(this, va, length);
  }

  /** Bytes up to a NUL, which is not included; -EFAULT, or -ENAMETOOLONG after `max` bytes. */
  readCBytes(va: number, max = PATH_MAX): Uint8Array | number {
    return guest.readCBytes(this, va, max);
  }

  /** The same, decoded as UTF-8. */
  readCString(va: number, max = PATH_MAX): string | number {
    const bytes = guest.readCBytes(this, va, max);
    return typeof bytes === "number" ? bytes : decoder.decode(bytes);
  }

  /** Unsigned little-endian integers, or -EFAULT. Above 2^53, `readU64` is rounded. */
  readU8(va: number): number {
    return guest.readNumber(this, va, 1);
  }
  readU16(va: number): number {
    return guest.readNumber(this, va, 2);
  }
  readU32(va: number): number {
    return guest.readNumber(this, va, 4);
  }
  readU64(va: number): number {
    return guest.readNumber(this, va, 8);
  }

  /** Exact, or -14n for -EFAULT. */
  readBigU64(va: number): bigint {
    return guest.readBig(this, va);
  }

  /** Store an integer modulo its width: 0, or -EFAULT. */
  writeU8(va: number, value: number): number {
    return guest.writeNumber(this, va, 1, value);
  }
  writeU16(va: number, value: number): number {
    return guest.writeNumber(this, va, 2, value);
  }
  writeU32(va: number, value: number): number {
    return guest.writeNumber(this, va, 4, value);
  }
  /** `value` may be negative, and should be below 2^53 in magnitude. */
  writeU64(va: number, value: number): number {
    return guest.writeNumber(this, va, 8, value);
  }
  writeBigU64(va: number, value: bigint): number {
    return guest.writeBig(this, va, value);
  }

  // ---- life ---------------------------------------------------------------------------------

  /** One more process or thread uses the space. */
  retain(): void {
    this.users++;
  }

  /** One fewer; the last one frees everything. */
  release(): void {
    if (--this.users !== 0) return;
    this.memory.observer.spaceFreed(this);
    const { items } = this.areas;
    for (const vma of items) this.unreserve(vma);
    this.dropLeaves(0, this.layout.taskSize);
    while (items.length > 0) this.areas.remove(items[items.length - 1]);
    this.table.free();
  }

  /** A copy for a child process, pages shared copy-on-write; -ENOMEM if its tables do not fit. */
  fork(): AddressSpace | number {
    const root = this.memory.allocateZeroed(0, FrameKind.Table);
    if (root === 0) return -ENOMEM;
    const child = new AddressSpace(this.memory, this, root);
    child.sizeLimit = this.sizeLimit;
    child.dataLimit = this.dataLimit;
    child.heapStart = this.heapStart;
    child.heapEnd = this.heapEnd;
    child.stackStart = this.stackStart;
    child.objects = this.objects;
    child.keys = this.keys;
    for (const vma of this.areas.items) {
      if ((vma.flags & Vm.DontCopy) !== 0) continue;
      const copy = vma.slice(child, vma.start, vma.end);
      copy.reserved = false;
      child.areas.insert(copy);
      if ((vma.flags & Vm.WipeOnFork) !== 0) {
        copy.anonymous = null;
        copy.inherited = false;
        continue;
      }
      if (vma.anonymous === null) continue; // Its pages, if any, can be had again by faulting.
      copy.anonymous = new AnonymousSet();
      copy.inherited = true;
      if (!this.shareWith(child, vma)) {
        child.release();
        return -ENOMEM;
      }
    }
    return child;
  }

  private shareWith(child: AddressSpace, vma: Vma): boolean {
    const { table } = this;
    const { frames } = this.memory;
    const pageSize = this.granule.size;
    let protectedPages = false;
    let va = table.next(vma.start, vma.end);
    while (va < vma.end) {
      let flags = table.flags;
      if ((flags & Pte.Write) !== 0) {
        flags = flags & ~Pte.Write | Pte.Cow;
        table.setFlags(flags);
        protectedPages = true;
      }
      const { page, level, span } = table;
      if (!child.table.map(va, page, level, flags)) return false;
      const first = page / pageSize;
      const count = vma.huge !== null ? 1 : span / pageSize;
      if (frames.kind[first] !== FrameKind.Reserved) {
        for (let f = first; f < first + count; f++) {
          frames.refs[f]++;
          frames.maps[f]++;
        }
      }
      va = table.next(va + span, vma.end);
    }
    if (protectedPages) {
      this.memory.observer.shootdown(this, vma.start, vma.end - vma.start, false);
    }
    return true;
  }

  // ---- page table upkeep, for the rest of sim/memory ----------------------------------------

  /** Tell that `[va, va+size)` of `vma` changed. */
  changed(va: number, size: number, vma: Vma): void {
    this.memory.observer.shootdown(this, va, size, (vma.flags & Vm.Execute) !== 0);
  }

  /** Map the frames of a leaf of `level`, whose references the caller gives away. False: no frame for a table. */
  install(va: number, frame: number, level: number, flags: number): boolean {
    if (!this.table.map(va, frame * this.granule.size, level, flags)) return false;
    const { maps } = this.memory.frames;
    const end = frame + this.granule.frames(level);
    for (let f = frame; f < end; f++) maps[f]++;
    return true;
  }

  /** Map a cached page, taking a reference. */
  share(va: number, frame: number, flags: number): boolean {
    if (!this.table.map(va, frame * this.granule.size, 0, flags)) return false;
    this.memory.frames.refs[frame]++;
    this.memory.frames.maps[frame]++;
    return true;
  }

  /** Whether the leaf that the table is at maps private memory that nobody else has. */
  ownsLeaf(): boolean {
    const { frames } = this.memory;
    const { size } = this.granule;
    const first = this.table.page / size;
    const kind = frames.kind[first];
    if (kind === FrameKind.Hugetlb) return frames.refs[first] === 1;
    if (kind !== FrameKind.Anonymous) return false;
    const end = first + this.table.span / size;
    for (let f = first; f < end; f++) if (frames.refs[f] !== 1) return false;
    return true;
  }

  /** Turn the huge leaf at `va` into leaves of base pages. False if there is no frame for the table. */
  splitHuge(vma: Vma, va: number): boolean {
    this.table.find(va);
    if (!this.table.split()) return false;
    this.memory.counters.hugeSplits++;
    const { hugeSize } = this.granule;
    this.changed(va - va % hugeSize, hugeSize, vma);
    return true;
  }

  /** Split huge leaves that reach across `at`. */
  splitAt(at: number): void {
    if (at % this.granule.hugeSize === 0 || !this.table.find(at) || this.table.level !== 1) return;
    const vma = this.areas.lookup(at);
    if (vma === null || vma.huge !== null) return;
    if (!this.splitHuge(vma, at)) {
      throw new OutOfMemoryError("no frame left to split a huge page");
    }
  }

  /** Unmap the pages of `[start, end)` of `vma`, telling the CPUs. Frames nobody else has are freed. */
  zap(vma: Vma, start: number, end: number): void {
    this.splitAt(start);
    this.splitAt(end);
    if (this.table.next(start, end) === end) return;
    this.changed(start, end - start, vma);
    this.dropLeaves(start, end);
  }

  /** Clear leaves and drop their frames. Returns how many leaves there were. */
  private dropLeaves(start: number, end: number): number {
    const { table } = this;
    const { frames, pools } = this.memory;
    const { size, levelShifts } = this.granule;
    let count = 0;
    let va = table.next(start, end);
    while (va < end) {
      const { page, span, level } = table;
      const first = page / size;
      table.clear();
      count++;
      if (frames.kind[first] === FrameKind.Hugetlb) {
        frames.maps[first]--;
        pools.get(levelShifts[level])!.release(first);
      } else if (frames.kind[first] !== FrameKind.Reserved) {
        for (let f = first; f < first + span / size; f++) {
          frames.maps[f]--;
          frames.release(f);
        }
      }
      va = table.next(va + span, end);
    }
    return count;
  }

  /** Give the hugetlb pages back that `vma`, about to go, was promised and did not use. */
  unreserve(vma: Vma): void {
    if (!vma.reserved || vma.huge === null) return;
    const promised = (vma.end - vma.start) / 2 ** vma.pageShift;
    vma.huge.pool.reserved -= promised - this.leaves(vma.start, vma.end);
  }

  /** Pages present in `[start, end)` as leaves of any size. */
  leaves(start: number, end: number): number {
    const { table } = this;
    let count = 0;
    for (let va = table.next(start, end); va < end; va = table.next(va + table.span, end)) count++;
    return count;
  }

  /** Unmap what `vma` maps of its file's pages `[from, to)`; private copies too unless told not to. */
  unmapFilePages(vma: Vma, from: number, to: number, copies = true): void {
    const { size } = this.granule;
    const first = Math.max(0, from - vma.pageOffset);
    const last = Math.min((vma.end - vma.start) / size, to - vma.pageOffset);
    if (first >= last) return;
    const start = vma.start + first * size;
    const end = vma.start + last * size;
    if (copies) return this.zap(vma, start, end);
    const { table } = this;
    const { kind } = this.memory.frames;
    for (let va = table.next(start, end); va < end;) {
      const { span } = table;
      const base = va - va % span;
      if (kind[table.page / size] === FrameKind.File) this.zap(vma, va, base + span);
      va = table.next(base + span, end);
    }
  }

  /** Make a file's page read-only where `vma` maps it writable, so that the next write is seen. */
  writeProtectFilePage(vma: Vma, index: number): void {
    if (vma.isPrivate || index < vma.pageOffset) return;
    const { size } = this.granule;
    const va = vma.start + (index - vma.pageOffset) * size;
    if (va >= vma.end || !this.table.find(va) || (this.table.flags & Pte.Write) === 0) return;
    this.splitAt(va);
    this.table.find(va);
    this.table.setFlags(readFlags(vma));
    this.changed(va, size, vma);
  }

  /** Frames present, counting all of a huge page: resident set size in base pages. */
  get resident(): number {
    let count = 0;
    const { table } = this;
    const { kind } = this.memory.frames;
    const { size } = this.granule;
    const end = this.layout.taskSize;
    for (let va = table.next(0, end); va < end; va = table.next(va + table.span, end)) {
      if (kind[table.page / size] !== FrameKind.Reserved) count += table.span / size;
    }
    return count;
  }

  /** Base pages of all areas: virtual size. */
  get totalPages(): number {
    let count = 0;
    for (const vma of this.areas.items) count += (vma.end - vma.start) / this.granule.size;
    return count;
  }
}

const decoder = new TextDecoder();
