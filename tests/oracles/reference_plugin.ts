/**
 * Builds and runs `reference_plugin.c`: the `reference` model inside qemu-user. The header comes
 * from Debian's qemu source package and is kept, with the plugin, in `.cache/oracles`.
 *
 *     deno run -A tests/oracles/reference_plugin.ts [--trace FILE] ARCH ROOT PROGRAM ARGS…
 */
import { downloadUpstream } from "../../scripts/tools/apt.ts";
import { available, capture, CommandError, text } from "../../scripts/tools/command.ts";

const cache = new URL("../../.cache/oracles", import.meta.url).pathname;
const source = new URL("reference_plugin.c", import.meta.url).pathname;

async function modified(path: string): Promise<number> {
  return await Deno.stat(path).then((info) => info.mtime?.getTime() ?? 0, () => -1);
}

/** Debian's suite and architecture here, as its own files name them. */
async function debianHere(): Promise<{ suite: string; architecture: string }> {
  const suite = /^VERSION_CODENAME=(\w+)$/m.exec(await Deno.readTextFile("/etc/os-release"))?.[1];
  if (suite === undefined) throw new CommandError("needs Debian's qemu source");
  const architecture = (await text(["dpkg", "--print-architecture"])).trim();
  return { suite, architecture };
}

/** Why the plugin cannot be built or run here, or "". */
export async function missingForPlugin(): Promise<string> {
  for (const tool of ["gcc", "apt-get", "tar", "xz", "qemu-x86_64", "qemu-aarch64"]) {
    if (!(await available(tool))) return `needs ${tool}`;
  }
  const version = await text(["qemu-x86_64", "--version"]);
  if (!/version 7\.2/.test(version)) return "needs qemu-user 7.2";
  const help = await text(["qemu-x86_64", "--help"]);
  return help.includes("-plugin") ? "" : "needs a qemu-user with plugins";
}

/** The built plugin's path. */
export async function buildPlugin(): Promise<string> {
  const header = `${cache}/qemu-plugin.h`;
  const plugin = `${cache}/reference.so`;
  await Deno.mkdir(cache, { recursive: true });
  if (await modified(header) < 0) {
    const archive = await downloadUpstream(await debianHere(), "qemu-user", `${cache}/apt`);
    const member = "include/qemu/qemu-plugin.h";
    const unpacked = await text(["tar", "-xOf", archive, "--wildcards", `*/${member}`]);
    await Deno.writeTextFile(header, unpacked);
  }
  if (await modified(plugin) < await modified(source)) {
    const options = ["-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-isystem", cache];
    await text(["gcc", ...options, source, "-o", plugin]);
  }
  return plugin;
}

export interface ReferenceRun {
  /** The qemu target, `x86_64` or `aarch64`. */
  readonly arch: string;
  /** The guest's root folder; the program is looked up below it. */
  readonly root: string;
  /** Where the program interpreter and its libraries are, if not in `root`. */
  readonly sysroot?: string;
  /** Program (a guest path) and arguments. */
  readonly argv: readonly string[];
  /** The guest's environment; PATH is this process's unless given. No value has a comma. */
  readonly env?: Record<string, string>;
  /** Working directory; default this process's. */
  readonly cwd?: string;
  /** A QEMU CPU name, to make the guest see the same features as elsewhere. */
  readonly cpu?: string;
  /** File to write all events to, in the format of `textbook_trace.ts`. */
  readonly trace?: string;
  /** File for qemu's log of the page layout and of all system calls. */
  readonly log?: string;
}

export interface ReferenceResult {
  /** Counters under the names that `--stats` uses. */
  readonly counters: Record<string, number>;
  readonly stdout: Uint8Array;
  readonly exit: number;
}

/** Runs a program under qemu-user with the plugin. */
export async function runReference(run: ReferenceRun): Promise<ReferenceResult> {
  const plugin = await buildPlugin();
  const out = await Deno.makeTempFile();
  try {
    const options = [`file=${plugin}`, `out=${out}`];
    if (run.trace !== undefined) options.push(`trace=${run.trace}`);
    const cpu = run.cpu === undefined ? [] : ["-cpu", run.cpu];
    const log = run.log === undefined ? [] : ["-strace", "-d", "page", "-D", run.log];
    // qemu turns the order of its environment round.
    const env = Object.entries(run.env ?? {}).reverse()
      .flatMap(([name, value]) => ["-E", `${name}=${value}`]);
    const program = run.root + run.argv[0];
    const qemu = [
      `qemu-${run.arch}`,
      "-L",
      run.sysroot ?? run.root,
      ...cpu,
      ...log,
      ...env,
      "-0",
      run.argv[0],
    ];
    const done = await capture(
      [...qemu, "-plugin", options.join(","), program, ...run.argv.slice(1)],
      { env: { PATH: Deno.env.get("PATH") ?? "/usr/bin:/bin" }, clearEnv: true, cwd: run.cwd },
    );
    const counters = await Deno.readTextFile(out);
    if (counters === "") throw new CommandError(`qemu-${run.arch}: ${done.stderr.trim()}`);
    return { counters: JSON.parse(counters), stdout: done.stdout, exit: done.code };
  } finally {
    await Deno.remove(out);
  }
}

if (import.meta.main) {
  const args = [...Deno.args];
  const trace = args[0] === "--trace" ? args.splice(0, 2)[1] : undefined;
  const [arch, root, ...argv] = args;
  if (argv.length === 0) {
    console.error("usage: reference_plugin.ts [--trace FILE] ARCH ROOT PROGRAM ARGS…");
    Deno.exit(2);
  }
  const { counters, exit } = await runReference({ arch, root, argv, trace });
  console.log(JSON.stringify(counters, null, 1));
  Deno.exit(exit);
}
