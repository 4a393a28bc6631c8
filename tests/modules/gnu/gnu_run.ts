/** Runs programs of Debian roots in machines, under the modular linker or the guest's own. */
import { type Arch, CapturedOutput, Machine, type MachineOptions } from "../../../mod.ts";
import { BytesInput } from "../../../sim/kernel/fs/streams.ts";

const DEBIAN: Record<Arch, string> = { x86_64: "amd64", aarch64: "arm64" };

/** A Debian root by suite and architecture; undefined if it was not made. */
export function debianRoot(suite: string, arch: Arch): string | undefined {
  const path = new URL(`../../../.cache/roots/${suite}-${DEBIAN[arch]}`, import.meta.url).pathname;
  try {
    return Deno.statSync(path).isDirectory ? path : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Suites that tests of the linker's services run with: Debian 12's on both architectures, the older and the newer glibc
 * each on one.
 */
export const SUITES: readonly (readonly [suite: string, arch: Arch])[] = [
  ...[["bookworm", "x86_64"], ["bookworm", "aarch64"]] as const,
  ...[["bullseye", "x86_64"], ["trixie", "aarch64"]] as const,
];

export interface RunOptions extends MachineOptions {
  readonly stdin?: string;
}

/** How a program ended, and what it wrote to standard output and standard error. */
export interface Outcome {
  readonly exit: number;
  readonly stdout: string;
  readonly stderr: string;
}

export async function runIn(
  root: string,
  argv: readonly string[],
  { stdin = "", ...options }: RunOptions = {},
): Promise<Outcome & { readonly counters: Readonly<Record<string, number>> }> {
  const [stdout, stderr] = [new CapturedOutput(), new CapturedOutput()];
  const machine = await Machine.create({
    root,
    ...options,
    streams: { stdin: new BytesInput(new TextEncoder().encode(stdin)), stdout, stderr },
  });
  const { exit, counters } = await machine.run(argv);
  return { exit, stdout: stdout.text, stderr: stderr.text, counters };
}
