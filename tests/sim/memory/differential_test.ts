/**
 * Random sequences of memory system calls and accesses, run on the real kernel and on ours: results,
 * faults, contents, areas, their flags and their resident pages must be equal.
 */
import { assertEquals } from "@std/assert";
import type { Arch } from "../../../sim/arch.ts";
import { Access } from "../../../sim/cpu/cpu.ts";
import * as abi from "../../../sim/memory/abi.ts";
import { addressLayout } from "../../../sim/memory/address_layout.ts";
import { AddressSpace } from "../../../sim/memory/address_space.ts";
import { Memory } from "../../../sim/memory/memory.ts";
import type { MappedFile } from "../../../sim/memory/page_cache.ts";
import { smapsText } from "../../../sim/memory/proc_maps.ts";
import { type MapSource, Vm } from "../../../sim/memory/vma.ts";
import {
  type Area,
  buildOracle,
  canCompile,
  OP,
  type Operation,
  parseSmaps,
  runOracle,
} from "./linux_oracle.ts";

const PAGE = 4096;
const ARENA = 0x10_0000_0000;
const FILE_PAGES = 6;

const [major, minor] = canCompile ? Deno.osRelease().split(".").map(Number) : [0, 0];
/** mremap moves several areas at once since 6.17. */
const movesMany = major > 6 || major === 6 && minor >= 17;

class DataFile implements MappedFile {
  readonly id = "data";
  readonly path = "data";
  private readonly content = new Uint8Array(4 * FILE_PAGES * PAGE);
  private length: number;
  constructor(content: Uint8Array) {
    this.length = content.length;
    this.content.set(content);
  }
  get size(): number {
    return this.length;
  }
  set size(size: number) {
    this.content.fill(0, size);
    this.length = size;
  }
  readPage(index: number, into: Uint8Array): void {
    into.set(this.content.subarray(index * PAGE, (index + 1) * PAGE));
  }
  writePage(index: number, from: Uint8Array): void {
    this.content.set(from.subarray(0, Math.max(0, this.length - index * PAGE)), index * PAGE);
  }
}

/** The range that operations are drawn from, its unit, and what is asked of it. */
interface Arena {
  readonly units: number;
  /** Bytes of a unit. */
  readonly unit: number;
  /** Advice to draw from. */
  readonly advice: readonly number[];
  /**
   * What is mapped, unmapped or emptied comes in multiples of this. Linux keeps page tables that it
   * emptied in part, and puts no huge page where one is; ours go when they are empty.
   */
  readonly whole: number;
  /** Flags of mremap to draw from. */
  readonly remap: readonly number[];
  /** Percent of mappings that are of the file. */
  readonly files: number;
  /** Bytes of simulated memory. */
  readonly memory: number;
}

/** Small pages, every call. */
const SMALL: Arena = {
  units: 48,
  unit: PAGE,
  advice: [
    abi.MADV_NORMAL,
    abi.MADV_RANDOM,
    abi.MADV_SEQUENTIAL,
    abi.MADV_WILLNEED,
    abi.MADV_DONTNEED,
    abi.MADV_DONTNEED,
    abi.MADV_DONTNEED,
    abi.MADV_FREE,
    abi.MADV_DONTFORK,
    abi.MADV_DOFORK,
    abi.MADV_HUGEPAGE,
    abi.MADV_NOHUGEPAGE,
    abi.MADV_DONTDUMP,
    abi.MADV_DODUMP,
    abi.MADV_WIPEONFORK,
    abi.MADV_KEEPONFORK,
    abi.MADV_COLD,
    abi.MADV_POPULATE_READ,
    abi.MADV_POPULATE_WRITE,
    abi.MADV_COLLAPSE,
    999,
  ],
  whole: 1,
  remap: [0, 1, 1, 1, 3, 3, 3, 2, 5, 7, 9],
  files: 30,
  memory: 64 << 20,
};

/** Halves of huge pages, which come and go. */
const HUGE: Arena = {
  units: 24,
  unit: 1 << 20,
  advice: [
    abi.MADV_HUGEPAGE,
    abi.MADV_HUGEPAGE,
    abi.MADV_HUGEPAGE,
    abi.MADV_NOHUGEPAGE,
    abi.MADV_DONTNEED,
    abi.MADV_DONTNEED,
    abi.MADV_POPULATE_READ,
    abi.MADV_POPULATE_WRITE,
  ],
  whole: 2 << 20,
  remap: [9],
  files: 0,
  memory: 512 << 20,
};

