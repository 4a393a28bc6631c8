/** Objects of runners that call one another, what is wrong with them, and how they are bounded. */
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  type Arch,
  ElfFile,
  ifed,
  javascript,
  linux,
  packElf,
  unpack,
  wasm,
  wrapJavascript,
  wrapWasm,
} from "../../../mod.ts";
import { wrap } from "../../../modules/runner/wrap.ts";
import { WasmError } from "../../../modules/wasm/binary.ts";
import { chain, circle, plusLibrary, runFiles, RUNNERS } from "./guests.ts";
import { bytesOf, textOf } from "./programs.ts";

for (const arch of ["x86_64", "aarch64"] as Arch[]) {
  Deno.test(`a program in WebAssembly, a library in JavaScript, one in machine code on ${arch}`, async () => {
    const root = await chain(arch);
    const run = (options = {}) =>
      runFiles(root, ["/t/command", "b", "c"], { stdin: "read this\n", ...options });
    const { exit, stdout, stderr, counters } = await run();
    assertEquals([exit, stderr], [3 * (3 + 5), ""]);
    assert(stdout.startsWith("/t/command\0b\0c\0read this\n"), JSON.stringify(stdout));
    // main; times, its constructor; three calls of plus, one of plus and times from the program.
    assertEquals(counters["runner.calls"], 3);
    assertEquals(counters["runner.calls.guest"], 5);
    assertEquals(counters["runner.objects"], 2);
    // Time and randomness are the machine's: the same every time, and others with another seed.
    assertEquals(await run(), { exit, stdout, stderr, counters });
    assert((await run({ seed: 2 })).stdout !== stdout);
    // Other modules do what they do with these objects, too.
    const packed = new Map([...root].map(([path, bytes]) => [path, packElf(bytes, path)]));
    const both = await runFiles(packed, ["/t/command", "b", "c"], {
      stdin: "read this\n",
      modules: [...RUNNERS, unpack(), ifed.concatenate(), ifed.eliminateBranches()],
    });
    assertEquals([both.exit, both.stdout.slice(0, 20)], [24, stdout.slice(0, 20)]);
  });

  Deno.test(`machine code calls WebAssembly, that JavaScript, that machine code on ${arch}`, async () => {
    const { exit, stderr, counters } = await runFiles(await circle(arch), ["/t/program"]);
    assertEquals([exit, stderr], [6 * 7, ""]);
    // The script's constructor, multiply, times; times, and plus six times.
    assertEquals([counters["runner.calls"], counters["runner.calls.guest"]], [3, 7]);
  });

  Deno.test(`what is wrong with an object of a runner is one line, and nothing starts, on ${arch}`, async () => {
    const root = await chain(arch);
    const refused = async (
      files: Record<string, Uint8Array>,
      message: string,
      modules = RUNNERS,
    ) => {
      const spoilt = new Map([...root, ...Object.entries(files)]);
      const { exit, stdout, stderr, counters } = await runFiles(spoilt, ["/t/command"], {
        modules,
      });
      assertEquals([exit, stdout], [127, ""], stderr);
      assertEquals(stderr.split("\n").length, 2, stderr);
      assertStringIncludes(stderr, message);
      assertEquals(counters["runner.calls"], undefined);
    };
    const script = (source: string) => {
      const payload = new TextEncoder().encode(source);
      const exports = new Map([["times", { parameters: ["i32", "i32"], result: "i32" } as const]]);
      const types = { exports, imports: new Map() };
      return wrap({ machine: arch, kind: "javascript", interface: types, payload });
    };
    await refused({}, "runner-javascript.so: cannot open shared object file", [...linux(), wasm()]);
    const lua = wrap({
      machine: arch,
      kind: "lua",
      interface: { exports: new Map(), imports: new Map() },
      payload: new Uint8Array(4),
    });
    await refused({ "/t/libtimes.so": lua }, "runner-lua.so: cannot open shared object file");
    await refused(
      { "/t/libtimes.so": script("function times( {") },
      "/t/libtimes.so: SyntaxError: ",
    );
    await refused({ "/t/libplus.so": script("1") }, "symbol lookup error");
    const library = (text: string, source: string) =>
      wrapJavascript(source, { arch, name: "x.js", interface: text });
    await refused(
      { "/t/libplus.so": await library("export plus(i64, i64) -> i64", "function plus() {}") },
      "plus: imported as (i32, i32) -> i32, but /t/libplus.so exports it as (i64, i64) -> i64",
    );
    const command = root.get("/t/command")!;
    const { offset, size } = ElfFile.parse(command, "").section(".runner")!;
    const cut = command.slice();
    cut.fill(0, offset + size - 40, offset + size);
    await refused({ "/t/command": cut }, "/t/command: WebAssembly.compile(): ");
    const text = new TextDecoder("latin1").decode(command);
    const changed = command.slice();
    changed.set(new TextEncoder().encode("i64"), text.indexOf("import plus(i32") + 12);
    await refused({ "/t/command": changed }, "the import plus is (i32, i32) -> (i32), and by its");
    changed.set(new TextEncoder().encode("u32"), text.indexOf("import plus(i32") + 12);
    await refused({ "/t/command": changed }, "no signature at");
  });
}

