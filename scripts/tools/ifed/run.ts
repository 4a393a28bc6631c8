/** One run of the table: a program, linked in one way, on one layout, evaluated on all cores at once. */
import type { Arch } from "../../../sim/arch.ts";
import { onLayout } from "../../../sim/study/layouts.ts";
import { measure } from "../../../sim/study/measure.ts";
import { argumentsOf, type Mode, type Work } from "./work.ts";

/** Presets that every run is evaluated on. */
export const cores = ["skylake-sp", "neoverse-n1", "kunpeng-920"] as const;

/** What one run counted, a line of the file of results. */
export interface Run {
  readonly arch: Arch;
  readonly program: string;
  readonly mode: string;
  readonly layout: number;
  readonly exit: number;
  /** SHA-256 of standard output. */
  readonly output: string;
  /** Of the machine. */
  readonly counters: Readonly<Record<string, number>>;
  /** Of each core, its cycles among them. */
  readonly cores: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

/** What of the machine's counters the table is made from. */
const KEPT = /^(?:instructions$|faults|linker\.faults|frames|huge|linker\.(?:ifed|objects))/;

const guests = new URL("../../../tests/guests", import.meta.url).pathname;

export async function run(
  arch: Arch,
  root: string,
  work: Work,
  mode: Mode,
  layout: number,
): Promise<Run> {
  const machine = {
    root,
    cores,
    mounts: [{ host: guests, guest: "/g" }],
    modules: mode.modules(),
    ...mode.pool === undefined ? {} : { thp: "never" as const, hugePages2M: mode.pool },
  };
  const result = await measure(argumentsOf(work, arch), onLayout(machine, layout));
  const bytes = new TextEncoder().encode(result.stdout);
  const output = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
  const kept = Object.entries(result.counters).filter(([name]) => KEPT.test(name));
  return {
    arch,
    program: work.name,
    mode: mode.name,
    layout,
    exit: result.exit,
    output,
    counters: Object.fromEntries(kept),
    cores: Object.fromEntries(
      Object.entries(result.cores ?? {}).map(([name, core]) => [
        name,
        { ...core.counters, ...core.estimated },
      ]),
    ),
  };
}
