import { assert, assertEquals } from "@std/assert";
import { Access } from "../../../sim/cpu/cpu.ts";
import * as abi from "../../../sim/memory/abi.ts";
import { AddressSpace } from "../../../sim/memory/address_space.ts";
import { type Memory, type ThpPolicy } from "../../../sim/memory/memory.ts";
import { smapsText } from "../../../sim/memory/proc_maps.ts";
import type { MapSource } from "../../../sim/memory/vma.ts";
import { ARCHES, machine, MIB, PAGE, PatternFile, record } from "./fixtures.ts";

const opened = (file: PatternFile): MapSource => ({ file, readable: true, writable: true });

function smaps(space: AddressSpace, field: string): number {
  const found = new RegExp(`^${field}: +(\\d+) kB`, "m").exec(smapsText(space));
  return Number(found![1]) * 1024;
}

Deno.test("processes, read() and write() see one page", () => {
  const [memory, first] = machine();
  const second = new AddressSpace(memory);
  const file = new PatternFile("shared", 3 * PAGE + 100);
  const a = first.mmap(0, 4 * PAGE, 3, abi.MAP_SHARED, opened(file));
  const b = second.mmap(0, 4 * PAGE, 1, abi.MAP_PRIVATE, opened(file));
  assertEquals(first.readU8(a + PAGE + 1), file.byteAt(PAGE + 1));
  assertEquals(second.readU8(b + PAGE + 1), file.byteAt(PAGE + 1));
  assertEquals(first.resolve(a + PAGE, Access.Read), 0);
  assertEquals(second.resolve(b + PAGE, Access.Read), 0);
  assertEquals(first.resolved.physical, second.resolved.physical);
  const events = record(memory);
  const cached = memory.cache.open(file);
  assertEquals(cached.write(PAGE + 1, new Uint8Array([1, 2, 3])), 3);
  assertEquals(events, [`written ${(first.resolved.physical + 1).toString(16)} 3`]);
  assertEquals(second.readU8(b + PAGE + 2), 2);
  assertEquals(first.writeU8(a + PAGE + 2, 9), 0);
  const back = new Uint8Array(4 * PAGE);
  assertEquals(cached.read(PAGE, back), 2 * PAGE + 100);
  assertEquals([...back.subarray(1, 4)], [1, 9, 3]);
  assertEquals(first.readU8(a + 3 * PAGE + 99), file.byteAt(3 * PAGE + 99));
  assertEquals(first.readU8(a + 3 * PAGE + 100), 0, "zero past the end");
  assertEquals(first.msync(a, 4 * PAGE, abi.MS_SYNC), 0);
  assertEquals([...file.written.keys()], [1], "only the dirty page is written back");
  assertEquals(file.written.get(1)!.subarray(1, 4), new Uint8Array([1, 9, 3]));
  file.written.clear();
  assertEquals(first.writeU8(a + PAGE + 2, 10), 0);
  assertEquals(first.msync(a, 4 * PAGE, abi.MS_SYNC), 0);
  assertEquals([...file.written.keys()], [1], "a store after msync is seen again");
});

Deno.test("a fault maps what lies around it, and counts once", () => {
  const [memory, space] = machine();
  const file = new PatternFile("around", 64 * PAGE);
  const va = space.mmap(0x1000_0000, 64 * PAGE, 5, abi.MAP_PRIVATE | abi.MAP_FIXED, opened(file));
  assertEquals(space.resolve(va + 20 * PAGE, Access.Execute), 0);
  assertEquals([memory.counters.major[0], memory.counters.minor[0], file.reads], [1, 0, 16]);
  for (let page = 16; page < 32; page++) {
    assertEquals(space.resolve(va + page * PAGE, Access.Read), 0);
  }
  assertEquals([memory.counters.major[0], memory.counters.minor[0]], [1, 0]);
  const other = new AddressSpace(memory);
  assertEquals(other.mmap(va, 64 * PAGE, 5, abi.MAP_PRIVATE | abi.MAP_FIXED, opened(file)), va);
  assertEquals(other.resolve(va + 17 * PAGE, Access.Read), 0);
  assertEquals([memory.counters.major[0], memory.counters.minor[0], file.reads], [1, 1, 16]);
});

Deno.test("truncation takes pages away from every mapping, private copies too", () => {
  const [memory, space] = machine();
  const file = new PatternFile("cut", 4 * PAGE);
  const va = space.mmap(0, 4 * PAGE, 3, abi.MAP_PRIVATE, opened(file));
  assertEquals(space.writeU8(va + 3 * PAGE, 1), 0);
  assertEquals(space.readU8(va + PAGE + 200), file.byteAt(PAGE + 200));
  file.size = PAGE + 100;
  memory.cache.open(file).truncate(file.size);
  assertEquals(space.resolve(va + 3 * PAGE, Access.Read), abi.FAULT_BUS);
  assertEquals(space.resolve(va + 2 * PAGE, Access.Write), abi.FAULT_BUS);
  assertEquals(space.readU8(va + PAGE + 99), file.byteAt(PAGE + 99));
  assertEquals(space.readU8(va + PAGE + 200), 0);
});

