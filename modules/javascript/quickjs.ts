import type { Caller } from "../runner/caller.ts";
import { Trap } from "../runner/instance.ts";
import {
  compile,
  type HostImports,
  type ModuleCode,
  ModuleInstance,
  PlainImport,
} from "../wasm/module_code.ts";
import { isServed, WASI, wasiImport } from "../wasm/wasi.ts";

/** A value of a script: the address of a reference to it in QuickJS's memory. */
export type Handle = number;

/** A function that scripts call; what it throws as a `ScriptError` is thrown in the script. */
export type HostFunction = (name: string, args: readonly Handle[]) => Promise<Handle>;

/** What a script is to catch as a TypeError. */
export class ScriptError extends Error {}

const EVAL_GLOBAL = 0;
/** Bytes of stack that scripts may use; QuickJS has half of its stack for itself. */
const STACK = 256 * 1024;
const WORD = 4;

let code: Promise<ModuleCode> | undefined;
let codePages = 0;

/** QuickJS's module, compiled once for all scripts. */
export function quickjs(mostPages: number): Promise<ModuleCode> {
  if (code === undefined || codePages !== mostPages) {
    codePages = mostPages;
    code = load(mostPages);
  }
  return code;
}

async function load(mostPages: number): Promise<ModuleCode> {
  // The package is loaded when a script is: a constant specifier would load it always.
  const deps = await import(new URL("./deps.ts", import.meta.url).href);
  return await compile(await deps.readQuickjs(), mostPages);
}

export interface QuickjsOptions {
  /** The thread that runs it; absent: none, and nothing but compiling works. */
  readonly caller?: () => Caller;
  readonly host: HostFunction;
  /** Times that QuickJS may ask whether to go on, every 10,000 branches or so, in one call from outside. */
  readonly steps: number;
}

/** One QuickJS: a JavaScript heap and its global object. */
export class Quickjs {
  readonly #code: ModuleCode;
  readonly #options: QuickjsOptions;
  readonly #module: ModuleInstance;
  #stepsLeft = 0;

  constructor(code: ModuleCode, options: QuickjsOptions, from?: Quickjs) {
    this.#code = code;
    this.#options = options;
    const imports = this.#imports(code);
    this.#module = from === undefined
      ? new ModuleInstance(code, imports)
      : from.#module.fork(imports);
  }

