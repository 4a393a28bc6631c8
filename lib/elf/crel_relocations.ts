import type { ByteView } from "./byte_view.ts";
import { LebReader } from "./leb_reader.ts";
import { RelocationTable } from "./relocations.ts";

/** Bits of the header beside the count. */
const HAS_ADDENDS = 4;
const SHIFT_MASK = 3;
/** What of a relocation differs from the one before. */
const SYMBOL_CHANGES = 1;
const TYPE_CHANGES = 2;
const ADDEND_CHANGES = 4;

/**
 * Decodes CREL (LLVM 19, llvm/Object/ELF.h, "decodeCrel"): a header of count, addend bit and shift; then for
 * each relocation a byte whose low bits say what changes and whose others begin the ULEB128 of the offset's
 * difference, and the differences of symbol, type and addend. At most `available` bytes from `offset` are
 * read: nothing states the table's size.
 */
export function decodeCrel(file: ByteView, offset: number, available: number): RelocationTable {
  file.check(offset, Math.min(available, 10), "DT_CREL");
  const end = offset + available;
  const reader = new LebReader(file, offset, end);
  const header = reader.unsigned("CREL header");
  const count = Math.floor(header / 8);
  // Every relocation takes a byte at least.
  if (count > available) file.fail(offset, "CREL header", `${count} in ${available} bytes`);
  const explicit = (header & HAS_ADDENDS) !== 0;
  const scale = 2 ** (header & SHIFT_MASK);
  const flagBits = explicit ? 3 : 2;
  const table = RelocationTable.empty("crel", !explicit, count);
  let place = 0;
  let symbol = 0;
  let type = 0;
  let addend = 0;
  for (let i = 0; i < count; i++) {
    const at = reader.at;
    file.touch(at, Math.min(40, end - at));
    const first = reader.byte("offset delta");
    let delta = (first & 0x7f) >> flagBits;
    if (first >= 0x80) delta += reader.unsigned("offset delta") * 2 ** (7 - flagBits);
    place += delta * scale;
    if ((first & SYMBOL_CHANGES) !== 0) symbol += reader.number("symbol delta");
    if ((first & TYPE_CHANGES) !== 0) type += reader.number("type delta");
    if (explicit && (first & ADDEND_CHANGES) !== 0) addend += reader.number("addend delta");
    if (!Number.isSafeInteger(place) || !Number.isSafeInteger(addend)) {
      file.fail(at, "offset delta", "an offset or addend leaves the range of 2^53");
    }
    if (!isWord(symbol) || !isWord(type)) {
      file.fail(at, "symbol delta", "a symbol or type is no 32-bit number");
    }
    table.offsets[i] = place;
    table.types[i] = type;
    table.symbols[i] = symbol;
    table.addends[i] = addend;
  }
  table.size = reader.at - offset;
  return table;
}

function isWord(value: number): boolean {
  return value >= 0 && value <= 0xffff_ffff;
}
