/** `isthmus compare`: one program with and without modules. */
import { compare, type Comparison } from "../../sim/study/compare.ts";
import { type Measurement } from "../../sim/study/measure.ts";
import type { Roi } from "../../sim/roi.ts";
import {
  type CommandSpec,
  jsonOption,
  type Parsed,
  printJson,
  UsageError,
  wholeNumber,
} from "./command.ts";
import { machineOf, machineOptions, type MachineValues } from "./machine_options.ts";
import { roiOption } from "./roi_option.ts";

interface Values extends MachineValues {
  readonly with?: readonly string[];
  readonly withHugeText?: boolean;
  readonly layouts?: number;
  readonly roi?: Roi;
  readonly counter?: readonly string[];
  readonly json?: boolean;
}

async function run({ positional, values }: Parsed<Values>): Promise<number> {
  const { with: added = [], withHugeText } = values;
  if (added.length === 0 && !withHugeText) {
    throw new UsageError("compare wants --with MODULE or --with-huge-text");
  }
  const stdin = Deno.stdin.isTerminal()
    ? undefined
    : await new Response(Deno.stdin.readable).bytes();
  const { roi, layouts } = values;
  // Both sides have the same linker, or their totals would not compare.
  const both = added.length > 0 ? { ...values, linker: values.linker ?? "modular" } : values;
  const base = { ...await machineOf(both), roi, stdin };
  const variant = {
    ...await machineOf(both, added),
    ...{ hugeText: withHugeText ?? values.hugeText, roi, stdin },
  };
  const result = await compare(positional, base, variant, { layouts });
  if (values.json) printJson(asData(result));
  else {
    const { arch, manifest } = result.base;
    console.log(`${positional.join(" ")}: ${arch}, ${manifest.cpu ?? "no modelled core"}`);
    console.log(result.table(...values.counter ?? []));
  }
  for (const warning of result.warnings) console.error(`isthmus: ${warning}`);
  return 0;
}

function asData({ base, variant, spreads, warnings }: Comparison): unknown {
  const side = ({ exit, counters, estimated, execution, manifest }: Measurement) => {
    return { exit, counters, estimated, execution, manifest };
  };
  const names = new Set([...Object.keys(base.counters), ...Object.keys(variant.counters)]);
  const delta = Object.fromEntries(
    [...names].map((n) => [n, (variant.counters[n] ?? 0) - (base.counters[n] ?? 0)]),
  );
  return { base: side(base), variant: side(variant), delta, spreads, warnings };
}

const spec: CommandSpec<Values> = {
  name: "compare",
  summary: "run a program with and without linker modules and print the difference",
  positional: [
    { usage: "<program>", help: "path in the guest, or a name to look for in PATH" },
    { usage: "[args...]", help: "its arguments" },
  ],
  options: [
    ...machineOptions,
    { flags: "--with <module>", help: "a module of the variant, as --module", repeated: true },
    { flags: "--with-huge-text", help: "give the variant --huge-text" },
    {
      flags: "--layouts <n>",
      help: "repeat on so many seeded layouts; print median, range and what is noise",
      parse: wholeNumber("--layouts", 2),
    },
    roiOption,
    { flags: "--counter <name>", help: "show this counter; default the main ones", repeated: true },
    jsonOption,
  ],
  example: "isthmus compare --cpu zen3 --with ifed.concatenate:pages=2M -- /many/many",
  passThrough: true,
  run,
};

export default spec;
