/** Running a program for its numbers: output is kept, and the result says what it was made from. */
import { BytesInput, CapturedOutput } from "../kernel/fs/streams.ts";
import { Machine } from "../machine.ts";
import type { MachineOptions } from "../machine/options.ts";
import type { Result } from "../machine/result.ts";
import { type Manifest, manifestOf } from "./manifest.ts";

/** A study cannot be made, or its runs cannot be compared. */
export class StudyError extends Error {
  /** Tells this error from others, also across realms. */
  override readonly name = "StudyError";
}

/** A result with what the program printed and what the result was made from. */
export interface Measurement extends Result {
  /** What the result was made from. */
  readonly manifest: Manifest;
  /** Standard output and error; empty if the machine was given streams of its own. */
  readonly stdout: string;
  /** Standard error, as UTF-8; empty if the machine was given streams of its own. */
  readonly stderr: string;
}

/** Options of a machine whose output is kept. */
export interface MeasureOptions extends MachineOptions {
  /** The program's standard input; default empty. */
  readonly stdin?: Uint8Array;
}

/**
 * Run `argv` on a new machine.
 *
 * @example
 * ```ts ignore
 * const { counters, manifest } = await measure(["/bin/ls"], { root: "./root", cpu: "zen3" });
 * ```
 */
export async function measure(
  argv: readonly string[],
  options: MeasureOptions = {},
): Promise<Measurement> {
  const stdout = new CapturedOutput();
  const stderr = new CapturedOutput();
  const streams = options.streams ?? { stdin: new BytesInput(options.stdin), stdout, stderr };
  const machine = await Machine.create({ ...options, streams });
  const result = await machine.run(argv);
  const manifest = await manifestOf(machine, argv, result);
  return { ...result, manifest, stdout: stdout.text, stderr: stderr.text };
}
