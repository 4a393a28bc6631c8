/** A study as data, and the runs that it asks for. */
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { keyOf, plainArguments } from "../cli/plain_arguments.ts";
import { type CommandSpec, UsageError } from "../cli/command.ts";
import { machineOptions, type MachineValues } from "../cli/machine_options.ts";

/** What an option of the command line is given: a flag, a number or a text, or several of them. */
export type OptionValue = string | number | boolean | readonly string[];

/** A program of a study; an array alone is its command line. */
export interface StudyProgram {
  /** The program's path in the guest, and its arguments. */
  readonly argv: readonly string[];
  /** What it reads on standard input; default nothing. */
  readonly stdin?: string;
  /** Options of its machine beside those of all. */
  readonly machine?: Readonly<Record<string, OptionValue>>;
}

/**
 * Programs × module sets × presets × parameters × seeds. It has a run for each choice of one of every
 * kind.
 */
export interface Study {
  /** What reports call it. */
  readonly name: string;
  /** Programs by name, each as its command line or with more about it. */
  readonly programs: Readonly<Record<string, readonly string[] | StudyProgram>>;
  /** Sets of linker modules by name, as `--module` takes them; the first is the base of the others. */
  readonly modules?: Readonly<Record<string, readonly string[]>>;
  /** Modelled cores, as `--cpu` takes them; default none. */
  readonly presets?: readonly string[];
  /**
   * Values by name. A name is an option of `isthmus run` in camel case (`thp`), a figure of the core
   * (`core.tlb.stlb.0.entries`), or stands in braces in the programs' arguments (`{size}`).
   */
  readonly parameters?: Readonly<Record<string, readonly (string | number | boolean)[]>>;
  /** Each seeds what is random to the guest and places stack, program, libraries and heap. */
  readonly seeds?: readonly number[];
  /** Options of every machine, by their names in camel case: `root`, `env`, `mount`. */
  readonly machine?: Readonly<Record<string, OptionValue>>;
  /** Counters that its report shows; default the main ones. */
  readonly counters?: readonly string[];
}

/** From what a machine can be made again, and what it runs. */
export interface RunJob {
  readonly argv: readonly string[];
  readonly values: MachineValues;
  readonly stdin?: string;
}

/** One run of a study. */
export interface StudyRun {
  readonly program: string;
  readonly modules: string;
  readonly preset: string;
  readonly parameters: Readonly<Record<string, string | number | boolean>>;
  /** Null in a study without seeds. */
  readonly seed: number | null;
  readonly job: RunJob;
}

const FIELDS = [
  ...["name", "programs", "modules", "presets", "parameters", "seeds", "machine", "counters"],
];

/** Reads a study from a file or URL of JSON, or the default export of a script. */
export async function readStudy(file: string): Promise<{ study: Study; folder: string }> {
  const url = new URL(file, `file://${Deno.cwd()}/`);
  let data;
  try {
    data = url.pathname.endsWith(".json")
      ? await (await fetch(url)).json()
      : (await import(url.href)).default;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new UsageError(`${file}: ${message.split("\n")[0]}`);
  }
  const folder = url.protocol === "file:" ? fileURLToPath(new URL(".", url)) : Deno.cwd();
  return { study: checked(data, file), folder };
}

/** `data` if they have the shape of a study; a UsageError that names the field otherwise. */
function checked(data: unknown, file: string): Study {
  const fail = (field: string, wanted: string): never => {
    throw new UsageError(`${file}: ${field} is not ${wanted}`);
  };
  const isObject = (value: unknown): value is Record<string, unknown> =>
    typeof value === "object" && value !== null && !Array.isArray(value);
  const isTexts = (value: unknown): boolean =>
    Array.isArray(value) && value.every((v) => typeof v === "string");
  if (!isObject(data)) return fail("the study", "an object");
  const odd = Object.keys(data).find((key) => !FIELDS.includes(key));
  if (odd !== undefined) {
    throw new UsageError(`${file}: a study has no ${odd}; it has ${FIELDS.join(", ")}`);
  }
  if (typeof data.name !== "string") fail("name", "a text");
  if (!isObject(data.programs) || Object.keys(data.programs).length === 0) {
    return fail("programs", "an object of programs by name");
  }
  for (const [name, program] of Object.entries(data.programs)) {
    const { argv, stdin, machine } = isObject(program) ? program : { argv: program };
    if (!isTexts(argv) || (argv as string[]).length === 0) {
      fail(`programs.${name}`, "a command line, an array of texts");
    }
    if (stdin !== undefined && typeof stdin !== "string") fail(`programs.${name}.stdin`, "a text");
    if (machine !== undefined && !isObject(machine)) fail(`programs.${name}.machine`, "an object");
  }
  const { modules = {}, presets, parameters = {}, seeds, machine, counters } = data;
  if (!isObject(modules)) return fail("modules", "an object of lists by name");
  for (const [name, list] of Object.entries(modules)) {
    if (!isTexts(list)) fail(`modules.${name}`, "an array of modules");
  }
  if (presets !== undefined && !isTexts(presets)) fail("presets", "an array of names");
  if (counters !== undefined && !isTexts(counters)) fail("counters", "an array of names");
  if (!isObject(parameters)) return fail("parameters", "an object of arrays by name");
  for (const [name, values] of Object.entries(parameters)) {
    if (!Array.isArray(values) || values.length === 0) {
      fail(`parameters.${name}`, "an array of values");
    }
  }
  const isSeed = (seed: unknown) => Number.isSafeInteger(seed) && (seed as number) >= 0;
  if (seeds !== undefined && !(Array.isArray(seeds) && seeds.every(isSeed))) {
    fail("seeds", "an array of whole numbers");
  }
  if (machine !== undefined && !isObject(machine)) fail("machine", "an object of options");
  return data as unknown as Study;
}