/** Small reproducible random numbers. */
class Random {
  constructor(private state: number) {}
  below(n: number): number {
    this.state = Math.imul(this.state ^ this.state >>> 15, 0x2c1b3c6d) + 0x6d2b79f5 | 0;
    const mixed = Math.imul(this.state ^ this.state >>> 13, 0x297a2d39);
    return ((mixed ^ mixed >>> 16) >>> 0) % n;
  }
  chance(percent: number): boolean {
    return this.below(100) < percent;
  }
  of<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)];
  }
}

/** What the real process looks like before the first operation. */
interface Start {
  readonly areas: readonly Area[];
  readonly mmapBase: number;
  readonly heap: number;
}

async function probe(program: string, data: string): Promise<Start> {
  const [smaps, first, heap] = await runOracle(program, data, [
    [OP.dump],
    [OP.mmap, 0, PAGE, 3, 0x22, -1, 0],
    [OP.brk, 0],
  ]);
  return {
    areas: parseSmaps(smaps as string),
    mmapBase: (first as number) + PAGE,
    heap: heap as number,
  };
}

/** The simulated twin of the oracle process. */
class Twin {
  readonly memory: Memory;
  readonly file: DataFile;
  readonly sources: readonly MapSource[];
  readonly stack: AddressSpace[] = [];
  /** Frames in use before the first address space. */
  readonly atStart: number;

  constructor(start: Start, content: Uint8Array, arena: Arena) {
    const arch = Deno.build.arch as Arch;
    this.memory = new Memory({ arch, bytes: arena.memory });
    this.atStart = this.memory.frames.inUse;
    this.file = new DataFile(content);
    this.sources = [
      { file: this.file, readable: true, writable: true },
      { file: this.file, readable: true, writable: false },
    ];
    const space = new AddressSpace(this.memory, {
      layout: { ...addressLayout(arch, null), mmapBase: start.mmapBase },
    });
    this.stack.push(space);
    // The host wrote the file just now, so it has the file's pages.
    this.memory.cache.open(this.file).read(0, new Uint8Array(content.length));
    space.setHeap(start.heap);
  }

  get space(): AddressSpace {
    return this.stack[this.stack.length - 1];
  }

  /** Carry out one operation as the oracle does. */
  run(operation: Operation): number | string {
    const { space } = this;
    const [kind, a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = operation;
    switch (kind) {
      case OP.mmap:
        return space.mmap(a, b, c, d, e < 0 ? null : this.sources[e - 3], f);
      case OP.munmap:
        return space.munmap(a, b);
      case OP.mprotect:
        return space.mprotect(a, b, c);
      case OP.mremap:
        return space.mremap(a, b, c, d, e);
      case OP.brk:
        return space.brk(a);
      case OP.madvise:
        return space.madvise(a, b, c);
      case OP.msync:
        return space.msync(a, b, c);
      case OP.mincore: {
        const pages = new Uint8Array(64);
        const failed = space.mincore(a, b, pages);
        return failed !== 0 ? failed : pages.reduce((sum, bit, i) => sum + bit * 2 ** i, 0);
      }
      case OP.store: {
        const fault = space.resolve(a, Access.Write);
        if (fault !== 0) return -fault;
        return space.writeU64(a, b);
      }
      case OP.load: {
        const fault = space.resolve(a, Access.Read);
        return fault !== 0 ? -fault : Number(space.readBigU64(a) >> 1n);
      }
      case OP.digest:
        return this.digest(a, b);
      case OP.truncate:
        this.file.size = a;
        this.memory.cache.open(this.file).truncate(a);
        return 0;
      case OP.writeFile: {
        const bytes = new Uint8Array(b);
        if (space.copyIn(a, bytes) !== 0) throw new Error("not readable");
        this.file.size = Math.max(this.file.size, c + b);
        return this.memory.cache.open(this.file).write(c, bytes);
      }
      case OP.readFile: {
        const bytes = new Uint8Array(b);
        const count = this.memory.cache.open(this.file).read(c, bytes);
        if (space.copyOut(a, bytes.subarray(0, count)) !== 0) throw new Error("not writable");
        return count;
      }
      case OP.fork: {
        const child = space.fork();
        if (typeof child === "number") return child;
        this.stack.push(child);
        return 0;
      }
      case OP.exit:
        this.stack.pop()!.release();
        return 0;
      case OP.dump:
        return smapsText(space);
      default:
        throw new Error(`operation ${kind}`);
    }
  }

  private digest(start: number, size: number): number {
    let hash = 0n;
    for (let va = start; va < start + size; va += PAGE) {
      const fault = this.space.resolve(va, Access.Read);
      if (fault !== 0) return -fault;
      const { physical } = this.space.resolved;
      const bytes = this.memory.physical.bytes(physical, PAGE);
      for (const word of new BigUint64Array(bytes.slice().buffer)) {
        const shifted = BigInt.asUintN(64, hash << 5n) ^ hash >> 27n;
        hash = (shifted ^ word) & 0xffff_ffff_ffffn;
      }
    }
    return Number(hash);
  }
}

/** Draws operations that suit what is mapped now. */
class Generator {
  private value = 1;
  constructor(
    private readonly random: Random,
    private readonly twin: Twin,
    private readonly arena: Arena,
  ) {}

