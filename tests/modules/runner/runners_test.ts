/** One C program with a library in machine code, in WebAssembly and in JavaScript: it cannot tell them apart. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  type Arch,
  javascript,
  linux,
  type Module,
  wasm,
  wrapJavascript,
  wrapWasm,
} from "../../../mod.ts";
import { debianRoot, type Outcome, runIn } from "../gnu/gnu_run.ts";
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

type Run = (
  kind: Kind,
  args: readonly string[],
  modules?: readonly Module[],
) => Promise<Outcome & { readonly counters: Readonly<Record<string, number>> }>;

for (const arch of ["x86_64", "aarch64"] as Arch[]) {
  const root = debianRoot("bookworm", arch);
  const missing = root === undefined ? "Debian roots" : missingCompiler(arch);
  const test = (name: string, fn: (run: Run) => Promise<void>) =>
    Deno.test({
      name: `${name} on ${arch}` + (missing === undefined ? "" : ` (skipped: needs ${missing})`),
      ignore: missing !== undefined,
      fn: async () => {
        using folder = new GuestFolder(arch, root!, TARGETS);
        const path = `${folder.path}/libmade.so`;
        const native = await Deno.readFile(path);
        await fn(async (kind, args, modules = []) => {
          await Deno.writeFile(path, await library(kind, arch, native));
          return await runIn(root!, ["/t/user", ...args], {
            modules: [...linux(), wasm(), javascript(), ...modules],
            mounts: folder.mounts,
            report() {},
          });
        });
      },
    });

  test("numbers, strings, bytes, functions both ways; threads, fork, dlopen", async (run) => {
    for (
      const args of [["use", "wörld"], ["threads"], ["fork"], ["open", "/t/libmade.so"]]
    ) {
      const { exit, stdout } = await run("machine code", args);
      assertEquals(exit, 0, args[0]);
      for (const kind of KINDS.slice(1)) {
        const made = await run(kind, args);
        assertEquals([made.stdout, made.exit, made.stderr], [stdout, 0, ""], `${args} ${kind}`);
        assert(made.counters["runner.calls"] > 0);
      }
    }
  });

  test("a trap is a fault at the function, with one line that names it", async (run) => {
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

  test("a call costs the program the same every time, and its work is the runner's", async (run) => {
    for (const kind of ["wasm", "javascript"] as const) {
      const [few, many] = [await run(kind, ["calls", "100"]), await run(kind, ["calls", "1100"])];
      const more = (name: string) => (many.counters[name] ?? 0) - (few.counters[name] ?? 0);
      assertEquals(more("runner.calls"), 1000);
      // The loop, the PLT and the stub: what the runner does in between retires nothing.
      assert(more("instructions") < 15_000, String(more("instructions")));
      assertEquals(more("runner.bytes.in") + more("runner.calls.guest"), 0);
    }
  });

  test("what an object lacks is one error, and nothing starts", async (run) => {
    const { exit, stderr } = await runWithout(run);
    assertEquals(exit, 127);
    assertStringIncludes(stderr, "runner-wasm.so: cannot open shared object file");
  });

  async function runWithout(run: Run): Promise<Outcome> {
    await run("wasm", ["calls", "1"]);
    using folder = new GuestFolder(arch, root!, TARGETS);
    await Deno.writeFile(
      `${folder.path}/libmade.so`,
      await library("wasm", arch, new Uint8Array(0)),
    );
    const modules = linux();
    return await runIn(root!, ["/t/user", "use", "x"], { modules, mounts: folder.mounts });
  }
}
