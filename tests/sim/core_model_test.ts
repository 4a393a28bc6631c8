/**
 * Streamed cores on real programs: the trace of a run through the textbook's models gives the counters of
 * other runs, in the cold tier, in the hot tier, and with blocks becoming hot at odd moments.
 */
import { assert, assertEquals } from "@std/assert";
import { BytesInput, CapturedOutput, Machine, type MachineOptions, preset } from "../../mod.ts";
import type { Preset } from "../../sim/models/preset.ts";
import { CompiledCore } from "../../sim/models/compiled_core.ts";
import { TextbookCore } from "../oracles/textbook_core.ts";

const LIMIT = 300_000;

/** Every policy somewhere, split second levels, walk caches, one ASID, TAGE, levels of branch targets. */
const odd: Preset = {
  ...preset("zen3"),
  name: "odd",
  tlb: {
    itlb: [{ entries: 16, ways: 16, pageBits: [12], replacement: "nru" }],
    dtlb: [{ entries: 32, ways: 8, pageBits: [12, 21], replacement: "tree-plru" }],
    istlb: [{ entries: 64, ways: 4, pageBits: [12], replacement: "random" }],
    stlb: [{ entries: 96, ways: 6, pageBits: [12], replacement: "fifo" }],
    walkCaches: [{ level: 1, entries: 4, ways: 2 }, { level: 2, entries: 2, ways: 2 }],
    asids: 1,
  },
  direction: {
    kind: "tage",
    ...{ baseBits: 9, tableBits: 7, tagBits: 8 },
    histories: [4, 10, 24, 60],
  },
  targetBuffer: { entries: 64, ways: 4, historyBits: 8 },
  btb: [{ entries: 16, ways: 4 }, { entries: 256, ways: 4 }],
  returnStack: 6,
  caches: {
    indexed: "virtual",
    l1i: { size: 8192, ways: 4, replacement: "tree-plru", prefetcher: "next-line" },
    l1d: { size: 8192, ways: 8, replacement: "nru", prefetcher: "stride" },
    l2: { size: 32768, ways: 8, replacement: "fifo", inclusive: true, prefetcher: "next-line" },
    llc: { size: 131072, ways: 16, replacement: "random", inclusive: true },
  },
};

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

for (const [arch, debian] of [["x86_64", "amd64"], ["aarch64", "arm64"]] as const) {
  const debianRoot = new URL(`../../.cache/roots/bookworm-${debian}`, import.meta.url).pathname;
  const ownRoot = new URL(`../guests/prebuilt/${arch}`, import.meta.url).pathname;
  const pcShift = arch === "aarch64" ? 2 : 0;
  const programs = [
    { root: debianRoot, argv: ["/usr/bin/python3", "-S", "-c", "print(1)"] },
    { root: ownRoot, argv: ["/forks"] },
  ];
  for (const { root, argv } of programs) {
    const missing = exists(root + argv[0]) ? "" : `needs ${root}${argv[0]}`;
    Deno.test({
      name: `${arch} ${argv[0]}: a streamed core equals the textbook's` +
        (missing === "" ? "" : ` (skipped: ${missing})`),
      ignore: missing !== "",
      fn: async (t) => {
        const run = async (options: MachineOptions) => {
          const [stdout, stderr] = [new CapturedOutput(), new CapturedOutput()];
          const streams = { stdin: new BytesInput(), stdout, stderr };
          const machine = await Machine.create({
            ...{ root, linker: "guest", streams, maxInstructions: LIMIT },
            ...options,
          });
          return await machine.run(argv);
        };
        const book = new TextbookCore({ tlb: odd.tlb, branches: odd, caches: odd.caches }, pcShift);
        await run({ trace: book });
        const expected = book.counters();
        assert(
          expected["walks.faulted"] > 5 && expected["l2.misses"] > 20,
          JSON.stringify(expected),
        );
        for (const heat of [Infinity, 2, 50]) {
          await t.step(heat === Infinity ? "cold tier" : `hot after ${heat}`, async () => {
            // Walks read their entries through the caches; the trace cannot, so caches are apart.
            const { caches: _, ...core } = odd;
            const parts = { tlb: false, branches: false, caches: true };
            const caches = new CompiledCore(odd, arch, parts);
            const { counters } = await run({ cpu: core, heat, readers: [caches] });
            const seen = { ...caches.report(), ...counters };
            for (const [name, count] of Object.entries(expected)) {
              assertEquals(seen[name], count, name);
            }
          });
        }
        await t.step("cores side by side, inlined, and with a streamed predictor", async () => {
          const names = ["reference", "neoverse-n1", "zen3"];
          const own = { cpu: "reference", predictor: "tage" };
          const { counters, cores } = await run({ ...own, cores: names });
          // Its TLBs are inlined where nothing else reads accesses.
          const { counters: mixed } = await run(own);
          for (const [name, count] of Object.entries(mixed)) {
            assertEquals(counters[name], count, name);
          }
          for (const name of names) {
            const { counters: alone } = await run({ cpu: name });
            const beside = cores![name].counters;
            for (const counter of Object.keys(beside)) {
              assertEquals(beside[counter], alone[counter], `${name} ${counter}`);
            }
            if (name !== "reference") continue;
            for (const counter of Object.keys(alone)) {
              if (counter.startsWith("branches.conditional.mis")) continue;
              assertEquals(counters[counter], alone[counter], counter);
            }
            const wrong = "branches.conditional.mispredicted";
            assert(counters[wrong] !== alone[wrong]);
          }
        });
      },
    });
  }
}
