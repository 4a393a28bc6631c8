import { assert, assertEquals, assertThrows } from "@std/assert";
import { Access } from "../../../sim/cpu/cpu.ts";
import * as abi from "../../../sim/memory/abi.ts";
import { AddressSpace } from "../../../sim/memory/address_space.ts";
import { Memory, type MemoryOptions } from "../../../sim/memory/memory.ts";
import { MemoryError } from "../../../sim/memory/physical_memory.ts";
import { ARCHES, machine, MIB, numbers, PAGE } from "./fixtures.ts";

const GIB = 2 ** 30;

/** What a walk written from the manuals alone finds. */
interface Found {
  readonly physical: number;
  readonly depth: number;
  readonly read: boolean;
  readonly write: boolean;
  readonly execute: boolean;
}

/** Bits of an address that index the table of each level, from the root down. */
type Levels = readonly { readonly shift: bigint; readonly bits: bigint }[];

/** Base pages and what page tables of them are. */
interface Tables {
  readonly options: MemoryOptions;
  /** Bytes of a base page, and of the pages that a level above maps: of the pool, and of all of it. */
  readonly page: number;
  readonly huge: number;
  readonly giant?: number;
  readonly levels: Levels;
}

const levels = (...pairs: [number, number][]): Levels =>
  pairs.map(([shift, bits]) => ({ shift: BigInt(shift), bits: BigInt(bits) }));
const FOUR_KIB = levels([39, 9], [30, 9], [21, 9], [12, 9]);
const POOLS = { bytes: 2 * GIB, hugePages1G: 1, hugePages2M: 8 };

/** Intel SDM 3A 4.5.4; Arm ARM D8.2, translation with the granules of 4, 16 and 64 KiB, 48 bits. */
const TABLES: Readonly<Record<string, Tables>> = {
  x86_64: {
    options: { arch: "x86_64", ...POOLS },
    ...{ page: 4096, huge: 2 * MIB, giant: GIB, levels: FOUR_KIB },
  },
  "aarch64, 4 KiB": {
    options: { arch: "aarch64", ...POOLS },
    ...{ page: 4096, huge: 2 * MIB, giant: GIB, levels: FOUR_KIB },
  },
  "aarch64, 16 KiB": {
    options: { arch: "aarch64", pageSize: "16k", bytes: 2 * GIB, hugePages32M: 20 },
    ...{ page: 16384, huge: 32 * MIB, levels: levels([47, 1], [36, 11], [25, 11], [14, 11]) },
  },
  "aarch64, 64 KiB": {
    options: { arch: "aarch64", pageSize: "64k", bytes: 3 * GIB, hugePages512M: 4 },
    ...{ page: 65536, huge: 512 * MIB, levels: levels([42, 6], [29, 13], [16, 13]) },
  },
};

/** Read tables as hardware does: Intel SDM 3A 4.5.4, Arm ARM D8.3. */
function hardwareWalk(
  memory: Memory,
  root: number,
  va: number,
  of: Levels = FOUR_KIB,
): Found | null {
  const address = BigInt(va);
  const page = of.at(-1)!.shift;
  let table = BigInt(root);
  let write = true;
  let execute = true;
  for (const [i, { shift, bits }] of of.entries()) {
    const index = address >> shift & (1n << bits) - 1n;
    const entry = memory.physical.view.getBigUint64(Number(table + index * 8n), true);
    const bit = (n: bigint): boolean => (entry >> n & 1n) === 1n;
    if (!bit(0n)) return null;
    let leaf: boolean;
    if (memory.arch === "x86_64") {
      leaf = shift === page || bit(7n);
      assert(bit(2n), "user bit at every level");
      write &&= bit(1n);
      execute &&= !bit(63n);
    } else {
      leaf = shift === page || !bit(1n);
      if (shift === page) assert(bit(1n), "a page descriptor has bits 1:0 = 3");
      if (leaf) {
        assert(bit(6n) && bit(10n) && bit(53n), "EL0 access, access flag, no privileged execution");
        write = !bit(7n);
        execute = !bit(54n);
      }
    }
    const frame = entry & (1n << 48n) - (1n << page);
    if (leaf) {
      const size = 1n << shift;
      assertEquals(frame % size, 0n, "a leaf's address is aligned to its size");
      const physical = Number(frame + address % size);
      return { physical, depth: i + 1, read: true, write, execute };
    }
    table = frame;
  }
  return null;
}

