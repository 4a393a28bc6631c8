/** One C program with a library in machine code, in WebAssembly and in JavaScript: it cannot tell them apart. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  type Arch,
  ElfFile,
  javascript,
  linux,
  wasm,
  wrapJavascript,
  wrapWasm,
} from "../../../mod.ts";
import { debianRoot, runIn } from "../gnu/gnu_run.ts";
import { GuestFolder, missingCompiler, type Target } from "../gnu/guest_program.ts";
import { bytesOf, textOf } from "./programs.ts";

const programs = "../../runner/programs/";
const TARGETS: readonly Target[] = [
  {
    name: "libmade.so",
    source: `${programs}library.c`,
    flags: ["-Wl,--unresolved-symbols=ignore-all"],
  },
  {
    name: "user",
    source: `${programs}user.c`,
    flags: ["-rdynamic", "-lmade", "-ldl", "-lpthread"],
  },
];

/** What the library is made of. */
const KINDS = ["machine code", "wasm", "javascript"] as const;
type Kind = typeof KINDS[number];

async function library(kind: Kind, arch: Arch, native: Uint8Array): Promise<Uint8Array> {
  const options = { arch, soname: "libmade.so", interface: textOf("library.types") };
  if (kind === "wasm") return wrapWasm(bytesOf("library.wasm"), options);
  if (kind === "machine code") return native;
  return await wrapJavascript(textOf("library.js"), { ...options, name: "library.js" });
}

for (const arch of ["x86_64", "aarch64"] as Arch[]) {
  const root = debianRoot("bookworm", arch);
  const missing = root === undefined ? "Debian roots" : missingCompiler(arch);
  Deno.test({
    name: `a C program with a library of each kind on ${arch}` +
      (missing === undefined ? "" : ` (skipped: needs ${missing})`),
    ignore: missing !== undefined,
    fn: async (t) => {
      using folder = new GuestFolder(arch, root!, TARGETS);
      const path = `${folder.path}/libmade.so`;
      const native = await Deno.readFile(path);
      const run = async (
        kind: Kind,
        args: readonly string[],
        modules = [...linux(), wasm(), javascript()],
      ) => {
        await Deno.writeFile(path, await library(kind, arch, native));
        const { mounts } = folder;
        return await runIn(root!, ["/t/user", ...args], { modules, mounts, report() {} });
      };
      await t.step(
        "numbers, strings, bytes, functions both ways; threads, fork, dlopen",
        async () => {
          for (
            const args of [["use", "wörld"], ["threads"], ["fork"], ["open", "/t/libmade.so"]]
          ) {
            const { exit, stdout } = await run("machine code", args);
            assertEquals(exit, 0, args[0]);
            for (const kind of KINDS.slice(1)) {
              const made = await run(kind, args);
              assertEquals(
                [made.stdout, made.exit, made.stderr],
                [stdout, 0, ""],
                `${args} ${kind}`,
              );
              assert(made.counters["runner.calls"] > 0);
            }
          }
        },
      );

      await t.step("a trap is a fault at the function, with one line that names it", async () => {
        assertEquals((await run("machine code", ["trap"])).stdout, "signal\n");
        const messages = {
          wasm: arch === "x86_64"
            ? /divide: (divide by zero|unreachable)\n$/
            : /divide: unreachable\n$/,
          javascript: /divide: RangeError: divide by zero \(\/t\/libmade.so:\d+:\d+\)\n$/,
        };
        for (const kind of ["wasm", "javascript"] as const) {
          const { exit, stdout, stderr, counters } = await run(kind, ["trap"]);
          assertEquals([exit, stdout], [0, "signal\n"]);
          assert(messages[kind].test(stderr), stderr);
          assert(stderr.startsWith("/t/user: /t/libmade.so: divide: "), stderr);
          assertEquals(counters["runner.traps"], 1);
        }
      });

      await t.step(
        "a call costs the program the same every time, and its work is the runner's",
        async () => {
          for (const kind of ["wasm", "javascript"] as const) {
            const [few, many] = [
              await run(kind, ["calls", "100"]),
              await run(kind, ["calls", "1100"]),
            ];
            const more = (name: string) => (many.counters[name] ?? 0) - (few.counters[name] ?? 0);
            assertEquals(more("runner.calls"), 1000);
            // The loop, the PLT and the stub: what the runner does in between retires nothing.
            assert(more("instructions") < 15_000, String(more("instructions")));
            assertEquals(more("runner.bytes.in") + more("runner.calls.guest"), 0);
          }
        },
      );

      await t.step("what was forked inside of a call cannot return into it", async () => {
        const { exit, stdout } = await run("wasm", ["inside"]);
        assertEquals([exit, stdout], [0, "1 11\n"]);
      });

      await t.step("a spoilt object that is opened at run time is what dlerror says", async () => {
        const bytes = await library("wasm", arch, native);
        const { offset, size } = ElfFile.parse(bytes, "").section(".runner")!;
        bytes.fill(0, offset + size - 40, offset + size);
        await Deno.writeFile(`${folder.path}/spoilt.so`, bytes);
        const { exit, stdout } = await run("wasm", ["open", "/t/spoilt.so"]);
        assertEquals(exit, 1);
        assertStringIncludes(stdout, "/t/spoilt.so: WebAssembly.compile(): ");
      });

      await t.step(
        "without the module of its runner, the library is one that lacks another",
        async () => {
          const { exit, stderr } = await run("wasm", ["use", "x"], linux());
          assertEquals(exit, 127);
          assertStringIncludes(stderr, "runner-wasm.so: cannot open shared object file");
        },
      );
    },
  });
}
