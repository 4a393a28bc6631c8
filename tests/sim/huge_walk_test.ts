/**
 * Every huge mapping of running programs, as hardware would see it: a page walker written here from the
 * manuals, which knows of the simulator only physical memory and the root's address, against what
 * /proc/PID/smaps says and the modelled walker's depth.
 */
import { assert, assertEquals } from "@std/assert";
import type { Arch } from "../../sim/arch.ts";
import { BytesInput } from "../../sim/kernel/fs/streams.ts";
import { MAP_ANONYMOUS, MAP_HUGE_1GB, MAP_HUGETLB, MAP_PRIVATE } from "../../sim/memory/abi.ts";
import type { AddressSpace } from "../../sim/memory/address_space.ts";
import { smapsText } from "../../sim/memory/proc_maps.ts";
import { CapturedOutput, ElfBuilder, Machine, type MachineOptions } from "../../mod.ts";
import { ifed, linux } from "../../modules/mod.ts";
import { debianRoot } from "../modules/gnu/gnu_run.ts";
import { machine as machineOf } from "./memory/fixtures.ts";

const MIB = 2 ** 20;
const prebuilt = new URL("../guests/prebuilt", import.meta.url);
/** Fields of smaps that count memory mapped by huge entries. */
const HUGE_FIELDS = /^(?:AnonHugePages|FilePmdMapped|Private_Hugetlb|Shared_Hugetlb): +(\d+) kB/gm;

/** The leaf that maps an address: entries read on the way to it, its page's size and physical address. */
interface Leaf {
  readonly depth: number;
  readonly size: number;
  readonly physical: number;
}

/**
 * Intel SDM volume 3A, 4.5.4 (P is bit 0, PS bit 7), and Arm ARM, D8.3 (bits 1:0: a page or table 3,
 * a block 1); both: 4 levels of 512 entries, indexed by nine bits each from bit 39 down.
 */
function walk(arch: Arch, memory: DataView, root: number, va: number): Leaf | undefined {
  let table = root;
  for (let depth = 1, span = 2 ** 39; depth <= 4; depth++, span /= 512) {
    const entry = table + 8 * (Math.floor(va / span) % 512);
    const low = memory.getUint32(entry, true);
    const high = memory.getUint32(entry + 4, true);
    if ((low & 1) === 0) return undefined;
    const address = ((high & 0xffff) * 2 ** 32 + low) - low % 4096;
    const leaf = depth === 4 || (arch === "x86_64" ? (low & 0x80) !== 0 : (low & 2) === 0);
    if (leaf) return { depth, size: span, physical: address - address % span };
    table = address;
  }
}

/** Bytes that huge entries map in all of `space`; each is compared with the modelled walker. */
function hugeBytes(arch: Arch, space: AddressSpace): number {
  const memory = space.memory.physical.view;
  let bytes = 0;
  for (const { start, end } of space.areas.items) {
    for (let va = Math.ceil(start / (2 * MIB)) * 2 * MIB; va + 2 * MIB <= end; va += 2 * MIB) {
      const leaf = walk(arch, memory, space.table.root, va);
      const modelled = space.table.walk(va);
      assertEquals(modelled.present, leaf !== undefined);
      if (leaf === undefined) continue;
      assertEquals(modelled.depth, leaf.depth);
      assertEquals(2 ** modelled.pageShift, leaf.size);
      if (leaf.size === 4096) continue;
      assertEquals(leaf.physical % leaf.size, 0);
      const inside = va % leaf.size;
      const byte = memory.getUint8(leaf.physical + inside + 4660);
      assertEquals(
        space.readU8(va + 4660),
        byte,
        "the walker finds the byte that the program sees",
      );
      bytes += 2 * MIB;
    }
  }
  return bytes;
}

function smapsBytes(space: AddressSpace): number {
  return [...smapsText(space).matchAll(HUGE_FIELDS)]
    .reduce((sum, [, kilobytes]) => sum + 1024 * Number(kilobytes), 0);
}

/** Runs a program, and compares at every system call: bytes on huge pages, the most and the last. */
async function watchHuge(arch: Arch, options: MachineOptions, argv: string[]) {
  const machine = await Machine.create({
    ...options,
    streams: {
      stdin: new BytesInput(),
      stdout: new CapturedOutput(),
      stderr: new CapturedOutput(),
    },
  });
  let [most, last] = [0, 0];
  machine.syscalls.on("*", {
    enter: ({ space }) => {
      const bytes = hugeBytes(arch, space);
      assertEquals(bytes, smapsBytes(space));
      most = Math.max(most, bytes);
      last = bytes;
    },
  });
  const { exit, counters } = await machine.run(argv);
  assertEquals(exit, 0);
  return { most, last, counters };
}

