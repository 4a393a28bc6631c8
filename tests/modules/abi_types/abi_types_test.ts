/** Libraries with other types than their users were compiled for, after libabigail's judgement. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { abiTypes, type Arch, ElfFile, linux } from "../../../mod.ts";
import { debianRoot, runIn } from "../gnu/gnu_run.ts";
import { GuestFolder, missingCompiler, type Target } from "../gnu/guest_program.ts";
import { hasTool, runTool } from "../sysv/native_process.ts";

const here = "../../abi_types/programs/";

/** What is different in the library, and how it is said; undefined where it does no harm. */
const CHANGES: readonly (readonly [number, string | undefined])[] = [
  [0, undefined],
  [1, "struct point { int x @0, int y @4, int z @8 } of 12 bytes"],
  [2, "enum color { RED = 1, BLUE = 2, GREEN = 3 } of 4 bytes"],
  [3, "int scale(struct shape *, long int), not int scale(struct shape *, int)"],
  [4, "int scale(struct shape *), not int scale(struct shape *, int)"],
  [5, "struct point { int y @0, int x @4 } of 8 bytes, not struct point { int x @0, int y @4 }"],
  [6, "struct node { struct node * next @0, long int weight @8 } of 16 bytes"],
  [7, "struct point *scale(struct shape *, int)"],
  [8, "long int of 8 bytes, not int of 4 bytes"],
  [9, "struct point[5] corners @4, struct node * list @48"],
  [10, undefined],
  [11, undefined],
];

function library(change: number, flags: readonly string[]): Target {
  return {
    name: "libshapes.so",
    source: `${here}libshapes.c`,
    flags: [`-DCHANGE=${change}`, ...flags],
  };
}

function folder(arch: Arch, root: string, how: readonly string[]): GuestFolder {
  const program = { name: "shapes", source: `${here}shapes.c`, flags: [...how, "-lshapes"] };
  return new GuestFolder(arch, root, [library(0, how), program]);
}

/** Builds another version of the library in a folder of its own. */
function versions(arch: Arch, root: string, change: number, how: readonly string[]): GuestFolder {
  return new GuestFolder(arch, root, [library(change, how)]);
}

