/** `isthmus unpack`: the file that `isthmus pack` compressed. */
import { unpackElf } from "../../modules/unpack/mod.ts";
import { type CommandSpec, jsonOption, type Parsed, printJson, UsageError } from "./command.ts";
import { readHostFile, writeHostFile } from "./host_files.ts";

interface Values {
  readonly out?: string;
  readonly json?: boolean;
}

function run({ positional: [file], values }: Parsed<Values>): number {
  const out = values.out ?? `${file}.unpacked`;
  const original = unpackElf(readHostFile(file), file);
  if (original === undefined) throw new UsageError(`${file} is not packed`);
  writeHostFile(out, original);
  if (values.json) printJson({ file: out, original: original.length });
  else console.log(out);
  return 0;
}

const spec: CommandSpec<Values> = {
  name: "unpack",
  summary: "restore a file that `isthmus pack` compressed",
  positional: [{ usage: "<file>", help: "the packed program or library" }],
  options: [
    { flags: "--out <file>", help: "where it goes (default: FILE.unpacked)" },
    jsonOption,
  ],
  example: "isthmus unpack ./program.packed --out ./program",
  run,
};

export default spec;
