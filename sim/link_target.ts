/**
 * A process under construction, as the linker sees it: `LinkTarget` over an address space, the
 * guest's file system and the CPU. Page faults of the linker's accesses are counted as its own.
 */
import type { LinkObject } from "../lib/linker/link_object.ts";
import {
  type Architecture,
  type GuestFiles,
  type HostFunction,
  HUGE_PAGE_SHIFTS,
  type HugePage,
  type Landing,
  type LinkTarget,
  LinkTargetError,
  type MapOptions,
  type Protection,
  type Start,
} from "../lib/linker/target.ts";
import type { AddressSpace } from "./memory/address_space.ts";
import {
  MADV_HUGEPAGE,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_FIXED_NOREPLACE,
  MAP_HUGE_SHIFT,
  MAP_HUGETLB,
  MAP_NORESERVE,
  MAP_POPULATE,
  MAP_PRIVATE,
  PROT_EXEC,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
} from "./memory/abi.ts";
import { Domain } from "./memory/memory.ts";
import { FS_BASE, gpr } from "./cpu/layout.ts";
import type { Kernel } from "./kernel/kernel.ts";
import { errnoName } from "./kernel/errno.ts";
import { giveKey } from "./kernel/syscalls/protection_keys.ts";
import { getUnsigned64 } from "./kernel/abi/struct.ts";
import type { DescriptorTable } from "./kernel/fs/descriptor_table.ts";
import type { FsContext } from "./kernel/fs/task.ts";
import type { Vfs } from "./kernel/fs/vfs.ts";
import type { Process } from "./kernel/process.ts";
import type { Thread } from "./kernel/thread.ts";
import { callGuest } from "./link_call.ts";
import { backingOf, ProcessFiles } from "./link_files.ts";
import type { HostFunctions } from "./link_host.ts";
import { mentions } from "./link_mentions.ts";

const hex = (address: number): string => `0x${address.toString(16)}`;

/** What a target is a view of. */
export interface ProcessTargetOptions {
  readonly kernel: Kernel;
  /** Whose root, directory and rights decide what files there are. */
  readonly process: Process;
  readonly vfs: Vfs;
  /** The process's address space, or the one that it is about to enter. */
  readonly space: AddressSpace;
  readonly host: HostFunctions;
}

/** `LinkTarget` for one address space of a machine. */
export class ProcessTarget implements LinkTarget {
  readonly arch: Architecture;
  readonly pageSize: number;
  readonly platform: string;
  readonly hwcap: number;
  readonly hwcap2: number;
  readonly isaLevels: readonly string[];
  readonly #kernel: Kernel;
  readonly #process: Process;
  readonly #vfs: Vfs;
  readonly #space: AddressSpace;
  readonly #host: HostFunctions;
  /** Set while the process that was entered early has not come back. */
  #land: ((landing: Landing) => void) | undefined;
  #placed = false;
  #callEnded: (() => void) | undefined;

  /** Told that the process is to start before it is linked. */
  onEnter: (start: Start, prepare: (stackPointer: number) => void) => void = () => {
    throw new LinkTargetError("this process cannot be entered early");
  };

  constructor({ kernel, process, vfs, space, host }: ProcessTargetOptions) {
    this.arch = kernel.abi.arch;
    this.platform = kernel.platform;
    this.hwcap = kernel.hwcap;
    this.hwcap2 = kernel.hwcap2;
    this.isaLevels = kernel.isaLevels;
    this.#kernel = kernel;
    this.#process = process;
    this.#vfs = vfs;
    this.#space = space;
    this.pageSize = space.granule.size;
    this.#host = host;
  }

  get time(): number {
    return this.#kernel.clock.realSeconds;
  }

