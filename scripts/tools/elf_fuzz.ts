/**
 * Mutation fuzzer for the ELF reader: whatever a file holds, reading it either works or throws an
 * `ElfError` that names file, offset and field, soon and without large allocations.
 *
 *     deno run -A scripts/tools/elf_fuzz.ts [--mutants N] [--seed N] [FILE|FOLDER]...
 */

import {
  ElfError,
  ElfFile,
  frameDescriptions,
  frameIndex,
  functionRanges,
  PT_DYNAMIC,
  PT_GNU_EH_FRAME,
  PT_NOTE,
  type Segment,
} from "../../lib/elf/mod.ts";
import { elfFiles, spread, SYSTEM_FOLDERS } from "./elf_check.ts";

/** A file to mutate. */
export interface Seed {
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface FuzzOptions {
  readonly mutants: number;
  readonly seed: number;
  /** A mutant that takes longer counts as a hang; milliseconds. */
  readonly limit: number;
}

/** What became of the mutants. */
export interface FuzzOutcome {
  /** Read in full. */
  accepted: number;
  /** Some part threw an ElfError. */
  refused: number;
  /** How often each field was the one complained about. */
  readonly fields: Map<string, number>;
  /** Anything else: a raw exception, a hang, an error without its parts, too large a table. */
  readonly failures: string[];
  /** Time of the slowest mutant in milliseconds. */
  slowest: number;
}

/** Marsaglia's xorshift32. */
class Random {
  constructor(private state: number) {
    this.state = state | 0 || 1;
  }

  /** An integer in [0, limit). */
  below(limit: number): number {
    let x = this.state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.state = x;
    return (x >>> 0) % limit;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)];
  }
}

/** A span of a file worth changing. */
interface Target {
  readonly offset: number;
  readonly size: number;
}

/** The parts of a file that lead to others; an even choice of them beats an even choice of bytes. */
function targets(seed: Seed): Target[] {
  const elf = ElfFile.parse(seed.bytes, seed.name);
  const { header } = elf;
  const found: Target[] = [
    { offset: 0, size: 64 },
    { offset: header.phoff, size: header.phnum * 56 },
    { offset: header.shoff, size: header.shnum * 64 },
  ];
  const structural = (s: Segment) => [PT_DYNAMIC, PT_NOTE, PT_GNU_EH_FRAME].includes(s.type);
  for (const s of elf.segments.filter(structural)) found.push({ offset: s.offset, size: s.filesz });
  const plain = [0, 1, 8, 14, 15, 16];
  for (const s of elf.sections) {
    const frames = s.name.startsWith(".eh_frame");
    if (!plain.includes(s.type) || frames) found.push({ offset: s.offset, size: s.size });
  }
  return found.filter((t) => t.size > 0 && t.offset + t.size <= seed.bytes.length);
}

const INTERESTING = [
  0,
  1,
  2,
  7,
  8,
  0x18,
  0x7f,
  0x80,
  0xff,
  0x100,
  0x7fff,
  0x8000,
  0xffff,
  0x10000,
  0x7fffffff,
  0x80000000,
  0xfffffff8,
  0xffffffff,
];

/** Changes a copy of a seed and can undo the changes, so that no mutant copies the file. */
class Mutator {
  private readonly bytes: Uint8Array;
  private readonly spots: Target[];
  private readonly undoAt: number[] = [];
  private readonly undoValue: number[] = [];

  constructor(private readonly seed: Seed, private readonly random: Random) {
    this.bytes = seed.bytes.slice();
    this.spots = targets(seed);
  }

  private set(at: number, value: number): void {
    if (at >= this.bytes.length) return;
    this.undoAt.push(at);
    this.undoValue.push(this.bytes[at]);
    this.bytes[at] = value;
  }

  private word(at: number, width: number, value: number): void {
    for (let i = 0; i < width; i++) {
      this.set(at + i, i < 4 ? (value >>> (8 * i)) & 0xff : value === 0xffffffff ? 0xff : 0);
    }
  }

