import type { ElfFile, FunctionRange } from "../../lib/elf/mod.ts";
import type { BranchEditor, BranchSite, CodeSearch, SiteKind } from "./branch_site.ts";
import { codeRanges, executable } from "./code_ranges.ts";

/** Instruction patterns of the Arm ARM (DDI 0487), chapter C6. */
const isBranch = (word: number) => (word & 0x7c000000) === 0x14000000; // B, BL
const isBlr = (word: number) => (word & 0xfffffc1f) >>> 0 === 0xd63f0000;
const isBr = (word: number) => (word & 0xfffffc1f) >>> 0 === 0xd61f0000;
const isRet = (word: number) => (word & 0xfffffc1f) >>> 0 === 0xd65f0000;
const isAdrp = (word: number) => (word & 0x9f000000) >>> 0 === 0x90000000;
/** LDR Xt, [Xn, #imm12 * 8]. */
const isLoad = (word: number) => (word & 0xffc00000) >>> 0 === 0xf9400000;
/** B.cond, CBZ, CBNZ. */
const isConditional = (word: number) =>
  (word & 0xff000000) >>> 0 === 0x54000000 || (word & 0x7e000000) === 0x34000000;
/** TBZ, TBNZ. */
const isTest = (word: number) => (word & 0x7e000000) === 0x36000000;
const BTI_C = 0xd503245f;
/** Registers that hold procedure linkage temporaries (AAPCS64): x16 and x17. */
const IP1 = 17;

/** Finds and edits branches of aarch64 code. */
export const aarch64Branches: BranchEditor = {
  find: (elf, isSlot, isConstant = () => false) => new Search(elf, isSlot, isConstant).run(),
  edit,
};

class Search {
  readonly #sites: BranchSite[] = [];
  readonly #entries = new Map<number, number>();
  readonly #refused: Record<string, number> = {};
  readonly #refusedLoads: Record<string, number> = {};
  readonly #segments;
  #instructions = 0;

  constructor(
    readonly elf: ElfFile,
    readonly isSlot: (address: number) => boolean,
    readonly isConstant: (address: number) => boolean,
  ) {
    this.#segments = executable(elf);
  }

  run(): CodeSearch {
    for (const range of codeRanges(this.elf)) this.#sweep(range);
    return {
      sites: this.#sites,
      instructions: this.#instructions,
      undecodable: 0,
      refused: this.#refused,
      refusedLoads: this.#refusedLoads,
    };
  }

