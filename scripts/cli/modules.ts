/** `isthmus modules`: the linker modules that `--module` knows by name. */
import { type CommandSpec, jsonOption, type Parsed, printJson } from "./command.ts";
import { namedModules } from "./module_specs.ts";

function run({ values }: Parsed<{ readonly json?: boolean }>): number {
  if (values.json) {
    printJson(
      namedModules.map(({ name, summary, options, usual = false }) => ({
        name,
        summary,
        options,
        usual,
      })),
    );
    return 0;
  }
  for (const { name, summary, options, usual } of namedModules) {
    console.log(`${name.padEnd(24)}${summary}${usual ? " (always there)" : ""}`);
    for (const [key, takes] of Object.entries(options)) {
      console.log(`${" ".repeat(24)}  ${key}= ${takes}`);
    }
  }
  return 0;
}

const spec: CommandSpec = {
  name: "modules",
  summary: "list the linker modules there are",
  positional: [],
  options: [jsonOption],
  example: "isthmus modules",
  run,
};

export default spec;