  /** Where to change something: mostly in a structure, at its natural alignment. */
  private place(): number {
    if (this.random.below(8) === 0) return this.random.below(this.bytes.length);
    const { offset, size } = this.random.pick(this.spots);
    const at = this.random.below(size);
    return offset + (this.random.below(2) === 0 ? at : at - (at % 4));
  }

  private change(): void {
    const { random } = this;
    const at = this.place();
    switch (random.below(6)) {
      case 0:
        return this.set(at, this.bytes[at] ^ (1 << random.below(8)));
      case 1:
        return this.set(at, random.below(256));
      case 2:
        return this.word(at, random.pick([2, 4, 8]), random.pick(INTERESTING));
      case 3:
        return this.word(at, random.pick([2, 4, 8]), random.below(this.bytes.length + 64));
      case 4: {
        // A small step of a count, size or offset.
        const value = this.bytes[at] + random.below(17) - 8;
        return this.set(at, value & 0xff);
      }
      default: {
        const from = this.place();
        const length = 1 + random.below(64);
        for (let i = 0; i < length; i++) this.set(at + i, this.bytes[from + i] ?? 0);
      }
    }
  }

  /** The next mutant; valid until the one after it. */
  next(): Uint8Array {
    while (this.undoAt.length > 0) this.bytes[this.undoAt.pop()!] = this.undoValue.pop()!;
    const changes = 1 + this.random.below(4);
    for (let i = 0; i < changes; i++) this.change();
    if (this.random.below(16) !== 0) return this.bytes;
    return this.bytes.subarray(0, this.random.below(this.bytes.length));
  }
}

/** Everything one can ask of a file. Each is asked even where another has failed. */
const QUESTIONS: ((elf: ElfFile) => unknown)[] = [
  (elf) => elf.sections.length,
  (elf) => elf.loadSegments.map((s) => elf.segmentBytes(s).length),
  (elf) => elf.interp,
  (elf) => elf.dynamic?.needed,
  (elf) => [elf.tls, elf.relro, elf.gnuStack],
  (elf) => elf.notes.length,
  (elf) => [elf.properties, elf.buildId],
  (elf) => elf.versions?.definitions.length,
  (elf) => elf.bytesAt(elf.header.entry, 16),
  (elf) => elf.hashTable?.symbolCount(),
  (elf) => elf.symbols === undefined ? 0 : [...elf.symbols].length,
  (elf) => elf.staticSymbols === undefined ? 0 : [...elf.staticSymbols].length,
  (elf) => checkedRelocations(elf),
  (elf) => elf.sections.map((s) => s.type === 4 || s.type === 9 ? elf.sectionRelocations(s) : 0),
  (elf) => lookups(elf),
  (elf) => frameDescriptions(elf).length,
  (elf) => frameIndex(elf).length,
  (elf) => functionRanges(elf).length,
];

/** More relocations than 63 a RELR word can stand for mean that something was multiplied. */
function checkedRelocations(elf: ElfFile): number {
  let count = 0;
  for (const table of elf.relocationTables) count += table.length;
  if (count > 8 * elf.bytes.length) throw new Error(`${count} relocations`);
  return count;
}

function lookups(elf: ElfFile): unknown {
  const names = ["main", "memcpy", "malloc", "answer", "_ITM_registerTMCloneTable"];
  const last = elf.symbols?.length ?? 0;
  if (last > 1) names.push(elf.symbols!.name(last - 1));
  return names.map((name) => [
    elf.lookup(name),
    elf.lookup(name, { version: "GLIBC_2.2.5" }),
    elf.lookup(name, { newest: true, canonicalPlt: true }),
  ]);
}