  #sweep({ start, end }: FunctionRange): void {
    const size = (end - start) & ~3;
    const bytes = this.elf.bytesAt(start, size);
    const view = new DataView(bytes.buffer, bytes.byteOffset, size);
    const labels = labelsOf(view, start);
    const values = new SlotTracker(labels, this.isSlot);
    const before = this.#sites.length;
    let hasJumpTable = false;
    this.#instructions += size / 4;
    for (let offset = 0; offset < size; offset += 4) {
      const word = view.getUint32(offset, true);
      const at = start + offset;
      if (isBranch(word)) {
        const slot = this.#entryAt(at + branchOffset(word));
        if (slot >= 0) this.#sites.push({ kind: "plt", at, length: 4, slot });
      } else if (isBlr(word) || isBr(word)) {
        const slot = values.slotIn((word >>> 5) & 31, at);
        // A value that another path may have brought here proves nothing.
        if (slot === "joined") this.#refuse("got", "reached from elsewhere");
        else if (slot !== undefined) this.#sites.push({ kind: "got", at, length: 4, slot });
        else if (isBr(word)) hasJumpTable = true;
      } else if (offset > 0 && isLoad(word)) {
        const slot = pairedSlot(view.getUint32(offset - 4, true), word, at);
        if (slot >= 0 && this.isConstant(slot)) {
          if (labels.has(at)) this.#refuse("load", "reached from elsewhere");
          else this.#sites.push({ kind: "load", at: at - 4, length: 8, slot });
        }
      }
      values.step(word, at);
    }
    if (hasJumpTable) this.#withdrawSlots(before);
  }

  /** A jump table may lead anywhere in its function, so what registers hold there is not known. */
  #withdrawSlots(from: number): void {
    for (const site of this.#sites.splice(from)) {
      if (site.kind === "plt") this.#sites.push(site);
      else this.#refuse(site.kind, "in a function with a jump table");
    }
  }

  #refuse(kind: SiteKind, reason: string): void {
    const counts = kind === "load" ? this.#refusedLoads : this.#refused;
    counts[reason] = (counts[reason] ?? 0) + 1;
  }

  #entryAt(address: number): number {
    let slot = this.#entries.get(address);
    if (slot === undefined) this.#entries.set(address, slot = this.#readEntry(address));
    return slot;
  }

  /** The slot of a linkage table entry: `bti c`, `adrp x16`, `ldr x17`, `add x16`, `br x17`. */
  #readEntry(address: number): number {
    const segment = this.#segments.find((s) =>
      address >= s.vaddr && address + 20 <= s.vaddr + s.filesz
    );
    if (segment === undefined) return -1;
    const bytes = this.elf.bytesAt(address, 20);
    const view = new DataView(bytes.buffer, bytes.byteOffset, 20);
    let at = view.getUint32(0, true) === BTI_C ? 4 : 0;
    const page = view.getUint32(at, true);
    const load = view.getUint32(at += 4, true);
    const branch = view.getUint32(at += 8, true);
    if (!isAdrp(page) || !isLoad(load) || !isBr(branch)) return -1;
    if ((load & 31) !== IP1 || ((branch >>> 5) & 31) !== IP1) return -1;
    const slot = adrpTarget(page, address + at - 12) + loadOffset(load);
    return this.isSlot(slot) ? slot : -1;
  }
}

/** The slot that ADRP and LDR of one and the same register load from; -1 if they are no such pair. */
function pairedSlot(page: number, load: number, at: number): number {
  const target = load & 31;
  if (!isAdrp(page) || (page & 31) !== target || ((load >>> 5) & 31) !== target) return -1;
  return adrpTarget(page, at - 4) + loadOffset(load);
}

/** Follows `adrp` and `ldr` of slots through straight-line code. */
class SlotTracker {
  /** Page address that each register holds, from `adrp`. */
  readonly #pages = new Map<number, number>();
  /** Slot that each register was loaded from. */
  readonly #slots = new Map<number, { slot: number; joined: boolean }>();

  constructor(
    readonly labels: ReadonlySet<number>,
    readonly isSlot: (address: number) => boolean,
  ) {}

  slotIn(register: number, at: number): number | "joined" | undefined {
    const value = this.#slots.get(register);
    if (value === undefined) return undefined;
    return value.joined || this.labels.has(at) ? "joined" : value.slot;
  }

  /** Takes the effect of an instruction into account. */
  step(word: number, at: number): void {
    if (this.labels.has(at)) {
      this.#pages.clear();
      for (const value of this.#slots.values()) value.joined = true;
    }
    const target = word & 31;
    if (isAdrp(word)) {
      this.#pages.set(target, adrpTarget(word, at));
      this.#slots.delete(target);
      return;
    }
    const page = isLoad(word) ? this.#pages.get((word >>> 5) & 31) : undefined;
    const slot = page === undefined ? undefined : page + loadOffset(word);
    if (isBranch(word) || isBlr(word) || isBr(word) || isRet(word)) this.#forgetCallerSaved(word);
    else this.#forgetWritten(word);
    if (slot !== undefined && this.isSlot(slot)) {
      this.#slots.set(target, { slot, joined: false });
    }
  }

  /** A call may change x0 to x18 and x30; after a plain jump nothing is known. */
  #forgetCallerSaved(word: number): void {
    const isCall = isBlr(word) || (isBranch(word) && word >>> 31 === 1);
    for (const known of [this.#pages, this.#slots]) {
      for (const register of [...known.keys()]) {
        if (!isCall || register <= 18 || register === 30) known.delete(register);
      }
    }
  }

  /**
   * Any register named in a field where some instruction has a destination: Rd/Rt, Rt2 of pairs, Rn of
   * writeback. Forgetting too much only loses sites.
   */
  #forgetWritten(word: number): void {
    if (isConditional(word) || isTest(word) || isStore(word)) {
      if (!isStore(word)) return;
    } else {
      this.#forget(word & 31);
    }
    if (isLoadStore(word)) {
      if (isPair(word)) this.#forget((word >>> 10) & 31);
      if (!isLoad(word)) this.#forget((word >>> 5) & 31);
    }
  }

