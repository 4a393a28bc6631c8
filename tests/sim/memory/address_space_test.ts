import { assert, assertEquals } from "@std/assert";
import { Access } from "../../../sim/cpu/cpu.ts";
import * as abi from "../../../sim/memory/abi.ts";
import { addressLayout } from "../../../sim/memory/address_layout.ts";
import { AddressSpace } from "../../../sim/memory/address_space.ts";
import { mapsText, smapsText } from "../../../sim/memory/proc_maps.ts";
import { ARCHES, machine, MIB, PAGE, PatternFile, record } from "./fixtures.ts";

const TIB = 2 ** 40;

Deno.test("reservations cost an area only; what could never fit is refused", () => {
  const [memory, space] = machine();
  const before = memory.frames.inUse;
  assert(space.mmap(0, 16 * TIB, 0, 0x22) > 0, "PROT_NONE");
  const loose = space.mmap(0, 8 * TIB, 3, 0x22 | abi.MAP_NORESERVE);
  assert(loose > 0);
  assertEquals(memory.frames.inUse, before);
  assertEquals(space.mmap(0, TIB, 3, 0x22), -abi.ENOMEM);
  assertEquals(space.writeU8(loose + 5 * TIB, 1), 0);
  assertEquals(memory.frames.inUse, before + 4, "one page and its three tables");
});

Deno.test("exhausted memory ends in a named fault, and freeing helps", () => {
  const [memory, space] = machine({ bytes: 8 * MIB });
  const va = space.mmap(0, 32 * MIB, 3, 0x22 | abi.MAP_NORESERVE);
  let at = va;
  while (space.resolve(at, Access.Write) === 0) at += PAGE;
  assertEquals(space.resolve(at, Access.Write), abi.FAULT_OOM);
  assert(at - va > 7 * MIB, "nearly all of it was usable");
  assertEquals(space.fork(), -abi.ENOMEM);
  assertEquals(space.madvise(va, MIB, abi.MADV_DONTNEED), 0);
  assertEquals(space.resolve(at, Access.Write), 0);
  space.release();
  assert(memory.frames.inUse <= 1);
});

Deno.test("clean pages of files make room", () => {
  const [memory, space] = machine({ bytes: 8 * MIB });
  const file = new PatternFile("big", 6 * MIB);
  const cached = memory.cache.open(file);
  assertEquals(cached.read(0, new Uint8Array(6 * MIB)), 6 * MIB);
  const va = space.mmap(0, 6 * MIB, 3, 0x22);
  for (let at = va; at < va + 6 * MIB; at += PAGE) assertEquals(space.writeU8(at, 1), 0);
  const back = new Uint8Array(1);
  assertEquals(cached.read(0, back), 1);
  assertEquals(back[0], file.byteAt(0));
});

Deno.test("observers see what a CPU must forget", () => {
  const [memory, space] = machine();
  const events = record(memory);
  const take = (): string[] => events.splice(0);
  const va = space.mmap(0, 2 * PAGE, 7, 0x22);
  const at = va.toString(16);
  assertEquals(take(), []);
  assertEquals(space.copyOut(va + PAGE - 2, new Uint8Array(4)), 0);
  const frame = (page: number): number => {
    assertEquals(space.resolve(va + page * PAGE, Access.Read), 0);
    return space.resolved.physical;
  };
  const [first, second] = [frame(0), frame(1)];
  assertEquals(take(), [
    `written ${(first + PAGE - 2).toString(16)} 2`,
    `written ${second.toString(16)} 2`,
  ]);
  const child = space.fork() as AddressSpace;
  assertEquals(take(), [`shootdown ${space.id} ${at} 2000`]);
  assertEquals(space.resolve(va, Access.Write), 0);
  assertEquals(
    take(),
    [`fault ${space.id} ${at}`, `shootdown ${space.id} ${at} 1000 code`],
    "its own copy now",
  );
  assert(frame(0) !== first);
  child.release();
  assertEquals(take(), [`space ${child.id}`, `freed ${first.toString(16)}`]);
  const upper = (va + PAGE).toString(16);
  assertEquals(space.resolve(va + PAGE, Access.Write), 0);
  assertEquals(frame(1), second, "nobody else has it any more");
  assertEquals(
    take(),
    [`fault ${space.id} ${upper}`, `shootdown ${space.id} ${upper} 1000 code`],
    "a TLB may hold it as read-only",
  );
  assertEquals(space.mprotect(va, PAGE, 1), 0);
  assertEquals(take(), [`shootdown ${space.id} ${at} 1000 code`]);
  const mine = frame(0);
  assertEquals(space.munmap(va, 2 * PAGE), 0);
  assertEquals(take(), [
    `shootdown ${space.id} ${at} 1000`,
    `freed ${mine.toString(16)}`,
    `shootdown ${space.id} ${upper} 1000 code`,
    `freed ${second.toString(16)}`,
  ]);
});

