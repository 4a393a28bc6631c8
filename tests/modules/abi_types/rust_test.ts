/** A Rust library whose types changed under a program, which no linker would notice. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { abiTypes, linux } from "../../../mod.ts";
import { debianRoot, runIn } from "../gnu/gnu_run.ts";
import { hasTool, runTool } from "../sysv/native_process.ts";

const sources = new URL("programs/", import.meta.url).pathname;
const root = debianRoot("bookworm", "x86_64");
const isHost = Deno.build.arch === "x86_64" && hasTool("rustc");
const needs = root === undefined ? "the root of bookworm" : isHost ? "" : "rustc for x86_64";

Deno.test({
  name: `a Rust library whose structs or enums changed is refused${
    needs === "" ? "" : ` (skipped: needs ${needs})`
  }`,
  ignore: needs !== "",
  fn: async () => {
    const folder = await Deno.makeTempDir();
    const build = (change: string) =>
      runTool(
        "rustc",
        ...["-g", "--crate-type", "dylib", "-C", "prefer-dynamic", "-C", "metadata=shapes"],
        // The names of before depend on the types: what changed would not be found.
        ...["-C", "symbol-mangling-version=v0"],
        ...["--cfg", `change="${change}"`, "-A", "unexpected_cfgs", "--edition", "2021"],
        ...[`${sources}shapes.rs`, "-o", `${folder}/libshapes.so`],
      );
    try {
      const sysroot = runTool("rustc", "--print", "target-libdir").trim();
      for await (const { name } of Deno.readDir(sysroot)) {
        if (/^libstd-.*\.so$/.test(name)) {
          await Deno.copyFile(`${sysroot}/${name}`, `${folder}/${name}`);
        }
      }
      build("none");
      runTool(
        "rustc",
        ...["-g", "-C", "prefer-dynamic", "-L", folder, "--edition", "2021"],
        ...[`${sources}draw.rs`, "-o", `${folder}/draw`],
      );
      const run = (modules = [...linux(), abiTypes()]) =>
        runIn(root!, ["/t/draw"], {
          mounts: [{ host: folder, guest: "/t" }],
          env: { LD_LIBRARY_PATH: "/t" },
          modules,
        });
      const same = await run();
      assertEquals([same.exit, same.stdout, same.stderr], [0, "42\n", ""]);
      assert(same.counters["linker.abi.named"] >= 1);
      build("more");
      assertEquals((await run()).stdout, "42\n");
      for (const [change, type] of [["field", "struct Shape"], ["variant", "struct Kind"]]) {
        build(change);
        const { exit, stdout, stderr } = await run();
        assertEquals([exit, stdout], [127, ""], change);
        assertStringIncludes(stderr, `area`);
        assertStringIncludes(stderr, ` of /t/libshapes.so has another ${type} than`);
        // Without the module the program starts with the wrong types.
        assert((await run([...linux()])).exit !== 127);
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
