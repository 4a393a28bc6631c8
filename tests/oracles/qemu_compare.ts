/**
 * Whole programs of Debian through `--linker guest` on the `reference` core, beside the same model as a
 * QEMU plugin under qemu-user, in equal worlds. As a program, prints the table of docs/accuracy.md:
 *
 *     deno run -A tests/oracles/qemu_compare.ts
 */
import type { Arch } from "../../mod.ts";
import { missingForPlugin, runReference } from "./reference_plugin.ts";
import { qemuWorld, runIn } from "./qemu_world.ts";

const sources = new URL("../guests", import.meta.url).pathname;
const roots = new URL("../../.cache/roots", import.meta.url).pathname;

/** Names of each architecture, and a core of qemu that announces what ours does, as far as libraries go by it. */
const architectures = {
  x86_64: { debian: "amd64", triplet: "x86_64-linux-gnu", core: "Nehalem" },
  aarch64: { debian: "arm64", triplet: "aarch64-linux-gnu", core: "cortex-a76" },
};

/** No locale, time zone or writing of compiled modules: files that the root lacks qemu takes from the host. */
const env = {
  PATH: "/usr/bin:/bin",
  HOME: "/",
  LANG: "C",
  TZ: "UTC0",
  PYTHONCOERCECLOCALE: "0",
  PYTHONUTF8: "0",
  PYTHONHASHSEED: "0",
  PYTHONDONTWRITEBYTECODE: "1",
};

/** A program to compare. */
export interface QemuCase {
  readonly arch: Arch;
  readonly name: string;
  readonly argv: readonly string[];
}

export const qemuCases: readonly QemuCase[] = (["x86_64", "aarch64"] as const).flatMap((arch) => [
  { arch, name: "python3", argv: ["/usr/bin/python3", "-S", "-c", "print(1)"] },
  {
    arch,
    name: "cc1",
    argv: [
      ...[`/usr/lib/gcc/${architectures[arch].triplet}/12/cc1`, "-quiet", "-O1"],
      // The compiler's garbage collector goes by the size of the machine's memory unless told otherwise.
      ...["--param", "ggc-min-expand=30", "--param", "ggc-min-heapsize=4096"],
      ...[
        "-ffreestanding",
        "-nostdinc",
        "-I",
        `${sources}/libc`,
        `${sources}/programs/crc.c`,
        "-o",
        "-",
      ],
    ],
  },
]);

function rootOf(arch: Arch): string {
  return `${roots}/bookworm-${architectures[arch].debian}`;
}

/** Why a case cannot be run here, or "". */
export async function missingFor({ arch, argv }: QemuCase): Promise<string> {
  const program = `${rootOf(arch)}${argv[0]}`;
  const there = await Deno.stat(program).then(() => true, () => false);
  return there ? await missingForPlugin() : `needs ${argv[0]} in a root of scripts/tools/rootfs.ts`;
}

/** One side of a comparison. */
export interface Side {
  readonly exit: number;
  readonly stdout: Uint8Array;
  readonly counters: Readonly<Record<string, number>>;
}

/** A case under qemu-user and in the machine. */
export async function compareCase({ arch, argv }: QemuCase): Promise<{ qemu: Side; ours: Side }> {
  const root = rootOf(arch);
  const log = await Deno.makeTempFile();
  try {
    const cpu = architectures[arch].core;
    const qemu = await runReference({ arch, root, argv, env, cpu, log, cwd: "/" });
    const world = qemuWorld(await Deno.readTextFile(log), root, argv[0]);
    const { result, stdout } = await runIn(world, argv, {
      ...{ root, env, uid: 0, linker: "guest", cpu: "reference" },
      mounts: [{ host: sources, guest: sources }],
    });
    return { qemu, ours: { exit: result.exit, stdout, counters: result.counters } };
  } finally {
    await Deno.remove(log);
  }
}

if (import.meta.main) {
  console.log("| program | counter | qemu | Isthmus | difference |");
  console.log("|---|---|---:|---:|---:|");
  for (const one of qemuCases) {
    const missing = await missingFor(one);
    if (missing !== "") {
      console.error(`${one.arch} ${one.name} skipped: ${missing}`);
      continue;
    }
    const { qemu, ours } = await compareCase(one);
    for (const [name, expected] of Object.entries(qemu.counters)) {
      const counted = ours.counters[name];
      const difference = `${(100 * (counted / expected - 1)).toFixed(2)}%`;
      console.log(
        `| ${one.arch} ${one.name} | \`${name}\` | ${expected} | ${counted} | ${difference} |`,
      );
    }
  }
}
