// Signatures: what verifying costs, and what is refused, for both architectures, on an embedded program:
//   deno run -A scripts/experiments/signatures.ts
import { generateKeys, linux, measure, signatures, signElf } from "../../mod.ts";
import { argumentsOf } from "./arguments.ts";
import { manyGuest } from "./guests_data.ts";

await argumentsOf(import.meta.url);

const mine = await generateKeys();
const other = await generateKeys();
const library = "/many/lib/libm09.so";
for (const arch of ["x86_64", "aarch64"] as const) {
  const plain = await manyGuest(arch);
  const root = new Map<string, Uint8Array>();
  console.error(`${arch}: signing ${plain.size} files`);
  for (const [path, bytes] of plain) root.set(path, await signElf(bytes, path, mine.privatePem));
  const tampered = root.get(library)!.slice();
  tampered[tampered.length >> 1] ^= 1;
  const cases: [string, Uint8Array][] = [
    ["signed", root.get(library)!],
    ["unsigned", plain.get(library)!],
    ["tampered", tampered],
    ["expired", await signElf(plain.get(library)!, library, mine.privatePem, 1e9)],
    ["foreign", await signElf(plain.get(library)!, library, other.privatePem)],
  ];
  for (const [name, bytes] of cases) {
    const { exit, stdout, stderr, counters } = await measure(["/many/many"], {
      root: new Map(root).set(library, bytes),
      modules: [...linux(), signatures({ keys: [mine.publicPem] })],
    });
    const verified = `${counters["linker.signatures.verified"]} files verified, ` +
      `${counters["linker.signatures.bytes"]} bytes`;
    const said = exit === 0 ? `${stdout.trim().split("\n").length} lines of output` : stderr.trim();
    console.log(`${arch} ${name.padEnd(9)} exit ${exit}, ${verified}: ${said}`);
  }
}