async function mostHuge(arch: Arch, options: MachineOptions, argv: string[]): Promise<number> {
  return (await watchHuge(arch, options, argv)).most;
}

/** A static program of 6 MiB of text at an odd page, which ends with exit(0). */
function largeProgram(arch: Arch): Uint8Array {
  const exit = arch === "x86_64"
    ? [0xb8, 60, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05] // mov eax, 60; xor edi, edi; syscall
    : [0xa8, 0x0b, 0x80, 0xd2, 0, 0, 0x80, 0xd2, 1, 0, 0, 0xd4]; // mov x8, 93; mov x0, 0; svc 0
  const text = Uint8Array.from({ length: 6 * MIB }, (_, i) => exit[i] ?? i >> 12);
  const builder = new ElfBuilder({ machine: arch, type: 2, base: 0x403000, dynamic: false });
  const section = builder.section({ name: ".text", access: "x", align: 16, data: text });
  builder.entry({ section });
  return builder.build();
}

for (const arch of ["x86_64", "aarch64"] as const) {
  const guest = new Map([
    ["/hugepages", Deno.readFileSync(new URL(`${prebuilt}/${arch}/hugepages`))],
  ]);

  Deno.test(`${arch}: hugetlb pages and THP of a program are PMD entries`, async () => {
    // Three pages of the pool, then as many advised ones, some of them split by mprotect and munmap.
    const options = { root: guest, hugePages2M: 4 };
    assertEquals(await mostHuge(arch, options, ["/hugepages", "3"]), 6 * MIB);
    assertEquals(await mostHuge(arch, { root: guest, thp: "never" }, ["/hugepages", "3"]), 0);
  });

  Deno.test(`${arch}: promoted text of a program is PMD entries`, async () => {
    const root = new Map([["/program", largeProgram(arch)]]);
    assertEquals(await mostHuge(arch, { root, hugeText: true }, ["/program"]), 4 * MIB);
    assertEquals(await mostHuge(arch, { root }, ["/program"]), 0);
  });

  const root = debianRoot("bookworm", arch);
  Deno.test({
    name: `${arch}: concatenated objects of a glibc program, late ones too, are PMD entries` +
      (root === undefined ? " (skipped: needs the root of bookworm)" : ""),
    ignore: root === undefined,
    fn: async () => {
      const modules = [...linux(), ifed.concatenate(), ifed.eliminateBranches()];
      const argv = ["/usr/bin/python3", "-S", "-c", "import _lzma, _sqlite3"];
      const { most, last, counters } = await watchHuge(arch, { root, modules }, argv);
      // One area for each of the two, beside that of the start; the loader has split none of them.
      assertEquals(most, 2 * MIB * counters["linker.ifed.huge.pages"]);
      assertEquals(last, most);
      assert(counters["linker.objects"] > 8);
      assert(
        counters["linker.ifed.branches.patched"] > 0.98 * counters["linker.ifed.branches.found"],
      );
    },
  });

  Deno.test({
    name: `${arch}: a concatenated library that is closed gives its huge pages back` +
      (root === undefined ? " (skipped: needs the root of bookworm)" : ""),
    ignore: root === undefined,
    fn: async () => {
      const code = `require DynaLoader; my $h = DynaLoader::dl_load_file("libsqlite3.so.0") or die;
        -e "/"; DynaLoader::dl_unload_file($h) or die; -e "/"`;
      const modules = [...linux(), ifed.concatenate()];
      const pool = arch === "aarch64" ? { thp: "never" as const, hugePages2M: 20 } : {};
      const { most, last } = await watchHuge(arch, { root, modules, ...pool }, [
        ...["/usr/bin/perl", "-e", code],
      ]);
      // libsqlite3 is less than 2 MiB.
      assertEquals(most - last, 2 * MIB);
    },
  });

  Deno.test(`${arch}: pages of 1 GiB are PUD entries`, () => {
    const [, space] = machineOf({ arch, bytes: 2 ** 31 + 64 * MIB, hugePages1G: 1 });
    const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_HUGE_1GB;
    const va = space.mmap(0, 2 ** 30, 3, flags);
    assert(va > 0);
    assertEquals(space.writeU8(va + 4660, 77), 0);
    assertEquals(hugeBytes(arch, space), 2 ** 30);
    assertEquals(space.table.walk(va).depth, 2);
  });
}