  fork(options: QuickjsOptions): Quickjs {
    return new Quickjs(this.#code, options, this);
  }

  get memorySize(): number {
    return this.#module.memory.length;
  }

  /** Makes heap and global object; asks the clock for the seed of Math.random. */
  async start(): Promise<void> {
    await this.#module.call("_initialize");
    if (await this.#module.call("qjs_init") !== 0) throw new Trap("QuickJS does not start");
    this.#now("qjs_set_max_stack_size", STACK);
    this.#now("qjs_set_interrupt_handler", 1);
  }

  /** Compiles a script, and throws what is wrong with its syntax. */
  async compile(source: string, file: string): Promise<void> {
    const size = this.#now("wasm_malloc", WORD);
    const compiled = await this.#withScript("qjs_compile", source, file, 0, size);
    if (compiled === 0) throw new Trap(this.#message(this.#now("qjs_get_exception")));
  }

  /** Runs a script, then what waits for promises. */
  async run(source: string, file: string): Promise<void> {
    this.#stepsLeft = this.#options.steps;
    this.release(this.#checked(await this.#withScript("qjs_eval", source, file)));
    await this.#jobs();
  }

  /** The value of a name at the top of the script. */
  async lookUp(name: string): Promise<Handle> {
    const source = `typeof ${name} === "undefined" ? undefined : ${name}`;
    return this.#checked(await this.#withScript("qjs_eval", source, ""));
  }

  /** Calls a function of QuickJS that takes a script. */
  async #withScript(f: string, source: string, file: string, ...more: number[]): Promise<number> {
    const bytes = new TextEncoder().encode(source);
    const text = this.#bytesIn(bytes);
    const name = this.#stringIn(file);
    const result = await this.#module.call(f, text, bytes.length, name, EVAL_GLOBAL, ...more);
    for (const at of [text, name]) this.#now("wasm_free", at);
    return Number(result);
  }

  /** Defines a function of the host's as a global one. */
  define(global: string, name: string): void {
    const object = this.#now("qjs_get_global");
    const f = this.hostFunction(name);
    const key = this.#stringIn(global);
    this.#now("qjs_set_prop_string", object, key, f);
    this.#now("wasm_free", key);
    for (const handle of [object, f]) this.#now("qjs_free_value", handle);
  }

  /** A function that calls the host with its name. */
  hostFunction(name: string): Handle {
    const bytes = new TextEncoder().encode(name);
    const text = this.#bytesIn(bytes);
    const f = this.#now("qjs_new_host_function", text, bytes.length, 0);
    this.#now("wasm_free", text);
    return this.#checked(f);
  }

  /** Calls a function, then what waits for promises. What it throws is a Trap. */
  async call(f: Handle, args: readonly Handle[]): Promise<Handle> {
    this.#stepsLeft = this.#options.steps;
    const list = this.#now("wasm_malloc", Math.max(1, args.length) * WORD);
    args.forEach((handle, i) => this.#view().setUint32(list + WORD * i, handle, true));
    const nothing = this.#now("qjs_get_undefined");
    const result = await this.#module.call("qjs_call", f, nothing, args.length, list);
    this.#now("wasm_free", list);
    const checked = this.#checked(Number(result));
    await this.#jobs();
    return checked;
  }

  async #jobs(): Promise<void> {
    while (this.#now("qjs_is_job_pending") !== 0) {
      if (Number(await this.#module.call("qjs_execute_pending_job")) < 0) {
        throw new Trap(this.#message(this.#now("qjs_get_exception")));
      }
    }
  }

  release(handle: Handle): void {
    this.#now("qjs_free_value", handle);
  }

  duplicate(handle: Handle): Handle {
    return this.#now("qjs_dup_value", handle);
  }

  // Values of the host's as values of the script.

  undefined(): Handle {
    return this.#now("qjs_get_undefined");
  }

  null(): Handle {
    return this.#now("qjs_get_null");
  }

  number(value: number): Handle {
    return this.#now("qjs_new_number", value);
  }

  bigint(value: bigint): Handle {
    const half = (bits: bigint) => Number(BigInt.asIntN(32, bits));
    return this.#checked(this.#now("qjs_new_big_int64", half(value), half(value >> 32n)));
  }

  string(bytes: Uint8Array): Handle {
    const at = this.#bytesIn(bytes);
    const handle = this.#now("qjs_new_string", at, bytes.length);
    this.#now("wasm_free", at);
    return this.#checked(handle);
  }

  bytes(bytes: Uint8Array): Handle {
    const at = this.#bytesIn(bytes);
    const handle = this.#now("qjs_new_uint8_array", at, bytes.length);
    this.#now("wasm_free", at);
    return this.#checked(handle);
  }

  // Values of the script as values of the host's; undefined for one of another type.

  isNothing(handle: Handle): boolean {
    return this.#is("undefined", handle) || this.#is("null", handle);
  }

  isFunction(handle: Handle): boolean {
    return this.#is("function", handle);
  }

  numberOf(handle: Handle): number | undefined {
    return this.#is("number", handle) ? this.#now("qjs_get_float64", handle) : undefined;
  }

  bigintOf(handle: Handle): bigint | undefined {
    if (!this.#is("big_int", handle)) return undefined;
    const at = this.#now("wasm_malloc", 2 * WORD);
    this.#now("qjs_get_big_int64", handle, at, at + WORD);
    const value = this.#view().getBigInt64(at, true);
    this.#now("wasm_free", at);
    return value;
  }

  stringOf(handle: Handle): Uint8Array | undefined {
    if (!this.#is("string", handle)) return undefined;
    const size = this.#now("wasm_malloc", WORD);
    const at = this.#now("qjs_get_string_len", handle, size);
    const length = this.#view().getUint32(size, true);
    const bytes = this.#module.memory.slice(at, at + length);
    this.#now("qjs_free_cstring", at);
    this.#now("wasm_free", size);
    return bytes;
  }

  /** A copy of the bytes of a typed array. */
  bytesOf(handle: Handle): Uint8Array | undefined {
    return this.#typedArray(handle, (at, length) => this.#module.memory.slice(at, at + length));
  }

  /** Changes the bytes of a typed array. */
  setBytes(handle: Handle, bytes: Uint8Array): void {
    this.#typedArray(
      handle,
      (at, length) => this.#module.memory.set(bytes.subarray(0, length), at),
    );
  }

  /** What tells one object from another as long as there is a reference to it. */
  identityOf(handle: Handle): number {
    return this.#now("qjs_get_value_ptr", handle);
  }

  #typedArray<T>(handle: Handle, use: (at: number, length: number) => T): T | undefined {
    if (!this.#is("object", handle)) return undefined;
    const words = this.#now("wasm_malloc", 4 * WORD);
    const buffer = this.#now(
      "qjs_get_typed_array_buffer",
      handle,
      words,
      words + WORD,
      words + 2 * WORD,
    );
    let result: T | undefined;
    if (this.#is("exception", buffer)) this.release(this.#now("qjs_get_exception"));
    else {
      const view = this.#view();
      const data = this.#now("qjs_get_array_buffer", buffer, words + 3 * WORD);
      result = use(data + view.getUint32(words, true), view.getUint32(words + WORD, true));
    }
    this.#now("wasm_free", words);
    this.release(buffer);
    return result;
  }

  #is(what: string, handle: Handle): boolean {
    return this.#now(`qjs_is_${what}`, handle) !== 0;
  }

  /** The handle, unless it stands for an exception: that is thrown as a Trap. */
  #checked(handle: Handle): Handle {
    if (!this.#is("exception", handle)) return handle;
    throw new Trap(this.#message(this.#now("qjs_get_exception")));
  }

  /** What an exception says: of an error its name, message and first place. */
  #message(exception: Handle): string {
    const own = (name: string): string | undefined => {
      if (!this.#is("object", exception)) return undefined;
      const key = this.#stringIn(name);
      const value = this.#now("qjs_get_prop_string", exception, key);
      this.#now("wasm_free", key);
      const bytes = this.stringOf(value);
      this.release(value);
      return bytes && new TextDecoder().decode(bytes);
    };
    const plain = this.stringOf(exception);
    if (plain !== undefined) return `uncaught ${new TextDecoder().decode(plain)}`;
    const place = /\(?([^\s()]+:\d+:\d+)\)?/.exec(own("stack") ?? "")?.[1];
    const text = `${own("name") ?? "exception"}: ${own("message") ?? ""}`;
    return place === undefined ? text : `${text} (${place})`;
  }

  /** Calls a function of QuickJS that runs no script. */
  #now(name: string, ...args: number[]): number {
    return this.#module.callAtOnce(name, ...args);
  }

  #view(): DataView {
    return new DataView(this.#module.memory.buffer);
  }

  #bytesIn(bytes: Uint8Array): number {
    const at = this.#now("wasm_malloc", bytes.length + 1);
    if (at === 0) throw new Trap("QuickJS has no memory left");
    this.#module.memory.set(bytes, at);
    this.#module.memory[at + bytes.length] = 0;
    return at;
  }

  #stringIn(text: string): number {
    return this.#bytesIn(new TextEncoder().encode(text));
  }

  #imports({ binary }: ModuleCode): HostImports {
    const { caller, host } = this.#options;
    const wasi = binary.imports.filter(({ module }) => module === WASI).map(({ name }) => name);
    const call = async (...words: (number | bigint)[]): Promise<number> => {
      const [name, length, , count, list] = words.map(Number);
      const text = new TextDecoder().decode(this.#module.memory.slice(name, name + length));
      const args = Array.from(
        { length: count },
        (_, i) => this.#view().getUint32(list + WORD * i, true),
      );
      try {
        return await host(text, args);
      } catch (error) {
        if (!(error instanceof ScriptError)) throw error;
        return this.#throw(error.message);
      }
    };
    return {
      env: {
        host_call: call,
        host_interrupt: new PlainImport(() => this.#stepsLeft-- > 0 ? 0 : 1),
        host_get_timezone_offset: new PlainImport(() => 0),
        host_promise_rejection: new PlainImport(() => {}),
        host_module_normalize: new PlainImport(() => 0),
        host_module_load: new PlainImport(() => 0),
      },
      [WASI]: Object.fromEntries(
        wasi.filter(isServed).map((name) => [
          name,
          caller === undefined
            ? new PlainImport(() => 0)
            : wasiImport(name, () => ({ caller: caller(), memory: this.#module.memory, args: [] })),
        ]),
      ),
    };
  }

  /** An error in the script; answers what stands for its exception. */
  #throw(message: string): Handle {
    const error = this.#now("qjs_new_error");
    const key = this.#stringIn("message");
    const text = this.string(new TextEncoder().encode(message));
    this.#now("qjs_set_prop_string", error, key, text);
    this.#now("wasm_free", key);
    this.release(text);
    return this.#now("qjs_throw", error);
  }
}
