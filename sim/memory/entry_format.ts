/**
 * What a page table entry says, apart from how an architecture writes it down. Physical addresses
 * are below 4 GiB in entries of any granule, so the low word of an entry holds the whole address on both
 * architectures, and a low word of 0 is an empty entry.
 */
import type { Arch } from "../arch.ts";

/** Flags of a leaf, the same for both architectures; bits 8–11 hold the protection key. */
export const enum Pte {
  /** User code may read. A leaf without it keeps its frame but faults (`PROT_NONE`). */
  Read = 1,
  Write = 2,
  Execute = 4,
  Dirty = 8,
  /** Software: a private page that the next write must copy or take over. */
  Cow = 16,
  /** aarch64: targets of indirect branches are checked. */
  Guarded = 32,
}

/** Shift of the protection key in the flags. */
export const PTE_KEY_SHIFT = 8;

/** How one architecture writes page table entries. */
export interface EntryFormat {
  readonly arch: Arch;
  /** First address that user space may not use. */
  readonly taskSize: number;
  /** A low word of level ≥ 1 leads to a next table when `(low & tableMask) === tableValue`. */
  readonly tableMask: number;
  readonly tableValue: number;
  /** User code may read a leaf when `(low & readMask) === readable`, and write it likewise. */
  readonly readMask: number;
  readonly readable: number;
  readonly writeMask: number;
  readonly writable: number;
  /** Bits of the high word that forbid user code to execute a readable leaf. */
  readonly noExecute: number;
  /** Bits of the high word that guard a page; 0 where none does. */
  readonly guarded: number;
  /** Low word of an entry that leads to the table at `physical`; its high word is 0. */
  table(physical: number): number;
  /** Low word of a leaf at `level` (`Granule.levelShifts`) with `Pte` flags. */
  low(physical: number, level: number, flags: number): number;
  /** High word of that leaf. */
  high(flags: number): number;
  /** The `Pte` flags of a leaf. */
  flags(low: number, high: number): number;
}
