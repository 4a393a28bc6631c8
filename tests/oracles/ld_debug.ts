/**
 * What glibc's own ld.so says of a link (`LD_DEBUG`), run by the machine as the guest's linker, and the same
 * of the modular linker.
 */
import { type Attempt, CapturedOutput, Machine, type MachineOptions } from "../../mod.ts";
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

/** Lines of `LD_DEBUG` of the first process alone, without its number. */
export async function ldDebug(
  topics: string,
  argv: readonly string[],
  options: MachineOptions,
): Promise<string[]> {
  const env = { ...options.env, LD_DEBUG: topics };
  const { stderr } = await runIn(argv, { ...options, linker: "guest", env });
  const lines: string[] = [];
  let first: string | undefined;
  for (const line of stderr.split("\n")) {
    const [, pid, text] = /^\s*(\d+):\t?(.*)$/.exec(line) ?? [];
    if (pid === undefined) continue;
    first ??= pid;
    if (pid === first) lines.push(text.trim());
  }
  return lines;
}

const baseName = (path: string): string => path.slice(path.lastIndexOf("/") + 1);

/**
 * `from symbol@version -> to` of every binding: the program as `PROGRAM`, libraries by the last part of
 * their path.
 */
export type Bindings = ReadonlySet<string>;

/** What ld.so bound; it calls the program as its argv[0] does. */
export async function theirBindings(
  argv: readonly string[],
  options: MachineOptions,
): Promise<Bindings> {
  const bindings = new Set<string>();
  const named = (path: string) => path === argv[0] ? "PROGRAM" : baseName(path);
  const pattern =
    /^binding file (\S+) \[\d+\] to (\S+) \[\d+\]: \w+ symbol `([^']+)'(?: \[([^\]]+)\])?/;
  for (const line of await ldDebug("bindings", argv, options)) {
    const [, from, to, symbol, version = ""] = pattern.exec(line) ?? [];
    if (from === undefined) continue;
    bindings.add(`${named(from)} ${symbol}@${version} -> ${named(to)}`);
  }
  return bindings;
}

/** What the modular linker bound for the first process, and how the program ended. */
export async function ourBindings(
  argv: readonly string[],
  options: MachineOptions,
): Promise<{ readonly bindings: Bindings; readonly said: Said }> {
  const bindings = new Set<string>();
  let first: number | undefined;
  const said = await runIn(argv, {
    ...options,
    linker: "modular",
    observeLinks: (pid) => {
      first ??= pid;
      if (pid !== first) return undefined;
      return {
        bound: ({ from, to, name, version = "" }) => {
          const [user, used] = [from, to].map((object) =>
            object.isProgram ? "PROGRAM" : baseName(object.path)
          );
          bindings.add(`${user} ${name}@${version} -> ${used}`);
        },
      };
    },
  });
  return { bindings, said };
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
