import type { LinkObject } from "../../lib/linker/mod.ts";
import type { Caller } from "../runner/caller.ts";
import {
  type Engine,
  GuestFunction,
  type Import,
  type Instance,
  OwnFunction,
  type Prepared,
  Trap,
  type Value,
} from "../runner/instance.ts";
import type { Signature, Type } from "../runner/types.ts";
import type { Carried } from "../runner/wrap.ts";
import {
  adapter,
  formatType,
  loweredType,
  sameType,
  type WasmBinary,
  WasmError,
  type WasmImport,
} from "./binary.ts";
import {
  compile,
  type HostImport,
  type HostImports,
  type ModuleCode,
  ModuleInstance,
  type WasmValue,
} from "./module_code.ts";
import { isServed, WASI, wasiImport } from "./wasi.ts";

/** Exports that have a meaning of their own. */
export const MALLOC = "malloc", FREE = "free", REACTOR = "_initialize", COMMAND = "_start";

/** Runs WebAssembly modules whose memory has at most so many pages of 64 KiB. */
export function wasmEngine(mostPages: number): Engine {
  return {
    kind: "wasm",
    async prepare(carried: Carried, _object: LinkObject): Promise<Prepared> {
      const code = await compile(carried.payload, mostPages);
      examine(code.binary, carried);
      return {
        instantiate: (_link, imports) => new WasmInstance(code, imports),
      };
    },
  };
}

/** Throws if a module does not have what its object's interface says. */
export function examine(binary: WasmBinary, { interface: { exports, imports } }: Carried): void {
  if (binary.hasStart) {
    throw new WasmError("it has a start function, in whose place is _initialize");
  }
  for (const { module, name, kind, type } of binary.imports) {
    if (kind !== "function") {
      throw new WasmError(`it imports the ${kind} ${module}.${name}, not a function`);
    }
    if (module === WASI) {
      if (!isServed(name)) throw new WasmError(`it imports ${name} of WASI, which is not served`);
      continue;
    }
    const signature = imports.get(name);
    if (signature === undefined) throw new WasmError(`the import ${name} is not in its interface`);
    expect(`the import ${name}`, signature, type!);
  }
  for (const [name, signature] of exports) {
    const found = binary.exports.find((item) => item.name === name && item.kind === "function");
    if (found === undefined) throw new WasmError(`it exports no function ${name}`);
    expect(name, signature, found.type!);
  }
  const all = [...exports.values(), ...imports.values()];
  const needsMalloc = all.some((signature) => crossesMemory(signature));
  if (needsMalloc && !binary.exports.some(({ name }) => name === MALLOC)) {
    throw new WasmError(`strings and bytes cross to it, and it exports no ${MALLOC}`);
  }
}

function expect(what: string, signature: Signature, type: NonNullable<WasmImport["type"]>): void {
  const wanted = loweredType(signature);
  if (sameType(wanted, type)) return;
  throw new WasmError(`${what} is ${formatType(type)}, and by its interface ${formatType(wanted)}`);
}

/** Whether bytes are copied into the module's memory. */
function crossesMemory({ parameters, result }: Signature): boolean {
  const isMemory = (type?: Type): boolean =>
    typeof type === "object" ? crossesMemory(type) : /^(cstring|bytes|buffer)$/.test(type ?? "");
  return parameters.some(isMemory) || isMemory(result);
}

/** A guest function that is in the module's table. */
interface Placed {
  readonly slot: number;
  readonly f: GuestFunction;
}

/** A WebAssembly module in one process. */
export class WasmInstance implements Instance {
  private readonly module: ModuleInstance;
  /** The calls at work, the last one's thread running. */
  #callers: Caller[] = [];
  #args: readonly Uint8Array[] = [];
  /** Guest functions by address and type. */
  readonly #placed = new Map<string, Placed>();

  constructor(
    private readonly code: ModuleCode,
    private readonly imports: readonly Import[],
    from?: WasmInstance,
  ) {
    const host = this.#hostImports();
    this.module = from === undefined ? new ModuleInstance(code, host) : from.module.fork(host);
    if (from !== undefined) {
      for (const { f, slot } of from.#placed.values()) {
        this.#place(f, slot);
      }
    }
  }

  get memorySize(): number {
    return this.module.memory.length;
  }

  async initialise(caller: Caller): Promise<void> {
    if (this.module.has(REACTOR)) await this.#as(caller, () => this.module.call(REACTOR));
  }

