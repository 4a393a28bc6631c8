/**
 * A WebAssembly module of models under construction (core specification 3.0, section 5.5). It has a memory
 * of its own, the first, and imports the machine's, the second, of which it reads the event stream.
 */
import { Code, typeCode } from "../../cpu/wasm/code.ts";
import { FunctionTypes } from "../../cpu/wasm/function_types.ts";
import { Cell, FunctionWriter, type Local, type Value, type ValueType } from "./function_writer.ts";

/** A call of a function. */
export type Callable = (...args: Value[]) => Value;

/** Bytes of a page. */
const PAGE = 65536;

export class ModelModule {
  readonly #types = new FunctionTypes();
  readonly #imports: { readonly name: string; readonly type: number }[] = [];
  readonly #functions: { readonly type: number; readonly writer: FunctionWriter }[] = [];
  readonly #exports: { readonly name: string; readonly index: number }[] = [];
  /** Bytes of the models' memory that are given out; the first few are never. */
  #used = 16;
  /** What memory holds before anything runs, other than zeros. */
  readonly initial: { readonly address: number; readonly bytes: Uint8Array }[] = [];

  /** Bytes in use. */
  get size(): number {
    return this.#used;
  }

  /** `bytes` of memory, at an address divisible by 16. */
  allocate(bytes: number): number {
    const at = this.#used;
    this.#used = Math.ceil((at + bytes) / 16) * 16;
    return at;
  }
  cell(type: "i32" | "i64", initial = 0): Cell {
    const size = type === "i64" ? 8 : 4;
    const address = Math.ceil(this.#used / size) * size;
    this.#used = address + size;
    if (initial !== 0) {
      const bytes = new Uint8Array(size);
      const view = new DataView(bytes.buffer);
      if (size === 8) view.setBigInt64(0, BigInt(initial), true);
      else view.setInt32(0, initial, true);
      this.initial.push({ address, bytes });
    }
    return new Cell(address, type);
  }

  /** Import a function of the host; before any function is written. */
  import(name: string, params: readonly ValueType[], results: readonly ValueType[] = []): Callable {
    if (this.#functions.length > 0) throw new TypeError(`import ${name} after a function`);
    const type = this.#types.index(params, results);
    this.#imports.push({ name, type });
    return callable(this.#imports.length - 1, results);
  }

  /** Write a function; what falls out of `body` with a result is what it last pushed. */
  function(
    params: readonly ValueType[],
    results: readonly ValueType[],
    body: (f: FunctionWriter, ...params: Local[]) => void,
    exported?: string,
  ): Callable {
    const writer = new FunctionWriter(params);
    body(writer, ...params.map((_, i) => writer.param(i)));
    this.#functions.push({ type: this.#types.index(params, results), writer });
    const index = this.#imports.length + this.#functions.length - 1;
    if (exported !== undefined) this.#exports.push({ name: exported, index });
    return callable(index, results);
  }

  /** Pages that the memory begins with. */
  get pages(): number {
    return Math.ceil(this.#used / PAGE);
  }

  /** @param outside pages of the machine's memory */
  build(outside: number): Uint8Array<ArrayBuffer> {
    const out = new Code().op(0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00);
    const section = (id: number, body: Code): void => {
      out.op(id).u32(body.length).raw(body.bytes, body.length);
    };
    section(1, this.#types.section);
    const imports = new Code().u32(2 + this.#imports.length);
    imports.raw(name("e")).raw(name("own")).op(0x02, 0x00).u32(this.pages);
    imports.raw(name("e")).raw(name("machine")).op(0x02, 0x01).u32(outside).u32(outside);
    for (const { name: called, type } of this.#imports) {
      imports.raw(name("f")).raw(name(called)).op(0x00).u32(type);
    }
    section(2, imports);
    const functions = new Code().u32(this.#functions.length);
    for (const { type } of this.#functions) functions.u32(type);
    section(3, functions);
    const exports = new Code().u32(this.#exports.length);
    for (const e of this.#exports) exports.raw(name(e.name)).op(0x00).u32(e.index);
    section(7, exports);
    const bodies = new Code().u32(this.#functions.length);
    for (const { writer } of this.#functions) {
      const body = new Code().u32(writer.locals.length);
      for (const type of writer.locals) body.u32(1).op(typeCode[type]);
      body.raw(writer.code.bytes, writer.code.length).op(0x0b);
      bodies.u32(body.length).raw(body.bytes, body.length);
    }
    section(10, bodies);
    return out.bytes.slice(0, out.length) as Uint8Array<ArrayBuffer>;
  }
}

function name(text: string): Uint8Array {
  const bytes = new TextEncoder().encode(text);
  return new Code().u32(bytes.length).raw(bytes).take();
}

function callable(index: number, results: readonly ValueType[]): Callable {
  return (...args) => ({
    // Without a result it is a statement, for `FunctionWriter.call`.
    type: results[0] ?? "i32",
    emit: (c) => {
      for (const a of args) a.emit(c);
      c.call(index);
    },
  });
}
