/**
 * What programs of a Debian root do outside the simulator: on this machine's CPU (amd64), or under
 * qemu-aarch64 (arm64), each in a private world made like the simulated one: the root under an
 * overlay in memory, an empty /tmp, user 1000, the same environment, own mounts and process ids.
 * The kernel starts arm64 children through a binfmt_misc of that world alone, so that pipelines and
 * scripts run as on an arm64 machine.
 */
import { available } from "../command.ts";
import { architectures } from "../root_setup.ts";
import type { Program } from "./program.ts";

/** What a program printed and how it ended. */
export interface Outcome {
  /** Exit code, 128 + N after signal N. */
  readonly code: number;
  readonly stdout: Uint8Array;
}

export interface World {
  /** Debian's name of the architecture. */
  readonly architecture: string;
  /** Absolute path of its root. */
  readonly root: string;
  /** Absolute path of the folder seen as /mnt. */
  readonly inputs: string;
}

/** The environment of every program, as the simulator's default is. */
const environment = [
  "PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games",
  "HOME=/",
  "LANG=C.UTF-8",
];

/** Keeps glibc to the x86-64-v2 that the simulated CPU announces: sin() with FMA rounds otherwise. */
const level = "GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4,-AVX2_Usable,-FMA_Usable";

/** Inside the namespaces, as process 1: mounts the world, then runs the program as another. */
const insideScript = `
set -e
root=$1 architecture=$2 inputs=$3; shift 3
world=/run; mount -t tmpfs tmpfs $world; mkdir $world/upper $world/work $world/root
mount -t overlay overlay -o lowerdir=$root,upperdir=$world/upper,workdir=$world/work $world/root
root=$world/root; mkdir -p $root/mnt $root/dev $root/proc $root/tmp; rm -f $root/dev/null
mount -t tmpfs -o mode=1777 tmpfs $root/tmp
mount --rbind /dev $root/dev
mount -t proc proc $root/proc
mount --bind $inputs $root/mnt
if [ $architecture = arm64 ]; then
  for folder in /lib64 /usr/lib/x86_64-linux-gnu; do
    mkdir -p $root$folder; mount --rbind $folder $root$folder
  done
  mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
  magic='\\x7fELF\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\xb7\\x00'
  mask='\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xfe\\xff\\xff\\xff'
  echo ":aarch64:M::$magic:$mask:$(command -v qemu-aarch64):OCF" > /proc/sys/fs/binfmt_misc/register
fi
set +e; chroot --userspec=1000:1000 $root /usr/bin/env -i "$@"; exit
`;

/** Outside: makes the namespaces; a helper gives the user namespace its ids, which only we may. */
const outsideScript = `
inside=$1; shift
(
  until [ "$(readlink /proc/$$/ns/user)" != "$(readlink /proc/self/ns/user)" ]; do sleep 0.01; done
  echo 0 0 65536 > /proc/$$/gid_map; echo 0 0 65536 > /proc/$$/uid_map
) > /dev/null < /dev/null &
exec unshare --user --keep-caps --kill-child sh -c '
  until [ "$(cat /proc/self/uid_map)" ]; do sleep 0.01; done
  exec unshare --mount --pid --fork --kill-child --propagation private sh -c "$@"' sh "$inside" sh "$@"
`;

/** At the usual priority, which a program can ask for, whoever started us. */
const usualPriority = 'renice -n 0 -p $$ > /dev/null 2>&1; exec sh -c "$@"';

/** A child process that has a child: the least that a world must run. */
const probe: Program = { name: "probe", argv: ["/bin/bash", "-c", "/bin/true && echo $((6 * 7))"] };

