/**
 * Translation table descriptors of aarch64, VMSAv8-64 stage 1, 48-bit addresses (Arm ARM, D8.3); they
 * are the same for all granules. Where the Arm ARM counts levels from the top (to 3), this project counts
 * from the leaves: level 0 here is the Arm ARM's level 3.
 */
import { type EntryFormat, Pte, PTE_KEY_SHIFT } from "./entry_format.ts";

const VALID = 0x001;
/** Bits 1:0 of a page at the last level and of a table above it; a block has bit 1 clear. */
const TABLE_OR_PAGE = 0x003;
/** AP[1]: EL0 may access. */
const USER = 0x040;
/** AP[2]: read-only. */
const READ_ONLY = 0x080;
const INNER_SHAREABLE = 0x300;
const ACCESS_FLAG = 0x400;
const NOT_GLOBAL = 0x800;
/** Bits of the high word: GP (50), DBM (51), PXN (53), UXN (54). */
const GUARDED_PAGE = 0x0004_0000;
const DIRTY_BIT_MODIFIER = 0x0008_0000;
const PRIVILEGED_NO_EXECUTE = 0x0020_0000;
const USER_NO_EXECUTE = 0x0040_0000;
/** Bits 55, 56 and 58: for software. */
const DIRTY = 0x0080_0000;
const COW = 0x0100_0000;
const PROT_NONE_MARK = 0x0400_0000;
/** Bits 62–60: the index of the permission overlay (POIndex), as far as Linux uses it. */
const OVERLAY_SHIFT = 28;

export const aarch64Format: EntryFormat = {
  arch: "aarch64",
  taskSize: 2 ** 48,
  tableMask: TABLE_OR_PAGE,
  tableValue: TABLE_OR_PAGE,
  readMask: VALID | USER,
  readable: VALID | USER,
  writeMask: VALID | USER | READ_ONLY,
  writable: VALID | USER,
  noExecute: USER_NO_EXECUTE,
  guarded: GUARDED_PAGE,

  table: (physical) => (physical | TABLE_OR_PAGE) >>> 0,

  low(physical, level, flags) {
    let low = physical | USER | INNER_SHAREABLE | ACCESS_FLAG | NOT_GLOBAL;
    if (level === 0) low |= TABLE_OR_PAGE;
    else low |= VALID;
    if ((flags & Pte.Read) === 0) low &= ~VALID;
    if ((flags & Pte.Write) === 0) low |= READ_ONLY;
    return low >>> 0;
  },

  high(flags) {
    let high = PRIVILEGED_NO_EXECUTE | (flags >>> PTE_KEY_SHIFT & 7) << OVERLAY_SHIFT;
    if ((flags & Pte.Read) === 0) high |= PROT_NONE_MARK;
    if ((flags & Pte.Write) !== 0) high |= DIRTY_BIT_MODIFIER;
    if ((flags & Pte.Execute) === 0) high |= USER_NO_EXECUTE;
    if ((flags & Pte.Dirty) !== 0) high |= DIRTY;
    if ((flags & Pte.Cow) !== 0) high |= COW;
    if ((flags & Pte.Guarded) !== 0) high |= GUARDED_PAGE;
    return high >>> 0;
  },

  flags(low, high) {
    let flags = (high >>> OVERLAY_SHIFT & 7) << PTE_KEY_SHIFT;
    if ((low & VALID) !== 0) {
      flags |= Pte.Read;
      if ((low & READ_ONLY) === 0) flags |= Pte.Write;
      if ((high & USER_NO_EXECUTE) === 0) flags |= Pte.Execute;
    }
    if ((high & DIRTY) !== 0) flags |= Pte.Dirty;
    if ((high & COW) !== 0) flags |= Pte.Cow;
    if ((high & GUARDED_PAGE) !== 0) flags |= Pte.Guarded;
    return flags;
  },
};