for (const arch of ["x86_64", "aarch64"] as Arch[]) {
  const root = debianRoot("bookworm", arch);
  const needs = root === undefined ? "the root of bookworm" : missingCompiler(arch);
  const skipped = needs === undefined ? "" : ` (skipped: needs ${needs})`;
  const run = async (program: GuestFolder, library: GuestFolder, debug?: string) => {
    Deno.copyFileSync(`${library.path}/libshapes.so`, `${program.path}/libshapes.so`);
    return await runIn(root!, ["/t/shapes"], {
      mounts: program.mounts,
      modules: [...linux(), abiTypes({ debug })],
    });
  };

  Deno.test({
    name: `a library whose types changed is refused, with both definitions, on ${arch}${skipped}`,
    ignore: needs !== undefined,
    fn: async () => {
      const how = ["-g", "-O2"];
      using program = folder(arch, root!, how);
      // Half of them on each, for the types of both are laid out alike.
      const here = CHANGES.filter(([change]) => (change % 2 === 0) === (arch === "x86_64"));
      for (const [change, said] of here) {
        using library = versions(arch, root!, change, how);
        const { exit, stdout, stderr, counters } = await run(program, library);
        if (said === undefined) {
          assertEquals([exit, stdout, stderr], [0, "42\n", ""], `change ${change}`);
          assert(counters["linker.abi.declared"] >= 2);
        } else {
          assertEquals([exit, stdout], [127, ""], `change ${change}`);
          assertStringIncludes(stderr, "/t/shapes: ");
          assertStringIncludes(stderr, " of /t/libshapes.so has another ");
          assertStringIncludes(stderr, said);
          assertEquals(stderr.trim().split("\n").length, 1);
        }
      }
    },
  });

  Deno.test({
    name: `types are found by name, in versions and forms of DWARF, on ${arch}${skipped}`,
    ignore: needs !== undefined,
    fn: async () => {
      // Debug information is read by the same code on both.
      const forms = arch === "x86_64"
        ? [["-gdwarf-2", "-gstrict-dwarf"], ["-gdwarf-5", "-gz"]]
        : [["-gdwarf-4"], ["-gdwarf-4", "-fdebug-types-section"]];
      for (const how of forms) {
        using program = folder(arch, root!, ["-O0", "-DLATE", ...how]);
        for (const change of [0, 1]) {
          using library = versions(arch, root!, change, ["-O0", ...how]);
          const { exit, stdout, stderr, counters } = await run(program, library);
          const said = change === 0 ? ["42\n", ""] : ["", "scale has other types\n"];
          assertEquals([stdout, stderr], said, `${how} ${change} ${stderr}`);
          assertEquals(exit, 0);
          assert(counters["linker.abi.named"] >= 1, `${how}`);
        }
      }
    },
  });

  Deno.test({
    name: `debug files are found by build id, on ${arch}${skipped}`,
    ignore: needs !== undefined,
    fn: async () => {
      const how = ["-g", "-O2", "-Wl,--build-id"];
      const objcopy = `${arch}-linux-gnu-objcopy`;
      using program = folder(arch, root!, how);
      using library = versions(arch, root!, 1, how);
      for (const path of [`${program.path}/shapes`, `${library.path}/libshapes.so`]) {
        const id = ElfFile.parse(Deno.readFileSync(path), path).buildId!;
        const debug = `${program.path}/debug/.build-id/${id.slice(0, 2)}`;
        Deno.mkdirSync(debug, { recursive: true });
        runTool(objcopy, "--only-keep-debug", path, `${debug}/${id.slice(2)}.debug`);
        runTool(objcopy, "--strip-debug", path);
      }
      const without = await run(program, library);
      assertEquals(without.exit, 0);
      assert(without.counters["linker.abi.unchecked"] > 0);
      const { exit, stderr } = await run(program, library, "/t/debug");
      assertEquals(exit, 127);
      assertStringIncludes(stderr, "another struct point");
    },
  });

  Deno.test({
    name: `malformed debug information is one error, on ${arch}${skipped}`,
    ignore: needs !== undefined,
    fn: async () => {
      const how = ["-g", "-O2"];
      using program = folder(arch, root!, how);
      using library = versions(arch, root!, 0, how);
      const path = `${library.path}/libshapes.so`;
      const plain = Deno.readFileSync(path);
      for (const name of [".debug_abbrev", ".debug_info"]) {
        const section = ElfFile.parse(plain, path).section(name)!;
        const bytes = plain.slice();
        bytes.fill(0x7f, section.offset + 13, section.offset + section.size);
        Deno.writeFileSync(path, bytes);
        const { exit, stdout, stderr } = await run(program, library);
        assertEquals([exit, stdout], [127, ""]);
        assertStringIncludes(stderr, "/t/libshapes.so: its debug information is malformed: ");
        assertEquals(stderr.trim().split("\n").length, 1);
      }
    },
  });

  const noAbidiff = needs ?? (hasTool("abidiff") ? undefined : "abidiff");
  Deno.test({
    name: `libabigail judges the versions alike, of ${arch}` +
      (noAbidiff === undefined ? "" : ` (skipped: needs ${noAbidiff})`),
    ignore: noAbidiff !== undefined,
    fn: () => {
      const how = ["-g", "-O2"];
      using first = versions(arch, root!, 0, how);
      for (const [change, said] of CHANGES) {
        // It takes another order of members of the same size and type for harmless renaming.
        using second = versions(arch, root!, change, how);
        const { code, stdout } = new Deno.Command("abidiff", {
          args: ["--no-added-syms", `${first.path}/libshapes.so`, `${second.path}/libshapes.so`],
        }).outputSync();
        // Bit 2 of the exit code: the ABI changed.
        const text = new TextDecoder().decode(stdout);
        assertEquals((code & 4) !== 0, said !== undefined, `change ${change}: ${text}`);
      }
    },
  });
}
