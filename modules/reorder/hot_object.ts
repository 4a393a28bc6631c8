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
    readonly survey: Survey;
  }[];
}

const CODE_ALIGNMENT = 16;
const DATAREL_SDATA4 = 0x3b;
const UDATA4 = 0x03;
const PCREL_SDATA4 = 0x1b;

/** Lays out copies of functions in the order given. */
export function buildHotObject(machine: ElfMachine, functions: readonly Chosen[]): HotObject {
  const builder = new ElfBuilder({ machine, pageSize: 0x1000, soname: HOT_TEXT });
  const table = new FrameTable<Survey>();
  let [text, jumps] = [0, 0];
  for (const [index, one] of functions.entries()) {
    table.add(one.survey, one.survey.frames, one.frame, index);
    text += (one.start - text) % CODE_ALIGNMENT & (CODE_ALIGNMENT - 1);
    one.copy = text;
    text += one.size;
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
    data: new Uint8Array(text),
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
  const rows: { start: number; frame: number }[] = [];
  const view = new DataView(frames.data.buffer);
  for (const { at, entry, of } of table.entries) {
    frames.data.set(entry.bytes, at);
    if (of < 0) continue;
    const { copy } = functions[of];
    view.setInt32(at + 8, copy - (frames.address + at + 8), true);
    rows.push({ start: copy, frame: frames.address + at });
  }
  const out = new ByteWriter().u8(1).u8(PCREL_SDATA4).u8(UDATA4).u8(DATAREL_SDATA4);
  out.u32(frames.address - (header.address + 4)).u32(rows.length);
  for (const { start, frame } of rows.sort((a, b) => a.start - b.start)) {
    out.u32(start - header.address).u32(frame - header.address);
  }
  header.data.set(out.finish());
  return {
    elf: ElfFile.parse(builder.write(), HOT_TEXT),
    functions,
    frames: table.entries.map(({ at, entry, owner }) => ({
      address: frames.address + at,
      entry,
      survey: owner,
    })),
  };
}
