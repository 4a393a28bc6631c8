/**
 * Programs that exercise the process side of the kernel print the same in the machine, on both
 * architectures and in both tiers, as on the Linux kernel that runs the tests.
 */
import { assertEquals } from "@std/assert";
import { BytesInput, CapturedOutput } from "../../../sim/kernel/fs/streams.ts";
import { Machine } from "../../../sim/machine.ts";
import { buildProgram, buildWithLibrary, compilable } from "./compile.ts";

const needed = compilable("x86_64") && compilable("aarch64") && Deno.build.os === "linux" &&
  Deno.build.arch === "x86_64";
const missing = needed ? "" : " (skipped: needs gcc for both architectures and an x86_64 kernel)";

/** In the order in which a machine gives them: its defaults come first. */
const env = { PATH: "/bin", HOME: "/", LANG: "C", EMPTY: "", TEXT: "a b=c" };

/** Output of a command on the host's kernel. */
async function native(argv: readonly string[]): Promise<string> {
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  const args = ["-i", ...variables, ...argv];
  const command = new Deno.Command("/usr/bin/env", { args, stdin: "null" });
  const { code, stdout, stderr } = await command.output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

/** Its output in a machine whose root has `files` at the same paths as on the host. */
async function simulated(
  argv: readonly string[],
  files: ReadonlyMap<string, Uint8Array>,
  heat: number,
): Promise<string> {
  const stdout = new CapturedOutput();
  const stderr = new CapturedOutput();
  const machine = await Machine.create({
    root: files,
    streams: { stdin: new BytesInput(), stdout, stderr },
    memory: 64 * 2 ** 20,
    heat,
    env,
    // The native run is the test runner's user, who may be root.
    uid: Deno.uid() ?? undefined,
    report: () => {},
  });
  const { exit } = await machine.run(argv);
  assertEquals(exit, 0, stderr.text);
  return stdout.text;
}

/** Run `test` with a folder that no machine hides under a mount of its own. */
async function inFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ dir: "/var/tmp" });
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const withLibrary = new Set(["notifying", "terminals"]);

for (
  const name of [
    "processes",
    "waking",
    "threading",
    "frames",
    "settings",
    "seccomp",
    "shared_memory",
    "semaphores",
    "message_queues",
    "posix_queues",
    "aio",
    "privileges",
    "notifying",
    "terminals",
  ]
) {
  const build = withLibrary.has(name) ? buildWithLibrary : buildProgram;
  Deno.test({
    name: `${name}: the same as on Linux${missing}`,
    ignore: !needed,
    fn: () =>
      inFolder(async (folder) => {
        const path = `${folder}/${name}`;
        await Deno.rename(build("x86_64", name, folder), path);
        const expected = await native([path]);
        for (const arch of ["x86_64", "aarch64"] as const) {
          const bytes = Deno.readFileSync(build(arch, name, folder));
          const files = new Map([[path, bytes]]);
          assertEquals(await simulated([path], files, Infinity), expected, `${arch}, cold`);
          assertEquals(await simulated([path], files, 10), expected, `${arch}, hot`);
        }
      }),
  });
}

Deno.test({
  name: `the initial stack, also of scripts: the same as on Linux${missing}`,
  ignore: !needed,
  fn: () =>
    inFolder(async (folder) => {
      const path = `${folder}/starting`;
      await Deno.rename(buildProgram("x86_64", "starting", folder), path);
      const scripts = new Map([
        ["plain", `#!${path}\nrest\n`],
        ["argument", `#! \t${path} one argument\t \n`],
        ["nested", `#!${folder}/argument x\n`],
        ["no_newline", `#!${path}`],
      ]);
      const encoder = new TextEncoder();
      for (const [name, text] of scripts) {
        await Deno.writeTextFile(`${folder}/${name}`, text, { mode: 0o755 });
      }
      const names = ["starting", ...scripts.keys()];
      for (const arch of ["x86_64", "aarch64"] as const) {
        const files = new Map([[path, Deno.readFileSync(buildProgram(arch, "starting", folder))]]);
        for (const [name, text] of scripts) files.set(`${folder}/${name}`, encoder.encode(text));
        for (const name of names) {
          const argv = [`${folder}/${name}`, "", "two words", "ä"];
          assertEquals(await simulated(argv, files, Infinity), await native(argv), name);
        }
      }
    }),
});
