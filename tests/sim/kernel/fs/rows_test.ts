/**
 * Programs that use the file, descriptor, polling and socket calls print the same in the machine,
 * on both architectures, as on the Linux kernel that runs the tests.
 */
import { assertEquals } from "@std/assert";
import type { Arch } from "../../../../sim/arch.ts";
import { BytesInput, CapturedOutput } from "../../../../sim/kernel/fs/streams.ts";
import { Machine } from "../../../../sim/machine.ts";
import { compilable, compile } from "../compile.ts";

const ARCHES: readonly Arch[] = ["x86_64", "aarch64"];
const ready = Deno.build.os === "linux" && Deno.build.arch === "x86_64" && canLink();
const note = ready ? "" : " (skipped: needs gcc with a static libc for both architectures, Linux)";

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

function build(arch: Arch, name: string, folder: string): string {
  const out = `${folder}/${name}.${arch}`;
  const source = new URL(`programs/${name}.c`, import.meta.url).pathname;
  compile(arch, ["-O1", "-w", "-static", "-o", out, source]);
  return out;
}

/** Output on the host's kernel, in an empty folder, without a terminal or inherited descriptors. */
async function native(path: string, name: string, folder: string): Promise<string> {
  const cwd = `${folder}/work`;
  await Deno.mkdir(cwd);
  await Deno.rename(path, `${folder}/${name}`);
  const { code, stdout, stderr } = await new Deno.Command(build("x86_64", "launch", folder), {
    args: [`${folder}/${name}`],
    cwd,
    stdin: "null",
  }).output();
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

/** Whether the host speaks IPv6 on its loopback. */
function hasIpv6(): boolean {
  try {
    return Deno.readTextFileSync("/proc/net/if_inet6").includes(" lo\n");
  } catch {
    return false;
  }
}

for (
  const name of [
    "files",
    "descriptors",
    "polling",
    "sockets",
    "watches",
    "limits",
    "socket_timeouts",
    "internet",
  ]
) {
  const lacking = name === "internet" && !hasIpv6();
  Deno.test({
    name: `${name} calls: the same as on Linux${lacking ? " (skipped: needs IPv6)" : note}`,
    ignore: !ready || lacking,
    async fn() {
      const folder = await Deno.makeTempDir();
      try {
        const guest = build("x86_64", name, folder);
        const program = await Deno.readFile(guest);
        const expected = await native(guest, name, folder);
        await Deno.writeFile(guest, program);
        assertEquals(await simulated("x86_64", guest, name), expected, "x86_64");
        const other = build("aarch64", name, folder);
        assertEquals(await simulated("aarch64", other, name), expected, "aarch64");
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}
