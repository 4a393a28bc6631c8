import {
  DT_DEBUG,
  DT_GNU_HASH,
  DT_HASH,
  DT_JMPREL,
  DT_PLTGOT,
  DT_REL,
  DT_RELA,
  DT_STRTAB,
  DT_SYMTAB,
  DT_VERSYM,
  DYN_SIZE,
  PF_W,
  PT_DYNAMIC,
} from "../../lib/elf/mod.ts";
import { type LinkContext, LinkError, type LinkObject } from "../../lib/linker/mod.ts";
import { headersOf } from "../sysv/early_start.ts";
import { wordBytes } from "./guest_heap.ts";
import {
  extentOf,
  findMapLayout,
  MAP_ADDR,
  MAP_NEXT,
  MAP_PREV,
  MAP_SIZE,
  type MapLayout,
} from "./map_layout.ts";
import { gnuStateOf } from "./state.ts";

const REASON = "link map";

/** Entries of a dynamic section that ld.so replaces by guest addresses (glibc, get-dynamic-info.h). */
const ADDRESS_TAGS = new Set([
  DT_HASH,
  DT_PLTGOT,
  DT_STRTAB,
  DT_SYMTAB,
  DT_RELA,
  DT_REL,
  DT_JMPREL,
  DT_VERSYM,
  DT_GNU_HASH,
]);

/** Offset of `r_map` in the `struct r_debug` that debuggers read. */
const R_MAP = 8;

/**
 * Takes over the list of link maps: the program's own map, which the guest's loader made, and behind it one
 * for every other object.
 */
export function adoptLinkMaps(link: LinkContext): void {
  const state = gnuStateOf(link);
  const debug = symbolAddress(link, state.loader!, "_r_debug");
  const first = link.readI64(debug + R_MAP);
  if (first === 0) throw new LinkError("the guest's loader has no link map of the program");
  state.maps.set(link.program, first);
  state.layout = findMapLayout(link, link.program, first, state.standIn!);
  for (const object of link.objects) {
    if (object !== link.program && object !== state.runtime) addLinkMap(link, object);
  }
  adjustDynamic(link, link.program, debug);
}

/** Makes an object's link map and puts it at the end of the list. */
export function addLinkMap(link: LinkContext, object: LinkObject): void {
  const { maps, heap, layout, loader } = gnuStateOf(link);
  const at = heap.allocate(link, MAP_SIZE);
  link.patch(at, describe(link, object, layout!, at), REASON);
  const last = lastMap(link);
  link.patch(last + MAP_NEXT, wordBytes([at]), REASON);
  link.patch(at + MAP_PREV, wordBytes([last]), REASON);
  maps.set(object, at);
  // The guest's loader has adjusted its own.
  if (object !== loader) adjustDynamic(link, object);
}

/** Takes an object's link map out of the list. */
export function removeLinkMap(link: LinkContext, object: LinkObject): void {
  const { maps, heap } = gnuStateOf(link);
  const at = maps.get(object);
  if (at === undefined) return;
  const next = link.readI64(at + MAP_NEXT);
  const previous = link.readI64(at + MAP_PREV);
  link.patch(previous + MAP_NEXT, wordBytes([next]), REASON);
  if (next !== 0) link.patch(next + MAP_PREV, wordBytes([previous]), REASON);
  maps.delete(object);
  heap.release(link, link.readI64(at + 8));
  heap.release(link, at);
}

/** The object a guest link map describes. */
export function objectOfMap(link: LinkContext, map: number): LinkObject | undefined {
  for (const [object, at] of gnuStateOf(link).maps) if (at === map) return object;
  return undefined;
}

/** Guest address of a symbol that an object defines. */
export function symbolAddress(link: LinkContext, object: LinkObject, name: string): number {
  const symbol = object.elf.lookup(name, { newest: true });
  if (symbol === undefined) throw new LinkError(`${object.path} does not define ${name}`);
  return link.base(object) + symbol.value;
}

function lastMap(link: LinkContext): number {
  let at = gnuStateOf(link).maps.get(link.program)!;
  for (;;) {
    const next = link.readI64(at + MAP_NEXT);
    if (next === 0) return at;
    at = next;
  }
}

function describe(
  link: LinkContext,
  object: LinkObject,
  layout: MapLayout,
  at: number,
): Uint8Array {
  const bytes = new Uint8Array(MAP_SIZE);
  const put = (offset: number, values: readonly number[]): void =>
    bytes.set(wordBytes(values), offset);
  const base = link.base(object);
  const dynamic = object.elf.dynamic;
  const name = gnuStateOf(link).heap.string(link, object.path);
  put(MAP_ADDR, [base, name, dynamic === undefined ? 0 : base + dynamic.vaddr]);
  for (const self of layout.self) put(self, [at]);
  dynamic?.entries.forEach(({ tag }, index) => {
    const place = layout.info.get(tag);
    if (place !== undefined) put(place, [base + dynamic.vaddr + index * DYN_SIZE]);
  });
  if (layout.headers !== undefined) {
    put(layout.headers, [headersOf(link, object), base + object.elf.header.entry]);
    new DataView(bytes.buffer).setUint16(layout.headers + 16, object.elf.header.phnum, true);
  }
  if (layout.extent !== undefined) {
    const { start, end } = extentOf(link, object);
    put(layout.extent, [start, end]);
  }
  describeHash(link, object, layout, bytes);
  return bytes;
}

function describeHash(
  link: LinkContext,
  object: LinkObject,
  { gnuHash }: MapLayout,
  bytes: Uint8Array,
): void {
  const table = object.elf.gnuHashTable;
  if (gnuHash === undefined || table === undefined) return;
  const view = new DataView(bytes.buffer);
  view.setUint32(gnuHash, table.bucketCount, true);
  view.setUint32(gnuHash + 4, table.bloomWords - 1, true);
  view.setUint32(gnuHash + 8, table.bloomShift, true);
  const bloom = link.base(object) + object.elf.dynamic!.value(DT_GNU_HASH)! + 16;
  const buckets = bloom + 8 * table.bloomWords;
  const chains = buckets + 4 * table.bucketCount;
  bytes.set(wordBytes([bloom, buckets, chains - 4 * table.symbolOffset]), gnuHash + 12);
}

/** Does to an object's dynamic section what ld.so does: guest addresses, and where debuggers look. */
function adjustDynamic(link: LinkContext, object: LinkObject, debug?: number): void {
  const { dynamic, segments } = object.elf;
  const segment = segments.find(({ type }) => type === PT_DYNAMIC);
  if (dynamic === undefined || segment === undefined || (segment.flags & PF_W) === 0) return;
  const base = link.base(object);
  dynamic.entries.forEach(({ tag, value }, index) => {
    const at = base + dynamic.vaddr + index * DYN_SIZE + 8;
    if (ADDRESS_TAGS.has(tag)) link.patch(at, wordBytes([base + value]), REASON);
    else if (tag === DT_DEBUG && debug !== undefined) link.patch(at, wordBytes([debug]), REASON);
  });
}
