/** `isthmus pack`: a program or library of the host, its segments compressed. */
import { type CodecName, CODECS, isPacked, packElf } from "../../modules/unpack/mod.ts";
import { formatCount } from "../../sim/study/table.ts";
import {
  type CommandSpec,
  jsonOption,
  oneOf,
  type Parsed,
  printJson,
  UsageError,
} from "./command.ts";
import { readHostFile, writeHostFile } from "./host_files.ts";

interface Values {
  readonly codec?: CodecName;
  readonly block?: number;
  readonly out?: string;
  readonly json?: boolean;
}

function blockSize(text: string): number {
  const [, digits, unit] = /^(\d+)([KM]?)$/.exec(text) ?? [];
  const size = Number(digits) * { "": 1, K: 2 ** 10, M: 2 ** 20 }[unit ?? ""]!;
  if (!(size >= 4096 && size <= 2 ** 26) || !Number.isInteger(Math.log2(size))) {
    throw new UsageError(`--block: ${text} is no power of two from 4K to 64M`);
  }
  return size;
}

function run({ positional: [file], values }: Parsed<Values>): number {
  const out = values.out ?? `${file}.packed`;
  const bytes = readHostFile(file);
  if (isPacked(bytes)) throw new UsageError(`${file} is packed already`);
  const packed = packElf(bytes, file, { codec: values.codec, blockSize: values.block });
  writeHostFile(out, packed);
  const sizes = { original: bytes.length, packed: packed.length };
  if (values.json) printJson({ file: out, ...sizes });
  else {
    const percent = (100 * packed.length / bytes.length).toFixed(1);
    console.log(
      `${out}: ${formatCount(bytes.length)} bytes became ${
        formatCount(packed.length)
      }, ${percent}%`,
    );
  }
  return 0;
}

const spec: CommandSpec<Values> = {
  name: "pack",
  summary: "compress an ELF program or library of the host, for the module unpack",
  positional: [{ usage: "<file>", help: "the program or library" }],
  options: [
    {
      flags: "--codec <codec>",
      help: `${CODECS.map(({ name }) => name).join(", ")} (default: zstd)`,
      parse: oneOf("--codec", CODECS.map(({ name }) => name)),
    },
    {
      flags: "--block <size>",
      help: "what is compressed together, 4K to 64M (default: 64K)",
      parse: blockSize,
    },
    { flags: "--out <file>", help: "where the copy goes (default: FILE.packed)" },
    jsonOption,
  ],
  example: "isthmus pack ./program --codec zstd --out ./program.packed",
  run,
};

export default spec;
