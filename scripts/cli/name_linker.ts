/** `isthmus name-linker`: a copy of a program that asks for its linker by name. */
import { isLinkerName, withLinkerName } from "../../lib/elf/mod.ts";
import { type CommandSpec, jsonOption, type Parsed, printJson, UsageError } from "./command.ts";
import { readHostFile, writeHostFile } from "./host_files.ts";

interface Values {
  readonly out?: string;
  readonly json?: boolean;
}

function run({ positional: [file, linker], values }: Parsed<Values>): number {
  const out = values.out ?? `${file}.${linker}`;
  if (!isLinkerName(linker)) throw new UsageError(`${JSON.stringify(linker)} is no linker's name`);
  const bytes = readHostFile(file);
  const named = withLinkerName(bytes, linker, file);
  writeHostFile(out, named);
  if (values.json) printJson({ file: out, linker });
  else console.log(out);
  return 0;
}

const spec: CommandSpec<Values> = {
  name: "name-linker",
  summary: "copy an ELF program of the host, with the name of the linker that is to link it",
  positional: [
    { usage: "<file>", help: "the program" },
    { usage: "<linker>", help: "guest, modular, or a name of --pipeline" },
  ],
  options: [
    { flags: "--out <file>", help: "where the copy goes (default: FILE.LINKER)" },
    jsonOption,
  ],
  example: "isthmus name-linker ./program modular --out ./program.modular",
  run,
};

export default spec;
