/** `isthmus presets`: the modelled cores. */
import type { TlbShape } from "../../sim/models/tlb.ts";
import { type Preset, presets } from "../../sim/models/preset.ts";
import { type CommandSpec, jsonOption, type Parsed, printJson } from "./command.ts";

const PAGE_SIZES: Readonly<Record<number, string>> = { 12: "4K", 21: "2M", 30: "1G" };

function shape({ entries, ways, pageBits }: TlbShape): string {
  const pages = pageBits.map((bits) => PAGE_SIZES[bits] ?? `2^${bits}`).join("/");
  return `${entries} entries, ${ways === entries ? "fully associative" : `${ways}-way`}, ${pages}`;
}

function text(
  { name, description, tlb, historyBits, targetBuffer, returnStack, cost, sources }: Preset,
) {
  const row = (label: string, value: string): string => `  ${label.padEnd(16)}${value}`;
  return [
    `${name}: ${description}`,
    row("L1 iTLB", tlb.itlb.map(shape).join("; ")),
    row("L1 dTLB", tlb.dtlb.map(shape).join("; ")),
    row("L2 TLB", tlb.stlb.map(shape).join("; ")),
    row("directions", `gshare, ${(2 ** historyBits).toLocaleString("en-US")} two-bit counters`),
    row("targets", `${targetBuffer.entries} entries, ${targetBuffer.ways}-way`),
    row("return stack", `${returnStack} entries`),
    row(
      "cycles",
      `${cost.base} an instruction; misprediction ${cost.mispredict}, L2 TLB hit ${cost.stlbHit}, ` +
        `walk ${cost.walk}, minor fault ${cost.minorFault}`,
    ),
    ...sources.map((source, i) => row(i === 0 ? "sources" : "", source)),
  ].join("\n");
}

function run({ values }: Parsed<{ readonly json?: boolean }>): number {
  if (values.json) printJson(presets);
  else console.log(presets.map(text).join("\n\n"));
  return 0;
}

const spec: CommandSpec = {
  name: "presets",
  summary: "describe the modelled cores and where their figures come from",
  positional: [],
  options: [jsonOption],
  example: "isthmus presets",
  run,
};

export default spec;