/** The command line whose options a study's machines have. */
const machineSpec: CommandSpec = {
  ...{ name: "study", summary: "", positional: [], options: machineOptions, example: "" },
  run: () => 0,
};
const optionNames = new Map(
  machineOptions.map((option) => [keyOf(option), option.flags.split(" ")[0]]),
);

/** Options of a study as the texts of a command line. */
function optionTexts(field: string, options: Readonly<Record<string, OptionValue>>): string[] {
  return Object.entries(options).flatMap(([name, value]) => {
    const core = /^core\.(.+)/.exec(name);
    if (core !== null) return ["--core", `${core[1]}=${value}`];
    const long = optionNames.get(name);
    if (long === undefined) {
      throw new UsageError(`${field}: there is no option ${name} of a machine`);
    }
    if (value === false) return [];
    if (value === true) return [long];
    return (Array.isArray(value) ? value : [value]).flatMap((one) => [long, String(one)]);
  });
}

/** The values of a machine that texts of the command line describe. */
function machineValues(texts: readonly string[]): MachineValues {
  const parsed = plainArguments(machineSpec, texts);
  if (parsed === null) throw new UsageError(`the options ${texts.join(" ")} are none of a machine`);
  return parsed.values as MachineValues;
}

/** A path that begins with a dot, below the study's folder; anything else as it is. */
function from(folder: string, path: string): string {
  return /^\.{1,2}\//.test(path) ? resolve(folder, path) : path;
}

/** All combinations of one value of each list. */
function combinations<T>(lists: Readonly<Record<string, readonly T[]>>): Record<string, T>[] {
  return Object.entries(lists).reduce<Record<string, T>[]>(
    (before, [name, values]) =>
      before.flatMap((chosen) => values.map((value) => ({ ...chosen, [name]: value }))),
    [{}],
  );
}

/**
 * The runs of a study, in order: programs, then presets, parameters, seeds, module sets. Paths that begin with
 * a dot, and a relative `root`, are below `folder`. Throws a `UsageError` that names a wrong field.
 */
export function runsOf(study: Study, folder: string): StudyRun[] {
  const { programs, modules = {}, presets = [], parameters = {}, seeds = [null] } = study;
  const sets = Object.keys(modules).length > 0 ? modules : { "": [] };
  const runs: StudyRun[] = [];
  const used = new Set<string>();
  for (const [program, described] of Object.entries(programs)) {
    const given = "argv" in described ? described : { argv: described };
    const own = Object.entries(parameters).filter(([name]) => isOption(name) || fills(name, given));
    for (const [name] of own) used.add(name);
    for (const preset of presets.length > 0 ? presets : [""]) {
      for (const chosen of combinations(Object.fromEntries(own))) {
        for (const seed of seeds) {
          for (const set of Object.keys(sets)) {
            const choice = { program, modules: set, preset, parameters: chosen, seed };
            runs.push({ ...choice, job: jobOf(study, given, sets, choice, folder) });
          }
        }
      }
    }
  }
  const unused = Object.keys(parameters).find((name) => !used.has(name));
  if (unused !== undefined) {
    throw new UsageError(
      `parameters.${unused}: no option of a machine, and no program has {${unused}}`,
    );
  }
  return runs;
}

/** Whether a parameter is an option of the machine. */
function isOption(name: string): boolean {
  return optionNames.has(name) || name.startsWith("core.");
}
/** Whether it stands in the program's arguments or input. */
function fills(name: string, { argv, stdin = "" }: StudyProgram): boolean {
  return [...argv, stdin].some((text) => text.includes(`{${name}}`));
}

function jobOf(
  study: Study,
  { argv, stdin, machine }: StudyProgram,
  sets: Readonly<Record<string, readonly string[]>>,
  { modules, preset, parameters, seed }: Omit<StudyRun, "job">,
  folder: string,
): RunJob {
  const options: Record<string, OptionValue> = { ...study.machine, ...machine };
  if (preset !== "") options.cpu = from(folder, preset);
  for (const [name, value] of Object.entries(parameters)) {
    if (isOption(name)) options[name] = value;
  }
  if (typeof options.root === "string") options.root = resolve(folder, options.root);
  // The totals of programs that different linkers link do not compare.
  const linked = Object.values(sets).some((specs) => specs.length > 0);
  if (linked && options.linker === undefined) options.linker = "modular";
  const specs = [options.module ?? [], sets[modules]].flat() as string[];
  if (specs.length > 0) options.module = specs.map((spec) => from(folder, spec));
  if (seed !== null) Object.assign(options, { seed, layoutSeed: seed });
  const fill = (text: string) =>
    text.replaceAll(/\{([\w.]+)\}/g, (all, name) => String(parameters[name] ?? all));
  return {
    argv: argv.map(fill),
    values: machineValues(optionTexts(`${study.name}: machine`, options)),
    stdin: stdin && fill(stdin),
  };
}

/** What a run is called where the kinds that have one choice only are not named. */
export function runName(run: Omit<StudyRun, "job">): string {
  const { program, modules, preset, parameters, seed } = run;
  return [
    ...[program, modules, preset],
    ...Object.entries(parameters).map(([name, value]) => `${name}=${value}`),
    seed === null ? "" : `seed ${seed}`,
  ].filter((text) => text !== "").join(" ");
}
