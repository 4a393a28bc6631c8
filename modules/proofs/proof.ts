import { ByteView } from "../../lib/elf/byte_view.ts";
import { ByteWriter } from "../../lib/elf/byte_writer.ts";
import type { ElfFile, FunctionRange } from "../../lib/elf/mod.ts";
import { LebReader } from "../../lib/elf/leb_reader.ts";

/** Name of the section that holds a proof; no segment has it. */
export const SECTION = ".isthmus.proof";
const MAGIC = "ISTHPRF1";

/** Bytes that are instructions one after another, or that are none. */
export interface Run {
  readonly length: number;
  readonly isData: boolean;
}

/**
 * That an object makes system calls in the listed functions alone. The proof says where instructions are: each
 * executable segment as runs, which fill it, and the functions that have system calls.
 *
 * The section: "ISTHPRF1"; for each executable segment the number of runs and for each 2 * length, plus 1 for
 * data; the number of functions and for each its start, less the end of the one before, and its length. All
 * numbers are ULEB128.
 */
export interface Proof {
  readonly segments: readonly (readonly Run[])[];
  readonly functions: readonly FunctionRange[];
}

export function encodeProof({ segments, functions }: Proof): Uint8Array {
  const out = new ByteWriter().raw(new TextEncoder().encode(MAGIC));
  for (const runs of segments) {
    out.uleb(runs.length);
    for (const { length, isData } of runs) out.uleb(2 * length + (isData ? 1 : 0));
  }
  out.uleb(functions.length);
  let last = 0;
  for (const { start, end } of functions) {
    out.uleb(start - last).uleb(end - start);
    last = end;
  }
  return out.finish();
}

/** The proof in a file with so many executable segments; undefined without one, an `ElfError` if malformed. */
export function proofOf(elf: ElfFile, segments: number): Proof | undefined {
  const section = elf.section(SECTION);
  return section && decodeProof(elf.sectionBytes(section), segments, elf.name);
}

export function decodeProof(bytes: Uint8Array, segments: number, name: string): Proof {
  const view = new ByteView(bytes, name);
  const magic = new TextDecoder().decode(bytes.subarray(0, 8));
  if (magic !== MAGIC) view.fail(0, SECTION, "it is no proof of this format");
  const reader = new LebReader(view, 8, bytes.length);
  const count = (): number => {
    const number = reader.unsigned(SECTION);
    return number <= bytes.length ? number : view.fail(reader.at, SECTION, `${number} entries`);
  };
  const all: Run[][] = [];
  for (let i = 0; i < segments; i++) {
    all.push(Array.from({ length: count() }, () => {
      const word = reader.unsigned(SECTION);
      return { length: Math.floor(word / 2), isData: word % 2 === 1 };
    }));
  }
  const functions: FunctionRange[] = [];
  let last = 0;
  for (let left = count(); left > 0; left--) {
    const start = last + reader.unsigned(SECTION);
    functions.push({ start, end: last = start + reader.unsigned(SECTION) });
  }
  if (reader.at !== bytes.length) view.fail(reader.at, SECTION, "bytes follow the proof");
  return { segments: all, functions };
}