for (const [name, { options, page, huge, giant, levels }] of Object.entries(TABLES)) {
  Deno.test(`${name}: a walk of physical memory finds what resolve answers`, () => {
    const memory = new Memory(options);
    const space = new AddressSpace(memory);
    const random = numbers(7);
    const made: [number, number, number][] = [];
    for (let i = 0; i < 60; i++) {
      const prot = [1, 3, 5, 7][random(4)];
      const isHuge = random(6) === 0;
      const flags = isHuge ? abi.MAP_PRIVATE | abi.MAP_ANONYMOUS | abi.MAP_HUGETLB : 0x22;
      const size = isHuge ? huge : (1 + random(20)) * page;
      const hint = 0x1_0000_0000 + random(0x7000) * 0x1_0000_0000;
      const va = space.mmap(hint, size, prot, flags);
      if (va > 0) made.push([va, size, prot]);
    }
    if (giant !== undefined) {
      const va = space.mmap(0, giant, 3, 0x22 | abi.MAP_HUGETLB | abi.MAP_HUGE_1GB);
      assert(va > 0);
      made.push([va, giant, 3]);
    }
    const depths = new Set<number>();
    for (const [va, size, prot] of made) {
      for (const at of [va, va + size - 1, va + random(size)]) {
        for (const access of [Access.Read, Access.Write, Access.Execute]) {
          const allowed = [1, 2, 4][access] & prot;
          const fault = space.resolve(at, access);
          assertEquals(fault, allowed !== 0 ? 0 : abi.FAULT_ACCERR);
          if (fault !== 0) continue;
          const found = hardwareWalk(memory, space.table.root, at, levels)!;
          const { physical, pageShift, writable } = space.resolved;
          assertEquals(found.physical, physical);
          assertEquals(levels[found.depth - 1].shift, BigInt(pageShift));
          assertEquals(found.write, writable);
          if (access === Access.Write) assert(found.write);
          if (access === Access.Execute) assert(found.execute);
          assertEquals(found.execute, (prot & abi.PROT_EXEC) !== 0);
          const walk = space.table.walk(at);
          assertEquals([walk.depth, walk.present, walk.pageShift], [found.depth, true, pageShift]);
          assertEquals(walk.entries[0] - walk.entries[0] % page, space.table.root);
          depths.add(found.depth);
        }
      }
    }
    const leaves = giant === undefined ? 2 : 3;
    assertEquals(depths.size, leaves);
    assert(depths.has(levels.length) && depths.has(levels.length + 1 - leaves));
    for (const [va, size] of made) {
      assertEquals(space.munmap(va, size), 0);
      assertEquals(hardwareWalk(memory, space.table.root, va, levels), null);
    }
    assertEquals(space.table.tables, 1, "empty tables are freed");
  });

  Deno.test(`${name}: a huge page goes to pieces and comes together`, () => {
    const { arch, pageSize, bytes } = options;
    const memory = new Memory({ arch, pageSize, bytes, thp: "always" });
    const space = new AddressSpace(memory);
    const va = space.mmap(0, huge, 3, 0x22);
    assertEquals(va % huge, 0);
    const at = [va, va + huge / 2, va + huge - page];
    for (const one of at) assertEquals(space.writeU64(one, one), 0);
    const { depth } = hardwareWalk(memory, space.table.root, va, levels)!;
    assertEquals([depth, memory.counters.hugeFaults], [levels.length - 1, 1]);
    assertEquals(space.munmap(va + page, page), 0);
    for (const one of at) {
      const found = hardwareWalk(memory, space.table.root, one, levels)!;
      assertEquals([found.depth, space.readU64(one)], [levels.length, one]);
    }
    assertEquals(hardwareWalk(memory, space.table.root, va + page, levels), null);
    assertEquals(space.mmap(va + page, page, 3, 0x32), va + page);
    assertEquals(space.promote(va, huge), 1);
    for (const one of at) {
      const found = hardwareWalk(memory, space.table.root, one, levels)!;
      assertEquals([found.depth, space.readU64(one)], [levels.length - 1, one]);
    }
    assertEquals(space.readU64(va + page), 0);
  });
}

Deno.test("base pages that an architecture has not, and huge pages that base pages have not, are refused", () => {
  assertThrows(
    () => new Memory({ arch: "x86_64", pageSize: "16k" }),
    MemoryError,
    "pages of 16k are for aarch64: x86_64 has base pages of 4k alone",
  );
  assertThrows(
    () => new Memory({ arch: "aarch64", pageSize: "64k", hugePages2M: 1 }),
    MemoryError,
    "there are no hugetlb pages of 2 MiB with base pages of 64 KiB, but of 512 MiB",
  );
  const [, space] = machine({ arch: "aarch64", pageSize: "16k" });
  for (const shift of [21, 29, 30]) {
    const flags = 0x22 | abi.MAP_HUGETLB | shift << abi.MAP_HUGE_SHIFT;
    assertEquals(space.mmap(0, 1, 3, flags), -abi.EINVAL);
  }
});

