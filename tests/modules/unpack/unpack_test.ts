/** Packed programs in the machine. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  type Arch,
  ifed,
  LinkError,
  linux,
  type MachineOptions,
  measure,
  packElf,
  unpack,
} from "../../../mod.ts";
import { manyGuest } from "../../../scripts/experiments/guests_data.ts";
import expected from "../../guests/expected.json" with { type: "json" };
import { debianRoot, runIn } from "../gnu/gnu_run.ts";
import { packedMany } from "./packed_root.ts";

const many = expected.find(({ program }) => program === "many/many")!;
const argv = ["/many/many", ...many.args];

async function run(options: MachineOptions) {
  const { stdout, stderr, exit, counters } = await measure(argv, options);
  return { stdout, stderr, exit, counters };
}

for (const arch of ["x86_64", "aarch64"] as Arch[]) {
  Deno.test(`a packed program runs as the plain one, lazily and eagerly, on ${arch}`, async () => {
    const plain = await run({ root: await manyGuest(arch), modules: linux() });
    assertEquals([plain.exit, plain.stdout], [many.exit, many.stdout]);
    const root = await packedMany(arch, { blockSize: 4096 });
    const lazy = await run({ root, modules: [...linux(), unpack()] });
    assertEquals([lazy.exit, lazy.stdout], [many.exit, many.stdout]);
    assertEquals(lazy.counters.instructions, plain.counters.instructions);
    // The same pages are touched, whatever they are read from.
    assertEquals(lazy.counters["faults.minor"], plain.counters["faults.minor"]);
    assertEquals(lazy.counters["faults.major"], plain.counters["faults.major"]);
    const { "linker.unpack.blocks": blocks, "linker.unpack.blocks.decompressed": done } =
      lazy.counters;
    assert(done > 0 && done < blocks, `${done} of ${blocks}`);
    const eager = await run({ root, modules: [...linux(), unpack({ when: "eagerly" })] });
    assertEquals([eager.exit, eager.stdout], [many.exit, many.stdout]);
    assertEquals(eager.counters["faults.major"], 0);
    assert(eager.counters["linker.faults.minor"] > lazy.counters["linker.faults.minor"]);
  });

  Deno.test(`packed objects are concatenated and their calls made direct, on ${arch}`, async () => {
    const both = [ifed.concatenate(), ifed.eliminateBranches()];
    const plain = await run({ root: await manyGuest(arch), modules: [...linux(), ...both] });
    const root = await packedMany(arch);
    for (const when of ["lazily", "eagerly"] as const) {
      for (const order of [[unpack({ when }), ...both], [...both, unpack({ when })]]) {
        const { exit, stdout, counters } = await run({ root, modules: [...linux(), ...order] });
        assertEquals([exit, stdout], [many.exit, many.stdout]);
        for (const name of ["instructions", "linker.ifed.branches.patched", "faults.major"]) {
          assertEquals(counters[name], plain.counters[name], name);
        }
      }
    }
  });

  const root = debianRoot("bookworm", arch);
  Deno.test({
    name: `Debian's python3 runs packed on ${arch}` +
      (root === undefined ? " (skipped: needs the root of bookworm)" : ""),
    ignore: root === undefined,
    fn: async () => {
      const folder = await Deno.makeTempDir();
      try {
        const lib = `${root}/usr/lib/${arch}-linux-gnu`;
        for (const path of [`${root}/usr/bin/python3.11`, `${lib}/libc.so.6`, `${lib}/libz.so.1`]) {
          const packed = packElf(await Deno.readFile(path), path, { codec: "deflate" });
          await Deno.writeFile(`${folder}/${path.split("/").at(-1)}`, packed, { mode: 0o755 });
        }
        const script = "import zlib, os\nprint(zlib.crc32(b'x'), os.fork() == 0)\n" +
          "print([l.split()[-1] for l in open('/proc/self/maps') if '/packed/' in l][0])";
        const { exit, stdout, counters } = await runIn(
          root!,
          ["/packed/python3.11", "-S", "-c", script],
          {
            mounts: [{ host: folder, guest: "/packed" }],
            env: { LD_LIBRARY_PATH: "/packed", PYTHONHOME: "/usr" },
            modules: [...linux(), unpack()],
          },
        );
        assertEquals(exit, 0);
        const lines = ["/packed/python3.11", "/packed/python3.11"];
        lines.push("2363233923 False", "2363233923 True");
        assertEquals(stdout.trim().split("\n").sort(), lines);
        assertEquals(counters["linker.unpack.files"], 3);
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}

Deno.test("a corrupted packed library is one error, and nothing runs", async () => {
  const root = await packedMany("x86_64");
  const library = root.get("/many/lib/libm09.so")!.slice();
  library[library.length >> 1] ^= 1;
  root.set("/many/lib/libm09.so", library);
  const { exit, stdout, stderr, counters } = await run({ root, modules: [...linux(), unpack()] });
  assertEquals([exit, stdout], [127, ""]);
  assertStringIncludes(
    stderr,
    "/many/many: error while loading shared libraries: /many/lib/libm09.so: packed segment ",
  );
  assertStringIncludes(stderr, "it is corrupted: the checksum differs\n");
  assertEquals(stderr.trim().split("\n").length, 1);
  assert(counters.instructions < 20);
});

Deno.test("two main passes that must hold are a conflict that names both", async () => {
  const root = await manyGuest("x86_64");
  const modules = [...linux(), ifed.concatenate(), { ...ifed.concatenate(), name: "other" }];
  const error = await assertRejects(() => run({ root, modules }), LinkError);
  assertEquals(
    error.message,
    "register: other: /many/many: other and ifed.concatenate conflict: each would be the main pass of " +
      "load, and that of ifed.concatenate must hold",
  );
});
