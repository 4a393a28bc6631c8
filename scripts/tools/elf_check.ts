/**
 * Checks the ELF reader against `readelf` on every ELF file under the given folders:
 *
 *     deno run -A scripts/tools/elf_check.ts --all
 *     deno run -A scripts/tools/elf_check.ts [--sample N] [--no-frames] [FOLDER|FILE]...
 */

import { ElfError, ElfFile, type ElfMachine } from "../../lib/elf/mod.ts";
import { compareFrames, compareWithReadelf } from "./readelf_compare.ts";
import { readelf } from "./readelf_report.ts";

/** Where a Linux system keeps ELF files, and where a cross compiler and our roots keep theirs. */
export const SYSTEM_FOLDERS = [
  "/bin",
  "/lib",
  "/lib64",
  "/sbin",
  "/usr/bin",
  "/usr/lib",
  "/usr/lib64",
  "/usr/libexec",
  "/usr/local",
  "/usr/sbin",
  "/usr/aarch64-linux-gnu",
  "/opt",
  ".cache/roots",
];

/** Larger files are left out: reading their readelf output takes minutes. */
const LARGEST_FILE = 1 << 30;
/** Call frame listings of larger files are left out: readelf prints every row of them. */
const LARGEST_FRAMES = 16 << 20;

function isElf(path: string): boolean {
  using file = Deno.openSync(path);
  const magic = new Uint8Array(4);
  return file.readSync(magic) === 4 && magic[0] === 0x7f && magic[1] === 0x45 &&
    magic[2] === 0x4c && magic[3] === 0x46;
}

/** Real paths of the ELF files under folders, each once, in a stable order. */
export function elfFiles(folders: readonly string[]): string[] {
  const found = new Set<string>();
  const visited = new Set<string>();
  const visit = (path: string): void => {
    let info: Deno.FileInfo;
    try {
      info = Deno.lstatSync(path);
      if (info.isFile && info.size >= 64 && info.size <= LARGEST_FILE && isElf(path)) {
        found.add(Deno.realPathSync(path));
      }
      if (!info.isDirectory) return;
      const real = Deno.realPathSync(path);
      if (visited.has(real)) return;
      visited.add(real);
    } catch (error) {
      // Roots hold dangling links and folders of other users.
      if (error instanceof Deno.errors.NotFound) return;
      if (error instanceof Deno.errors.PermissionDenied) return;
      throw error;
    }
    for (const entry of Deno.readDirSync(path)) visit(`${path}/${entry.name}`);
  };
  for (const folder of folders) {
    try {
      visit(Deno.realPathSync(folder));
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return [...found].sort();
}

/** Every k-th of a list, so that at most `count` remain, spread over it. */
export function spread<T>(list: readonly T[], count: number): T[] {
  if (list.length <= count) return [...list];
  return Array.from({ length: count }, (_, i) => list[Math.floor((i * list.length) / count)]);
}

export interface CheckResult {
  readonly outcome: "same" | "differs" | "refused";
  readonly details: readonly string[];
  readonly compared: number;
  /** Absent where the file was refused. */
  readonly machine?: ElfMachine;
}

/** Checks one file. */
export async function checkFile(path: string, frames: boolean): Promise<CheckResult> {
  const bytes = Deno.readFileSync(path);
  const withFrames = frames && bytes.length <= LARGEST_FRAMES;
  try {
    const elf = ElfFile.parse(bytes, path);
    // Relocatable files' frames are not yet relocated; readelf shows them as they will be.
    const framed = withFrames && elf.segments.length > 0;
    const report = await readelf(path, framed);
    const main = compareWithReadelf(elf, report);
    const frame = framed ? compareFrames(elf, report) : { differences: [], compared: 0 };
    const details = [...main.differences, ...frame.differences];
    return {
      outcome: details.length === 0 ? "same" : "differs",
      details: details.length === 0 ? [] : [...details, ...report.complaints.slice(0, 3)],
      compared: main.compared + frame.compared,
      machine: elf.machine,
    };
  } catch (error) {
    if (!(error instanceof ElfError)) throw error;
    return { outcome: "refused", details: [`${error.field}: ${error.problem}`], compared: 0 };
  }
}

async function main(args: string[]): Promise<number> {
  const frames = !args.includes("--no-frames");
  const sampleAt = args.indexOf("--sample");
  const sample = sampleAt < 0 ? Infinity : Number(args[sampleAt + 1]);
  const folders = args.filter((arg, i) => !arg.startsWith("--") && args[i - 1] !== "--sample");
  if (folders.length === 0 && !args.includes("--all")) {
    console.error("usage: elf_check.ts --all | [--sample N] [--no-frames] FOLDER|FILE...");
    return 2;
  }
  const files = spread(elfFiles(folders.length === 0 ? SYSTEM_FOLDERS : folders), sample);
  const totals = { same: 0, differs: 0, refused: 0 };
  const machines = { x86_64: 0, aarch64: 0 };
  const refusals = new Map<string, number>();
  let compared = 0;
  for (const [i, path] of files.entries()) {
    const result = await checkFile(path, frames);
    totals[result.outcome]++;
    compared += result.compared;
    if (result.machine !== undefined) machines[result.machine]++;
    if (result.outcome === "differs") {
      console.log(path);
      for (const line of result.details) console.log(`    ${line}`);
    } else if (result.outcome === "refused") {
      const reason = result.details[0];
      if (!refusals.has(reason)) console.log(`${path}\n    refused: ${reason}`);
      refusals.set(reason, (refusals.get(reason) ?? 0) + 1);
    }
    if (i % 500 === 499) console.error(`${i + 1} of ${files.length}`);
  }
  console.log(
    `${files.length} ELF files (${machines.x86_64} x86_64, ${machines.aarch64} aarch64): ` +
      `${totals.same} read as readelf reads them, ` +
      `${totals.differs} differ, ${totals.refused} refused; ${compared} values compared`,
  );
  for (const [reason, count] of refusals) console.log(`  refused ${count}: ${reason}`);
  return totals.differs === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
