/**
 * What glibc's own ld.so says of a link (`LD_DEBUG`), run by the machine as the guest's linker, and the same
 * of the modular linker.
 */
import {
  type Attempt,
  CapturedOutput,
  type LinkObject,
  Machine,
  type MachineOptions,
} from "../../mod.ts";
import { BytesInput } from "../../sim/kernel/fs/streams.ts";

/** What a run of a program said, by stream, with its exit code and counters. */
export interface Said {
  readonly exit: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly counters: Readonly<Record<string, number>>;
}

export async function runIn(argv: readonly string[], options: MachineOptions): Promise<Said> {
  const [stdout, stderr] = [new CapturedOutput(), new CapturedOutput()];
  const streams = { stdin: new BytesInput(), stdout, stderr };
  const machine = await Machine.create({ ...options, streams });
  const { exit, counters } = await machine.run(argv);
  return { exit, counters, stdout: stdout.text, stderr: stderr.text };
}

/** Lines of `LD_DEBUG` of the first process alone, without its number, and the program's exit code. */
export async function ldDebug(
  topics: string,
  argv: readonly string[],
  options: MachineOptions,
): Promise<{ readonly lines: string[]; readonly exit: number }> {
  const env = { ...options.env, LD_DEBUG: topics };
  const { stderr, exit } = await runIn(argv, { ...options, linker: "guest", env });
  const lines: string[] = [];
  let first: string | undefined;
  for (const line of stderr.split("\n")) {
    const [, pid, text] = /^\s*(\d+):\t?(.*)$/.exec(line) ?? [];
    if (pid === undefined) continue;
    first ??= pid;
    if (pid === first) lines.push(text.trim());
  }
  return { lines, exit };
}

const baseName = (path: string): string => path.slice(path.lastIndexOf("/") + 1);

/**
 * How often a reference was looked up, by `from symbol@version -> to`: the program as `PROGRAM`, libraries
 * by the last part of their path.
 */
export type Bindings = Map<string, number>;

function count(bindings: Bindings, key: string): void {
  bindings.set(key, (bindings.get(key) ?? 0) + 1);
}

/** What ld.so counts of its work (`LD_DEBUG=statistics`), at the end of the program. */
export interface Statistics {
  /** Relocations that took a look-up, those that the last look-up served, and relative ones. */
  readonly lookups: number;
  readonly cached: number;
  readonly relative: number;
}

/** A link as ld.so tells of it. */
export interface TheirLink {
  /** All bindings but the following. */
  readonly bindings: Bindings;
  /** Look-ups of protected symbols, which find what is there without a search. */
  readonly protected: number;
  /** Look-ups that ld.so makes for itself: its own references, an allocator to use, `_r_debug`. */
  readonly own: number;
  readonly statistics: Statistics;
}

/** From 2.32 on, ld.so looks for an allocator to use, in the program's scope as if the program had asked. */
const ALLOCATOR = ["calloc", "free", "malloc", "realloc"];

interface Line {
  readonly from: string;
  readonly to: string;
  readonly kind: string;
  readonly symbol: string;
  readonly version: string;
}

/** Where the look-ups of an allocator begin: the last four that can be them. */
function allocatorAt(lines: readonly Line[]): number {
  return lines.findLastIndex((_, at) =>
    ALLOCATOR.every((symbol, index) =>
      lines[at + index]?.from === "PROGRAM" && lines[at + index].symbol === symbol
    )
  );
}

/** What ld.so bound, and what it counted; it calls the program as its argv[0] does. */
export async function theirLink(
  argv: readonly string[],
  options: MachineOptions & { readonly allocator: boolean },
): Promise<TheirLink> {
  const statistics = { lookups: 0, cached: 0, relative: 0 };
  const named = (path: string) => path === argv[0] ? "PROGRAM" : baseName(path);
  const binding =
    /^binding file (\S+) \[\d+\] to (\S+) \[\d+\]: (\w+) symbol `([^']+)'(?: \[([^\]]+)\])?/;
  const lines: Line[] = [];
  for (const line of (await ldDebug("bindings,statistics", argv, options)).lines) {
    const [, from, to, kind, symbol, version = ""] = binding.exec(line) ?? [];
    if (from !== undefined) lines.push({ from: named(from), to: named(to), kind, symbol, version });
    const [, what, number] = /number of (.*)relocations(?: from cache)?: (\d+)/.exec(line) ?? [];
    if (number === undefined) continue;
    if (what === "relative ") statistics.relative = Number(number);
    else if (line.includes("cache")) statistics.cached = Number(number);
    else statistics.lookups = Number(number);
  }
  const bindings: Bindings = new Map();
  let [protectedOnes, own] = [0, 0];
  const allocator = options.allocator ? allocatorAt(lines) : -1;
  lines.forEach(({ from, to, kind, symbol, version }, at) => {
    const forAllocator = allocator >= 0 && at >= allocator && at < allocator + ALLOCATOR.length;
    const forDebugger = from === "PROGRAM" && symbol === "_r_debug" && version === "";
    if (isLoader(from) || forAllocator || forDebugger) own++;
    else if (kind === "protected") protectedOnes++;
    else count(bindings, `${from} ${symbol}@${version} -> ${to}`);
  });
  return { bindings, protected: protectedOnes, own, statistics };
}

function isLoader(path: string): boolean {
  return baseName(path).startsWith("ld-linux");
}

/** A link as the modular linker tells of it. */
export interface OurLink {
  readonly bindings: Bindings;
  /** Look-ups that it makes for itself, and those for dlsym. */
  readonly own: number;
  readonly byName: number;
  readonly said: Said;
  /** Guest paths of the objects that bind or are bound to. */
  readonly paths: readonly string[];
}

/** What the modular linker bound for the first process, and how the program ended. */
export async function ourLink(
  argv: readonly string[],
  options: MachineOptions,
): Promise<OurLink> {
  const bindings: Bindings = new Map();
  let [own, byName] = [0, 0];
  const paths = new Set<string>();
  let first: number | undefined;
  const said = await runIn(argv, {
    ...options,
    linker: "modular",
    observeLinks: (pid) => {
      first ??= pid;
      if (pid !== first) return undefined;
      const named = (object: LinkObject) => object.isProgram ? "PROGRAM" : baseName(object.path);
      return {
        bound: ({ from, to, name, version = "", newest }) => {
          if (newest) byName++;
          if (isLoader(from.path)) own++;
          else if (to !== undefined) {
            count(bindings, `${named(from)} ${name}@${version} -> ${named(to)}`);
          }
          for (const object of [from, to]) {
            if (object?.file !== undefined) paths.add(object.file.realPath);
          }
        },
      };
    },
  });
  return { bindings, own, byName, said, paths: [...paths] };
}

/** Every path at which the modular linker looked for a library in the first process. */
export async function ourSearches(
  argv: readonly string[],
  options: MachineOptions,
): Promise<{ readonly attempts: readonly Attempt[]; readonly said: Said }> {
  const attempts: Attempt[] = [];
  let first: number | undefined;
  const said = await runIn(argv, {
    ...options,
    linker: "modular",
    observeLinks: (pid) => {
      first ??= pid;
      return pid === first ? { tried: (attempt) => void attempts.push(attempt) } : undefined;
    },
  });
  return { attempts, said };
}
