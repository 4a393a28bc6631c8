/** `isthmus wrap`: objects of modules and scripts, and what is wrong usage. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { ElfFile } from "../../mod.ts";
import { available } from "../lib/elf/programs.ts";
import { runTool } from "../modules/sysv/native_process.ts";
import { inProcess } from "./in_process.ts";

const mod = new URL("../../mod.ts", import.meta.url).pathname;
const programs = new URL("../modules/runner/programs/", import.meta.url).pathname;

/** Answers the exit code of a command line and what it prints. */
async function isthmus(...args: string[]): Promise<[code: number, text: string]> {
  const { code, out, err } = await inProcess(...args);
  return [code, `${out}${err}\n`];
}

Deno.test("wrap: objects for both architectures, names from files, one line for what is wrong", async () => {
  const folder = await Deno.makeTempDir();
  try {
    for (const arch of ["x86_64", "aarch64"]) {
      const out = `${folder}/libx.so`;
      const [code, text] = await isthmus(
        ...["wrap", `${programs}times.js`, "--arch", arch, "--out", out, "--json"],
      );
      const { length } = await Deno.readFile(out);
      assertEquals(code, 0, text);
      assertEquals(JSON.parse(text), { file: out, runner: "javascript", arch, size: length });
      const elf = ElfFile.parse(await Deno.readFile(out), out);
      assertEquals([elf.machine, elf.dynamic?.soname, elf.interp], [arch, "libx.so", undefined]);
    }
    const types = `${programs}producer.types`;
    const producer = [
      ...["wrap", `${programs}producer.wasm`, "--arch", "aarch64", "--interface", types],
      ...["--program", "--needed", "libc.so.6+sip.so"],
    ];
    // In a folder, where it goes if nothing is said.
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", "--no-lock", mod, ...producer],
      cwd: folder,
    }).output();
    assertEquals(new TextDecoder().decode(stdout), "producer\n");
    const program = ElfFile.parse(await Deno.readFile(`${folder}/producer`), "producer");
    assertEquals(program.interp, "/lib/ld-linux-aarch64.so.1");
    assertEquals(program.dynamic?.needed, ["runner-wasm.so", "libc.so.6", "sip.so"]);

    await Deno.writeTextFile(`${folder}/bad.js`, "function f( {");
    await Deno.writeTextFile(`${folder}/bad.types`, "export f(x)\n");
    const wrong = async (message: string, ...args: string[]) => {
      const [code, text] = await isthmus("wrap", ...args);
      assertEquals([code, text.split("\n").length], [2, 2], text);
      assertStringIncludes(text, message);
    };
    await wrong("bad.js: SyntaxError: ", `${folder}/bad.js`);
    await wrong("no runner is for it", `${folder}/bad.types`);
    await wrong("none.wasm: ", `${folder}/none.wasm`);
    await wrong(
      "bad.types: line 1: no signature",
      `${programs}times.js`,
      "--interface",
      `${folder}/bad.types`,
    );
    await wrong(
      "a program exports _start",
      `${programs}library.wasm`,
      "--program",
      "--arch",
      "x86_64",
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

const wat = available("wat2wasm");
Deno.test({
  name: `modules of tests are what their sources say${wat ? "" : " (skipped: needs wat2wasm)"}`,
  ignore: !wat,
  fn: async () => {
    const out = await Deno.makeTempFile();
    for (const name of ["command", "multiply", "producer"]) {
      runTool("wat2wasm", `${programs}${name}.wat`, "-o", out);
      assertEquals(await Deno.readFile(out), await Deno.readFile(`${programs}${name}.wasm`), name);
    }
    await Deno.remove(out);
  },
});
