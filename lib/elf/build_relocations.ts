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
/** Relocations of equal info, and equally far apart, from which on a group of their own is shorter. */
const WORTH_INFO = 3;
const WORTH_DELTA = 6;

/**
 * Android's packed relocations, format "APS2": runs of equal info, and of equal distance within them, become
 * groups; what lies between such runs is a group of its own. The order of the relocations is kept.
 */
export function encodeAndroid(
  relocations: readonly PlacedRelocation[],
  explicit: boolean,
): Uint8Array {
  const out = new ByteWriter().raw(new TextEncoder().encode("APS2"));
  out.sleb(relocations.length).sleb(0);
  const infoRuns = runs(relocations.length, (i) => sameInfo(relocations, i));
  const deltaRuns = runs(
    relocations.length,
    (i) => sameInfo(relocations, i) && deltaOf(relocations, i) === deltaOf(relocations, i - 1),
  );
  let place = 0;
  let addend = 0;
  for (let i = 0; i < relocations.length;) {
    const first = relocations[i];
    const byDelta = deltaRuns[i] >= WORTH_DELTA;
    const byInfo = byDelta || infoRuns[i] >= WORTH_INFO;
    let end = i + 1;
    if (byDelta) end = i + deltaRuns[i];
    else if (byInfo) {
      const last = i + infoRuns[i];
      while (end < last && deltaRuns[end] < WORTH_DELTA) end++;
    } else while (end < relocations.length && infoRuns[end] < WORTH_INFO) end++;
    out.sleb(end - i);
    out.sleb(
      (byInfo ? GROUPED_BY_INFO : 0) | (byDelta ? GROUPED_BY_OFFSET_DELTA : 0) |
        (explicit ? GROUP_HAS_ADDEND : 0),
    );
    if (byDelta) out.sleb(first.offset - place);
    if (byInfo) out.sleb64(first.type, first.symbol);
    for (; i < end; i++) {
      const r = relocations[i];
      if (!byDelta) out.sleb(r.offset - place);
      if (!byInfo) out.sleb64(r.type, r.symbol);
      if (explicit) out.sleb(r.addend - addend);
      place = r.offset;
      addend = r.addend;
    }
  }
  return out.finish();
}

function sameInfo(relocations: readonly PlacedRelocation[], i: number): boolean {
  const [a, b] = [relocations[i - 1], relocations[i]];
  return a.type === b.type && a.symbol === b.symbol;
}

function deltaOf(relocations: readonly PlacedRelocation[], i: number): number {
  return relocations[i].offset - (i === 0 ? 0 : relocations[i - 1].offset);
}

/** For each position how many from there on continue what is there. */
function runs(length: number, continues: (i: number) => boolean): Uint32Array {
  const lengths = new Uint32Array(length);
  for (let i = length - 1; i >= 0; i--) {
    lengths[i] = i + 1 < length && continues(i + 1) ? lengths[i + 1] + 1 : 1;
  }
  return lengths;
}

/** CREL; see `decodeCrel`. The relocations ascend by offset. */
export function encodeCrel(
  relocations: readonly PlacedRelocation[],
  explicit: boolean,
): Uint8Array {
  const out = new ByteWriter();
  const shift = relocations.reduce(
    (least, { offset }) => Math.min(least, trailingZeros(offset)),
    3,
  );
  out.uleb(relocations.length * 8 + (explicit ? 4 : 0) + shift);
  const flagBits = explicit ? 3 : 2;
  let [place, symbol, type, addend] = [0, 0, 0, 0];
  for (const r of relocations) {
    const flags = (r.symbol === symbol ? 0 : 1) | (r.type === type ? 0 : 2) |
      (!explicit || r.addend === addend ? 0 : 4);
    const delta = (r.offset - place) / 2 ** shift;
    const inFirst = 2 ** (7 - flagBits);
    if (delta < inFirst) out.u8(delta << flagBits | flags);
    else {
      out.u8(0x80 | delta % inFirst << flagBits | flags);
      out.uleb(Math.floor(delta / inFirst));
    }
    if ((flags & 1) !== 0) out.sleb(r.symbol - symbol);
    if ((flags & 2) !== 0) out.sleb(r.type - type);
    if ((flags & 4) !== 0) out.sleb(r.addend - addend);
    [place, symbol, type, addend] = [r.offset, r.symbol, r.type, r.addend];
  }
  return out.finish();
}

function trailingZeros(value: number): number {
  let zeros = 0;
  while (zeros < 3 && value % 2 ** (zeros + 1) === 0) zeros++;
  return zeros;
}
