/** `isthmus make-keys`: a pair of keys to sign with. */
import { generateKeys } from "../../modules/signatures/mod.ts";
import { type CommandSpec, jsonOption, type Parsed, printJson } from "./command.ts";
import { writeHostFile } from "./host_files.ts";

async function run(
  { positional: [name], values }: Parsed<{ readonly json?: boolean }>,
): Promise<number> {
  const { privatePem, publicPem } = await generateKeys();
  const encoder = new TextEncoder();
  const files = { private: `${name}.key`, public: `${name}.pub` };
  writeHostFile(files.private, encoder.encode(privatePem), 0o600);
  writeHostFile(files.public, encoder.encode(publicPem), 0o644);
  if (values.json) printJson(files);
  else console.log(`${files.private}\n${files.public}`);
  return 0;
}

const spec: CommandSpec = {
  name: "make-keys",
  summary: "make a pair of Ed25519 keys: NAME.key and NAME.pub",
  positional: [{ usage: "<name>", help: "what the files are called" }],
  options: [jsonOption],
  example: "isthmus make-keys me",
  run,
};

export default spec;
