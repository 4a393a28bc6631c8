// Symbol resolution with bindings of the last start, and with a cache in one start: searches, their cost, and CPU
// time of the link, for both architectures, on an embedded program or on one of your own roots:
//   deno run -A scripts/experiments/stable_linking.ts [ROOT_X86_64 ROOT_AARCH64 PROGRAM [ARGS…]]
import process from "node:process";
import { linux, lookupCache, measure, type Module, stableLinking, weak } from "../../mod.ts";
import { alignRows, formatCount } from "../../sim/study/table.ts";
import { argumentsOf } from "./arguments.ts";
import { manyGuest } from "./guests_data.ts";

/** Runs of each kind, in turn; the least time counts. */
const RUNS = 3;

const [x86_64, aarch64, ...given] = await argumentsOf(import.meta.url);
const program = given.length > 0 ? given : ["/many/many"];

/** Milliseconds of CPU time so far, compiler threads included. */
function cpu(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Tells the CPU time from the link's first pass to its last. */
function clock(tell: (milliseconds: number) => void): Module {
  let begun = 0;
  return {
    name: "clock",
    register: ({ isProgram }) => {
      if (!isProgram) return {};
      begun = cpu();
      return { "start": weak(() => tell(cpu() - begun)) };
    },
  };
}

for (const arch of ["x86_64", "aarch64"] as const) {
  const root = { x86_64, aarch64 }[arch] ?? await manyGuest(arch);
  const stores = { content: new Map<string, Uint8Array>(), id: new Map<string, Uint8Array>() };
  const kinds: Record<string, () => Module[]> = {
    "no cache": () => [],
    "lookup-cache": () => [lookupCache()],
    "stable-linking, first start": () => [stableLinking({ store: new Map() })],
    "next start": () => [stableLinking({ store: stores.content })],
    "next start, by build id": () => [stableLinking({ store: stores.id, identity: "build-id" })],
  };
  // What the next starts find.
  for (const kind of ["next start", "next start, by build id"]) {
    await measure(program, { root, modules: [...linux(), ...kinds[kind]()] });
  }
  const least: Record<string, number> = {};
  const counted: Record<string, Readonly<Record<string, number>>> = {};
  let expected: string | undefined;
  for (let run = 0; run < RUNS; run++) {
    for (const [kind, modules] of Object.entries(kinds)) {
      console.error(`${arch}: ${kind}, run ${run + 1} of ${RUNS}`);
      const timer = clock((time) => least[kind] = Math.min(least[kind] ?? Infinity, time));
      const { counters, stdout, exit } = await measure(program, {
        root,
        env: { LD_BIND_NOW: "1" },
        modules: [timer, ...linux(), ...modules()],
      });
      expected ??= stdout;
      if (stdout !== expected || exit !== 0) throw new Error(`${kind}: another output`);
      counted[kind] = counters;
    }
  }
  const columns = {
    "references": "lookups",
    "tables": "hash.tables",
    "Bloom rejects": "hash.bloom.rejects",
    "probes": "hash.probes",
    "bytes compared": "strcmp.bytes",
  };
  const rows = [["", ...Object.keys(columns), "link, CPU ms"]];
  for (const kind of Object.keys(kinds)) {
    const counts = Object.values(columns).map((name) =>
      formatCount(counted[kind][`linker.${name}`])
    );
    rows.push([kind, ...counts, least[kind].toFixed(0)]);
  }
  const objects = formatCount(counted["no cache"]["linker.objects"]);
  console.log(`${arch}: ${program.join(" ")}, ${objects} objects\n${alignRows(rows)}\n`);
}
