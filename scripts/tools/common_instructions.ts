/**
 * Lists the instructions that programs commonly execute, one for each handler of the cold tier that
 * they need, in `common_instructions/`: `common_handlers.ts` makes these handlers ahead. Bytes
 * outlive changes of the decode tables; a list is only made anew to widen it.
 */
import { Machine } from "../../sim/machine.ts";
import type { Arch } from "../../sim/arch.ts";
import { Engine } from "../../sim/cpu/engine.ts";
import { handlerKey, withFlagKind } from "../../sim/cpu/handlers.ts";
import { Decoded } from "../../sim/cpu/ir/decoded.ts";
import { RECORD_SIZE } from "../../sim/cpu/wasm/records.ts";
import { BytesInput, CapturedOutput } from "../../sim/kernel/fs/streams.ts";
import { architectures, listOf } from "./common_handlers.ts";

/** Programs of every day, shortly. */
const programs: readonly (readonly string[])[] = [
  ["/bin/true"],
  ["/bin/ls", "-l", "/", "/usr"],
  ["/bin/bash", "-c", "for i in 1 2 3; do echo $((i * i)) | cat; done"],
  ["/usr/bin/sort", "-r", "/etc/passwd"],
  ["/usr/bin/sed", "s/a.*b/c/", "/etc/passwd"],
  ["/usr/bin/grep", "-n", "r[o]*t", "/etc/passwd"],
  ["/usr/bin/gawk", "-F:", "{ s += $3 / 7 } END { print s, length($1) }", "/etc/passwd"],
  ["/usr/bin/gzip", "-c", "/etc/passwd"],
  ["/usr/bin/xz", "-c", "/etc/passwd"],
  ["/usr/bin/sha256sum", "/etc/passwd"],
  ["/usr/bin/find", "/usr/bin", "-name", "*.conf"],
  ["/usr/bin/tar", "-c", "/etc/passwd"],
  ["/usr/bin/lua5.4", "-e", "for i = 1, 9 do print(i / 2, ('x'):rep(i)) end"],
  ["/usr/bin/perl", "-e", "print join(',', sort { $b <=> $a } 1..10), 'abc' =~ /b/"],
  [
    "/usr/bin/python3",
    "-c",
    "import json, re; print(json.dumps([1, 2.5]), re.findall('a+', 'aab'))",
  ],
  ["/usr/bin/sqlite3", ":memory:", "create table t(x); insert into t values(1); select * from t"],
  ["/usr/bin/openssl", "dgst", "-sha256", "/etc/passwd"],
];

const roots = new URL("../../.cache/roots/", import.meta.url).pathname;
const rootOf = (arch: Arch): string => `${roots}bookworm-${arch === "x86_64" ? "amd64" : "arm64"}`;

/** The instructions that a program executed on `arch`, by handler, are added to `found`. */
async function collect(
  arch: Arch,
  argv: readonly string[],
  found: Map<number, string>,
): Promise<void> {
  const output = new CapturedOutput();
  const machine = await Machine.create({
    root: rootOf(arch),
    linker: "guest",
    cpu: "reference",
    streams: { stdin: new BytesInput(), stdout: output, stderr: output },
  });
  const { exit } = await machine.run(argv);
  if (exit !== 0) throw new Error(`${argv.join(" ")} on ${arch}: exit ${exit}`);
  const { cpu: engine } = machine.kernel;
  if (!(engine instanceof Engine)) throw new TypeError("a machine without an engine");
  const { blocks, handlers, isa } = engine;
  const words = new Uint32Array(engine.state.buffer);
  const bytes = new Uint8Array(engine.state.buffer);
  const d = new Decoded();
  for (const block of blocks.all) {
    if (!block.alive || block.frame2 >= 0) continue;
    for (let i = 0; i < block.count; i++) {
      blocks.decodeAt(block, i, d);
      const at = block.frame * 4096 + (block.pc % 4096) + blocks.offsetOf(block, i);
      const hex = bytes.subarray(at, at + d.length).toHex();
      const slot = words[(block.head + RECORD_SIZE * (i + 1)) >> 2];
      const key = handlerKey(d.row, d.statics, d.flow);
      const note = (key: number, text: string): void => {
        if (!found.has(key)) found.set(key, text);
      };
      note(key, hex);
      const kind = isa.flags.kinds.findIndex((_, k) =>
        handlers.find(withFlagKind(key, k))?.slot === slot
      );
      if (kind >= 0) note(withFlagKind(key, kind), `${hex}:${isa.flags.kinds[kind]}`);
    }
  }
}

/** Words in lines of at most 100 characters. */
function lines(words: readonly string[]): string {
  let text = "";
  let width = 0;
  for (const word of words) {
    const apart = width === 0 ? "" : width + 1 + word.length > 100 ? "\n" : " ";
    text += apart + word;
    width = apart === " " ? width + 1 + word.length : word.length;
  }
  return text + "\n";
}

if (import.meta.main) {
  for (const arch of architectures) {
    const folder = rootOf(arch);
    const made = await Deno.stat(folder).catch(() => null);
    if (made === null) {
      console.error(`common_instructions: there is no ${folder}; scripts/tools/rootfs.ts makes it`);
      Deno.exit(2);
    }
    const found = new Map<number, string>();
    for (const argv of programs) await collect(arch, argv, found);
    await Deno.writeTextFile(listOf(arch), lines([...found.values()].sort()));
    console.log(`${arch}: ${found.size} handlers`);
  }
}
