/** `isthmus plan`: what the modular linker would do to a program. */
import { Machine } from "../../sim/machine.ts";
import { type CommandSpec, jsonOption, type Parsed, printJson, UsageError } from "./command.ts";
import { machineOf, machineOptions, type MachineValues } from "./machine_options.ts";

/** The options that a plan depends on. */
const OPTIONS = [
  "--root",
  "--linker",
  "--module",
  "--pipeline",
  "--env",
  "--cwd",
  "--user",
  "--mount",
];

async function run(
  { positional, values }: Parsed<MachineValues & { readonly json?: boolean }>,
): Promise<number> {
  if (values.linker === "guest") throw new UsageError("a plan is of Isthmus's linkers, not guest");
  const machine = await Machine.create(await machineOf(values));
  const plan = await machine.plan(positional[0]);
  const hash = await plan.hash();
  if (values.json) printJson({ hash, entries: plan.entries });
  else console.log(`${plan}\nhash ${hash}`);
  return 0;
}

const spec: CommandSpec<MachineValues> = {
  name: "plan",
  summary: "print which module handles which phase of which object",
  positional: [{ usage: "<program>", help: "path in the guest, or a name to look for in PATH" }],
  options: [
    ...machineOptions.filter(({ flags }) => OPTIONS.includes(flags.split(" ")[0])),
    jsonOption,
  ],
  example: "isthmus plan --root ./root --module ifed.concatenate /usr/bin/python3",
  run,
};

export default spec;