  #forget(register: number): void {
    this.#pages.delete(register);
    this.#slots.delete(register);
  }
}

/** Loads and stores: op0 x1x0 in bits 28..25. */
function isLoadStore(word: number): boolean {
  return (word & 0x0a000000) === 0x08000000;
}

/** STR of a register with an unsigned offset, which writes no register. */
function isStore(word: number): boolean {
  return (word & 0x3fc00000) === 0x39000000 || (word & 0x3fc00000) === 0x3d000000;
}

function isPair(word: number): boolean {
  return (word & 0x3a000000) === 0x28000000;
}

/** Addresses that a direct branch of the code goes to. */
function labelsOf(view: DataView, start: number): Set<number> {
  const labels = new Set<number>();
  for (let offset = 0; offset < view.byteLength; offset += 4) {
    const word = view.getUint32(offset, true);
    if (isBranch(word) && word >>> 31 === 0) labels.add(start + offset + branchOffset(word));
    else if (isConditional(word)) labels.add(start + offset + ((word << 8) >> 13) * 4);
    else if (isTest(word)) labels.add(start + offset + ((word << 13) >> 18) * 4);
  }
  return labels;
}

function branchOffset(word: number): number {
  return ((word << 6) >> 6) * 4;
}

function adrpTarget(word: number, at: number): number {
  const pages = ((word << 8) >> 13) * 4 + ((word >>> 29) & 3);
  return at - (at % 4096) + pages * 4096;
}

function loadOffset(word: number): number {
  return ((word >>> 10) & 0xfff) * 8;
}

/**
 * B and BL keep their kind; BLR becomes BL and BR becomes B. The reach is 128 MiB. ADRP and LDR of a slot
 * become ADRP and ADD of what is in it, which reach 4 GiB.
 */
function edit(
  site: BranchSite,
  at: number,
  target: number,
  current: Uint8Array,
): Uint8Array | string {
  if (site.kind === "load") return computed(at, target, current);
  const distance = target - at;
  if (distance < -(2 ** 27) || distance >= 2 ** 27 || distance % 4 !== 0) return "out of range";
  const word = new DataView(current.buffer, current.byteOffset).getUint32(0, true);
  const isCall = site.kind === "got" ? isBlr(word) : word >>> 31 === 1;
  const bytes = new Uint8Array(4);
  const opcode = isCall ? 0x94000000 : 0x14000000;
  new DataView(bytes.buffer).setUint32(0, opcode | ((distance / 4) & 0x03ffffff), true);
  return bytes;
}

function computed(at: number, target: number, current: Uint8Array): Uint8Array | string {
  const pages = (target - target % 4096 - (at - at % 4096)) / 4096;
  if (pages < -(2 ** 20) || pages >= 2 ** 20) return "out of range";
  const register = new DataView(current.buffer, current.byteOffset).getUint32(0, true) & 31;
  const view = new DataView(new ArrayBuffer(8));
  view.setUint32(
    0,
    0x90000000 | (pages & 3) << 29 | ((pages >> 2) & 0x7ffff) << 5 | register,
    true,
  );
  view.setUint32(4, 0x91000000 | (target % 4096) << 10 | register << 5 | register, true);
  return new Uint8Array(view.buffer);
}