Deno.test("the last mapping of an unlinked file tells its file system", () => {
  const [memory, space] = machine();
  const before = memory.frames.inUse;
  const cut = new PatternFile("gone", 2 * PAGE);
  const file = Object.assign(cut, { unmapped: () => memory.cache.open(file).drop() });
  const va = space.mmap(0, 2 * PAGE, 3, abi.MAP_SHARED, opened(file));
  const child = space.fork() as AddressSpace;
  assertEquals(child.writeU8(va, 1), 0);
  assertEquals(space.munmap(va, 2 * PAGE), 0);
  assert(memory.frames.inUse > before + 1);
  child.release();
  assertEquals(memory.frames.inUse, before);
});

for (const arch of ARCHES) {
  Deno.test(`${arch}: promoted file text is one PMD entry for every process`, () => {
    const [memory, space] = machine({ arch });
    const other = new AddressSpace(memory);
    const file = new PatternFile("text", 5 * MIB);
    const at = 0x4000_0000;
    const flags = abi.MAP_PRIVATE | abi.MAP_FIXED;
    for (const each of [space, other]) {
      assertEquals(each.mmap(at, 5 * MIB, 5, flags, opened(file)), at);
      assertEquals(each.readU8(at + 3 * MIB), file.byteAt(3 * MIB));
    }
    assertEquals(space.promote(at, 5 * MIB), 2, "the last MiB does not fill a huge page");
    assertEquals(smaps(space, "FilePmdMapped"), 4 * MIB);
    assertEquals(smaps(other, "FilePmdMapped"), 0, "its old pages went");
    for (const each of [space, other]) {
      for (const offset of [0, 2 * MIB - 1, 3 * MIB + 5, 5 * MIB - 1]) {
        assertEquals(each.resolve(at + offset, Access.Execute), 0);
        assertEquals(each.readU8(at + offset), file.byteAt(offset));
      }
      assertEquals(each.table.walk(at + MIB).depth, 3);
      assertEquals(each.table.walk(at + 4 * MIB).depth, 4);
    }
    assertEquals(smaps(other, "FilePmdMapped"), 4 * MIB);
    assertEquals(space.table.walk(at).entries[2] === other.table.walk(at).entries[2], false);
    assertEquals(space.mprotect(at + MIB, PAGE, 7), 0);
    assertEquals(space.writeU8(at + MIB, 0xaa), 0);
    assertEquals(space.table.walk(at).depth, 4, "split by the change");
    assertEquals(other.readU8(at + MIB), file.byteAt(MIB));
    assertEquals(space.readU8(at + MIB + 1), file.byteAt(MIB + 1));
  });

  Deno.test(`${arch}: text that is not aligned with its file is promoted by a copy`, () => {
    const [memory, space] = machine({ arch });
    const file = new PatternFile("skewed", 6 * MIB);
    const at = 0x4000_0000;
    const flags = abi.MAP_PRIVATE | abi.MAP_FIXED;
    assertEquals(space.mmap(at, 4 * MIB, 5, flags, opened(file), 3 * PAGE), at);
    assertEquals(space.promote(at, 4 * MIB), 2);
    assertEquals(memory.counters.hugeCollapses, 2);
    for (const offset of [0, PAGE, 2 * MIB, 4 * MIB - 1]) {
      assertEquals(space.readU8(at + offset), file.byteAt(offset + 3 * PAGE));
    }
    assertEquals(space.table.walk(at + 3 * MIB).depth, 3);
    assertEquals(smaps(space, "AnonHugePages"), 4 * MIB);
    assertEquals(space.resolve(at, Access.Write), abi.FAULT_ACCERR);
    assertEquals(space.resolve(at, Access.Execute), 0);
  });
}

Deno.test("THP policy: always, where madvise asks, never", () => {
  const depth = (thp: ThpPolicy, asked: boolean): number => {
    const [, space] = machine({ thp });
    const va = space.mmap(0, 2 * MIB, 3, 0x22);
    if (asked) assertEquals(space.madvise(va, 2 * MIB, abi.MADV_HUGEPAGE), 0);
    assertEquals(space.writeU8(va + 5, 1), 0);
    return space.table.walk(va).depth;
  };
  assertEquals([depth("always", false), depth("madvise", false), depth("never", false)], [3, 4, 4]);
  assertEquals([depth("always", true), depth("madvise", true), depth("never", true)], [3, 3, 4]);
});

