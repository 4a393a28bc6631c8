/**
 * What the studies of this folder share: on which programs they run, and how they end. Each is run by file or URL,
 *
 *     deno run -A scripts/studies/NAME.ts [--arch ARCH | --root DIR] [--html FILE] [PROGRAM [ARGS…]]
 *
 * on built-in programs of both architectures, or of one, or on a program of a root of one's own.
 */
import { parseArgs } from "node:util";
import { measure, type Measurement, type MeasureOptions, preset } from "../../mod.ts";
import type { Arch } from "../../sim/arch.ts";
import { alignRows, formatChange, formatCount } from "../../sim/study/table.ts";
import { purposeOf } from "../experiments/arguments.ts";
import { htmlOf, type Section } from "../report/html.ts";
import type { Side } from "../report/objects.ts";

/** A program to study, with the core that is modelled. */
export interface Target {
  readonly name: string;
  readonly argv: readonly string[];
  readonly machine: MeasureOptions & { readonly cpu: string };
  readonly arch: Arch;
  /** Whether it is of a root that `--root` gave. */
  readonly isOwn: boolean;
}

const CORES: Readonly<Record<Arch, string>> = { x86_64: "skylake-sp", aarch64: "neoverse-n1" };
const LIBRARIES = [...Array(26).keys()].map((i) => `lib/libm${`${i}`.padStart(2, "0")}.so`);
const MANY = ["many", "lib/libtiny.so", ...LIBRARIES].map((name) => `many/${name}`);

/** Prebuilt guests as files of a machine, read from beside this file, wherever it is. */
async function prebuilt(arch: Arch, names: readonly string[]): Promise<Map<string, Uint8Array>> {
  const folder = new URL(`../../tests/guests/prebuilt/${arch}/`, import.meta.url);
  const files = names.map(async (name): Promise<[string, Uint8Array]> => {
    const response = await fetch(new URL(name, folder));
    if (!response.ok) throw new Error(`${name}: the server answers ${response.status}`);
    return [`/${name}`, await response.bytes()];
  });
  return new Map(await Promise.all(files));
}

interface Arguments {
  readonly root?: string;
  readonly html?: string;
  /** The only architecture whose built-in program is studied. */
  readonly arch?: string;
  /** Of `compartment_gates`. */
  readonly libraries?: string;
  readonly help?: boolean;
  readonly program: readonly string[];
}

const OPTIONS = {
  root: { type: "string" },
  html: { type: "string" },
  arch: { type: "string" },
  libraries: { type: "string" },
  help: { type: "boolean" },
} as const;

const HELP = `
  --root DIR    study a program of this root, not a built-in one
  --arch ARCH   x86_64 or aarch64: the built-in program of this architecture only
  --html FILE   where the report goes; default NAME.html, here

A core is modelled for each architecture: skylake-sp, neoverse-n1. Built-in programs are those of
tests/guests/prebuilt: many/many and others, with their own arguments.

examples:
  deno run -A scripts/studies/NAME.ts
  deno run -A scripts/studies/NAME.ts --root .cache/roots/bookworm-amd64 /usr/bin/python3 -c 'print(1)'
`;

/** Print what the study is for and end, if that is asked. */
async function explain(): Promise<void> {
  if (!parsed().help) return;
  const name = Deno.mainModule.slice(Deno.mainModule.lastIndexOf("/") + 1, -".ts".length);
  console.log(await purposeOf(Deno.mainModule) + "\n" + HELP.replaceAll("NAME", name).trimEnd());
  Deno.exit(0);
}

/** The command line; what is wrong ends the process with code 2. */
export function parsed(): Arguments {
  // What follows the program's name is the program's.
  const takesValue = (option = "") =>
    option !== "--help" && Object.hasOwn(OPTIONS, option.slice(2));
  const own = Deno.args.findIndex((arg, i) =>
    !arg.startsWith("--") && !takesValue(Deno.args[i - 1])
  );
  const [before, program] = own < 0
    ? [Deno.args, []]
    : [Deno.args.slice(0, own), Deno.args.slice(own)];
  try {
    const { values } = parseArgs({ args: before, options: OPTIONS });
    if (values.arch !== undefined && !Object.hasOwn(CORES, values.arch)) {
      throw new Error(`--arch: ${values.arch} is neither x86_64 nor aarch64`);
    }
    if (values.root !== undefined && program.length === 0) {
      throw new Error("--root wants a program, and its arguments");
    }
    return { ...values, program };
  } catch (error) {
    console.error(`${(error as Error).message} (--help explains)`);
    Deno.exit(2);
  }
}

