/** Writes WebAssembly modules (core specification 3.0, section 5.5: modules). */
import type { Type } from "../ir/types.ts";
import { Code, typeCode } from "./code.ts";
import { FunctionTypes } from "./function_types.ts";

interface FunctionBody {
  readonly type: number;
  readonly locals: readonly Type[];
  readonly code: Code;
}

/** The signature shared by handlers, regions and everything else reached by tail call. */
export const ENTRY_TYPE = 0;

/**
 * One module under construction. Every module imports the one memory and the one function table, and
 * has type 0 `(i32) -> i32`: a record's address to an exit code.
 */
export class ModuleBuilder {
  readonly #types = new FunctionTypes();
  readonly #imports: { readonly name: string; readonly type: number }[] = [];
  readonly #importIndex = new Map<string, number>();
  readonly #functions: FunctionBody[] = [];
  readonly #exports: { readonly name: string; readonly index: number }[] = [];
  readonly #elements: { readonly slot: number; readonly index: number }[] = [];

  /**
   * @param pages size of the memory in 64 KiB pages. Declared exactly, so that accesses at constant
   * addresses need no bounds check.
   */
  constructor(readonly pages: number) {
    this.type(["i32"], ["i32"]);
  }

  /** Index of a function type. */
  type(params: readonly Type[], results: readonly Type[]): number {
    return this.#types.index(params, results);
  }

  /** Import a function, which has one type under its name; all imports come before any function. Returns its function index. */
  import(name: string, params: readonly Type[], results: readonly Type[]): number {
    const known = this.#importIndex.get(name);
    if (known !== undefined) return known;
    const type = this.type(params, results);
    if (this.#functions.length > 0) throw new TypeError(`import ${name} after a function`);
    this.#imports.push({ name, type });
    this.#importIndex.set(name, this.#imports.length - 1);
    return this.#imports.length - 1;
  }

  /** Add a function; `code` lacks the final `end`. Returns its function index. */
  function(type: number, locals: readonly Type[], code: Code): number {
    this.#functions.push({ type, locals, code });
    return this.#imports.length + this.#functions.length - 1;
  }

  export(name: string, index: number): void {
    this.#exports.push({ name, index });
  }

  /** Put function `index` into the shared table at `slot` when the module is instantiated. */
  element(slot: number, index: number): void {
    this.#elements.push({ slot, index });
  }

  /** The finished module. */
  build(): Uint8Array<ArrayBuffer> {
    const out = new Code();
    out.op(0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00);
    const section = (id: number, body: Code): void => {
      out.op(id).u32(body.length).raw(body.bytes, body.length);
    };

    section(1, this.#types.section);

    const imports = new Code().u32(2 + this.#imports.length);
    string(imports, "e");
    string(imports, "m");
    imports.op(0x02, 0x01).u32(this.pages).u32(this.pages);
    string(imports, "e");
    string(imports, "t");
    imports.op(0x01, 0x70, 0x00).u32(0);
    for (const i of this.#imports) {
      string(imports, "f");
      string(imports, i.name);
      imports.op(0x00).u32(i.type);
    }
    section(2, imports);

    const functions = new Code().u32(this.#functions.length);
    for (const f of this.#functions) functions.u32(f.type);
    section(3, functions);

    if (this.#exports.length > 0) {
      const exports = new Code().u32(this.#exports.length);
      for (const e of this.#exports) {
        string(exports, e.name);
        exports.op(0x00).u32(e.index);
      }
      section(7, exports);
    }

    if (this.#elements.length > 0) {
      const elements = new Code().u32(this.#elements.length);
      for (const e of this.#elements) {
        elements.op(0x00).i32(e.slot).op(0x0b).u32(1).u32(e.index);
      }
      section(9, elements);
    }

    const hints = new Code();
    let hinted = 0;
    const bodies = new Code().u32(this.#functions.length);
    for (const [i, f] of this.#functions.entries()) {
      const body = new Code();
      // Runs of equal local types are one entry.
      const runs: [number, Type][] = [];
      for (const l of f.locals) {
        const last = runs.at(-1);
        if (last !== undefined && last[1] === l) last[0]++;
        else runs.push([1, l]);
      }
      body.u32(runs.length);
      for (const [n, t] of runs) body.u32(n).op(typeCode[t]);
      if (f.code.unlikely.length > 0) {
        hinted++;
        hints.u32(this.#imports.length + i).u32(f.code.unlikely.length);
        for (const at of f.code.unlikely) hints.u32(body.length + at).u32(1).op(0);
      }
      body.raw(f.code.bytes, f.code.length).op(0x0b);
      bodies.u32(body.length).raw(body.bytes, body.length);
    }
    if (hinted > 0) {
      const custom = new Code();
      string(custom, "metadata.code.branch_hint");
      custom.u32(hinted).raw(hints.bytes, hints.length);
      section(0, custom);
    }
    section(10, bodies);
    return out.bytes.slice(0, out.length) as Uint8Array<ArrayBuffer>;
  }
}

function string(code: Code, text: string): void {
  const bytes = new TextEncoder().encode(text);
  code.u32(bytes.length).raw(bytes);
}
