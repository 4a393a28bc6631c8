import { ElfBuilder, ElfFile, type ElfMachine, STB_LOCAL, STT_FUNC } from "../../lib/elf/mod.ts";
import { ByteWriter } from "../../lib/elf/byte_writer.ts";
import { type FrameEntry, FrameTable } from "./frames.ts";
import type { Hot } from "./profile.ts";
import type { Movable, Survey } from "./survey.ts";

export const HOT_TEXT = "[hot text]";

/** A function chosen to be copied, and where its copy is in the object with the copies. */
export interface Chosen extends Movable, Hot {
  readonly survey: Survey;
  /** Addresses of its copy, and of the copies of its jump tables. */
  copy: number;
  tables: number[];
}

/** An object in memory with room for copies of functions, and their unwind entries. */
export interface HotObject {
  readonly elf: ElfFile;
  readonly functions: readonly Chosen[];
  /** Unwind entries by their addresses, with the object that they are copied from. */
  readonly frames: readonly {
    readonly address: number;
    readonly entry: FrameEntry;
    /** The function that it is of; common ones have none. */
    readonly of: Chosen | undefined;
    readonly survey: Survey;
  }[];
  /** Addresses of the copies' area, of the search table of unwind entries, and of the first of these. */
  readonly text: number;
  readonly header: number;
  readonly firstFrame: number;
}

const CODE_ALIGNMENT = 16;
const DATAREL_SDATA4 = 0x3b;
const UDATA4 = 0x03;
const PCREL_SDATA4 = 0x1b;

export interface HotObjectOptions {
  /** Bytes of a page, which each segment begins with. */
  readonly pageSize: number;
  readonly name?: string;
  /** Bytes of the area, where functions lie at the offsets that they have as their `copy`. */
  readonly area?: number;
}

/** Lays out copies of functions, one after the other in the order given if there is no area. */
export function buildHotObject(
  machine: ElfMachine,
  functions: readonly Chosen[],
  { pageSize, name: soname = HOT_TEXT, area }: HotObjectOptions,
): HotObject {
  const builder = new ElfBuilder({ machine, pageSize, soname });
  const table = new FrameTable<Survey>();
  let [text, jumps] = [0, 0];
  for (const [index, one] of functions.entries()) {
    table.add(one.survey, one.survey.frames, one.frame, index);
    if (area === undefined) {
      text += (one.start - text) % CODE_ALIGNMENT & (CODE_ALIGNMENT - 1);
      one.copy = text;
      text += one.size;
    }
    one.tables = one.code.tables.map(({ targets }) => {
      jumps += 4 * targets.length;
      return jumps - 4 * targets.length;
    });
  }
  const header = builder.section({
    name: ".eh_frame_hdr",
    data: new Uint8Array(12 + 8 * functions.length),
    align: 4,
  });
  const frames = builder.section({ name: ".eh_frame", data: new Uint8Array(table.size) });
  const rodata = builder.section({ name: ".rodata", data: new Uint8Array(Math.max(jumps, 4)) });
  const code = builder.section({
    name: ".text",
    access: "x",
    ...area === undefined ? { data: new Uint8Array(text) } : { size: area },
    align: 64,
  });
  for (const { name, copy, size } of functions) {
    builder.symbol({ name, section: code, value: copy, size, type: STT_FUNC, bind: STB_LOCAL });
  }
  builder.layout();
  for (const one of functions) {
    one.copy += code.address;
    one.tables = one.tables.map((offset) => offset + rodata.address);
  }
  for (const { at, entry } of table.entries) frames.data.set(entry.bytes, at);
  const hot = {
    functions,
    frames: table.entries.map(({ at, entry, of, owner }) => ({
      address: frames.address + at,
      entry,
      of: functions[of],
      survey: owner,
    })),
    text: code.address,
    header: header.address,
    firstFrame: frames.address,
  };
  const view = new DataView(frames.data.buffer);
  for (const { at, distance } of frameStarts(hot)) {
    view.setInt32(at - frames.address, distance, true);
  }
  header.data.set(frameHeader(hot));
  return { ...hot, elf: ElfFile.parse(builder.write(), soname) };
}

/** What unwind entries say of where their functions begin, by the addresses of the words that say it. */
export function* frameStarts(
  { frames }: Pick<HotObject, "frames">,
): Generator<{ at: number; distance: number }> {
  for (const { address, of } of frames) {
    if (of !== undefined) yield { at: address + 8, distance: of.copy - (address + 8) };
  }
}

/** .eh_frame_hdr: the entries' search table, sorted by where functions are. */
export function frameHeader(
  { frames, header, firstFrame }: Pick<HotObject, "frames" | "header" | "firstFrame">,
): Uint8Array {
  const rows = frames.flatMap(({ address, of }) => of === undefined ? [] : [[of.copy, address]]);
  const out = new ByteWriter().u8(1).u8(PCREL_SDATA4).u8(UDATA4).u8(DATAREL_SDATA4);
  out.u32(firstFrame - (header + 4)).u32(rows.length);
  for (const [start, frame] of rows.sort((a, b) => a[0] - b[0])) {
    out.u32(start - header).u32(frame - header);
  }
  return out.finish();
}