  get files(): GuestFiles {
    const { credentials, fs } = this.#process;
    const { fsuid: uid, fsgid: gid, groups } = credentials;
    return new ProcessFiles(this.#vfs, fs.value as FsContext, { uid, gid, groups });
  }

  /**
   * The first reservation without a hint is the program's, or of all objects together; it goes where
   * Linux puts a position-independent program, so that the heap has room after it.
   */
  reserve(size: number, align: number, hint?: number): number {
    if (hint !== undefined) return this.#reserveAt(size, hint);
    if (!this.#placed) {
      this.#placed = true;
      const base = Math.ceil(this.#space.layout.programBase / align) * align;
      if (!this.#space.areas.overlaps(base, base + size)) return this.#reserveAt(size, base);
    }
    // Room for any alignment, then without the ends.
    const room = align > this.pageSize ? size + align - this.pageSize : size;
    const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    const start = this.#space.mmap(0, room, PROT_NONE, flags);
    if (start < 0) this.#refuse(`reserve ${hex(size)} bytes`, start);
    const at = start + (room - size) - (start + room - size) % align;
    if (at > start) this.unmap(start, at - start);
    if (start + room > at + size) this.unmap(at + size, start + room - at - size);
    return at;
  }

  #reserveAt(size: number, at: number): number {
    const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
    const start = this.#space.mmap(at, size, PROT_NONE, flags);
    if (start < 0) this.#refuse(`reserve ${hex(size)} bytes at ${hex(at)}`, start);
    return start;
  }

  map(at: number, size: number, protection: Protection, options: MapOptions = {}): void {
    const { source, huge, name } = options;
    const what = `map ${hex(size)} bytes at ${hex(at)}`;
    if (huge !== undefined) {
      if (source !== undefined) throw new LinkTargetError(`cannot ${what}: huge pages of a file`);
      this.#mapHuge(at, size, protection, huge, what);
    } else if (source !== undefined) {
      const { file, offset } = source;
      const backing = backingOf(file);
      if (backing === undefined) {
        throw new LinkTargetError(`cannot ${what}: ${file.path} is not of this machine`);
      }
      const flags = MAP_PRIVATE | MAP_FIXED;
      const mapped = this.#space.mmap(at, size, protection, flags, backing, offset);
      if (mapped < 0) this.#refuse(`${what} from ${file.path}`, mapped);
    } else {
      const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
      const mapped = this.#space.mmap(at, size, protection, flags);
      if (mapped < 0) this.#refuse(what, mapped);
    }
    if (name === undefined || source !== undefined) return;
    const area = this.#space.areas.lookup(at);
    if (area?.start === at && area.end === at + size) area.name = `[anon:${name}]`;
  }

  allocateKey(): number | undefined {
    return giveKey(this.#kernel, this.#space);
  }

  /**
   * Pages of the size that a table's entry covers come as transparent ones, or from the pool where those are
   * off; larger pages from the pool.
   */
  #mapHuge(at: number, size: number, protection: number, huge: HugePage, what: string): void {
    const space = this.#space;
    const { granule, thp } = space.memory;
    const shift = HUGE_PAGE_SHIFTS[huge];
    if (!granule.hugetlb.includes(shift)) {
      throw new LinkTargetError(
        `cannot ${what}: there are no ${huge} pages where base pages have ${granule.name}`,
      );
    }
    const unit = 2 ** shift;
    const transparent = shift === granule.hugeShift && thp !== "never";
    let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
    if (!transparent) {
      flags |= MAP_HUGETLB | MAP_POPULATE | shift << MAP_HUGE_SHIFT;
    }
    const mapped = space.mmap(at, size, protection, flags);
    if (mapped < 0) this.#refuse(`${what} on ${huge} pages`, mapped);
    if (transparent) {
      const advised = space.madvise(at, size, MADV_HUGEPAGE);
      if (advised < 0) this.#refuse(`${what} on ${huge} pages`, advised);
      for (let page = at; page < at + size; page += unit) this.write(page, new Uint8Array(1));
    }
    for (let page = at; page < at + size; page += unit) {
      if (space.table.find(page) && space.table.span === unit) continue;
      throw new LinkTargetError(`cannot ${what}: no ${huge} page is left`);
    }
  }

  unmap(at: number, size: number): void {
    const result = this.#space.munmap(at, size);
    if (result < 0) this.#refuse(`unmap ${hex(size)} bytes at ${hex(at)}`, result);
  }

  protect(at: number, size: number, protection: Protection, key = -1): void {
    const result = this.#space.mprotect(at, size, protection, key);
    if (result < 0) this.#refuse(`protect ${hex(size)} bytes at ${hex(at)}`, result);
  }

  read(at: number, size: number): Uint8Array {
    const bytes = new Uint8Array(size);
    let failed = this.#asLinker(() => this.#space.copyIn(at, bytes));
    if (failed < 0 && this.#space.areas.lookup(at + this.#space.copied) !== null) {
      // Pages that not even the program may read: let it for a moment.
      const { granule } = this.#space;
      const page = granule.pageDown(at);
      const span = granule.pageUp(at + size) - page;
      this.protect(page, span, PROT_READ);
      failed = this.#asLinker(() => this.#space.copyIn(at, bytes));
      this.protect(page, span, PROT_NONE);
    }
    if (failed < 0) this.#refuse(`read ${hex(size)} bytes at ${hex(at)}`, failed);
    return bytes;
  }

  write(at: number, bytes: Uint8Array): void {
    const failed = this.#asLinker(() => this.#space.poke(at, bytes));
    if (failed < 0) this.#refuse(`write ${hex(bytes.length)} bytes at ${hex(at)}`, failed);
  }

  patch(at: number, bytes: Uint8Array, _reason: string): void {
    this.write(at, bytes);
  }

  provide(name: string, handler: HostFunction): number {
    const address = this.#host.provide(name, handler);
    this.#host.reserveIn(this.#space);
    return address;
  }

  call(address: number, args: readonly (number | bigint)[], limit: number): number {
    this.#host.reserveIn(this.#space);
    return callGuest(this.#kernel, this.#space, address, args, limit, this.#host.returnAddress);
  }

  enter(start: Start, prepare: (stackPointer: number) => void): Promise<Landing> {
    this.#host.reserveIn(this.#space);
    return new Promise((resolve) => {
      this.#land = resolve;
      this.onEnter(start, prepare);
    });
  }

  get landing(): number {
    return this.#host.landing;
  }

  /** The process has come back: its registers are in the CPU. */
  land(): void {
    const { cpu, abi } = this.#kernel;
    if (this.#land === undefined) {
      throw new LinkTargetError("the process came back twice from its early start");
    }
    this.#land({
      stackPointer: cpu.regNumber(abi.stackPointer),
      threadPointer: cpu.threadPointer,
    });
    this.#land = undefined;
  }

  get processId(): number {
    return this.#process.pid;
  }

  mentions(start: number, end: number): ReadonlySet<number> {
    const { current, cpu } = this.#kernel;
    const states = this.#threads.map((thread) =>
      thread === current ? cpu.stateBytes : thread.state
    );
    return mentions(this.#space, states, start, end);
  }

  afterEachCall(told: () => void): void {
    this.#callEnded = told;
  }

  /** A system call of the process is over. */
  callEnded(): void {
    this.#callEnded?.();
  }

  get threadPointers(): readonly number[] {
    return this.#threads.map((thread) => this.#register(thread, FS_BASE));
  }

  allowCodeOnStacks(): void {
    const space = this.#space;
    const offset = gpr(this.#kernel.abi.stackPointer);
    for (const thread of this.#threads) {
      const area = space.areas.lookup(this.#register(thread, offset));
      if (area === null) continue;
      this.protect(area.start, area.end - area.start, PROT_READ | PROT_WRITE | PROT_EXEC);
    }
  }

  get #threads(): Thread[] {
    return [...this.#kernel.threads.values()].filter((thread) =>
      thread.process.space.value === this.#space && thread.status !== "dead"
    );
  }

  /** A thread's register by its offset in the state. */
  #register(thread: Thread, offset: number): number {
    const { current, cpu } = this.#kernel;
    return getUnsigned64(viewOf(thread === current ? cpu.stateBytes : thread.state), offset);
  }

  print(descriptor: 1 | 2, text: string): void {
    const table = this.#process.descriptors.value as DescriptorTable;
    table.get(descriptor)?.write(new TextEncoder().encode(text));
  }

  objectsChanged(objects: readonly LinkObject[]): void {
    this.#space.objects = objects.map(({ path, base = 0, elf }) => ({ path, base, elf }));
  }

  #asLinker(copy: () => number): number {
    const { memory } = this.#space;
    const { domain } = memory;
    memory.domain = Domain.Linker;
    const result = copy();
    memory.domain = domain;
    return result;
  }

  #refuse(what: string, errno: number): never {
    throw new LinkTargetError(`cannot ${what}: ${errnoName(-errno)}`);
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
