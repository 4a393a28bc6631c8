/** qemu-aarch64 running the harness over many states. */
import { STATE_SIZE } from "./machine_state.ts";

/** Whether `command --version` runs. */
export function available(command: string): boolean {
  try {
    return new Deno.Command(command, { args: ["--version"], stdout: "null", stderr: "null" })
      .outputSync().success;
  } catch {
    return false;
  }
}

/** Build the harness in `directory`; returns its path. */
export async function buildHarness(directory: string): Promise<string> {
  const source = new URL("./harness.s", import.meta.url).pathname;
  const out = `${directory}/harness`;
  const { success, stderr } = await new Deno.Command("aarch64-linux-gnu-gcc", {
    args: [
      "-nostdlib",
      "-static",
      "-Wl,--build-id=none",
      "-Wl,-Ttext=0x400000",
      "-Wl,--section-start=.slot=0x410000",
      "-Wl,--section-start=.state=0x420000",
      "-o",
      out,
      source,
    ],
    stderr: "piped",
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return out;
}

/** States after, one for each state before, on qemu's model `cpu`. */
export async function runQemu(
  harness: string,
  states: readonly Uint8Array[],
  cpu: string,
): Promise<Uint8Array[]> {
  const child = new Deno.Command("qemu-aarch64", {
    args: ["-cpu", cpu, harness],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const input = new Uint8Array(states.length * STATE_SIZE);
  states.forEach((s, i) => input.set(s, i * STATE_SIZE));
  const writer = child.stdin.getWriter();
  const written = writer.write(input).then(() => writer.close()).catch(() => {});
  const { stdout, stderr, code, signal } = await child.output();
  await written;
  if (stdout.length !== input.length) {
    const at = Math.floor(stdout.length / STATE_SIZE);
    throw new Error(
      `qemu stopped at state ${at} (${code}, ${signal}): ${new TextDecoder().decode(stderr)}`,
    );
  }
  return states.map((_, i) => stdout.slice(i * STATE_SIZE, (i + 1) * STATE_SIZE));
}

/** What `command` prints; throws what it complains of if it fails. */
export async function output(command: string, args: readonly string[]): Promise<string> {
  const done = await new Deno.Command(command, { args: [...args] }).output();
  const text = new TextDecoder();
  if (!done.success) throw new Error(`${command}: ${text.decode(done.stderr)}`);
  return text.decode(done.stdout);
}