Deno.test("a script that throws, never ends or takes all memory is ended", async () => {
  const run = async (source: string) => {
    const program = await wrapJavascript(source, { arch: "x86_64", name: "x.js", program: "bare" });
    return await runFiles(new Map([["/x", program]]), ["/x"], {
      modules: [...linux(), javascript({ pages: 400, steps: 100 })],
    });
  };
  const ended = async (source: string, message: string) => {
    const { exit, stderr } = await run(source);
    assertEquals([exit, stderr.split("\n").length], [128 + 4, 2]);
    assertStringIncludes(stderr, message);
  };
  await ended("function main() { throw new Error('no'); }", "/x: /x: main: Error: no (/x:1:");
  await ended("function main() { throw 'words'; }", "uncaught words");
  await ended("function main() { for (;;); }", "InternalError: interrupted");
  await ended(
    "function main() { const a = []; for (;;) a.push(new Uint8Array(1e6)); }",
    "memory",
  );
  await ended("function main() { return main() + 1; }", "Maximum call stack size exceeded");
  await ended("main = 1;", "the script has no function main");
  await ended("function main() { return 'x'; }", "the result is no i32");
  // What it may not do is not there; promises are settled before a call ends.
  const { exit } = await run(
    "let n = 0; Promise.resolve().then(() => n = 5);" +
      "function main() { return typeof Deno + typeof setTimeout + typeof require === " +
      "'undefinedundefinedundefined' ? n : 1; }",
  );
  assertEquals(exit, 5);
});

Deno.test("a script's arguments of another type are its TypeErrors, and it goes on", async () => {
  const source = `
    // import plus(i32, i32) -> i32
    function main() {
      try { plus("1", 2); } catch (error) { return plus(40, error.message.length > 20 ? 2 : 3); }
    }`;
  const program = await wrapJavascript(source.replaceAll(/^ +/gm, ""), {
    arch: "x86_64",
    name: "x.js",
    needed: ["libplus.so"],
    runpath: "/",
    program: "bare",
  });
  const root = new Map([["/x", program], ["/libplus.so", plusLibrary("x86_64")]]);
  assertEquals((await runFiles(root, ["/x"])).exit, 42);
});

Deno.test("what cannot be wrapped says why", async () => {
  const arch = "x86_64";
  const types = textOf("library.types");
  const library = bytesOf("library.wasm");
  const refused = (text: string, message: string, bytes = library) =>
    assertThrows(() => wrapWasm(bytes, { arch, interface: text }), Error, message);
  refused(
    types.replace("add(i32", "add(i64"),
    "add is (i32, i32) -> (i32), and by its interface (i64",
  );
  refused(types.replace("export add", "export subtract"), "it exports no function subtract");
  refused(
    types.replace("import c_puts", "import puts"),
    "the import c_puts is not in its interface",
  );
  refused("export add(i32, i32) -> i33", 'line 1: no signature at "i33"');
  refused("export add(i32)\nexport add(i32)", "line 2: add is declared twice");
  refused("add(i32)", "line 1: neither");
  assertThrows(() => wrapWasm(library.subarray(0, 500), { arch }), WasmError, "not a valid");
  // (memory i64 1), an import of a memory, and a start function.
  const start = Uint8Array.fromHex("0061736d0100000001040160000003020100080100" + "0a040102000b");
  assertThrows(() => wrapWasm(start, { arch }), WasmError, "start function");
  const memory = Uint8Array.fromHex("0061736d01000000020801016d016d020001");
  assertThrows(() => wrapWasm(memory, { arch }), WasmError, "imports the memory m.m");
  await assertRejects(
    () => wrapJavascript("let 1", { arch, name: "x.js" }),
    Error,
    "SyntaxError",
  );
  await assertRejects(
    () => wrapJavascript("// export f(x)", { arch, name: "x.js" }),
    Error,
    "line 1: no signature",
  );
});