Deno.test("copies stop where the guest's own access would, and say how far they got", () => {
  const [memory, space] = machine();
  const va = space.mmap(0x10_0000, 2 * PAGE, 3, 0x32);
  assertEquals(space.copyOut(va + PAGE, new Uint8Array(2 * PAGE).fill(7)), -abi.EFAULT);
  assertEquals(space.copied, PAGE);
  assertEquals(space.readU64(va + 2 * PAGE - 4), -abi.EFAULT);
  assertEquals(space.writeBigU64(va + PAGE - 4, 0xfedc_ba98_7654_3210n), 0);
  assertEquals(space.readBigU64(va + PAGE - 4), 0xfedc_ba98_7654_3210n);
  assertEquals(space.readU32(va + PAGE), 0xfedc_ba98);
  assertEquals(space.writeU64(va, -2), 0);
  assertEquals(space.readBigU64(va), 0xffff_ffff_ffff_fffen);
  assertEquals(space.readU16(va), 0xfffe);
  const text = new TextEncoder().encode("/usr/bin/é\0");
  assertEquals(space.copyOut(va + PAGE - 3, text), 0);
  assertEquals(space.readCString(va + PAGE - 3), "/usr/bin/é");
  assertEquals(space.readCString(va + PAGE - 3, 4), -abi.ENAMETOOLONG);
  assertEquals(space.mprotect(va, PAGE, 1), 0);
  assertEquals(space.writeU8(va, 1), -abi.EFAULT);
  const page = space.readU8(va + 100);
  assertEquals(space.poke(va + 100, new Uint8Array([page + 1])), 0);
  assertEquals(space.readU8(va + 100), page + 1);
  assertEquals(space.resolve(va, Access.Write), abi.FAULT_ACCERR, "still read-only");
  assertEquals(memory.counters.minor[0], 0, "all on the kernel's account");
  assert(memory.counters.minor[1] > 0);
});

Deno.test("poke changes a private page of a file, never the file", () => {
  const [memory, space] = machine();
  const file = new PatternFile("text", 4 * PAGE);
  const source = { file, readable: true, writable: false };
  const va = space.mmap(0, 4 * PAGE, 5, abi.MAP_PRIVATE, source);
  assertEquals(space.readU8(va + 9), file.byteAt(9));
  assertEquals(space.poke(va + 9, new Uint8Array([0xcc])), 0);
  assertEquals(space.readU8(va + 9), 0xcc);
  const other = new AddressSpace(memory);
  const there = other.mmap(0, 4 * PAGE, 5, abi.MAP_PRIVATE, source);
  assertEquals(other.readU8(there + 9), file.byteAt(9));
  assertEquals(space.resolve(va, Access.Execute), 0);
});

Deno.test("special mappings keep their name and to themselves", () => {
  const [, space] = machine();
  assertEquals(space.mapSpecial(0x7000_0000, 2 * PAGE, 5, "[vdso]"), 0x7000_0000);
  assertEquals(space.mmap(0x7000_2000, PAGE, 5, 0x32), 0x7000_2000);
  space.setHeap(0x50_0000);
  assertEquals(space.brk(0x50_1800), 0x50_1800);
  const lines = mapsText(space).trim().split("\n");
  assertEquals(lines.map((line) => [line.slice(0, 25).trim(), line.slice(73)]), [
    ["00500000-00502000 rw-p 00", "[heap]"],
    ["70000000-70002000 r-xp 00", "[vdso]"],
    ["70002000-70003000 r-xp 00", ""],
  ]);
});

for (const arch of ARCHES) {
  Deno.test(`${arch}: layouts repeat with their seed and stay in user space`, () => {
    const seen = new Set<number>();
    for (let seed = 0; seed < 200; seed++) {
      const layout = addressLayout(arch, seed);
      assertEquals(layout, addressLayout(arch, seed));
      const { taskSize, stackTop, mmapBase, programBase, brkGap } = layout;
      for (const address of [taskSize, stackTop, mmapBase, programBase, brkGap]) {
        assertEquals(address % PAGE, 0);
      }
      assert(stackTop <= taskSize && mmapBase < stackTop && programBase < mmapBase);
      assert(stackTop - mmapBase >= 9 * MIB, "room for the stack and its guard");
      seen.add(mmapBase);
    }
    assert(seen.size > 150);
  });
}

Deno.test("PROT_BTI guards pages of aarch64, and mprotect without it no longer does", () => {
  const code = abi.PROT_READ | abi.PROT_EXEC;
  for (const arch of ARCHES) {
    const guards = arch === "aarch64";
    const [, space] = machine({ arch });
    const at = space.mmap(0, 2 * PAGE, code | abi.PROT_BTI, abi.MAP_PRIVATE | abi.MAP_ANONYMOUS);
    const guarded = (va: number) => {
      assertEquals(space.resolve(va, Access.Execute), 0);
      return space.resolved.guarded;
    };
    const flags = () => [...smapsText(space).matchAll(/^VmFlags: (.*) $/gm)].map((m) => m[1]);
    assertEquals([guarded(at), guarded(at + PAGE)], [guards, guards]);
    assertEquals(flags(), [`rd ex mr mw me${guards ? " bt" : ""}`]);
    assertEquals(space.mprotect(at, PAGE, code), 0);
    assertEquals([guarded(at), guarded(at + PAGE)], [false, guards]);
    assertEquals(flags().length, guards ? 2 : 1);
    assertEquals(space.mprotect(at, PAGE, code | abi.PROT_BTI), guards ? 0 : -abi.EINVAL);
    assertEquals(flags().length, 1);
  }
});

const native = Deno.build.os === "linux" && Deno.build.arch === "x86_64" &&
  await new Deno.Command("setarch", { args: ["-R", "true"], stderr: "null" }).output()
    .then((r) => r.success, () => false);
Deno.test({
  name: "x86_64: without randomness the layout is the host's" +
    (native ? "" : " (skipped: needs setarch on x86_64 Linux)"),
  ignore: !native,
  async fn() {
    const { stdout } = await new Deno.Command("setarch", {
      args: ["-R", "cat", "/proc/self/maps"],
      env: { LC_ALL: "C" },
    }).output();
    const areas = [...new TextDecoder().decode(stdout).matchAll(/^(\w+)-(\w+) .*$/gm)];
    const end = (index: number): number => parseInt(areas[index][2], 16);
    const stack = areas.findIndex(([line]) => line.endsWith("[stack]"));
    const layout = addressLayout("x86_64", null);
    assertEquals(end(stack), layout.stackTop);
    assertEquals(end(stack - 1), layout.mmapBase, "the highest mapping below the stack");
  },
});
