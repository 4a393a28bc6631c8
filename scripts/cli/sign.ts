/** `isthmus sign`: a program or library of the host with a signature. */
import { signElf } from "../../modules/signatures/mod.ts";
import { type CommandSpec, jsonOption, type Parsed, printJson, UsageError } from "./command.ts";
import { readHostFile, writeHostFile } from "./host_files.ts";

interface Values {
  readonly key?: string;
  readonly expires?: number;
  readonly out?: string;
  readonly json?: boolean;
}

/** Seconds since 1970 of an ISO date. */
function date(text: string): number {
  const time = Date.parse(text);
  if (Number.isNaN(time) || time <= 0) {
    throw new UsageError(`--expires: ${text} is no date such as 2030-01-31`);
  }
  return Math.floor(time / 1000);
}

async function run({ positional: [file], values }: Parsed<Values>): Promise<number> {
  const { key, expires = 0, out = `${file}.signed` } = values;
  if (key === undefined) throw new UsageError("sign needs --key FILE, as make-keys writes it");
  const pem = new TextDecoder().decode(readHostFile(key));
  if (!pem.includes("-----BEGIN PRIVATE KEY-----")) {
    throw new UsageError(`--key: ${key} holds no private key in PEM`);
  }
  writeHostFile(out, await signElf(readHostFile(file), file, pem, expires));
  const until = expires === 0 ? undefined : new Date(expires * 1000).toISOString();
  if (values.json) printJson({ file: out, expires: until });
  else console.log(until === undefined ? out : `${out}, until ${until}`);
  return 0;
}

const spec: CommandSpec<Values> = {
  name: "sign",
  summary: "sign an ELF program or library of the host, for the module signatures",
  positional: [{ usage: "<file>", help: "the program or library" }],
  options: [
    { flags: "--key <file>", help: "the private key: Ed25519, PEM" },
    {
      flags: "--expires <date>",
      help: "until when the signature holds (default: for ever)",
      parse: date,
    },
    { flags: "--out <file>", help: "where the copy goes (default: FILE.signed)" },
    jsonOption,
  ],
  example: "isthmus sign ./program --key me.key --expires 2030-01-31",
  run,
};

export default spec;
