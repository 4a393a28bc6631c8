/** `--roi FROM..TO`. */
import type { Roi, RoiPoint } from "../../sim/roi.ts";
import { type OptionSpec, UsageError } from "./command.ts";

function pointOf(text: string, roi: string): RoiPoint {
  if (/^\d+$/.test(text)) return { instruction: Number(text) };
  const [, marker] = /^@(.+)$/.exec(text) ?? [];
  if (marker !== undefined) return { marker };
  const [, object, symbol] = /^(?:([^@]+):)?([^:@]+)$/.exec(text) ?? [];
  if (symbol === undefined) throw new UsageError(`--roi: ${JSON.stringify(roi)} is not FROM..TO`);
  return object === undefined ? { symbol } : { object, symbol };
}

function roiOf(text: string): Roi {
  const [from, to, ...more] = text.split("..");
  if (to === undefined || more.length > 0) {
    throw new UsageError(`--roi: ${JSON.stringify(text)} is not FROM..TO`);
  }
  return { from: pointOf(from, text), to: pointOf(to, text) };
}

/** A region: two ends, each an instruction count, a function, `FILE:function` or `@marker`. */
export const roiOption: OptionSpec = {
  flags: "--roi <from..to>",
  help: "count only there: each a function, FILE:function, instruction count or @marker",
  parse: roiOf,
};
