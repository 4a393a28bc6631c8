/**
 * Page table entries of x86_64, 4-level paging (Intel SDM volume 3A, 4.5). Leaves are marked accessed
 * when they are made, and dirty no later than they become writable, so hardware would never have to
 * set either bit itself.
 */
import { type EntryFormat, Pte, PTE_KEY_SHIFT } from "./entry_format.ts";

const PRESENT = 0x001;
const WRITABLE = 0x002;
const USER = 0x004;
const ACCESSED = 0x020;
const DIRTY = 0x040;
/** In a leaf of level 1 and 2. */
const PAGE_SIZE_BIT = 0x080;
/** Bit 8 of an entry that is not present: software, marks `PROT_NONE` as Linux does. */
const PROT_NONE_MARK = 0x100;
/** Bit 9: software. */
const COW = 0x200;
/** Bits 63 and 62–59, as bits of the high word. */
const NO_EXECUTE = 0x8000_0000;
const KEY_SHIFT = 27;

export const x86_64Format: EntryFormat = {
  arch: "x86_64",
  taskSize: 2 ** 47 - 4096,
  tableMask: PRESENT | PAGE_SIZE_BIT,
  tableValue: PRESENT,
  readMask: PRESENT | USER,
  readable: PRESENT | USER,
  writeMask: PRESENT | USER | WRITABLE,
  writable: PRESENT | USER | WRITABLE,
  noExecute: NO_EXECUTE,
  guarded: 0,

  table: (physical) => (physical | PRESENT | WRITABLE | USER | ACCESSED | DIRTY) >>> 0,

  low(physical, level, flags) {
    let low = physical | ACCESSED;
    low |= (flags & Pte.Read) !== 0 ? PRESENT | USER : PROT_NONE_MARK;
    if ((flags & Pte.Write) !== 0) low |= WRITABLE;
    if ((flags & Pte.Dirty) !== 0) low |= DIRTY;
    if ((flags & Pte.Cow) !== 0) low |= COW;
    if (level > 0) low |= PAGE_SIZE_BIT;
    return low >>> 0;
  },

  high(flags) {
    const key = (flags >>> PTE_KEY_SHIFT & 15) << KEY_SHIFT;
    return ((flags & Pte.Execute) !== 0 ? key : key | NO_EXECUTE) >>> 0;
  },

  flags(low, high) {
    let flags = (high >>> KEY_SHIFT & 15) << PTE_KEY_SHIFT;
    if ((low & PRESENT) !== 0) {
      flags |= Pte.Read;
      if ((low & WRITABLE) !== 0) flags |= Pte.Write;
      if ((high & NO_EXECUTE) === 0) flags |= Pte.Execute;
    }
    if ((low & DIRTY) !== 0) flags |= Pte.Dirty;
    if ((low & COW) !== 0) flags |= Pte.Cow;
    return flags;
  },
};