  private address(): number {
    const { random } = this;
    const unaligned = random.chance(3) ? random.below(PAGE) : 0;
    const areas = this.twin.space.areas.items;
    if (random.chance(15) && areas.length > 0) {
      // Something that the kernel placed: its start or end.
      const area = areas[random.below(areas.length)];
      if (area.start >= ARENA) return (random.chance(70) ? area.start : area.end) + unaligned;
    }
    const { units, unit } = this.arena;
    return ARENA + random.below(units) * unit + unaligned;
  }

  private length(): number {
    const { random } = this;
    if (random.chance(2)) return 0;
    const { unit } = this.arena;
    const units = 1 + random.below(random.chance(20) ? 20 : 6);
    return random.chance(8) ? units * unit - random.below(unit) : units * unit;
  }

  private prot(): number {
    return this.random.of([0, 1, 1, 2, 3, 3, 3, 3, 3, 4, 5, 7]);
  }

  /** The next operation; the kernel's own pages above the mmap area stay out of it. */
  next(): Operation {
    const operation = this.wholly(this.draw());
    const [kind, address = 0, length = 0, newLength = 0, , target = 0] = operation;
    const limit = this.twin.space.layout.mmapBase;
    if (kind === OP.brk || kind >= OP.truncate) return operation;
    const size = kind === OP.mremap ? Math.max(length, newLength) : length;
    const accesses = kind === OP.store || kind === OP.load;
    if (accesses ? address >= limit : address + size > limit) return this.next();
    return kind === OP.mremap && target + size > limit ? this.next() : operation;
  }

  private wholly(operation: Operation): Operation {
    const { whole } = this.arena;
    const [kind, address = 0, length = 0, ...rest] = operation;
    const zaps = kind === OP.mmap || kind === OP.munmap || kind === OP.madvise;
    if (!zaps || whole === 1) return operation;
    const end = Math.ceil((address + length) / whole) * whole;
    const start = address - address % whole;
    return [kind, start, end - start, ...rest];
  }

  private draw(): Operation {
    const { random } = this;
    const at = random.below(100);
    if (at < 20) return this.mmap();
    if (at < 27) return [OP.munmap, this.address(), this.length()];
    if (at < 40) {
      const odd = random.chance(3) ? random.of([0x40, 0x0100_0000, 0x0300_0000]) : 0;
      return [OP.mprotect, this.address(), this.length(), this.prot() | odd];
    }
    if (at < 48) return this.mremap();
    if (at < 52) return this.brk();
    if (at < 62) return this.madvise();
    if (at < 64) return [OP.msync, this.address(), this.length(), random.below(8)];
    if (at < 66) return this.mincore();
    if (at < 84) return [OP.store, this.spot(), this.value++ * 0x1_0001];
    if (at < 92) return [OP.load, this.spot()];
    if (at < 94 && this.arena.files > 0) {
      return [OP.truncate, random.below(2 * FILE_PAGES) * PAGE / 2];
    }
    if (at < 97) return this.fileCopy() ?? this.next();
    if (this.twin.stack.length === 1) return random.chance(60) ? [OP.fork] : this.next();
    return random.chance(50) ? [OP.exit] : this.next();
  }

  private mmap(): Operation {
    const { random } = this;
    let flags = random.of([0x02, 0x02, 0x02, 0x01]);
    if (random.chance(2)) flags = random.of([0, 4, 3]);
    let file = -1;
    let offset = 0;
    if (random.chance(this.arena.files)) {
      file = random.chance(70) ? 3 : 4;
      offset = random.below(FILE_PAGES + 1) * PAGE + (random.chance(3) ? 1 : 0);
    } else flags |= abi.MAP_ANONYMOUS;
    if (random.chance(6)) flags |= abi.MAP_GROWSDOWN;
    if (random.chance(10)) flags |= abi.MAP_NORESERVE;
    if (random.chance(12)) flags |= abi.MAP_POPULATE;
    if (random.chance(8) && Deno.build.arch === "x86_64") flags |= abi.MAP_32BIT;
    const where = random.below(100);
    if (where < 60) flags |= abi.MAP_FIXED;
    else if (where < 75) flags |= abi.MAP_FIXED_NOREPLACE;
    const address = where < 88 ? this.address() : 0;
    return [OP.mmap, address, this.length(), this.prot(), flags, file, offset];
  }

