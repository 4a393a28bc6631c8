import { assertEquals, assertThrows } from "@std/assert";
import {
  type CommandSpec,
  type Parsed,
  UsageError,
  wholeNumber,
} from "../../scripts/cli/command.ts";
import { plainArguments } from "../../scripts/cli/plain_arguments.ts";
import { runProgram } from "../../scripts/cli/program.ts";

const base: CommandSpec = {
  name: "do",
  summary: "does",
  positional: [
    { usage: "<program>", help: "" },
    { usage: "[args...]", help: "" },
  ],
  options: [
    { flags: "--text <text>", help: "" },
    { flags: "--big-number <n>", help: "", parse: wholeNumber("--big-number") },
    { flags: "--each <name>", help: "", repeated: true },
    { flags: "--flag", help: "" },
  ],
  example: "do it",
  run: () => 0,
};
const commands: Record<string, CommandSpec> = {
  "everything after the program is the program's": { ...base, passThrough: true },
  "options anywhere": base,
  "one argument": { ...base, positional: base.positional.slice(0, 1) },
  "no arguments": { ...base, positional: [] },
};

/** What commander makes of a command line; null if it refuses it. */
async function byCommander(spec: CommandSpec, args: readonly string[]): Promise<Parsed | null> {
  let parsed: Parsed | null = null;
  const run = (got: Parsed) => {
    parsed = { positional: got.positional, values: { ...got.values } };
    return 0;
  };
  try {
    await runProgram([{ ...spec, run }], ["do", ...args]);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
  }
  return parsed;
}

const lines = [
  "",
  "a",
  "a b",
  "a --flag -x",
  "--flag a",
  "--flag=1 a",
  "--text x a --text y",
  "--text=x=y a",
  "--text= a",
  "--text -- a",
  "--text --flag a",
  "--text",
  "--each 1 --each=2 a",
  "--big-number 7 --text t -- a --text b",
  "a -- b",
  "a -- --flag",
  "- a",
  "-- -a",
  "--",
  "--unknown a",
  "-f a",
  "--fla a",
  "--flag --flag a b c",
];

for (const [name, spec] of Object.entries(commands)) {
  Deno.test(`plain command lines are read as commander reads them: ${name}`, async () => {
    for (const line of lines) {
      const args = line === "" ? [] : line.split(" ");
      assertEquals(plainArguments(spec, args), await byCommander(spec, args), line);
    }
  });
}

Deno.test("help is not plain; a value that is wrong is an error", () => {
  assertEquals(plainArguments(base, ["--help"]), null);
  assertEquals(plainArguments(base, ["-h", "a"]), null);
  assertThrows(() => plainArguments(base, ["--big-number", "x", "a"]), UsageError, "--big-number");
});
