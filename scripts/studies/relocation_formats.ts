// What formats of relocations cost: plain RELA, and RELR, APS2 and CREL, applied at the start or when a page is first
// touched. Objects are packed as they are opened.
//   deno run -A scripts/studies/relocation_formats.ts [--root DIR] [--html FILE] [PROGRAM [ARGS…]]
import {
  type GuestFile,
  linux,
  type MeasureOptions,
  type Module,
  packedRelocations,
  packRelocations,
} from "../../mod.ts";
import { FORMATS, type PackedFormat } from "../../modules/packed_relocations/mod.ts";
import { formatChange, formatCount } from "../../sim/study/table.ts";
import { bars } from "../report/plots.ts";
import { deltas, manifests } from "../report/sections.ts";
import { conclude, countOf, targets, variants } from "./study.ts";

/** A module that packs every ELF file as it is opened; `sizes` has the bytes of each file's tables. */
function packing(format: PackedFormat, sizes: Map<string, number>): Module {
  const packed = new Map<string, Uint8Array>();
  const open = (from: GuestFile): GuestFile | undefined => {
    // The guest's loader relocates itself, from records.
    if (from.bytes[0] !== 0x7f || /\/ld-/.test(from.realPath)) return undefined;
    let bytes = packed.get(from.identity);
    if (bytes === undefined) {
      const made = packRelocations(from.bytes, from.path, { format });
      packed.set(from.identity, bytes = made.bytes);
      sizes.set(from.identity, made.after);
      before.set(from.identity, made.before);
    }
    const { path, realPath, identity, executable } = from;
    return { path, realPath, identity, executable, bytes, made: { from, fill: () => {} } };
  };
  return { name: "packing", register: () => ({}), open };
}
let before = new Map<string, number>();
const sum = (sizes: ReadonlyMap<string, number>): number =>
  [...sizes.values()].reduce((a, b) => a + b, 0);

const findings: string[] = [];
const shown = [];
const sections = [];
for (const target of await targets(["many/many", "1"])) {
  before = new Map();
  const sizes = new Map<string, Map<string, number>>();
  const machines: Record<string, MeasureOptions> = { rela: { modules: linux() } };
  for (const format of FORMATS) {
    for (const when of ["start", "touch"] as const) {
      const name = `${format}, ${when}`;
      const own = new Map<string, number>();
      sizes.set(name, own);
      machines[name] = {
        modules: [...linux(), packedRelocations({ when }), packing(format, own)],
      };
    }
  }
  const sides = await variants(target, machines);
  const bytes = ({ name }: { readonly name: string }) => sum(sizes.get(name) ?? before);
  const [rela] = sides;
  const rows = [["format", "tables, bytes", "pages dirtied", "faults of the linker", "frames"]];
  for (const side of sides) {
    const { counters } = side;
    rows.push([
      side.name,
      ...[
        bytes(side),
        counters["linker.pages.dirtied"],
        counters["linker.faults.minor"],
        counters["frames.peak"],
      ].map(formatCount),
    ]);
  }
  shown.push({ title: target.name, rows });
  const atStart = sides.filter(({ name }) => name.endsWith(", start"));
  const tables = atStart.map((side) =>
    `${side.name.split(",")[0]} ${formatChange(bytes(rela), bytes(side))}`
  );
  const touch = sides.find(({ name }) => name === `${FORMATS[0]}, touch`)!;
  const change = (counter: string) => formatChange(countOf(rela, counter), countOf(touch, counter));
  findings.push(
    `${target.name}: tables against rela: ${tables.join(", ")}`,
    `${target.name}: applied at first touch: pages dirtied ${change("linker.pages.dirtied")}, ` +
      `frames ${change("frames.peak")}`,
  );
  const values = sides.map((side) => ({ side: "tables", group: side.name, value: bytes(side) }));
  sections.push(
    {
      title: `${target.name}: bytes of relocation tables`,
      plots: [bars(values, { x: "bytes", sides: ["tables"] })],
    },
    deltas(sides),
    ...manifests(sides.slice(0, 1)),
  );
}
await conclude({ title: "relocation_formats", findings, tables: shown, sections });