/** End with code 2: the study is of other architectures. */
function refuse(arch: string, archs: readonly Arch[]): never {
  console.error(`this study is of ${archs.join(", ")}, not ${arch} (--help explains)`);
  Deno.exit(2);
}

/**
 * The programs that the command line asks for: `guest`, a prebuilt program and its arguments, on both architectures,
 * unless there is a `--root`, or on those of `archs`.
 */
export async function targets(
  guest: readonly string[] = ["many/many", "200"],
  archs: readonly Arch[] = ["x86_64", "aarch64"],
): Promise<Target[]> {
  await explain();
  const { root, program, arch: only } = parsed();
  if (root !== undefined) {
    const { arch } = await measure(program, { root, maxInstructions: 1 });
    if (!archs.includes(arch)) refuse(arch, archs);
    const machine = { root, cpu: CORES[arch] };
    return [{ name: program.join(" "), argv: program, machine, arch, isOwn: true }];
  }
  const [name, ...args] = program.length > 0 ? program : guest;
  const asked = archs.filter((arch) => arch === (only ?? arch));
  if (asked.length === 0) refuse(only!, archs);
  return await Promise.all(asked.map(async (arch) => ({
    name: `${name.replace(/.*\//, "")} on ${arch}`,
    argv: [`/${name}`, ...args],
    machine: {
      root: await prebuilt(arch, name === "many/many" ? MANY : [name]),
      cpu: CORES[arch],
      // They are freestanding: no other linker than ours is among their files.
      linker: "modular",
    },
    arch,
    isOwn: false,
  })));
}

/** What reports show beyond counters. */
export const WATCHED = { attribution: true, missCurves: true } as const;

/** Cycles but for those of page faults, which a module may take from the program, to the linker. */
export const STEADY = "cycles.without.faults";

/** A run's estimates, with `STEADY`. */
function estimates({ counters, estimated }: Measurement, cpu: string): Measurement["estimated"] {
  const { minorFault, majorFault = 0 } = preset(cpu).cost;
  const faults = counters["faults.minor"] * minorFault + counters["faults.major"] * majorFault;
  return { ...estimated, [STEADY]: estimated.cycles - faults };
}

/** Run a target on variants of its machine; the first is the base. Throws if their outputs differ. */
export async function variants(
  { name, argv, machine }: Target,
  machines: Readonly<Record<string, MeasureOptions>>,
): Promise<(Measurement & Side)[]> {
  const sides: (Measurement & Side)[] = [];
  for (const [side, options] of Object.entries(machines)) {
    console.error(`${name}: ${side}`);
    const result = await measure(argv, { ...machine, ...options });
    sides.push({ ...result, estimated: estimates(result, machine.cpu), name: side });
    const [base] = sides;
    if (result.exit !== base.exit || result.stdout !== base.stdout) {
      throw new Error(`${name}: ${side} does not do what ${base.name} does: ${result.stderr}`);
    }
  }
  return sides;
}

/** A counter or an estimate of a run; 0 if nothing counted it. */
export function countOf({ counters, estimated }: Side, name: string): number {
  return counters[name] ?? estimated[name] ?? 0;
}

/** `cycles -28.3%`. */
export function changeOf(base: Side, side: Side, counter: string): string {
  return `${counter} ${formatChange(countOf(base, counter), countOf(side, counter))}`;
}

/** A table of counters, a row a counter that some side has. */
export function counterRows(sides: readonly Side[], counters: readonly string[]): string[][] {
  return [
    ["", ...sides.map(({ name }) => name)],
    ...counters.map((name) => [name, ...sides.map((side) => formatCount(countOf(side, name)))]),
  ];
}

/** Print what was found and the tables, and write the report. */
export async function conclude(
  { title, findings, tables = [], sections }: {
    readonly title: string;
    readonly findings: readonly string[];
    /** Shown on the terminal too. */
    readonly tables?: readonly { readonly title: string; readonly rows: string[][] }[];
    readonly sections: readonly Section[];
  },
): Promise<void> {
  const file = parsed().html ?? `${title}.html`;
  const tabled = tables.map(({ title, rows }): Section => ({ title, table: rows }));
  const html = await htmlOf({ title, findings, sections: [...tabled, ...sections] });
  for (const { title, rows } of tables) console.log(`${title}\n${alignRows(rows)}\n`);
  for (const finding of findings) console.log(finding);
  await Deno.writeTextFile(file, html);
  console.log(`report: ${file}`);
}
