/**
 * Truth of the models on real programs: Debian's, started by Debian's own ld.so in the machine. The
 * trace of a run, through the textbook simulator, gives the counters of other runs: in the cold tier, in
 * the hot tier, and with blocks becoming hot at odd moments.
 */
import { assert, assertEquals } from "@std/assert";
import { BytesInput, CapturedOutput, Machine, type MachineOptions, preset } from "../../mod.ts";
import type { Preset } from "../../sim/models/preset.ts";
import { type Geometry, Textbook } from "../oracles/textbook.ts";
import { textbookSink } from "../oracles/textbook_sink.ts";

const LIMIT = 400_000;
/** TLBs that miss often, in the second level too. */
const small: Preset = {
  ...preset("reference"),
  name: "small TLBs",
  tlb: {
    itlb: [{ entries: 8, ways: 4, pageBits: [12] }],
    dtlb: [{ entries: 8, ways: 4, pageBits: [12] }],
    stlb: [{ entries: 48, ways: 6, pageBits: [12] }],
  },
};
const PROGRAMS = [
  { core: small, argv: ["/usr/bin/python3", "-S", "-c", "print(1)"] },
  {
    core: preset("neoverse-n1"),
    argv: ["/bin/dash", "-c", "x=1; while [ $x -lt 200 ]; do x=$((x+1)); done"],
  },
] as const;

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

function geometry({ tlb, targetBuffer, returnStack }: Preset, arch: string): Geometry {
  return {
    ...tlb,
    historyBits: 14,
    targetBuffer,
    returnStack,
    pcShift: arch === "aarch64" ? 2 : 0,
  };
}

for (const [arch, debian] of [["x86_64", "amd64"], ["aarch64", "arm64"]] as const) {
  const root = new URL(`../../.cache/roots/bookworm-${debian}`, import.meta.url).pathname;
  for (const { core, argv } of PROGRAMS) {
    const missing = !exists(root + argv[0]);
    Deno.test({
      name: `${arch} ${argv[0]}: counters equal the textbook's (${core.name})` +
        (missing ? ` (skipped: needs ${root}${argv[0]})` : ""),
      ignore: missing,
      fn: async (t) => {
        const run = async (options: MachineOptions) => {
          const streams = {
            ...{
              stdin: new BytesInput(),
              stdout: new CapturedOutput(),
              stderr: new CapturedOutput(),
            },
          };
          const machine = await Machine.create({
            ...{ root, linker: "guest", streams, maxInstructions: LIMIT },
            ...options,
          });
          return await machine.run(argv);
        };
        const book = new Textbook(geometry(core, arch));
        await run({ trace: textbookSink(book) });
        const expected = book.counters();
        assert(
          expected["walks.faulted"] > 20 && expected["returns"] > 1000,
          JSON.stringify(expected),
        );
        for (const heat of [Infinity, 2, 50, 613]) {
          await t.step(
            heat === Infinity ? "cold tier" : `hot after ${heat} executions`,
            async () => {
              const { counters, execution } = await run({ cpu: core, heat });
              for (const [name, count] of Object.entries(expected)) {
                assertEquals(counters[name], count, name);
              }
              if (heat === 2) assert(execution["hot.share"] > 0.5, `${execution["hot.share"]} hot`);
            },
          );
        }
      },
    });
  }
}
