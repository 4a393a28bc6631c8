/** Programs with packed relocations in the machine. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  type Arch,
  ElfFile,
  ifed,
  linux,
  type MachineOptions,
  measure,
  packedRelocations,
  packElf,
  packRelocations,
  unpack,
} from "../../../mod.ts";
import { FORMATS, type PackedFormat } from "../../../modules/packed_relocations/mod.ts";
import { manyGuest } from "../../../scripts/experiments/guests_data.ts";
import expected from "../../guests/expected.json" with { type: "json" };
import { debianRoot, runIn } from "../gnu/gnu_run.ts";

const many = expected.find(({ program }) => program === "many/many")!;
const argv = ["/many/many", ...many.args];

async function packedMany(arch: Arch, format: PackedFormat): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  for (const [path, bytes] of await manyGuest(arch)) {
    files.set(path, packRelocations(bytes, path, { format }).bytes);
  }
  return files;
}

function run(options: MachineOptions) {
  return measure(argv, options);
}

for (const arch of ["x86_64", "aarch64"] as Arch[]) {
  Deno.test(`programs run with relocations of every format, on ${arch}`, async () => {
    const plain = await run({ root: await manyGuest(arch), modules: linux() });
    for (const format of FORMATS) {
      const root = await packedMany(arch, format);
      const when = format.startsWith("relr") ? "touch" : "start";
      const { exit, stdout, counters } = await run({
        root,
        modules: [...linux(), packedRelocations({ when })],
      });
      assertEquals([exit, stdout], [many.exit, many.stdout]);
      assertEquals(counters.instructions, plain.counters.instructions);
      assert(counters["linker.packed.relocations"] > 0);
      for (const kind of ["symbol", "plt", "relative"]) {
        const name = `linker.relocations.${kind}`;
        if (when === "touch" && kind === "relative") continue;
        assertEquals(counters[name], plain.counters[name], `${format} ${name}`);
      }
    }
  });

  Deno.test(`packed relocations, compression and iFed on one program, on ${arch}`, async () => {
    const root = await packedMany(arch, "relr+aps2");
    for (const [path, bytes] of root) root.set(path, packElf(bytes, path));
    const all = [
      unpack(),
      ifed.concatenate(),
      ifed.eliminateBranches(),
      packedRelocations({ when: "touch" }),
    ];
    for (const modules of [all, all.toReversed()]) {
      const { exit, stdout, stderr, counters } = await run({
        root,
        modules: [...linux(), ...modules],
      });
      assertEquals([exit, stdout, stderr], [many.exit, many.stdout, ""]);
      assert(counters["linker.packed.relocations"] > 0);
      assert(counters["linker.unpack.blocks.decompressed"] > 0);
      assert(counters["linker.ifed.branches.patched"] > 0);
      assert(counters["linker.ifed.huge.pages"] > 0);
    }
  });

  const root = debianRoot("bookworm", arch);
  Deno.test({
    name: `Debian's openssl with packed relocations, on ${arch}` +
      (root === undefined ? " (skipped: needs the root of bookworm)" : ""),
    ignore: root === undefined,
    fn: async () => {
      const folder = await Deno.makeTempDir();
      try {
        const lib = `${root}/usr/lib/${arch}-linux-gnu`;
        const names = [`${lib}/libcrypto.so.3`, `${lib}/libssl.so.3`, `${lib}/libc.so.6`];
        for (const path of [`${root}/usr/bin/openssl`, ...names]) {
          const bytes = await Deno.readFile(path);
          const packed = packRelocations(bytes, path, { format: "relr+crel" });
          const name = `${folder}/${path.split("/").at(-1)}`;
          await Deno.writeFile(name, packed.bytes, { mode: 0o755 });
        }
        const options = {
          mounts: [{ host: folder, guest: "/packed" }],
          env: { LD_LIBRARY_PATH: "/packed" },
          stdin: "abc",
        };
        const dirtied: number[] = [];
        for (const when of ["start", "touch"] as const) {
          const { exit, stdout, counters } = await runIn(
            root!,
            ["/packed/openssl", "dgst", "-sha256"],
            { ...options, modules: [...linux(), packedRelocations({ when })] },
          );
          assertEquals(exit, 0);
          // FIPS 180-2, appendix B.1.
          assertStringIncludes(
            stdout,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
          );
          dirtied.push(counters["linker.pages.dirtied"]);
        }
        assert(dirtied[1] < dirtied[0] * 2 / 3, `${dirtied}`);
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}

Deno.test("a corrupted packed table is one error, and nothing runs", async () => {
  const root = await packedMany("x86_64", "aps2");
  const path = "/many/lib/libm09.so";
  const bytes = root.get(path)!.slice();
  const { offset } = ElfFile.parse(bytes, path).section(".rela.dyn")!;
  bytes.fill(0x7f, offset + 4, offset + 12);
  root.set(path, bytes);
  const modules = [...linux(), packedRelocations()];
  const error = await run({ root, modules }).then(() => undefined, (error) => error);
  assertEquals(error?.name, "LinkError");
  assertStringIncludes(error.message, `packed-relocations: ${path}: `);
});