/** What references in that world cannot do without here; undefined if all is there. */
export async function missing(world: World): Promise<string | undefined> {
  if (Deno.build.os !== "linux" || Deno.build.arch !== "x86_64") return "an x86_64 Linux host";
  if (Deno.uid() !== 0) return "root";
  const foreign = world.architecture === "arm64";
  for (const tool of ["unshare", "chroot", ...(foreign ? ["qemu-aarch64"] : [])]) {
    if (!await available(tool)) return tool;
  }
  // Containers may forbid namespaces; kernels before 6.7 have one binfmt_misc for everybody.
  const { code, stdout } = await run(probe, world);
  if (code !== 0 || new TextDecoder().decode(stdout) !== "42\n") {
    return "user namespaces, an overlay in them" + (foreign ? " and their own binfmt_misc" : "");
  }
}

/** `argv` of the program on that architecture. */
export function commandLine(program: Program, architecture: string): string[] {
  const { triplet } = architectures[architecture];
  return program.argv.map((word) => word.replaceAll("{triplet}", triplet));
}

/** Seconds that a reference may take: one that waits for something else than we gave it never ends. */
const LIMIT = 600;

/** Runs a program in that world, whatever was remembered of it. Throws if it does not end in time. */
export async function run(program: Program, world: World): Promise<Outcome> {
  const { architecture, root, inputs } = world;
  const child = new Deno.Command("sh", {
    args: [
      ...["-c", usualPriority, "sh"],
      ...[outsideScript, "sh", insideScript, root, architecture, inputs],
      ...environment,
      ...(architecture === "amd64" ? [level] : []),
      ...commandLine(program, architecture),
    ],
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
    signal: AbortSignal.timeout(LIMIT * 1000),
  }).spawn();
  const started = Date.now();
  await feed(child, program.stdin ?? "");
  const { code, stdout } = await child.output();
  if (Date.now() - started >= LIMIT * 1000) {
    throw new Error(
      `${program.name}: the reference on ${architecture} takes over ${LIMIT} seconds`,
    );
  }
  return { code, stdout };
}

/** Give a child its standard input; one that reads no more is no error. */
export async function feed(child: Deno.ChildProcess, text: string): Promise<void> {
  const writer = child.stdin.getWriter();
  try {
    await writer.write(new TextEncoder().encode(text));
    await writer.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}

async function digest(text: string): Promise<string> {
  const sum = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return Array.from(new Uint8Array(sum), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** All that the reference's outcome depends on. */
async function key(program: Program, world: World): Promise<string> {
  const contents = await Deno.readTextFile(`${world.root}.json`);
  const sources = [];
  if (program.argv.join(" ").includes("/mnt")) {
    for await (const { name } of Deno.readDir(world.inputs)) {
      sources.push(`${name} ${await Deno.readTextFile(`${world.inputs}/${name}`)}`);
    }
  }
  const command = commandLine(program, world.architecture);
  const scripts = [insideScript, outsideScript, environment, level];
  return await digest(JSON.stringify([scripts, contents, sources.sort(), command, program.stdin]));
}

function isSame(a: Outcome, b: Outcome): boolean {
  return a.code === b.code && a.stdout.length === b.stdout.length &&
    a.stdout.every((byte, index) => byte === b.stdout[index]);
}

/**
 * The outcome. One that failed is the program's own only if it repeats: making the world can fail
 * for a moment on a busy machine.
 */
async function settled(program: Program, world: World): Promise<Outcome> {
  let outcome = await run(program, world);
  for (let tries = 1; outcome.code !== 0 && tries < 5; tries++) {
    const again = await run(program, world);
    if (isSame(again, outcome)) break;
    outcome = again;
  }
  return outcome;
}

/** The outcome of the reference, remembered in `cache` (a folder). */
export async function reference(program: Program, world: World, cache: string): Promise<Outcome> {
  const path = `${cache}/${await key(program, world)}`;
  try {
    const { code } = JSON.parse(await Deno.readTextFile(`${path}.json`));
    return { code, stdout: await Deno.readFile(`${path}.out`) };
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const outcome = await settled(program, world);
  await Deno.mkdir(cache, { recursive: true });
  await Deno.writeFile(`${path}.out`, outcome.stdout);
  const about = { name: program.name, architecture: world.architecture, code: outcome.code };
  await Deno.writeTextFile(`${path}.json`, JSON.stringify(about) + "\n");
  return outcome;
}