for (const arch of ARCHES) {
  Deno.test(`${arch}: PROT_NONE keeps the page and hides it from the walker`, () => {
    const [memory, space] = machine({ arch });
    const va = space.mmap(0, PAGE, 3, 0x22);
    assertEquals(space.writeU32(va, 77), 0);
    const { physical } = space.resolved;
    assertEquals(space.mprotect(va, PAGE, 0), 0);
    assertEquals(hardwareWalk(memory, space.table.root, va), null);
    assertEquals(space.resolve(va, Access.Read), abi.FAULT_ACCERR);
    assertEquals(space.mprotect(va, PAGE, 1), 0);
    assertEquals(hardwareWalk(memory, space.table.root, va)?.physical, physical);
    assertEquals(space.readU32(va), 77);
  });

  Deno.test(`${arch}: a transparent huge page has one PMD entry until its middle is unmapped`, () => {
    const [memory, space] = machine({ arch, thp: "always" });
    const va = space.mmap(0, 4 * MIB, 3, 0x22);
    assertEquals(va % (2 * MIB), 0);
    for (let at = va; at < va + 4 * MIB; at += PAGE) assertEquals(space.writeU64(at, at), 0);
    const pmd = space.table.walk(va).entries[2];
    assertEquals(space.table.walk(va).depth, 3);
    assertEquals(memory.physical.lowAt(pmd) & 0xffe0_0000, space.table.page | 0);
    assertEquals(memory.counters.hugeFaults, 2);
    assertEquals(space.munmap(va + MIB, PAGE), 0);
    assertEquals(space.table.walk(va).depth, 4);
    assertEquals(space.table.walk(va + 2 * MIB).depth, 3);
    assertEquals(hardwareWalk(memory, space.table.root, va + MIB), null);
    for (let at = va; at < va + 4 * MIB; at += PAGE) {
      assertEquals(space.readU64(at), at === va + MIB ? -abi.EFAULT : at);
    }
  });
}

Deno.test("mremap moves a huge page whole where both ends are aligned, else page by page", () => {
  const [memory, space] = machine({ thp: "always" });
  const va = space.mmap(0x4000_0000, 2 * MIB, 3, 0x32);
  for (let i = 0; i < 512; i++) assertEquals(space.writeU32(va + i * PAGE, i), 0);
  const moved = space.mremap(va, 2 * MIB, 2 * MIB, 3, 0x5000_0000);
  assertEquals([space.table.walk(moved).depth, memory.counters.hugeSplits], [3, 0]);
  const skewed = space.mremap(moved, 2 * MIB, 2 * MIB, 3, 0x6000_1000);
  assertEquals([space.table.walk(skewed).depth, memory.counters.hugeSplits], [4, 1]);
  for (let i = 0; i < 512; i++) assertEquals(space.readU32(skewed + i * PAGE), i);
  assertEquals(space.readU32(va), -abi.EFAULT);
  assertEquals(space.readU32(moved), -abi.EFAULT);
  assertEquals(memory.counters.copies[1], 0);
});

Deno.test("x86_64: entries carry the accessed, dirty, copy-on-write and key bits", () => {
  const [memory, space] = machine();
  const va = space.mmap(0, 2 * PAGE, 3, 0x22);
  const entry = (at: number): bigint => {
    const walk = space.table.walk(at);
    return memory.physical.view.getBigUint64(walk.entries[walk.depth - 1], true);
  };
  assertEquals(space.resolve(va, Access.Read), 0);
  // Present, user, accessed, and bit 9; the page of zeros is not writable nor dirty. NX is bit 63.
  assertEquals(entry(va) & 0xfffn, 0x225n);
  assertEquals(entry(va) >> 63n, 1n);
  assertEquals(space.resolve(va, Access.Write), 0);
  assertEquals(entry(va) & 0xfffn, 0x067n);
  assertEquals(space.mprotect(va, PAGE, 7, 5), 0);
  assertEquals(entry(va) >> 59n, 5n, "key in bits 62:59, executable");
  const child = space.fork() as AddressSpace;
  assertEquals(entry(va) & 0xfffn, 0x265n, "write-protected and marked after fork");
  child.release();
  assertEquals(space.resolve(va, Access.Write), 0);
  assertEquals(entry(va) & 0xfffn, 0x067n, "taken over without a copy");
});

Deno.test("protection keys: PKRU denies data accesses and never fetches", () => {
  const [, space] = machine();
  const va = space.mmap(0, PAGE, 7, 0x22);
  assertEquals(space.mprotect(va, PAGE, 7, 3), 0);
  assertEquals(space.resolve(va, Access.Write), 0);
  const outcomes = (pkru: number): number[] => {
    space.pkru = pkru;
    return [Access.Read, Access.Write, Access.Execute].map((access) => space.resolve(va, access));
  };
  assertEquals(outcomes(1 << 6), [abi.FAULT_PKUERR, abi.FAULT_PKUERR, 0]);
  assertEquals(outcomes(2 << 6), [0, abi.FAULT_PKUERR, 0]);
  assertEquals(outcomes(3 << 4), [0, 0, 0]);
  assertEquals(space.mprotect(va, PAGE, 7, 16), -abi.EINVAL);
});
