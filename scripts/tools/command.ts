/** Running other programs from the maintenance scripts: output captured, failure an error. */

/** A program that could not be started or that ended with a non-zero code. */
export class CommandError extends Error {
  override readonly name = "CommandError";
}

export interface CommandOptions {
  readonly cwd?: string;
  readonly env?: Record<string, string>;
  /** Replace the environment instead of adding to it. */
  readonly clearEnv?: boolean;
}

/** Output of a finished program. */
export interface Finished {
  readonly code: number;
  readonly stdout: Uint8Array<ArrayBuffer>;
  readonly stderr: string;
}

/** Runs `argv` without stdin and waits; any exit code is a result, a missing program is an error. */
export async function capture(argv: string[], options: CommandOptions = {}): Promise<Finished> {
  try {
    const output = await new Deno.Command(argv[0], {
      args: argv.slice(1),
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      ...options,
    }).output();
    return {
      code: output.code,
      stdout: output.stdout,
      stderr: new TextDecoder().decode(output.stderr),
    };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw new CommandError(`needs ${argv[0]}`);
    throw error;
  }
}

/** Runs `argv`, returns its stdout as text, and throws `CommandError` with stderr if it fails. */
export async function text(argv: string[], options: CommandOptions = {}): Promise<string> {
  const done = await capture(argv, options);
  const stdout = new TextDecoder().decode(done.stdout);
  if (done.code !== 0) {
    const said = (done.stderr.trim() || stdout.trim()).split("\n").slice(-12).join("\n");
    throw new CommandError(`${argv.slice(0, 3).join(" ")} … ended with ${done.code}\n${said}`);
  }
  return stdout;
}

/** Whether a program of that name is on PATH (or at that path). */
export async function available(program: string): Promise<boolean> {
  const done = await new Deno.Command("/bin/sh", {
    args: ["-c", 'command -v "$1" >/dev/null', "sh", program],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).output();
  return done.success;
}
