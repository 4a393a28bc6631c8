import { ByteWriter } from "./byte_writer.ts";
import type { BuilderSection } from "./build_layout.ts";
import type { ElfMachine } from "./constants.ts";

/** A function that gets an FDE: `size` bytes at `offset` of a section. */
export interface FrameSpec {
  readonly section: BuilderSection;
  readonly offset: number;
  /** In bytes. */
  readonly size: number;
}

/** DW_EH_PE_pcrel | DW_EH_PE_sdata4, DW_EH_PE_udata4 and DW_EH_PE_datarel | DW_EH_PE_sdata4. */
const PCREL_SDATA4 = 0x1b;
const UDATA4 = 0x03;
const DATAREL_SDATA4 = 0x3b;

/** The CIE every FDE refers to: the frame at a function's entry, as each ABI's call leaves it. */
function cie(machine: ElfMachine): Uint8Array {
  const out = new ByteWriter();
  // Version 1, augmentation "zR", code alignment 1, data alignment -8.
  out.u32(0).u8(1).string("zR").u8(1).sleb(-8);
  if (machine === "x86_64") {
    // Return address 16; CFA is rsp + 8, the return address lies at CFA - 8.
    out.u8(16).u8(1).u8(PCREL_SDATA4).u8(0x0c).u8(7).u8(8).u8(0x90).u8(1);
  } else {
    // Return address x30; CFA is sp.
    out.u8(30).u8(1).u8(PCREL_SDATA4).u8(0x0c).u8(31).u8(0);
  }
  return out.align(8).finish();
}

const FDE_SIZE = 24;

export function ehFrameSize(machine: ElfMachine, count: number): number {
  return 4 + cie(machine).length + count * FDE_SIZE + 4;
}

/** .eh_frame, once addresses are known. */
export function ehFrame(
  machine: ElfMachine,
  frames: readonly FrameSpec[],
  vaddr: number,
): Uint8Array {
  const common = cie(machine);
  const out = new ByteWriter().u32(common.length).raw(common);
  for (const { section, offset, size } of frames) {
    out.u32(FDE_SIZE - 4);
    out.u32(out.length);
    out.u32(section.address + offset - (vaddr + out.length)).u32(size);
    // No augmentation data; the rest is DW_CFA_nop.
    out.u64(0);
  }
  return out.u32(0).finish();
}

export function ehFrameHeaderSize(count: number): number {
  return 12 + 8 * count;
}

/** .eh_frame_hdr with its sorted search table, once addresses are known. */
export function ehFrameHeader(
  machine: ElfMachine,
  frames: readonly FrameSpec[],
  vaddr: number,
  ehFrameVaddr: number,
): Uint8Array {
  const first = ehFrameVaddr + 4 + cie(machine).length;
  const rows = frames.map(({ section, offset }, i) => ({
    start: section.address + offset,
    fde: first + i * FDE_SIZE,
  })).sort((a, b) => a.start - b.start);
  const out = new ByteWriter().u8(1).u8(PCREL_SDATA4).u8(UDATA4).u8(DATAREL_SDATA4);
  out.u32(ehFrameVaddr - (vaddr + 4)).u32(rows.length);
  for (const { start, fde } of rows) out.u32(start - vaddr).u32(fde - vaddr);
  return out.finish();
}
