// Executable compression: sizes at rest and in memory and what a start costs, for both architectures, on an
// embedded program or on one of your own roots, whose objects are packed as they are opened:
//   deno run -A scripts/experiments/unpack.ts [ROOT_X86_64 ROOT_AARCH64 PROGRAM [ARGS…]]
import {
  type GuestFile,
  linux,
  measure,
  type Module,
  packElf,
  type PackOptions,
  unpack,
} from "../../mod.ts";
import { alignRows, formatCount } from "../../sim/study/table.ts";
import { argumentsOf } from "./arguments.ts";
import { manyGuest } from "./guests_data.ts";

const PACKINGS: readonly (Required<PackOptions>)[] = [
  { codec: "deflate", blockSize: 2 ** 16 },
  { codec: "brotli", blockSize: 2 ** 16 },
  { codec: "zstd", blockSize: 2 ** 12 },
  { codec: "zstd", blockSize: 2 ** 16 },
  { codec: "zstd", blockSize: 2 ** 20 },
];

/** Packs every ELF file that is opened, as if it lay packed in the guest's file system. */
function packing(options: PackOptions, sizes: { plain: number; packed: number }): Module {
  const files = new Map<string, Uint8Array>();
  return {
    name: "packing",
    register: () => ({}),
    open: (from: GuestFile) => {
      if (from.bytes[0] !== 0x7f) return undefined;
      let bytes = files.get(from.identity);
      if (bytes === undefined) {
        files.set(from.identity, bytes = packElf(from.bytes, from.path, options));
        sizes.plain += from.bytes.length;
        sizes.packed += bytes.length;
      }
      const { path, realPath, identity, executable } = from;
      return { path, realPath, identity, executable, bytes, made: { from, fill: () => {} } };
    },
  };
}

const kilobytes = (bytes: number): string => formatCount(Math.round(bytes / 1024));
const note = (text: string) => console.error(text);

const [x86_64, aarch64, ...given] = await argumentsOf(import.meta.url);
const program = given.length > 0 ? given : ["/many/many"];
for (const arch of ["x86_64", "aarch64"] as const) {
  const root = { x86_64, aarch64 }[arch] ?? await manyGuest(arch);
  note(`${arch}: not packed`);
  const base = await measure(program, { root, modules: linux() });
  const memory = (counters: Readonly<Record<string, number>>) => 4096 * counters["frames.peak"];
  const rows = [
    ["KiB", "at rest", "", "decompressed", "", "codec ms", "faults", "reads", "linker's", "memory"],
    ["not packed", "", "", "", "", "", ...faults(base.counters), kilobytes(memory(base.counters))],
  ];
  for (const options of PACKINGS) {
    const sizes = { plain: 0, packed: 0 };
    const packed = packing(options, sizes);
    for (const when of ["lazily", "eagerly"] as const) {
      const name = `${options.codec} ${options.blockSize / 1024}K ${when}`;
      note(`${arch}: ${name}`);
      let milliseconds = 0;
      const unpacking = unpack({ when, report: (block) => milliseconds += block.milliseconds });
      const modules = [...linux(), unpacking, packed];
      const { counters, stdout, exit } = await measure(program, { root, modules });
      if (stdout !== base.stdout || exit !== base.exit) throw new Error(`${name}: another output`);
      const original = counters["linker.unpack.bytes.original"];
      rows.push([
        name,
        kilobytes(sizes.packed),
        `${(100 * sizes.packed / sizes.plain).toFixed(1)}%`,
        kilobytes(original),
        `${(100 * original / sizes.plain).toFixed(0)}%`,
        milliseconds.toFixed(0),
        ...faults(counters),
        kilobytes(memory(counters)),
      ]);
      rows[1][1] = kilobytes(sizes.plain);
    }
  }
  console.log(`${arch}: ${program.join(" ")}\n${alignRows(rows)}\n`);
}

function faults(counters: Readonly<Record<string, number>>): string[] {
  const names = ["faults.minor", "faults.major", "linker.faults.minor"];
  return names.map((name) => formatCount(counters[name]));
}