/** Reads a mutant; returns the ElfErrors it met, and what must not happen. */
function examine(bytes: Uint8Array, name: string): { errors: ElfError[]; raw?: string } {
  const errors: ElfError[] = [];
  const ask = <T>(question: () => T): T | undefined => {
    try {
      return question();
    } catch (error) {
      if (!(error instanceof ElfError)) throw error;
      errors.push(error);
      return undefined;
    }
  };
  try {
    const elf = ask(() => ElfFile.parse(bytes, name));
    if (elf !== undefined) { for (const question of QUESTIONS) ask(() => question(elf)); }
  } catch (error) {
    return { errors, raw: error instanceof Error ? error.stack : String(error) };
  }
  const vague = errors.find((e) =>
    e.file !== name || e.field === "" || !Number.isSafeInteger(e.offset) || e.offset < 0
  );
  return { errors, raw: vague && `an error without its parts: ${vague.message}` };
}

/** Makes and reads mutants of the seeds, in turn. */
export function fuzz(seeds: readonly Seed[], options: FuzzOptions): FuzzOutcome {
  const random = new Random(options.seed);
  const mutators = seeds.map((seed) => new Mutator(seed, random));
  const outcome: FuzzOutcome = {
    accepted: 0,
    refused: 0,
    fields: new Map(),
    failures: [],
    slowest: 0,
  };
  for (let i = 0; i < options.mutants; i++) {
    const { name } = seeds[i % seeds.length];
    const mutant = mutators[i % seeds.length].next();
    const started = performance.now();
    const { errors, raw } = examine(mutant, name);
    const time = performance.now() - started;
    outcome.slowest = Math.max(outcome.slowest, time);
    const label = `mutant ${i} of ${name}`;
    if (raw !== undefined) outcome.failures.push(`${label}: ${raw}`);
    if (time > options.limit) outcome.failures.push(`${label}: took ${Math.round(time)} ms`);
    if (errors.length === 0) outcome.accepted++;
    else outcome.refused++;
    for (const { field } of errors) {
      outcome.fields.set(field, (outcome.fields.get(field) ?? 0) + 1);
    }
  }
  return outcome;
}

/** Reads files that the reader accepts as they are, up to a size. */
export function readSeeds(paths: readonly string[], largest: number): Seed[] {
  const seeds: Seed[] = [];
  for (const path of paths) {
    if (Deno.statSync(path).size > largest) continue;
    const seed = { name: path, bytes: Deno.readFileSync(path) };
    if (examine(seed.bytes, path).errors.length === 0) seeds.push(seed);
  }
  return seeds;
}

const USAGE = "usage: elf_fuzz.ts [--mutants N] [--seed N] [FILE|FOLDER]...";

function main(args: string[]): number {
  if (args.includes("--help")) {
    console.log(USAGE);
    return 0;
  }
  const number = (flag: string, otherwise: number): number => {
    const at = args.indexOf(flag);
    return at < 0 ? otherwise : Number(args[at + 1]);
  };
  const options = { mutants: number("--mutants", 200_000), seed: number("--seed", 1), limit: 2000 };
  if (!(options.mutants > 0 && options.seed >= 0)) {
    console.error(USAGE);
    return 2;
  }
  const folders = args.filter((arg, i) => !arg.startsWith("--") && !args[i - 1]?.startsWith("--"));
  const files = elfFiles(folders.length === 0 ? SYSTEM_FOLDERS : folders);
  const seeds = readSeeds(spread(files, 400), 100_000);
  if (seeds.length === 0) {
    console.error("elf_fuzz: no ELF file under 100 kB to start from");
    return 2;
  }
  const started = performance.now();
  const outcome = fuzz(seeds, options);
  const seconds = (performance.now() - started) / 1000;
  console.log(
    `${options.mutants} mutants of ${seeds.length} files, seed ${options.seed}: ` +
      `${outcome.accepted} read, ${outcome.refused} refused, ${outcome.failures.length} failures; ` +
      `slowest ${outcome.slowest.toFixed(1)} ms, ${seconds.toFixed(0)} s in all`,
  );
  const fields = [...outcome.fields].sort((a, b) => b[1] - a[1]);
  console.log(fields.map(([field, count]) => `  ${field} ${count}`).join("\n"));
  for (const failure of outcome.failures.slice(0, 20)) console.log(failure);
  return outcome.failures.length === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(main(Deno.args));
