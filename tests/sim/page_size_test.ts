/**
 * Base pages of 16 and 64 KiB: what programs are told of them, against qemu with such pages; Debian's programs on
 * them; what models count, against the textbook's.
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  BytesInput,
  CapturedOutput,
  Machine,
  type MachineOptions,
  preset,
  type Result,
} from "../../mod.ts";
import { available, capture } from "../../scripts/tools/command.ts";
import { mapsText, smapsText } from "../../sim/memory/proc_maps.ts";
import { withGranule } from "../../sim/models/preset.ts";
import { CompiledCore } from "../../sim/models/compiled_core.ts";
import { TextbookCore } from "../oracles/textbook_core.ts";

const guests = new URL("../guests/prebuilt/aarch64", import.meta.url).pathname;
const debian = new URL("../../.cache/roots/bookworm-arm64", import.meta.url).pathname;
const SIZES = [["16k", 14], ["64k", 16]] as const;

interface Outcome extends Result {
  readonly out: string;
  readonly err: string;
}

async function run(
  argv: readonly string[],
  options: MachineOptions,
  prepare: (machine: Machine) => void = () => {},
): Promise<Outcome> {
  const [stdout, stderr] = [new CapturedOutput(), new CapturedOutput()];
  const streams = { stdin: new BytesInput(), stdout, stderr };
  const machine = await Machine.create({ root: guests, linker: "modular", streams, ...options });
  prepare(machine);
  return { ...await machine.run(argv), out: stdout.text, err: stderr.text };
}

const PYTHON = `import mmap, os, resource
page = mmap.PAGESIZE
area = mmap.mmap(-1, 3 * page + 1)
area[3 * page] = 9
child = os.fork()
if child == 0: os._exit(area[3 * page])
print(page, os.sysconf("SC_PAGESIZE"), resource.getpagesize(), os.waitpid(child, 0)[1] >> 8)
`;
const PROGRAMS: readonly (readonly string[])[] = [
  ["/usr/bin/python3", "-S", "-c", PYTHON],
  [
    "/usr/bin/sqlite3",
    ":memory:",
    "create table t(a); insert into t values(6),(7); select sum(a) from t;",
  ],
];

const there = await Deno.stat(debian).then(() => true, () => false);
const needs = !there
  ? ` (skipped: needs ${debian})`
  : !await available("qemu-aarch64")
  ? " (skipped: needs qemu-aarch64)"
  : "";
for (const [i, argv] of PROGRAMS.entries()) {
  Deno.test({
    name: `${argv[0]} on larger base pages does what it does in qemu${needs}`,
    ignore: needs !== "",
  }, async () => {
    const [pageSize, shift] = SIZES[i % 2];
    const env = ["-E", "LANG=C.UTF-8", "-p", `${2 ** shift}`, "-L", debian];
    const [path, ...args] = argv;
    const { code, stdout } = await capture(["qemu-aarch64", ...env, debian + path, ...args]);
    const expected = new TextDecoder().decode(stdout);
    assert(code === 0 && expected !== "");
    for (const linker of ["guest", "modular"]) {
      const { exit, out, err } = await run(argv, { root: debian, linker, pageSize });
      assertEquals([exit, out, err], [0, expected, ""], linker);
    }
  });
}

for (const [pageSize, shift] of SIZES) {
  Deno.test(`${pageSize}: areas, AT_PAGESZ and smaps are of such pages`, async () => {
    const page = 2 ** shift;
    let maps = "";
    let smaps = "";
    let auxv = new Uint8Array();
    await run(["/hugepages_64k", "1"], { pageSize }, (machine) => {
      machine.syscalls.on("exit_group", {
        enter: ({ space, process }) => {
          [maps, smaps, auxv] = [mapsText(space), smapsText(space), process.auxv.slice()];
        },
      });
    });
    const lines = maps.trimEnd().split("\n");
    assert(lines.length > 4);
    for (const line of lines) {
      const [, start, end, offset] = /^(\w+)-(\w+) \S+ (\w+)/.exec(line)!;
      for (const hex of [start, end, offset]) assertEquals(parseInt(hex, 16) % page, 0, line);
    }
    for (const [, size] of smaps.matchAll(/(?:KernelPageSize|MMUPageSize): +(\d+) kB/g)) {
      assertEquals(Number(size), page / 1024);
    }
    const words = new BigUint64Array(auxv.buffer);
    const at = words.findIndex((word, i) => i % 2 === 0 && word === 6n);
    assertEquals(words[at + 1], BigInt(page));
  });

  Deno.test(`${pageSize}: inlined and streamed TLBs count what the textbook's do`, async () => {
    const core = withGranule({ ...preset("neoverse-n1"), caches: undefined }, shift);
    const argv = ["/hugepages_64k", "2"];
    const book = new TextbookCore({ tlb: core.tlb }, 2);
    await run(argv, { pageSize, trace: book });
    const beside = new CompiledCore(core, "aarch64", { tlb: true, branches: false, caches: false });
    const expected = book.counters();
    const names = Object.keys(expected);
    const of = (counters: Readonly<Record<string, number>>) =>
      Object.fromEntries(names.map((name) => [name, counters[name]]));
    for (const heat of [Infinity, 2]) {
      const { counters } = await run(argv, { pageSize, heat, cpu: "neoverse-n1" });
      assertEquals(of(counters), expected);
    }
    await run(argv, { pageSize, readers: [beside] });
    assertEquals(of(beside.report()), expected);
    assert(expected["walks"] > 60 && expected["walks.faulted"] > 60);
  });
}

Deno.test("what larger base pages cannot do is said", async () => {
  const refused = (argv: string[], options: MachineOptions, message: string) =>
    assertRejects(() => run(argv, options), Error, message);
  const x86 = new URL("../guests/prebuilt/x86_64", import.meta.url).pathname;
  await refused(["/hello"], { root: x86, pageSize: "16k" }, "x86_64 has base pages of 4k alone");
  await refused(
    ["/hugepages_64k"],
    { pageSize: "16k", cpu: "cortex-a72" },
    "cortex-a72 has base pages of 4 KiB and 64 KiB, not of 16 KiB",
  );
  await refused(["/hugepages"], { pageSize: "16k", linker: "guest" }, "cannot run /hugepages");
  await refused(
    ["/hugepages"],
    { pageSize: "16k" },
    "cannot be mapped on pages of 16384 bytes: it is aligned to 4096",
  );
  const { exit, err } = await run(["/many/many", "1"], { pageSize: "64k" });
  assertEquals(exit, 127);
  assert(err.includes("libm01.so: ELF load command alignment not page-aligned"), err);
});
