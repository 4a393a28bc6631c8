/** `isthmus pack-relocations`: a program or library of the host with its relocations packed. */
import {
  FORMATS,
  type PackedFormat,
  packRelocations,
} from "../../modules/packed_relocations/mod.ts";
import { formatCount } from "../../sim/study/table.ts";
import { type CommandSpec, jsonOption, oneOf, type Parsed, printJson } from "./command.ts";
import { readHostFile, writeHostFile } from "./host_files.ts";

interface Values {
  readonly format?: PackedFormat;
  readonly keepSize?: boolean;
  readonly out?: string;
  readonly json?: boolean;
}

function run({ positional: [file], values }: Parsed<Values>): number {
  const { format = "relr+aps2", keepSize = false, out = `${file}.${format}` } = values;
  const bytes = readHostFile(file);
  const packed = packRelocations(bytes, file, { format, shrink: !keepSize });
  writeHostFile(out, packed.bytes);
  const { before, after } = packed;
  if (values.json) printJson({ file: out, before, after, size: packed.bytes.length });
  else {
    console.log(
      `${out}: relocations ${formatCount(before)} -> ${formatCount(after)} bytes, ` +
        `file ${formatCount(bytes.length)} -> ${formatCount(packed.bytes.length)}`,
    );
  }
  return 0;
}

const spec: CommandSpec<Values> = {
  name: "pack-relocations",
  summary: "pack the relocations of an ELF program or library of the host",
  positional: [{ usage: "<file>", help: "the program or library" }],
  options: [
    {
      flags: "--format <format>",
      help: `${FORMATS.join(", ")} (default: relr+aps2)`,
      parse: oneOf("--format", FORMATS),
    },
    { flags: "--keep-size", help: "leave the bytes that become free in the file" },
    { flags: "--out <file>", help: "where the copy goes (default: FILE.FORMAT)" },
    jsonOption,
  ],
  example: "isthmus pack-relocations ./libfoo.so --format relr+crel --out ./packed/libfoo.so",
  run,
};

export default spec;
