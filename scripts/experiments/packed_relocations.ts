// Packed relocations: sizes of tables and files, pages dirtied and time to decode, for both architectures, on
// an embedded program or on one of your own roots, whose objects are packed as they are opened:
//   deno run -A scripts/experiments/packed_relocations.ts [ROOT_X86_64 ROOT_AARCH64 PROGRAM [ARGS…]]
import {
  ElfFile,
  type GuestFile,
  linux,
  measure,
  type Module,
  packedRelocations,
  packRelocations,
} from "../../mod.ts";
import { FORMATS, type PackedFormat } from "../../modules/packed_relocations/mod.ts";
import { alignRows, formatCount } from "../../sim/study/table.ts";
import { argumentsOf } from "./arguments.ts";
import { manyGuest } from "./guests_data.ts";

/** A module that packs the relocations of every ELF file that is opened, as if it lay so in the file system. */
function packing(format: PackedFormat | undefined, files: Map<string, Uint8Array>) {
  const packing = {
    /** Bytes of all tables but the PLT's. */
    tables: 0,
    module: { name: "packing", register: () => ({}), open } satisfies Module,
  };
  return packing;

  function open(from: GuestFile): GuestFile | undefined {
    // The guest's loader relocates itself, from records.
    if (from.bytes[0] !== 0x7f || /\/ld-/.test(from.realPath)) return undefined;
    let bytes = files.get(from.identity);
    if (bytes === undefined) {
      const packed = packRelocations(from.bytes, from.path, { format: format ?? "relr" });
      bytes = format === undefined ? from.bytes : packed.bytes;
      files.set(from.identity, bytes);
      packing.tables += format === undefined ? packed.before : packed.after;
    }
    const { path, realPath, identity, executable } = from;
    return { path, realPath, identity, executable, bytes, made: { from, fill: () => {} } };
  }
}

/** Least time of several to read the relocation tables of some files, in milliseconds. */
function decoding(files: readonly Uint8Array[]): number {
  let best = Infinity;
  for (let i = 0; i < 10; i++) {
    const started = performance.now();
    for (const bytes of files) ElfFile.parse(bytes, "file").relocationTables;
    best = Math.min(best, performance.now() - started);
  }
  return best;
}

function total(files: Iterable<Uint8Array>): number {
  return [...files].reduce((sum, { length }) => sum + length, 0);
}

const kilobytes = (bytes: number): string => formatCount(Math.round(bytes / 1024));

const [x86_64, aarch64, ...given] = await argumentsOf(import.meta.url);
const program = given.length > 0 ? given : ["/many/many"];
for (const arch of ["x86_64", "aarch64"] as const) {
  const root = { x86_64, aarch64 }[arch] ?? await manyGuest(arch);
  const rows = [[
    "format, relative ones at",
    "tables KiB",
    "files KiB",
    "pages dirtied",
    "memory KiB",
    "decoding ms",
  ]];
  let expected: string | undefined;
  for (const format of [undefined, ...FORMATS]) {
    for (const when of ["start", "touch"] as const) {
      const name = `${format ?? "rela"} ${when}`;
      if (format === undefined && when === "touch") continue;
      console.error(`${arch}: ${name}`);
      const files = new Map<string, Uint8Array>();
      const packed = packing(format, files);
      const modules = [...linux(), packedRelocations({ when }), packed.module];
      const { counters, stdout, exit } = await measure(program, { root, modules });
      expected ??= stdout;
      if (stdout !== expected || exit !== 0) throw new Error(`${name}: another output`);
      rows.push([
        name,
        kilobytes(packed.tables),
        kilobytes(total(files.values())),
        formatCount(counters["linker.pages.dirtied"]),
        kilobytes(4096 * counters["frames.peak"]),
        decoding([...files.values()]).toFixed(1),
      ]);
    }
  }
  console.log(`${arch}: ${program.join(" ")}\n${alignRows(rows)}\n`);
}
