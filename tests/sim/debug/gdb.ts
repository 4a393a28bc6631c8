/** Runs programs in a machine under stock gdb, for tests. */
import type { Arch } from "../../../sim/arch.ts";
import {
  BytesInput,
  CapturedOutput,
  Machine,
  type MachineOptions,
  type Result,
} from "../../../mod.ts";
import { hasTool } from "../kernel/compile.ts";

export const GDB = "gdb-multiarch";

/** What of the tools that `names` is not here, for a test's name. */
export function without(...names: readonly string[]): string {
  const missing = names.filter((name) => !hasTool(name));
  return missing.length === 0 ? "" : ` (skipped: needs ${missing.join(", ")})`;
}

/** `debuggee.c`, static, with debugging information, as `/debuggee` of a root in memory. */
export function debuggee(arch: Arch): Uint8Array {
  const out = Deno.makeTempFileSync();
  try {
    const source = new URL("programs/debuggee.c", import.meta.url).pathname;
    const { success, stderr } = new Deno.Command(`${arch}-linux-gnu-gcc`, {
      args: ["-g", "-O1", "-static", "-fno-pie", "-no-pie", "-pthread", "-o", out, source],
    }).outputSync();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
    return Deno.readFileSync(out);
  } finally {
    Deno.removeSync(out);
  }
}

/** What gdb printed, and how the machine's run ended. */
export interface Session {
  readonly text: string;
  readonly result: Result;
}

/** gdb's output for `script` on the target at `port`; `running` may talk to it. */
export async function gdb(
  port: number,
  script: readonly string[],
  running: (gdb: Deno.ChildProcess) => void = () => {},
): Promise<string> {
  return await told([`target remote 127.0.0.1:${port}`, ...script], [], running);
}

/** What gdb prints for `script`, started with `args`. */
export async function told(
  script: readonly string[],
  args: readonly string[],
  running: (gdb: Deno.ChildProcess) => void = () => {},
): Promise<string> {
  const commands = ["set pagination off", "set width 0", ...script];
  const child = new Deno.Command(GDB, {
    args: ["-nx", "-q", "-batch", ...commands.flatMap((line) => ["-ex", line]), ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  running(child);
  const { stdout, stderr } = await child.output();
  return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
}

/** Run `argv` under gdb with the commands of `script`. */
export async function debug(
  argv: readonly string[],
  options: MachineOptions,
  script: readonly string[],
  running: (gdb: Deno.ChildProcess, machine: Machine) => void = () => {},
): Promise<Session> {
  let text: Promise<string> | undefined;
  const machine: Machine = await Machine.create({
    ...quiet(options),
    gdb: {
      port: 0,
      listening: ({ port }) => text = gdb(port, script, (child) => running(child, machine)),
    },
  });
  const result = await machine.run(argv);
  return { text: await text!, result };
}

/** `options` with streams that nobody sees. */
export function quiet(options: MachineOptions): MachineOptions {
  return {
    streams: {
      stdin: new BytesInput(),
      stdout: new CapturedOutput(),
      stderr: new CapturedOutput(),
    },
    report: () => {},
    ...options,
  };
}
