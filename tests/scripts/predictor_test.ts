/** Predictors of one's own, as a script and as a WebAssembly module, on programs. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { preset } from "../../sim/models/preset.ts";

const main = new URL("../../mod.ts", import.meta.url).pathname;
const root = new URL("../guests/prebuilt/", import.meta.url).pathname;

/** The gshare of docs/models.md, compiled by clang. */
const GSHARE_WASM = "0061736d0100000001070160027f7f017f0302010005030100020608017f01419088050b0714" +
  "02066d656d6f72790200077072656469637400000a960101930101057f41012102410028028088818000220320007341" +
  "ffff007122044180888080006a2d0000220041017321050240024002402001450d0020002106200541ff01714103490d" +
  "010c020b41ff01210241012106200041ff01714101460d010b200220056a41017321060b20044180888080006a20063a" +
  "00004100200341017420017236028088818000200041ff017141014b0b";
const GSHARE_SCRIPT = `
export default class Gshare {
  #counters = new Uint8Array(2 ** 14).fill(1);
  #history = 0;
  #index(pc: number): number {
    return (pc ^ this.#history) & (2 ** 14 - 1);
  }
  predict(pc: number): boolean {
    return this.#counters[this.#index(pc)] >= 2;
  }
  update(pc: number, taken: boolean): void {
    const at = this.#index(pc);
    const counter = this.#counters[at] + (taken ? 1 : -1);
    if (counter >= 0 && counter <= 3) this.#counters[at] = counter;
    this.#history = (this.#history << 1) | (taken ? 1 : 0);
  }
}`;
/** (func (export "predict") (param i64 i32) (result i32) i32.const 1) */
const WRONG_TYPE = "0061736d0100000001070160027e7f017f030201000" +
  "70b0107707265646963740000" + "0a0601040041010b";

async function run(...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-lock", main, "run", "--root", root, ...args],
    env: { NO_COLOR: "1" },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("gshare as a script and as WebAssembly counts what the built-in one does", async () => {
  const { direction } = preset("reference");
  assert(direction.kind === "gshare" && direction.historyBits === 14);
  await inFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/gshare.ts`, GSHARE_SCRIPT);
    await Deno.writeFile(`${folder}/gshare.wasm`, Uint8Array.fromHex(GSHARE_WASM));
    const counts = async (...options: string[]) => {
      const file = `${folder}/stats.json`;
      await run("--cpu", "reference", "--stats", file, ...options, "/x86_64/sieve");
      return JSON.parse(await Deno.readTextFile(file)).counters;
    };
    const built = await counts();
    assert(built["branches.conditional.mispredicted"] > 1000);
    for (const name of ["gshare.ts", "gshare.wasm"]) {
      assertEquals(await counts("--predictor", `${folder}/${name}`), built, name);
    }
  });
});

Deno.test("what is no predictor is refused in a line", async () => {
  await inFolder(async (folder) => {
    const files: Readonly<Record<string, readonly [string | Uint8Array<ArrayBuffer>, string]>> = {
      "no_class.ts": ["export const x = 1;", "its default export is no class"],
      "no_update.ts": [
        "export default class { predict() { return true; } }",
        "its class has no method update",
      ],
      "broken.wasm": [Uint8Array.of(0, 1, 2), "WebAssembly"],
      "type.wasm": [Uint8Array.fromHex(WRONG_TYPE), "(i32, i32) -> i32"],
    };
    for (const [name, [content, problem]] of Object.entries(files)) {
      const path = `${folder}/${name}`;
      if (typeof content === "string") await Deno.writeTextFile(path, content);
      else await Deno.writeFile(path, content);
      const { code, stderr } = await run(
        "--cpu",
        "reference",
        "--predictor",
        path,
        "/x86_64/hello",
      );
      assertEquals(
        { code, lines: stderr.trimEnd().split("\n").length },
        { code: 2, lines: 1 },
        stderr,
      );
      assertStringIncludes(stderr, `${path}: `);
      assertStringIncludes(stderr, problem);
    }
    const { code, stderr } = await run("--predictor", "tage", "/x86_64/hello");
    assertEquals([code, stderr], [2, "isthmus: --predictor is for the core of --cpu\n"]);
  });
});