  call(
    caller: Caller,
    name: string,
    signature: Signature,
    args: readonly Value[],
  ): Promise<Value> {
    return this.#as(
      caller,
      () => this.#run(signature, args, (...words) => this.module.call(name, ...words)),
    );
  }

  callOwn(caller: Caller, { id, signature }: OwnFunction, args: readonly Value[]): Promise<Value> {
    const f = this.module.table?.get(id);
    if (typeof f !== "function") throw new Trap(`the table has no function ${id}`);
    return this.#as(
      caller,
      () => this.#run(signature, args, (...words) => this.module.callFunction(f, ...words)),
    );
  }

  main(caller: Caller, args: readonly Uint8Array[]): Promise<number> {
    this.#args = args;
    return this.#as(caller, async () => {
      if (this.module.has(REACTOR)) await this.module.call(REACTOR);
      if (this.module.has(COMMAND)) {
        await this.module.call(COMMAND);
        return 0;
      }
      const list = Number(await this.module.call(MALLOC, 4 * (args.length + 1)));
      for (const [i, arg] of args.entries()) this.#setWord(list + 4 * i, await this.#copyIn(arg));
      this.#setWord(list + 4 * args.length, 0);
      return Number(await this.module.call("main", args.length, list));
    });
  }

  fork(): WasmInstance {
    return new WasmInstance(this.code, this.imports, this);
  }

  get #caller(): Caller {
    return this.#callers.at(-1)!;
  }

  async #as<T>(caller: Caller, work: () => Promise<T>): Promise<T> {
    this.#callers.push(caller);
    try {
      return await work();
    } finally {
      this.#callers.pop();
    }
  }

  /** Calls a function of the module's with values of the guest's. */
  async #run(
    { parameters, result }: Signature,
    args: readonly Value[],
    call: (...words: WasmValue[]) => Promise<WasmValue>,
  ): Promise<Value> {
    const words: WasmValue[] = [];
    const blocks: number[] = [];
    const buffers: { readonly at: number; readonly bytes: Uint8Array }[] = [];
    for (const [i, type] of parameters.entries()) {
      const value = args[i];
      if (value instanceof Uint8Array) {
        const at = await this.#copyIn(value);
        blocks.push(at);
        words.push(at);
        if (type !== "cstring") words.push(value.length);
        if (type === "buffer") buffers.push({ at, bytes: value });
      } else words.push(this.#word(value));
    }
    const word = await call(...words);
    for (const { at, bytes } of buffers) bytes.set(this.#bytes(at, bytes.length));
    const answer = result === undefined ? undefined : this.#value(result, word);
    if (this.module.has(FREE)) { for (const at of blocks) await this.module.call(FREE, at); }
    return answer;
  }

  /** A guest's value that is no bytes as a word of the module's. */
  #word(value: Value): WasmValue {
    if (value === null || value === undefined) return 0;
    if (value instanceof GuestFunction) return this.#slotOf(value);
    if (value instanceof OwnFunction) return value.id;
    return value as WasmValue;
  }

  /** A word of the module's as a value for the guest. */
  #value(type: Type, word: WasmValue): Value {
    if (typeof type !== "string") return word === 0 ? null : this.#functionAt(Number(word), type);
    if (type !== "cstring") return word;
    return word === 0 ? null : this.#string(Number(word) >>> 0);
  }

  /** A function in the table: the guest's own again if it came from there. */
  #functionAt(slot: number, signature: Signature): Value {
    const placed = [...this.#placed.values()].find((item) => item.slot === slot);
    return placed?.f ?? new OwnFunction(slot, signature);
  }

  /** What the module calls. */
  #hostImports(): HostImports {
    const found: Record<string, Record<string, HostImport>> = {};
    for (const { module, name } of this.code.binary.imports) {
      const functions = found[module] ??= {};
      if (module === WASI) {
        functions[name] = wasiImport(name, () => ({
          caller: this.#caller,
          memory: this.module.memory,
          args: this.#args,
        }));
      } else {
        const { address, signature } = this.imports.find((item) => item.name === name)!;
        functions[name] = (...words) => this.#callGuest(address, signature, words);
      }
    }
    return found;
  }

  /** Calls a guest function with words of the module's. */
  async #callGuest(
    address: number,
    signature: Signature,
    words: readonly WasmValue[],
  ): Promise<WasmValue | void> {
    const buffers: { readonly at: number; readonly bytes: Uint8Array }[] = [];
    let next = 0;
    const args = signature.parameters.map((type): Value => {
      const word = words[next++];
      if (type !== "bytes" && type !== "buffer") return this.#value(type, word);
      const at = Number(word) >>> 0;
      const bytes = this.#bytes(at, Number(words[next++]) >>> 0).slice();
      if (type === "buffer") buffers.push({ at, bytes });
      return bytes;
    });
    const value = await this.#caller.invoke(address, signature, args);
    for (const { at, bytes } of buffers) this.module.memory.set(bytes, at);
    if (signature.result === undefined) return;
    return value instanceof Uint8Array ? await this.#copyIn(value) : this.#word(value);
  }

  /** The table's slot of a guest function. */
  #slotOf(f: GuestFunction): number {
    const name = `${f.address} ${JSON.stringify(f.signature)}`;
    const known = this.#placed.get(name);
    if (known !== undefined) return known.slot;
    const { table } = this.module;
    if (table === undefined) throw new Trap("it is given a function and has no table to put it in");
    const slot = table.grow(1);
    this.#place(f, slot);
    return slot;
  }

  /** Puts a guest function into the table. */
  #place(f: GuestFunction, slot: number): void {
    const table = this.module.table!;
    if (table.length <= slot) table.grow(slot + 1 - table.length);
    const code = new WebAssembly.Module(adapter(loweredType(f.signature)));
    const call: HostImport = (...words) => this.#callGuest(f.address, f.signature, words);
    table.set(slot, ModuleInstance.importing(code, call) as CallableFunction);
    this.#placed.set(`${f.address} ${JSON.stringify(f.signature)}`, { slot, f });
  }

  /** Copies bytes into memory that the module gives, with a NUL behind them. */
  async #copyIn(bytes: Uint8Array): Promise<number> {
    const at = Number(await this.module.call(MALLOC, bytes.length + 1)) >>> 0;
    const { memory } = this.module;
    if (at === 0 || at + bytes.length >= memory.length) throw new Trap(`${MALLOC} gave no memory`);
    memory.set(bytes, at);
    memory[at + bytes.length] = 0;
    return at;
  }

  #bytes(at: number, length: number): Uint8Array {
    const { memory } = this.module;
    if (at + length > memory.length) throw new Trap("bytes outside of its memory");
    return memory.subarray(at, at + length);
  }

  #string(at: number): Uint8Array {
    const { memory } = this.module;
    const end = memory.indexOf(0, at);
    if (end < 0) throw new Trap("a string that no NUL ends");
    return memory.slice(at, end);
  }

  #setWord(at: number, word: number): void {
    new DataView(this.module.memory.buffer).setUint32(at, word, true);
  }
}
