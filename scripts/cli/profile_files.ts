/** Writes where events happened, in the format that a file's name asks for. */
import type { Result } from "../../sim/machine/result.ts";
import type { AttributionReport } from "../../sim/study/attribution.ts";
import { attributionText } from "../../sim/study/attribution_text.ts";
import { eventsOf, foldedStacks, pprof, speedscope } from "../../sim/study/profile_formats.ts";
import { UsageError } from "./command.ts";

/** `run.dtlb.misses.folded` is of the event `dtlb.misses`; without one it is of instructions. */
function eventIn(file: string, report: AttributionReport): string {
  const stem = file.slice(0, -".folded".length);
  return eventsOf(report.domains).find((event) => stem.endsWith(`.${event}`)) ?? "instructions";
}

async function contentOf(file: string, { attribution, program }: Result) {
  const report = attribution!;
  if (file.endsWith(".folded")) return foldedStacks(report, eventIn(file, report));
  if (file.endsWith(".pb.gz")) return await pprof(report);
  if (file.endsWith(".speedscope.json")) return JSON.stringify(speedscope(report, program));
  if (file.endsWith(".txt")) return attributionText(report);
  return JSON.stringify(report, null, 1);
}

export async function writeProfile(file: string, result: Result): Promise<void> {
  const content = await contentOf(file, result);
  try {
    if (typeof content === "string") await Deno.writeTextFile(file, content);
    else await Deno.writeFile(file, content);
  } catch (error) {
    throw new UsageError(`--profile: cannot write ${file}: ${(error as Error).message}`);
  }
}
