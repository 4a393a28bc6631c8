/**
 * Runs unmodified Debian programs on the simulated machine, linked by their own dynamic linker, and
 * compares what they print and how they end with the same programs outside of it.
 */
import { parseArgs } from "node:util";
import type { Level } from "../../sim/cpu/x86_64/level.ts";
import { missing } from "./conformance/reference.ts";
import {
  check,
  hasRoot,
  lacking,
  nameOf,
  programs,
  type Verdict,
  worldOf,
} from "./conformance/suite.ts";
import type { Way } from "./conformance/simulate.ts";

const help =
  `Compares Debian programs on the simulated machine with the same programs outside of it.

usage: deno task conformance [options] [NAME…]

  NAME              only cases whose name contains it (default: all but the long ones)
  --arch LIST       of: amd64, arm64 (default: both)
  --roots DIR       where the roots are (default .cache/roots)
  --root NAME       what the root is called before -<arch> (default bookworm; rootfs.ts --set programs
                    makes bookworm-programs, with more); cases whose program it lacks are passed over
  --heat LIST       executions that make a block hot; 0 leaves the default, cold never compiles
                    (default: 0,cold,50); all must count the same
  --cpu PRESET      model a core
  --cpu-level L     what an amd64 processor has: v1, v2 (default) or v3
  --linker NAME     who links programs: guest (default), modular, or gnu-on-musl
  --quick           the test suite's subset
  --long            the long ones too
  --limit SECONDS   of each run (default 300)
  --list            print the cases' names only
  --json            verdicts as JSON lines instead of a table
  --help            this text

The references come from this machine's CPU (amd64) and from qemu-aarch64 (arm64), need root to make
private namespaces, and are remembered in .cache/conformance. The roots are made by rootfs.ts.
The exit code is 1 if any program behaved differently.

example: everything about python in both tiers
  deno task conformance --heat 0,cold python
`;

function wayOf(heat: string, others: Omit<Way, "heat">): Way {
  const value = heat === "0" ? undefined : heat === "cold" ? "cold" as const : Number(heat);
  return { ...(value !== undefined && { heat: value }), ...others };
}

function print(verdict: Verdict): void {
  const { name, architecture, way, instructions, hotShare, blocks, seconds, wrong } = verdict;
  const figures = [
    (instructions / 1e6).toFixed(1).padStart(8) + "M",
    (hotShare * 100).toFixed(1).padStart(6) + "%",
    String(blocks).padStart(7),
    seconds.toFixed(1).padStart(6) + "s",
  ];
  const first = [name.padEnd(30), architecture, way.padEnd(8), ...figures];
  console.log(first.join("  ") + (wrong === undefined ? "  ok" : "  WRONG"));
  if (wrong !== undefined) console.log(wrong.replace(/^/gm, "    "));
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    args: Deno.args,
    allowPositionals: true,
    options: {
      arch: { type: "string", default: "amd64,arm64" },
      roots: { type: "string" },
      root: { type: "string" },
      heat: { type: "string", default: "0,cold,50" },
      cpu: { type: "string" },
      "cpu-level": { type: "string" },
      linker: { type: "string" },
      quick: { type: "boolean" },
      long: { type: "boolean" },
      limit: { type: "string", default: "300" },
      list: { type: "boolean" },
      json: { type: "boolean" },
      help: { type: "boolean" },
    },
  });
  if (values.help) {
    console.log(help);
    return 0;
  }
  const { cpu, linker, "cpu-level": level } = values;
  if (level !== undefined && !/^v[123]$/.test(level)) {
    console.error(`conformance: --cpu-level ${level} is none of v1, v2, v3`);
    return 2;
  }
  const others = {
    ...(cpu !== undefined && { cpu }),
    ...(linker !== undefined && { linker }),
    ...(level !== undefined && { cpuLevel: Number(level.slice(1)) as Level }),
  };
  const ways = values.heat.split(",").map((heat) => wayOf(heat, others));
  const chosen = programs.filter((program) =>
    positionals.length > 0
      ? positionals.some((part) => program.name.includes(part))
      : values.quick
      ? program.quick
      : values.long || !program.long
  );
  if (values.list) {
    for (const { name } of chosen) console.log(name);
    return 0;
  }
  const verdicts: Verdict[] = [];
  for (const architecture of values.arch.split(",")) {
    const world = worldOf(architecture, {
      folder: values.roots && await Deno.realPath(values.roots),
      name: values.root,
    });
    const needs = await hasRoot(world) ? await missing(world) : `${world.root} (rootfs.ts)`;
    if (needs !== undefined) {
      console.error(`${architecture}: needs ${needs}`);
      return 2;
    }
    for (const program of chosen) {
      const needs = await lacking(program, world);
      if (needs !== undefined) {
        console.error(`${program.name} on ${architecture}: skipped: needs ${needs}`);
        continue;
      }
      for (const verdict of await check(program, world, ways, Number(values.limit))) {
        verdicts.push(verdict);
        if (values.json) console.log(JSON.stringify(verdict));
        else print(verdict);
      }
    }
  }
  const wrong = verdicts.filter((verdict) => verdict.wrong !== undefined);
  const heats = ways.map(nameOf).join(", ");
  console.error(
    `${chosen.length} programs (${heats}): ${wrong.length} of ${verdicts.length} wrong`,
  );
  return wrong.length === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main());
