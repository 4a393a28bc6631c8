import type { ElfFile } from "../../lib/elf/mod.ts";
import { type LinkContext, type LinkObject, type Module, weak } from "../../lib/linker/mod.ts";
import { aarch64Branches } from "./aarch64_branches.ts";
import type { BranchEditor, SiteKind } from "./branch_site.ts";
import { x86_64Branches } from "./x86_64_branches.ts";

const EDITORS: Record<LinkContext["arch"], BranchEditor> = {
  x86_64: x86_64Branches,
  aarch64: aarch64Branches,
};

/** Relocation types that put a function's address into a slot: GLOB_DAT, JUMP_SLOT, IRELATIVE. */
const SLOT_TYPES: Record<LinkContext["arch"], readonly number[]> = {
  x86_64: [6, 7, 37],
  aarch64: [1025, 1026, 1032],
};

/** Of these, those whose slot is not waiting for a first call: GLOB_DAT. */
const CONSTANT_TYPE: Record<LinkContext["arch"], number> = { x86_64: 6, aarch64: 1025 };

/** What was done to one object. */
export interface BranchReport {
  /** Sites by what stood between branch and function. */
  readonly found: Readonly<Record<SiteKind, number>>;
  readonly patched: Readonly<Record<SiteKind, number>>;
  /** Branches left alone, by reason, and loads. */
  readonly refused: Readonly<Record<string, number>>;
  readonly refusedLoads: Readonly<Record<string, number>>;
  /** Instructions decoded to find them. */
  readonly instructions: number;
  /** Functions whose bytes did not decode to their end, whose sites are unknown. */
  readonly undecodable: number;
}

export interface EliminateBranchesOptions {
  /** Whether loads of addresses from the global offset table become computations of them; default `kept`. */
  readonly loads?: "kept" | "relaxed";
  /** Called for every object that has code, when it is done. */
  readonly report?: (object: LinkObject, report: BranchReport) => void;
}

/**
 * iFed's relocation branch elimination, as a module: a weak post-relocate pass that makes calls and
 * jumps to other objects direct, where they went through a linkage table entry or a global offset
 * table slot. Sites are found by decoding functions from their FDEs and symbols.
 *
 * The slots' values are taken as they are after relocation, so a program that changes its slots
 * afterwards does not change the calls. A target out of reach (2 GiB on x86_64, 128 MiB on aarch64) is
 * left alone, as is a slot that is zero, of an undefined weak function.
 */
export function eliminateBranches(options: EliminateBranchesOptions = {}): Module {
  const pass = weak((link, object) => {
    const report = eliminate(link, object, options.loads === "relaxed");
    if (report === undefined) return;
    const { counters } = link;
    const { found, patched } = report;
    const count = (
      what: string,
      found: number,
      patched: number,
      refused: typeof report.refused,
    ) => {
      counters.count(`ifed.${what}.found`, found);
      counters.count(`ifed.${what}.patched`, patched);
      for (const [reason, count] of Object.entries(refused)) {
        counters.count(`ifed.${what}.refused.${reason.replaceAll(" ", "_")}`, count);
      }
    };
    count("branches", found.plt + found.got, patched.plt + patched.got, report.refused);
    if (options.loads === "relaxed") {
      count("loads", found.load, patched.load, report.refusedLoads);
    }
    counters.count("ifed.functions.undecodable", report.undecodable);
    options.report?.(object, report);
  });
  return {
    name: "ifed.eliminateBranches",
    register: () => ({ "post-relocate": pass }),
  };
}

function eliminate(
  link: LinkContext,
  object: LinkObject,
  relaxLoads: boolean,
): BranchReport | undefined {
  const slots = slotsOf(object.elf, SLOT_TYPES[link.arch]);
  if (slots.size === 0) return undefined;
  const editor = EDITORS[link.arch];
  const base = link.base(object);
  const constant = CONSTANT_TYPE[link.arch];
  const search = editor.find(
    object.elf,
    (address) => slots.has(address),
    relaxLoads ? (address) => slots.get(address) === constant : undefined,
  );
  const found: Record<SiteKind, number> = { plt: 0, got: 0, load: 0 };
  const patched: Record<SiteKind, number> = { plt: 0, got: 0, load: 0 };
  const refused: Record<string, number> = { ...search.refused };
  const refusedLoads: Record<string, number> = { ...search.refusedLoads };
  for (const count of Object.values(refused)) found.got += count;
  for (const count of Object.values(refusedLoads)) found.load += count;
  for (const site of search.sites) {
    found[site.kind]++;
    const at = base + site.at;
    const target = link.readI64(base + site.slot);
    const edited = target === 0
      ? "undefined weak symbol"
      : editor.edit(site, at, target, link.read(at, site.length));
    if (typeof edited === "string") {
      const counts = site.kind === "load" ? refusedLoads : refused;
      counts[edited] = (counts[edited] ?? 0) + 1;
    } else {
      link.write(at, edited);
      patched[site.kind]++;
    }
  }
  const { instructions, undecodable } = search;
  return { found, patched, refused, refusedLoads, instructions, undecodable };
}

/** Addresses of the words that the loader binds to functions, with the types of their relocations. */
function slotsOf(elf: ElfFile, types: readonly number[]): Map<number, number> {
  const slots = new Map<number, number>();
  for (const table of elf.relocationTables) {
    for (let i = 0; i < table.length; i++) {
      if (types.includes(table.types[i])) slots.set(table.offsets[i], table.types[i]);
    }
  }
  return slots;
}
