/** The command line: `deno task isthmus COMMAND …`, the same as `deno run -A mod.ts COMMAND …`. */
import { type CommandSpec, UsageError } from "./command.ts";
import { runProgram } from "./program.ts";

/** The commands, each in a file of its own that is loaded when it is used. */
const commands: Readonly<Record<string, () => Promise<{ default: CommandSpec }>>> = {
  run: () => import("./run.ts"),
  compare: () => import("./compare.ts"),
  plan: () => import("./plan.ts"),
  inspect: () => import("./inspect.ts"),
  modules: () => import("./modules.ts"),
  presets: () => import("./presets.ts"),
  demo: () => import("./demo.ts"),
};

/** Errors whose message says all there is to say. */
const PLAIN = ["MachineError", "KernelError", "LinkError", "ElfError", "StudyError"];

async function load(name: string): Promise<CommandSpec> {
  return (await commands[name]()).default;
}

/** Parse `args`, do what they say, and answer the exit code: 2 for wrong usage. */
export async function main(args: readonly string[]): Promise<number> {
  const [first] = args;
  try {
    const known = first !== undefined && Object.hasOwn(commands, first);
    const names = known ? [first] : Object.keys(commands);
    return await runProgram(await Promise.all(names.map(load)), args);
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