  private mremap(): Operation {
    const { random } = this;
    const address = this.address();
    const area = this.twin.space.areas.lookup(address);
    let length = this.length();
    if (area !== null && random.chance(50)) length = area.end - address;
    const newLength = random.chance(35) ? length : this.length();
    const flags = random.of(this.arena.remap);
    if (!movesMany && (flags & 2) !== 0 && (area === null || area.end < address + length)) {
      return this.mremap();
    }
    const target = (flags & 6) !== 0 ? this.address() : 0;
    return [OP.mremap, address, length, newLength, flags, target];
  }

  private brk(): Operation {
    const { heapStart, heapEnd } = this.twin.space;
    const { random } = this;
    if (random.chance(50)) return [OP.brk, heapEnd + random.below(6 * PAGE)];
    return [OP.brk, Math.max(heapStart - 8, heapEnd - random.below(6 * PAGE))];
  }

  private madvise(): Operation {
    const { random } = this;
    const behaviour = random.of(this.arena.advice);
    return [OP.madvise, this.address(), this.length(), behaviour];
  }

  private mincore(): Operation {
    const address = this.address();
    const length = this.length();
    // Which pages of the file the host has cached is its own affair.
    const { items } = this.twin.space.areas;
    const files = items.some((area) =>
      area.source !== null && area.start < address + length && area.end > address
    );
    return files || length > 60 * PAGE ? this.next() : [OP.mincore, address, length];
  }

  /** Somewhere to load or store: never in the part of a page past the end of the file. */
  private spot(): number {
    const offset = this.random.of([0, 8, 1024]);
    const address = this.address();
    const page = this.random.below(this.arena.unit / PAGE) * PAGE;
    return address - address % PAGE + page + offset;
  }

