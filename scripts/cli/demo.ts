/** `isthmus demo`: the main job on the embedded program. */
import { ifed, linux } from "../../modules/mod.ts";
import type { Arch } from "../../sim/arch.ts";
import { type Sweep, sweep } from "../../sim/study/sweep.ts";
import { manyGuest } from "../experiments/guests_data.ts";
import { type CommandSpec, jsonOption, type Parsed, printJson } from "./command.ts";

/** The modelled core of each architecture. */
const CORES: Readonly<Record<Arch, string>> = { x86_64: "skylake-sp", aarch64: "neoverse-n1" };

const COUNTERS = [
  "instructions",
  "itlb.misses",
  "dtlb.misses",
  "walks",
  "branches.conditional.mispredicted",
  "branches.indirect.mispredicted",
  "returns.mispredicted",
  "faults.minor",
  "faults.major",
  "linker.faults.minor",
  "cycles",
];

/** The embedded program on one architecture: base, each of iFed's passes, and both. */
async function study(arch: Arch): Promise<Sweep> {
  const machine = { root: await manyGuest(arch), cpu: CORES[arch] };
  return await sweep({
    argv: ["/many/many"],
    machines: {
      "base": { ...machine, modules: linux() },
      "concatenate": { ...machine, modules: [...linux(), ifed.concatenate()] },
      "eliminateBranches": { ...machine, modules: [...linux(), ifed.eliminateBranches()] },
      "both": { ...machine, modules: [...linux(), ifed.concatenate(), ifed.eliminateBranches()] },
    },
  });
}

async function run({ values }: Parsed<{ readonly json?: boolean }>): Promise<number> {
  const data: Record<string, unknown> = {};
  for (const arch of ["x86_64", "aarch64"] as const) {
    const { results, table } = await study(arch);
    if (values.json) {
      data[arch] = Object.fromEntries(
        Object.entries(results).map(([name, { counters, estimated }]) => [
          name,
          { counters, estimated },
        ]),
      );
      continue;
    }
    const objects = results.base.counters["linker.objects"];
    console.log(`many: a program of ${objects} ELF objects on ${arch}, modelled as ${CORES[arch]}`);
    console.log(`${table(...COUNTERS)}\n`);
  }
  if (values.json) printJson(data);
  else console.log("All counts are exact and repeat; cycles are estimated from them.");
  return 0;
}

const spec: CommandSpec = {
  name: "demo",
  summary: "iFed's two linker passes on a built-in program, on both architectures",
  positional: [],
  options: [jsonOption],
  example: "isthmus demo",
  run,
};

export default spec;