Deno.test("MADV_COLLAPSE gathers scattered pages with their contents", () => {
  const [memory, space] = machine();
  const va = space.mmap(0, 2 * MIB, 3, 0x22);
  for (let i = 0; i < 512; i += 3) assertEquals(space.writeU32(va + i * PAGE, i + 1), 0);
  assertEquals(space.table.walk(va).depth, 4);
  assertEquals(space.madvise(va, 2 * MIB, abi.MADV_COLLAPSE), 0);
  assertEquals(space.table.walk(va).depth, 3);
  for (let i = 0; i < 512; i++) {
    assertEquals(space.readU32(va + i * PAGE), i % 3 === 0 ? i + 1 : 0);
  }
  space.release();
  assert(memory.frames.inUse <= 1);
});

/** The pages of `memory` that hugetlb may still give. */
const free = (memory: Memory): number =>
  memory.pools.get(21)!.available - memory.pools.get(21)!.reserved;

Deno.test("hugetlb: reserved when mapped, returned when unmapped, never overdrawn", () => {
  const [memory, space] = machine({ hugePages2M: 4 });
  const flags = 0x22 | abi.MAP_HUGETLB;
  const before = memory.frames.inUse;
  const va = space.mmap(0, 3 * 2 * MIB - 5, 3, flags);
  assertEquals([va % (2 * MIB), free(memory)], [0, 1]);
  assertEquals(space.mmap(0, 4 * MIB, 3, flags), -abi.ENOMEM);
  assertEquals(space.mmap(0, MIB, 3, flags | 25 << abi.MAP_HUGE_SHIFT), -abi.EINVAL);
  assertEquals(space.munmap(va, PAGE), -abi.EINVAL);
  assertEquals(space.writeU32(va, 5), 0);
  assertEquals(smaps(space, "Private_Hugetlb"), 2 * MIB);
  assertEquals(space.table.walk(va).depth, 3);
  assertEquals(memory.frames.inUse - before, 512 + 2, "a page, and the tables that lead to it");
  // The child's copy takes the one free page; its second finds none.
  const child = space.fork() as AddressSpace;
  assertEquals(child.writeU32(va, 6), 0);
  assertEquals([space.readU32(va), child.readU32(va)], [5, 6]);
  assertEquals(child.resolve(va + 2 * MIB, Access.Write), abi.FAULT_BUS);
  assertEquals(space.resolve(va + 2 * MIB, Access.Write), 0, "the owner's is reserved");
  child.release();
  assertEquals(space.munmap(va + 2 * MIB, 2 * MIB), 0);
  assertEquals(free(memory), 2);
  assertEquals(space.madvise(va, 2 * MIB, abi.MADV_DONTNEED), 0);
  assertEquals([free(memory), space.readU32(va)], [2, 0], "still reserved, zero again");
  space.release();
  assertEquals([free(memory), memory.pools.get(21)!.reserved], [4, 0]);
});

Deno.test("hugetlb: shared mappings share", () => {
  const [memory, space] = machine({ hugePages2M: 2 });
  const va = space.mmap(0, 4 * MIB, 3, abi.MAP_SHARED | abi.MAP_ANONYMOUS | abi.MAP_HUGETLB);
  const child = space.fork() as AddressSpace;
  assertEquals(child.writeU32(va + 2 * MIB, 42), 0);
  assertEquals(space.readU32(va + 2 * MIB), 42);
  const moved = space.mremap(va, 4 * MIB, 4 * MIB, 3, 0x4000_0000);
  assertEquals(moved, 0x4000_0000);
  assertEquals(space.readU32(moved + 2 * MIB), 42);
  assertEquals(space.table.walk(moved + 2 * MIB).depth, 3);
  space.release();
  assertEquals(child.readU32(va + 2 * MIB), 42);
  child.release();
  assertEquals([free(memory), memory.pools.get(21)!.reserved], [2, 0]);
});

Deno.test({
  name: "smaps has the host's fields in the host's order" +
    (Deno.build.os === "linux" ? "" : " (skipped: needs Linux)"),
  ignore: Deno.build.os !== "linux",
  fn() {
    const fields = (text: string): string[] =>
      text.split("\n").slice(1).map((line) => line.split(/[: ]/)[0]);
    const firstOf = (text: string): string => text.slice(0, text.search(/^VmFlags.*\n/m) + 7);
    const [, space] = machine();
    space.mmap(0, PAGE, 3, 0x22);
    const host = fields(firstOf(Deno.readTextFileSync("/proc/self/smaps")));
    const ours = fields(firstOf(smapsText(space)));
    // Fields come and go with the kernel's version and configuration.
    const common = host.filter((name) => ours.includes(name));
    assertEquals(common, ours.filter((name) => host.includes(name)));
    assert(common.length > 15);
  },
});
