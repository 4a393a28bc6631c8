/** CPU and wall time of a program, with all its threads and the children it waited for. */

export interface Measurement {
  /** User and system time, seconds. */
  readonly cpu: number;
  /** Seconds from start to end. */
  readonly wall: number;
  readonly exit: number;
  readonly stdout: Uint8Array;
  readonly stderr: string;
}

/** Runs `argv` once, without stdin. The environment is exactly `env`. */
export async function measure(
  argv: readonly string[],
  env: Record<string, string>,
): Promise<Measurement> {
  const times = await Deno.makeTempFile();
  try {
    // bash's `time` asks the kernel (getrusage of the children) and prints milliseconds.
    const script = `TIMEFORMAT='%3U %3S %3R'; { time "$@" 2>&3; } 3>&2 2>"$0"`;
    const output = await new Deno.Command("/bin/bash", {
      args: ["-c", script, times, ...argv],
      env: { LC_ALL: "C", ...env },
      clearEnv: true,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).output();
    const line = (await Deno.readTextFile(times)).trim().split("\n").at(-1) ?? "";
    const [user, system, wall] = line.split(" ").map(Number);
    return {
      cpu: Math.round((user + system) * 1000) / 1000,
      wall,
      exit: output.code,
      stdout: output.stdout,
      stderr: new TextDecoder().decode(output.stderr),
    };
  } finally {
    await Deno.remove(times);
  }
}
