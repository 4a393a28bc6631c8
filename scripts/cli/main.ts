/**
 * The command line: `deno task isthmus COMMAND …`. `deno run -A mod.ts COMMAND …` does the same, from a URL too, but
 * loads the whole interface first.
 */
import { type CommandSpec, UsageError } from "./command.ts";
import { plainArguments } from "./plain_arguments.ts";

/** The commands, each in a file of its own that is loaded when it is used, and not before. */
const commands: Readonly<Record<string, URL>> = {
  run: new URL("./run.ts", import.meta.url),
  compare: new URL("./compare.ts", import.meta.url),
  sweep: new URL("./sweep.ts", import.meta.url),
  submit: new URL("./submit.ts", import.meta.url),
  gather: new URL("./gather.ts", import.meta.url),
  report: new URL("./report.ts", import.meta.url),
  reproduce: new URL("./reproduce.ts", import.meta.url),
  plan: new URL("./plan.ts", import.meta.url),
  inspect: new URL("./inspect.ts", import.meta.url),
  modules: new URL("./modules.ts", import.meta.url),
  seccomp: new URL("./seccomp.ts", import.meta.url),
  pack: new URL("./pack.ts", import.meta.url),
  "pack-relocations": new URL("./pack_relocations.ts", import.meta.url),
  prove: new URL("./prove.ts", import.meta.url),
  sign: new URL("./sign.ts", import.meta.url),
  "make-keys": new URL("./make_keys.ts", import.meta.url),
  wrap: new URL("./wrap.ts", import.meta.url),
  unpack: new URL("./unpack.ts", import.meta.url),
  "name-linker": new URL("./name_linker.ts", import.meta.url),
  presets: new URL("./presets.ts", import.meta.url),
  demo: new URL("./demo.ts", import.meta.url),
};

/** Errors whose message says all there is to say. */
const PLAIN = [
  ...[
    "MachineError",
    "KernelError",
    "MemoryError",
    "OutOfMemoryError",
    "RoiError",
    "StudyError",
    "GranuleError",
  ],
  ...["LinkError", "LinkTargetError", "ElfError"],
];

async function load(name: string): Promise<CommandSpec> {
  const module: { default: CommandSpec } = await import(commands[name].href);
  return module.default;
}

/** Loads the package that knows all about command lines; a constant specifier would load it always. */
function program(): Promise<typeof import("./program.ts")> {
  return import(new URL("./program.ts", import.meta.url).href);
}

/** Parse `args`, do what they say, and answer the exit code: 2 for wrong usage. */
export async function main(args: readonly string[]): Promise<number> {
  const [first] = args;
  try {
    const known = first !== undefined && Object.hasOwn(commands, first);
    const specs = await Promise.all((known ? [first] : Object.keys(commands)).map(load));
    const plain = known ? plainArguments(specs[0], args.slice(1)) : null;
    if (plain !== null) return await specs[0].run(plain);
    const { runProgram } = await program();
    return await runProgram(specs, args);
  } catch (error) {
    if (error instanceof UsageError) {
      console.error(`isthmus: ${error.message}`);
      return 2;
    }
    if (error instanceof Error && PLAIN.includes(error.name)) {
      console.error(`isthmus: ${error.message}`);
      return 1;
    }
    throw error;
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
