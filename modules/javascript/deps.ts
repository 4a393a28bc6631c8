/** QuickJS-NG compiled to WebAssembly. The import has Deno fetch the package; the file is what is used of it. */
import "npm:quickjs-wasi@3.7.0";

const FILE = "npm:quickjs-wasi@3.7.0/quickjs.wasm";

/** The module of QuickJS. */
export function readQuickjs(): Promise<Uint8Array<ArrayBuffer>> {
  return Deno.readFile(new URL(import.meta.resolve(FILE)));
}
