/** `isthmus prove`: a program or library of the host with a proof of where its system calls are. */
import { withProof } from "../../modules/proofs/mod.ts";
import { type CommandSpec, jsonOption, type Parsed, printJson } from "./command.ts";
import { readHostFile, writeHostFile } from "./host_files.ts";

interface Values {
  readonly out?: string;
  readonly json?: boolean;
}

function run({ positional: [file], values }: Parsed<Values>): number {
  const out = values.out ?? `${file}.proved`;
  const { bytes, proof } = withProof(readHostFile(file), file);
  writeHostFile(out, bytes);
  const functions = proof.functions.length;
  const runs = proof.segments.flat().length;
  if (values.json) printJson({ file: out, functions, runs });
  else console.log(`${out}: system calls in ${functions} functions, a proof of ${runs} runs`);
  return 0;
}

const spec: CommandSpec<Values> = {
  name: "prove",
  summary: "prove where an ELF program or library of the host makes system calls",
  positional: [{ usage: "<file>", help: "the program or library" }],
  options: [
    { flags: "--out <file>", help: "where the copy goes (default: FILE.proved)" },
    jsonOption,
  ],
  example: "isthmus prove ./libfoo.so --out ./proved/libfoo.so",
  run,
};

export default spec;
