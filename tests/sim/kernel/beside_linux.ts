/** Static C programs of the tests, run in the machine and on the Linux kernel that runs the tests. */
import { assertEquals } from "@std/assert";
import type { Arch } from "../../../sim/arch.ts";
import { BytesInput, CapturedOutput } from "../../../sim/kernel/fs/streams.ts";
import { Machine } from "../../../sim/machine.ts";
import { compilable, compile } from "./compile.ts";

const ARCHES: readonly Arch[] = ["x86_64", "aarch64"];
const launch = new URL("programs/launch.c", import.meta.url);

/** Whether the programs can be built and have a kernel to be compared with. */
export const ready: boolean = Deno.build.os === "linux" && Deno.build.arch === "x86_64" &&
  canLink();
/** What the names of tests say if not. */
export const note: string = ready
  ? ""
  : " (skipped: needs gcc with a static libc for both architectures, Linux)";

/** Whether both compilers link static programs. */
function canLink(): boolean {
  if (!ARCHES.every(compilable)) return false;
  const folder = Deno.makeTempDirSync();
  try {
    Deno.writeTextFileSync(`${folder}/empty.c`, "int main(void) { return 0; }");
    for (const arch of ARCHES) compile(arch, ["-static", "-o", `${folder}/x`, `${folder}/empty.c`]);
    return true;
  } catch {
    return false; // the test's name then says what is missing
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** Path of the program `source` of `arch`, built into `folder`. */
export function build(arch: Arch, source: URL, folder: string): string {
  const name = source.pathname.match(/([^/]+)\.c$/)![1];
  const out = `${folder}/${name}.${arch}`;
  compile(arch, ["-O1", "-w", "-static", "-o", out, source.pathname]);
  return out;
}

/**
 * Output on the host's kernel, in an empty folder, without a terminal or inherited descriptors.
 * `launcher` starts the program.
 */
async function native(source: URL, folder: string, launcher: URL): Promise<string> {
  const cwd = `${folder}/work`;
  await Deno.mkdir(cwd);
  const path = build("x86_64", source, folder).replace(".x86_64", "");
  await Deno.rename(`${path}.x86_64`, path);
  const command = new Deno.Command(build("x86_64", launcher, folder), {
    args: [path],
    cwd,
    stdin: "null",
  });
  const { code, stdout, stderr } = await command.output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

async function simulated(arch: Arch, path: string, name: string): Promise<string> {
  const stdout = new CapturedOutput();
  const stderr = new CapturedOutput();
  const root = new Map([[`/${name}`, Deno.readFileSync(path)], ["/etc/", new Uint8Array()]]);
  const machine = await Machine.create({
    root,
    arch,
    cwd: "/tmp",
    streams: { stdin: new BytesInput(), stdout, stderr },
    memory: 64 * 2 ** 20,
    // The native run is the test runner's user, who may be root.
    uid: Deno.uid() ?? undefined,
  });
  const { exit } = await machine.run([`/${name}`]);
  assertEquals(exit, 0, stderr.text);
  return stdout.text;
}

/** Check that the program `source` prints in the machine, on both architectures, what it prints here. */
export async function sameAsLinux(source: URL, launcher: URL = launch): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    const expected = await native(source, folder, launcher);
    const name = source.pathname.match(/([^/]+)\.c$/)![1];
    for (const arch of ARCHES) {
      assertEquals(await simulated(arch, build(arch, source, folder), name), expected, arch);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
