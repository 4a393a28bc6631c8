import { ByteWriter } from "./byte_writer.ts";

/** A relocation whose address is known. */
export interface PlacedRelocation {
  readonly offset: number;
  readonly type: number;
  readonly symbol: number;
  readonly addend: number;
}

/** Elf64_Rela records, or Elf64_Rel ones, whose addends the caller stores at their places. */
export function encodeRecords(
  relocations: readonly PlacedRelocation[],
  explicit: boolean,
): Uint8Array {
  const out = new ByteWriter();
  for (const { offset, type, symbol, addend } of relocations) {
    out.u64(offset).u32(type).u32(symbol);
    if (explicit) out.u64(addend);
  }
  return out.finish();
}

/** RELR words for ascending, 8-byte aligned addresses (gABI, SHT_RELR). */
export function encodeRelr(offsets: readonly number[]): Uint8Array {
  const out = new ByteWriter();
  for (let i = 0; i < offsets.length;) {
    out.u64(offsets[i]);
    let next = offsets[i++] + 8;
    for (;;) {
      let low = 1;
      let high = 0;
      const first = i;
      for (; i < offsets.length && offsets[i] - next < 63 * 8; i++) {
        const bit = 1 + (offsets[i] - next) / 8;
        if (bit < 32) low |= 1 << bit;
        else high |= 1 << (bit - 32);
      }
      if (i === first) break;
      out.u32(low >>> 0).u32(high >>> 0);
      next += 63 * 8;
    }
  }
  return out.finish();
}

const GROUPED_BY_INFO = 1;
const GROUPED_BY_OFFSET_DELTA = 2;
const GROUP_HAS_ADDEND = 8;

/**
 * Android's packed relocations, format "APS2": runs of equal info, and within them of equal distance,
 * become groups. The order of the relocations is kept.
 */
export function encodeAndroid(
  relocations: readonly PlacedRelocation[],
  explicit: boolean,
): Uint8Array {
  const out = new ByteWriter().raw(new TextEncoder().encode("APS2"));
  out.sleb(relocations.length).sleb(0);
  let place = 0;
  let addend = 0;
  for (let i = 0; i < relocations.length;) {
    const first = relocations[i];
    const delta = first.offset - place;
    let uniform = i + 1;
    let end = i + 1;
    for (; end < relocations.length; end++) {
      const r = relocations[end];
      if (r.type !== first.type || r.symbol !== first.symbol) break;
      const same = r.offset - relocations[end - 1].offset === delta;
      if (same && uniform === end) uniform = end + 1;
    }
    const byDelta = uniform - i > 1;
    if (byDelta) end = uniform;
    out.sleb(end - i);
    out.sleb(
      GROUPED_BY_INFO | (byDelta ? GROUPED_BY_OFFSET_DELTA : 0) | (explicit ? GROUP_HAS_ADDEND : 0),
    );
    if (byDelta) out.sleb(delta);
    out.sleb(first.symbol * 0x1_0000_0000 + first.type);
    for (; i < end; i++) {
      const r = relocations[i];
      if (!byDelta) out.sleb(r.offset - place);
      if (explicit) out.sleb(r.addend - addend);
      place = r.offset;
      addend = r.addend;
    }
  }
  return out.finish();
}