  /** read(2) or write(2) between the file and memory that permits it. */
  private fileCopy(): Operation | null {
    const { random } = this;
    const size = 8 + random.below(1000) * 8;
    const address = this.spot();
    const writeFile = random.chance(50);
    const { areas } = this.twin.space;
    for (let va = address; va < address + size; va += 8) {
      const area = areas.lookup(va);
      if (area === null || (area.flags & (writeFile ? Vm.Read : Vm.Write)) === 0) return null;
      if (area.file !== null && area.pageAt(va) >= area.file.pages) return null;
      // Source and target in the same file would depend on the order of copying.
      if (area.source !== null) return null;
    }
    const offset = random.below(this.twin.file.size / 8 + 1) * 8;
    if (writeFile && offset + size > this.twin.file.size) return null;
    return [writeFile ? OP.writeFile : OP.readFile, address, size, offset];
  }
}

/** What is compared of the areas that the operations made. */
function comparable(text: string | number, start: Start): string[] {
  const before = new Set(start.areas.map((area) => area.range.split("-")[0]));
  const lines: string[] = [];
  for (const { range, fields } of parseSmaps(text as string)) {
    const from = parseInt(range, 16);
    if (from >= start.mmapBase) continue;
    if (before.has(range.split("-")[0])) continue;
    const flags = fields.get("VmFlags")!.split(" ").filter((flag) => flag !== "sd").sort();
    const get = (name: string): string => `${name}=${fields.get(name)}`;
    // How many pages of a file come in at once depends on the host's file system and its cache.
    const file = fields.get("name") !== "" && fields.get("name") !== "[heap]";
    const pages = `${file ? "" : get("Rss")} ${get("Anonymous")} ${get("AnonHugePages")} ${
      get("THPeligible")
    }`;
    lines.push(
      `${range} ${fields.get("rights")} ${fields.get("offset")} ${flags.join(" ")} ${pages}`,
    );
  }
  return lines;
}

const describe = (operation: Operation): string => {
  const name = Object.entries(OP).find(([, kind]) => kind === operation[0])![0];
  return `${name}(${operation.slice(1).map((n) => n < 0 ? n : "0x" + n.toString(16)).join(", ")})`;
};

async function compareSequence(
  arena: Arena,
  seed: number,
  count: number,
  program: string,
  data: string,
  start: Start,
): Promise<void> {
  const random = new Random(seed * 7919 + 1);
  const content = new Uint8Array(FILE_PAGES * PAGE - PAGE / 2);
  for (let i = 0; i < content.length; i++) content[i] = random.below(256);
  const twin = new Twin(start, content, arena);
  const generator = new Generator(random, twin, arena);
  const operations: Operation[] = [];
  const mine: (number | string)[] = [];
  const perform = (operation: Operation): void => {
    operations.push(operation);
    mine.push(twin.run(operation));
  };
  const contents = (): void => {
    for (const { start: from, end, flags, file, pageOffset } of twin.space.areas.items.slice()) {
      if (from < ARENA || (flags & 7) === 0) continue;
      const pages = file === null ? Infinity : file.pages - pageOffset;
      const size = Math.min(end - from, pages * PAGE, 32 * PAGE);
      if (size > 0) perform([OP.digest, from, size]);
    }
  };
  for (let i = 0; i < count; i++) {
    perform(generator.next());
    if (i % 6 === 5) perform([OP.dump]);
  }
  contents();
  while (twin.stack.length > 1) {
    perform([OP.exit]);
    contents();
  }
  const trail = (i: number): string =>
    `seed ${seed}, operation ${i}:\n` +
    operations.slice(0, i + 1).map((op, j) =>
      op[0] === OP.dump ? "" : `${describe(op)} = ${mine[j]}\n`
    ).join("");
  const compareWithHost = async (): Promise<void> => {
    await Deno.writeFile(data, content);
    const theirs = await runOracle(program, data, operations);
    for (const [i, [kind]] of operations.entries()) {
      if (kind === OP.dump) {
        assertEquals(comparable(mine[i], start), comparable(theirs[i], start), trail(i));
      } else if (mine[i] !== theirs[i]) {
        assertEquals(mine[i], theirs[i], trail(i));
      }
    }
  };
  // The host's khugepaged may join pages in the middle of a run, so a difference must repeat itself.
  await (arena === HUGE ? compareWithHost().catch(compareWithHost) : compareWithHost());
  const file = await Deno.readFile(data);
  const cached = new Uint8Array(twin.file.size);
  twin.memory.cache.open(twin.file).read(0, cached);
  const difference = file.findIndex((byte, i) => byte !== cached[i]);
  const place = `contents of the file at ${difference}: ${trail(operations.length)}`;
  assertEquals([cached.length, difference], [file.length, -1], place);
  twin.stack.pop()!.release();
  twin.memory.cache.open(twin.file).drop();
  const { frames, zeroFrame } = twin.memory;
  const kept = frames.inUse - (frames.kind.lastIndexOf(1) > zeroFrame ? 512 : 0);
  assertEquals(kept, twin.atStart, `frames left over, seed ${seed}`);
}

/** Compare `count` sequences. */
async function compareSequences(arena: Arena, count: number): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "isthmus-memory-" });
  try {
    const program = await buildOracle(folder);
    const data = `${folder}/data`;
    await Deno.writeFile(data, new Uint8Array(PAGE));
    const start = await probe(program, data);
    const first = Number(Deno.env.get("SEED") ?? 1);
    const seeds = Number(Deno.env.get("SEEDS") ?? count);
    for (let seed = first; seed < first + seeds; seed++) {
      await compareSequence(arena, seed, 120, program, data, start);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test({
  name: "random system calls do what the host's Linux kernel does" +
    (canCompile ? "" : " (skipped: needs gcc on Linux)"),
  ignore: !canCompile,
  fn: () => compareSequences(SMALL, 100),
});

/**
 * Whether the host makes 2 MiB pages where madvise asks, and none of another size. Before 6.14 Linux
 * kept empty page tables, so that other faults found no room for a huge page.
 */
const hostThp = canCompile && movesMany && thpOnRequest();
function thpOnRequest(): boolean {
  const folder = "/sys/kernel/mm/transparent_hugepage";
  try {
    if (!Deno.readTextFileSync(`${folder}/enabled`).includes("[madvise]")) return false;
    for (const { name } of Deno.readDirSync(folder)) {
      if (!name.startsWith("hugepages-") || name === "hugepages-2048kB") continue;
      if (name === "hugepages-8kB") continue; // For shared memory only.
      if (!Deno.readTextFileSync(`${folder}/${name}/enabled`).includes("[never]")) return false;
    }
    const free = /MemFree: +(\d+)/.exec(Deno.readTextFileSync("/proc/meminfo"));
    return free !== null && Number(free[1]) > 4 << 20;
  } catch {
    return false;
  }
}

Deno.test({
  name: "transparent huge pages come and go as on the host" +
    (hostThp ? "" : " (skipped: needs Linux 6.17, gcc, huge pages on madvise, 4 GiB free)"),
  ignore: !hostThp,
  fn: () => compareSequences(HUGE, 40),
});
