import { Trap } from "../runner/instance.ts";
import { openedName, WasmBinary } from "./binary.ts";

/** WebAssembly's stack switching (JavaScript Promise Integration), which TypeScript does not know yet. */
const { Suspending, promising } = WebAssembly as unknown as {
  Suspending: new (
    f: (...args: WasmValue[]) => Promise<WasmValue | void>,
  ) => WebAssembly.ExportValue;
  promising(f: WebAssembly.ExportValue): (...args: WasmValue[]) => Promise<WasmValue>;
};

/** An argument or result: i64 is a bigint. */
export type WasmValue = number | bigint;

/** A function that a module imports; the module's stack is laid aside while it waits. */
export type HostImport = (...args: WasmValue[]) => Promise<WasmValue | void> | WasmValue | void;

/** One that answers at once, on the module's stack. */
export class PlainImport {
  constructor(readonly f: (...args: WasmValue[]) => WasmValue | void) {}
}

/** Imports by module and name. */
export type HostImports = Readonly<
  Record<string, Readonly<Record<string, HostImport | PlainImport>>>
>;

/** A module's code, compiled; `binary` says what it has. */
export interface ModuleCode {
  readonly binary: WasmBinary;
  readonly compiled: WebAssembly.Module;
}

/** Validates and compiles a module whose memory is to have at most so many pages. */
export async function compile(bytes: Uint8Array, mostPages: number): Promise<ModuleCode> {
  // A copy that nobody else has: what is compiled is what was validated.
  const copy = bytes.slice();
  await WebAssembly.compile(copy);
  const binary = new WasmBinary(copy);
  return { binary, compiled: await WebAssembly.compile(binary.opened(mostPages)) };
}

/**
 * An instance of a module: its functions as ones that may wait for what the module imports, and its memory. One
 * with the same state can be made (`fork`) while no function runs in it, or of which none is to be returned to.
 */
export class ModuleInstance {
  readonly #code: ModuleCode;
  readonly #instance: WebAssembly.Instance;
  readonly #functions = new Map<
    WebAssembly.ExportValue,
    (...args: WasmValue[]) => Promise<WasmValue>
  >();

  constructor(code: ModuleCode, imports: HostImports) {
    this.#code = code;
    const wrapped = Object.entries(imports).map(([module, functions]) => [
      module,
      Object.fromEntries(
        Object.entries(functions).map(([name, f]) => [
          name,
          f instanceof PlainImport ? f.f : new Suspending(async (...args) => await f(...args)),
        ]),
      ),
    ]);
    this.#instance = new WebAssembly.Instance(code.compiled, Object.fromEntries(wrapped));
  }

  /** A module's only export `f`, which is what it imports. */
  static importing(compiled: WebAssembly.Module, f: HostImport): WebAssembly.ExportValue {
    const imported = new Suspending(async (...args) => await f(...args));
    return new WebAssembly.Instance(compiled, { "": { f: imported } }).exports.f;
  }

  /** The module's memory; a view of it is good until the module runs. */
  get memory(): Uint8Array<ArrayBuffer> {
    const memory = this.#export(openedName("memory", 0)) as WebAssembly.Memory | undefined;
    return memory === undefined ? new Uint8Array(0) : new Uint8Array(memory.buffer as ArrayBuffer);
  }

  get table(): WebAssembly.Table | undefined {
    return this.#export(openedName("table", 0)) as WebAssembly.Table | undefined;
  }

  has(name: string): boolean {
    return typeof this.#export(name) === "function";
  }

  /** Calls an export; what ends it otherwise than by returning is a `Trap`. */
  call(name: string, ...args: WasmValue[]): Promise<WasmValue> {
    const f = this.#export(name);
    if (typeof f !== "function") throw new Trap(`the module has no function ${name}`);
    return this.callFunction(f, ...args);
  }

  /** Calls an export that calls no import but plain ones. */
  callAtOnce(name: string, ...args: WasmValue[]): number {
    try {
      return (this.#export(name) as (...args: WasmValue[]) => number)(...args);
    } catch (error) {
      if (!isTrap(error)) throw error;
      throw new Trap(error.message);
    }
  }

  /** Calls a function of the module's. */
  async callFunction(f: WebAssembly.ExportValue, ...args: WasmValue[]): Promise<WasmValue> {
    let promise = this.#functions.get(f);
    if (promise === undefined) this.#functions.set(f, promise = promising(f));
    try {
      return await promise(...args);
    } catch (error) {
      if (!isTrap(error)) throw error;
      throw new Trap(error.message);
    }
  }

  /** An instance with the same memory and variables; its tables are as the module begins with them. */
  fork(imports: HostImports): ModuleInstance {
    const copy = new ModuleInstance(this.#code, imports);
    const { memory } = this;
    const other = copy.#export(openedName("memory", 0)) as WebAssembly.Memory | undefined;
    if (other !== undefined) {
      other.grow((memory.length - other.buffer.byteLength) / PAGE);
      copy.memory.set(memory);
    }
    for (const [name, value] of Object.entries(this.#instance.exports)) {
      if (!(value instanceof WebAssembly.Global) || !name.startsWith(GLOBALS)) continue;
      (copy.#export(name) as WebAssembly.Global).value = value.value;
    }
    return copy;
  }

  #export(name: string): WebAssembly.ExportValue | undefined {
    return this.#instance.exports[name];
  }
}

const PAGE = 65536;
const GLOBALS = "isthmus.global.";

/** What a module does that ends it: a trap, a stack that is used up, an exception that nobody catches. */
function isTrap(error: unknown): error is Error {
  return error instanceof WebAssembly.RuntimeError || error instanceof RangeError ||
    error instanceof (WebAssembly as unknown as { Exception: typeof Error }).Exception;
}
