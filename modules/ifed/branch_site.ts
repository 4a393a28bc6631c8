import type { ElfFile } from "../../lib/elf/mod.ts";

/** What stands between a branch and the function it means. */
export type SiteKind =
  /** A direct call or jump to an entry of a procedure linkage table. */
  | "plt"
  /** An indirect call or jump through a slot of the global offset table. */
  | "got"
  /** No branch: a load of an address from a slot of the global offset table. */
  | "load";

/** A branch to another object's function, or a load of its address, in an object's own addresses. */
export interface BranchSite {
  readonly kind: SiteKind;
  /** Address of what is to change: an instruction, or two of them. */
  readonly at: number;
  /** Its length in bytes. */
  readonly length: number;
  /** Address of the slot that holds the address. */
  readonly slot: number;
}

/** What a search of an object's code found. */
export interface CodeSearch {
  readonly sites: readonly BranchSite[];
  /** Instructions decoded. */
  readonly instructions: number;
  /** Ranges whose bytes did not decode to their end, which are left alone. */
  readonly undecodable: number;
  /** Branches through slots that were not taken for sites, by reason, and loads. */
  readonly refused: Readonly<Record<string, number>>;
  readonly refusedLoads: Readonly<Record<string, number>>;
}

/** An architecture's way to find sites and to make them direct. */
export interface BranchEditor {
  /**
   * Finds the sites of an object; `isSlot` tells addresses that the loader binds to functions, `isConstant` those
   * that it binds at once, so that loads of them are sites too.
   */
  find(
    elf: ElfFile,
    isSlot: (address: number) => boolean,
    isConstant?: (address: number) => boolean,
  ): CodeSearch;
  /**
   * The bytes that make the site at run-time address `at` branch to `target` directly, or compute it, given those
   * there now; or the reason why none do.
   */
  edit(site: BranchSite, at: number, target: number, current: Uint8Array): Uint8Array | string;
}
