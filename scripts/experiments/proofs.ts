// Proof-carrying code: proofs of where system calls are, made and checked, for both architectures, on an embedded
// program or on one of your own roots, whose objects are proved as they are opened:
//   deno run -A scripts/experiments/proofs.ts [ROOT_X86_64 ROOT_AARCH64 PROGRAM [ARGS…]]
import {
  ElfFile,
  type GuestFile,
  linux,
  measure,
  type Module,
  proofs,
  withProof,
} from "../../mod.ts";
import { alignRows, formatCount } from "../../sim/study/table.ts";
import { argumentsOf } from "./arguments.ts";
import { manyGuest } from "./guests_data.ts";

const [x86_64, aarch64, ...given] = await argumentsOf(import.meta.url);
const program = given.length > 0 ? given : ["/many/many"];
for (const arch of ["x86_64", "aarch64"] as const) {
  const root = { x86_64, aarch64 }[arch] ?? await manyGuest(arch);
  const rows = [["object", "code bytes", "proof bytes", "functions", "proving ms"]];
  const made = new Map<string, Uint8Array>();
  const proving: Module = {
    name: "proving",
    register: () => ({}),
    open: (from: GuestFile) => {
      if (from.bytes[0] !== 0x7f) return undefined;
      let bytes = made.get(from.identity);
      if (bytes === undefined) {
        console.error(`${arch}: ${from.path}`);
        const started = performance.now();
        const proved = withProof(from.bytes, from.path);
        const milliseconds = performance.now() - started;
        made.set(from.identity, bytes = proved.bytes);
        const elf = ElfFile.parse(bytes, from.path);
        const code = elf.loadSegments.filter(({ flags }) => (flags & 1) !== 0);
        rows.push([
          from.path,
          formatCount(code.reduce((sum, { filesz }) => sum + filesz, 0)),
          formatCount(elf.section(".isthmus.proof")!.size),
          formatCount(proved.proof.functions.length),
          milliseconds.toFixed(0),
        ]);
      }
      const { path, realPath, identity, executable } = from;
      return { path, realPath, identity, executable, bytes, made: { from, fill: () => {} } };
    },
  };
  const syscalls = ["libtiny.so", "libc.so.6", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"];
  const { exit, counters } = await measure(program, {
    root,
    modules: [...linux(), proofs({ syscalls }), proving],
  });
  console.log(`${arch}: ${program.join(" ")}\n${alignRows(rows)}`);
  console.log(`exit ${exit}, ${counters["linker.proofs.verified"]} proofs verified\n`);
}
