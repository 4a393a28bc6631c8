/**
 * The commands as a program of commander; no other file knows that package. What is plain is run
 * without it: see `plain_arguments.ts`.
 */
import { Command, CommanderError, Option } from "../deps.ts";
import { type CommandSpec, type OptionSpec, UsageError } from "./command.ts";

/** Exit code of wrong usage. */
const USAGE = 2;

function optionOf({ flags, help, repeated, parse }: OptionSpec): Option {
  const option = new Option(flags, help);
  const value = parse ?? ((text: string) => text);
  if (repeated) {
    return option.argParser((text, before: unknown[] = []) => [...before, value(text)]);
  }
  return flags.includes("<") ? option.argParser(value) : option;
}

function commandOf(spec: CommandSpec, done: (code: number) => void): Command {
  const command = new Command(spec.name).summary(spec.summary).description(spec.summary);
  for (const { usage, help } of spec.positional) command.argument(usage, help);
  for (const option of spec.options) command.addOption(optionOf(option));
  command.addHelpText("after", `\nExample:\n  ${spec.example}`);
  if (spec.passThrough) command.passThroughOptions();
  // Commander passes the positional arguments one by one, then the options, then the command.
  return command.action(async (...all: unknown[]) => {
    const positional = all.slice(0, -2).flat().filter((text) => text !== undefined) as string[];
    const values = all.at(-2) as Record<string, unknown>;
    done(await spec.run({ positional, values }));
  });
}

/** Run the command that `args` names; answers the exit code. Throws what the command throws. */
export async function runProgram(
  specs: readonly CommandSpec[],
  args: readonly string[],
): Promise<number> {
  let code = 0;
  const program = new Command("isthmus")
    .description("A modular dynamic linker and a simulated computer to measure it on.")
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => console.log(text.trimEnd()),
      writeErr: () => {}, // The error itself has the text.
      outputError: () => {},
    });
  for (const spec of specs) {
    const command = commandOf(spec, (result) => code = result);
    program.addCommand(command.copyInheritedSettings(program));
  }
  try {
    await program.parseAsync(args, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return 0;
    if (error.code === "commander.help") {
      program.configureOutput({ writeErr: (text) => console.error(text.trimEnd()) });
      program.outputHelp({ error: true });
      return USAGE;
    }
    throw new UsageError(error.message.replace(/^error: /, ""));
  }
  return code;
}
