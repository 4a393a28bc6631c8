/** What the linker reads in WebAssembly modules and changes in them, against what V8 sees. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { openedName, WasmBinary, WasmError } from "../../../modules/wasm/binary.ts";
import { quickjs } from "../../../modules/javascript/quickjs.ts";
import { bytesOf } from "../runner/programs.ts";

Deno.test("imports and exports are those that WebAssembly has, opened or not", () => {
  for (const name of ["library.wasm", "command.wasm", "producer.wasm"]) {
    const bytes = bytesOf(name);
    const binary = new WasmBinary(bytes);
    const module = new WebAssembly.Module(bytes);
    const opened = new WebAssembly.Module(binary.opened(100));
    const plain = (items: readonly { name: string; kind: string; module?: string }[]) =>
      items.map(({ name, kind, module }) => ({ module, name, kind }));
    assertEquals(plain(binary.imports), plain(WebAssembly.Module.imports(module)));
    assertEquals(plain(binary.exports), plain(WebAssembly.Module.exports(module)));
    const all = plain(WebAssembly.Module.exports(opened));
    assertEquals(all.slice(0, binary.exports.length), plain(binary.exports));
    assert(all.slice(binary.exports.length).every(({ name }) => name.startsWith("isthmus.")));
    assertEquals(WebAssembly.Module.imports(opened), WebAssembly.Module.imports(module));
    // A function's type is what V8 makes a function of: so many parameters.
    const imports: WebAssembly.Imports = {};
    for (const { module, name } of binary.imports) (imports[module] ??= {})[name] = () => 0;
    const { exports } = new WebAssembly.Instance(opened, imports);
    for (const { name, type } of binary.exports) {
      if (type) assertEquals((exports[name] as CallableFunction).length, type.parameters.length);
    }
  }
});

Deno.test("an opened module has bounded memory, a table that grows, and its variables", async () => {
  const binary = new WasmBinary(bytesOf("library.wasm"));
  const env = { c_puts: () => 0, c_first: () => 0n, c_scale: () => 0 };
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(binary.opened(10)), { env });
  const memory = exports[openedName("memory", 0)] as WebAssembly.Memory;
  const now = memory.buffer.byteLength / 65536;
  memory.grow(10 - now);
  assertThrows(() => memory.grow(1), RangeError);
  assert((exports[openedName("table", 0)] as WebAssembly.Table).grow(5) > 0);
  const stack = exports[openedName("global", 0)] as WebAssembly.Global;
  assert(stack.value > 0 && stack.value <= now * 65536);
  assertThrows(() => binary.opened(now - 1), WasmError, `its memory has ${now} pages`);
  // QuickJS has its own sections, and is as it was but for its exports.
  const { compiled } = await quickjs(2048);
  assertEquals(WebAssembly.Module.exports(compiled).at(-1)!.name.startsWith("isthmus."), true);
});
