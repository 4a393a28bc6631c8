import type { ByteView } from "./byte_view.ts";
import { LebReader } from "./leb_reader.ts";
import { RelocationTable } from "./relocations.ts";

const GROUPED_BY_INFO = 1;
const GROUPED_BY_OFFSET_DELTA = 2;
const GROUPED_BY_ADDEND = 4;
const GROUP_HAS_ADDEND = 8;

/**
 * Decodes Android's packed relocations, format "APS2" (bionic, linker_reloc_iterators.h): a count and
 * a first offset, then groups that share their offset delta, info or addend as their flags say.
 */
export function decodeAndroid(
  file: ByteView,
  offset: number,
  size: number,
  explicit: boolean,
): RelocationTable {
  file.check(offset, size, "DT_ANDROID_RELA");
  if (size < 4 || file.view.getUint32(offset) !== 0x41505332) {
    file.fail(offset, "DT_ANDROID_RELA", 'it does not start with "APS2"');
  }
  const reader = new LebReader(file, offset + 4, offset + size);
  const count = reader.number("relocation count");
  // Every relocation patches bytes that the file holds, so there are no more of them than bytes.
  if (count < 0 || count > file.length) {
    file.fail(offset + 4, "relocation count", `${count} in a file of ${file.length} bytes`);
  }
  const table = RelocationTable.empty("android", !explicit, count);
  table.size = size;
  let place = reader.number("initial offset");
  let addend = 0;
  let i = 0;
  while (i < count) {
    const groupAt = reader.at;
    const groupSize = reader.number("group size");
    if (groupSize <= 0 || groupSize > count - i) {
      file.fail(groupAt, "group size", `${groupSize} with ${count - i} relocations left`);
    }
    const flags = reader.number("group flags");
    if (flags < 0 || flags > 15) file.fail(groupAt, "group flags", `unknown flags ${flags}`);
    const byDelta = (flags & GROUPED_BY_OFFSET_DELTA) !== 0;
    const byInfo = (flags & GROUPED_BY_INFO) !== 0;
    const hasAddend = (flags & GROUP_HAS_ADDEND) !== 0;
    const byAddend = (flags & GROUPED_BY_ADDEND) !== 0;
    if (hasAddend && !explicit) {
      file.fail(groupAt, "group flags", "a table without addends has a group with them");
    }
    const delta = byDelta ? reader.number("group offset delta") : 0;
    if (byInfo) reader.words("group info");
    let type = reader.low;
    let symbol = reader.high;
    if (hasAddend && byAddend) addend += reader.number("group addend");
    if (!hasAddend) addend = 0;
    for (let j = 0; j < groupSize; j++, i++) {
      place += byDelta ? delta : reader.number("offset delta");
      if (!byInfo) {
        reader.words("info");
        type = reader.low;
        symbol = reader.high;
      }
      if (hasAddend && !byAddend) addend += reader.number("addend");
      if (!Number.isSafeInteger(place) || place < 0 || !Number.isSafeInteger(addend)) {
        file.fail(groupAt, "offset delta", "an offset or addend leaves the range 0 to 2^53");
      }
      table.offsets[i] = place;
      table.types[i] = type;
      table.symbols[i] = symbol;
      table.addends[i] = addend;
    }
  }
  return table;
}
