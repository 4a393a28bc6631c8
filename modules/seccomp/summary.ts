import {
  EHDR_SIZE,
  ElfError,
  type ElfFile,
  SHT_PROGBITS,
  withSections,
} from "../../lib/elf/mod.ts";

/** Name of the section that holds a summary. */
export const SECTION = ".seccomp";
const FORMAT = 1;

/** What some code can reach. */
export interface Reach {
  /** Numbers of system calls, ascending. */
  readonly syscalls: readonly number[];
  /** Symbols of other objects that it calls or whose address it takes, as indices of `imports`. */
  readonly imports: readonly number[];
  /** Where system calls are whose number is not known. */
  readonly unknown: readonly number[];
}

/** A symbol that an object asks others for. */
export interface Import {
  readonly name: string;
  readonly version?: string;
  readonly hidden?: boolean;
}

/** What one object's code can reach, function by function. Addresses are those in the file. */
export interface Summary {
  readonly format: number;
  readonly arch: "x86_64" | "aarch64";
  /** SHA-256, in hexadecimal, of what is loaded of the file, its ELF header apart. */
  readonly digest: string;
  readonly imports: readonly Import[];
  /** Reaches that functions share. */
  readonly sets: readonly Reach[];
  /** Functions that the object defines for others: address, and index of `sets`. */
  readonly symbols: readonly (readonly [number, number])[];
  /** What starts with the object: its entry point, constructors and destructors; index of `sets`. */
  readonly start: number;
  /** What pointers to code in its data lead to; index of `sets`. */
  readonly data: number;
  /** Texts in its read-only data that may name functions, if it asks for dlsym. */
  readonly names: readonly string[];
  readonly statistics: Readonly<Record<string, number>>;
}

/** A summary as the bytes of its section: JSON. */
export function encodeSummary(summary: Summary): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(summary) + "\n");
}

/** A copy of a file with a summary in its section. */
export function withSummary(bytes: Uint8Array, summary: Summary, file: string): Uint8Array {
  const content = encodeSummary(summary);
  return withSections(bytes, file, [{ name: SECTION, type: SHT_PROGBITS, content }]);
}

/** Reads a section; what is wrong with it is an `ElfError` that names the file. */
export function decodeSummary(bytes: Uint8Array, offset: number, file: string): Summary {
  const fail = (problem: string): never => {
    throw new ElfError(file, offset, SECTION, problem);
  };
  let summary: Summary;
  try {
    summary = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return fail("it is not JSON text");
  }
  if (summary?.format !== FORMAT) fail(`its format is ${summary?.format}, not ${FORMAT}`);
  const { imports, sets, symbols, start, data, names } = summary;
  const isList = [imports, sets, symbols, names].every(Array.isArray);
  if (!isList || typeof summary.digest !== "string") fail("a list is missing");
  const isIndex = (index: number, list: readonly unknown[]): boolean =>
    Number.isInteger(index) && index >= 0 && index < list.length;
  for (const set of sets) {
    const isSound = Array.isArray(set?.syscalls) && Array.isArray(set.unknown) &&
      set.syscalls.every((number) => Number.isInteger(number) && number >= 0 && number < 1024) &&
      Array.isArray(set.imports) && set.imports.every((index) => isIndex(index, imports));
    if (!isSound) fail("a set is malformed");
  }
  const used = [start, data, ...symbols.map((symbol) => symbol?.[1])];
  if (!used.every((index) => isIndex(index, sets))) fail("a set is missing");
  return summary;
}

export { FORMAT as SUMMARY_FORMAT };

/** The digest of an object that a summary is bound to. */
export async function digestOf(elf: ElfFile): Promise<string> {
  const parts = elf.loadSegments.map((segment) => {
    const bytes = elf.segmentBytes(segment).slice();
    // The ELF header holds the place of the section headers, which a section more changes.
    if (segment.offset === 0) bytes.fill(0, 0, EHDR_SIZE);
    return bytes;
  });
  const digest = await crypto.subtle.digest("SHA-256", await new Blob(parts).arrayBuffer());
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
