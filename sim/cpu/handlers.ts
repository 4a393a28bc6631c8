/**
 * The cold tier's handlers, made on demand in batches, and the functions that generated code calls.
 * One instance serves one engine: it owns the function table.
 */
import { Flow, type Isa } from "./ir/decoded.ts";
import type { Helper } from "./ir/types.ts";
import { Handler, type Linker } from "./wasm/cold.ts";
import { flagFunctions, IrFunction } from "./wasm/function.ts";
import type { Instrumentation } from "./wasm/events.ts";
import { FLAG_PARAMS } from "./wasm/imports.ts";
import { ENTRY_TYPE, ModuleBuilder } from "./wasm/module.ts";
import { FIRST_SLOT, type RuntimeHost, runtimeModule } from "./wasm/runtime.ts";

/** Slots of the function table; a slot is used once. */
const TABLE_SIZE = 1 << 17;

/** A handler as block building needs it. */
export interface HandlerInfo {
  /** Slot in the function table. */
  readonly slot: number;
  /** Loads and stores that happen on every execution, at most 255 each. */
  readonly loads: number;
  readonly stores: number;
  /** Whether it reads the lazy flags; the kind it leaves: -1 untouched, -2 not the same on all paths. */
  readonly readsFlags: boolean;
  readonly kindSet: number;
}

/** Key of a handler: distinct for every (row, statics, flow), with no flag kind known. */
export function handlerKey(row: number, statics: number, flow: Flow): number {
  return (row * KINDS * 16 + flow) * 0x8000_0000 + statics;
}

/** Key of the variant of `key` for use where the lazy flags are known to be of `kind`. */
export function withFlagKind(key: number, kind: number): number {
  return key + (kind + 1) * 16 * 0x8000_0000;
}

/** Flag kinds that a key distinguishes, and one for "not known". */
const KINDS = 64;

// deno-lint-ignore no-explicit-any -- functions of any signature
type AnyFunction = (...args: any[]) => any;

const NO_ACCESS = { loads: 0, stores: 0 };

/** Owns the function table, the runtime module and all handlers. */
export class Handlers {
  readonly table: WebAssembly.Table;
  /** What modules import under "f". */
  readonly functions: Record<string, AnyFunction> = {};
  readonly #isa: Isa;
  readonly #memory: WebAssembly.Memory;
  readonly #state: DataView;
  readonly #known = new Map<number, HandlerInfo>();
  readonly #bySlot = new Map<number, HandlerInfo>();
  readonly #helpers = new Map<Helper, string>();
  #nextSlot = FIRST_SLOT;
  /** Modules compiled so far and their bytes, for reports. */
  modules = 0;
  bytes = 0;

  constructor(
    isa: Isa,
    memory: WebAssembly.Memory,
    host: RuntimeHost,
    readonly instrumentation: Instrumentation | null,
  ) {
    this.#isa = isa;
    this.#memory = memory;
    this.#state = new DataView(memory.buffer);
    this.table = new WebAssembly.Table({ initial: TABLE_SIZE, element: "anyfunc" });
    this.functions.load_miss = host.load_miss.bind(host);
    this.functions.store_miss = host.store_miss.bind(host);
    this.functions.indirect_miss = host.indirect_miss.bind(host);
    this.functions.fetch_miss = host.fetch_miss.bind(host);
    Object.assign(this.functions, this.instantiate(runtimeModule(this.builder(), instrumentation)));

    const builder = this.builder();
    const functions = flagFunctions(isa.flags, this.linker(builder));
    const type = builder.type(FLAG_PARAMS, ["i32"]);
    for (const f of functions) {
      builder.export(f.name, builder.function(type, f.lowering.locals, f.lowering.code));
    }
    Object.assign(this.functions, this.instantiate(builder.build()));
  }

  /** A new module over this engine's memory. */
  builder(): ModuleBuilder {
    return new ModuleBuilder(this.#memory.buffer.byteLength / 65536);
  }

  /** Compile and instantiate a module; returns its exported functions. */
  instantiate(bytes: Uint8Array<ArrayBuffer>): Record<string, AnyFunction> {
    this.modules++;
    this.bytes += bytes.length;
    const imports = {
      e: { m: this.#memory, t: this.table },
      f: this.functions,
    };
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), imports);
    return instance.exports as Record<string, AnyFunction>;
  }

  /** Take `count` consecutive slots of the table. */
  takeSlots(count: number): number {
    const first = this.#nextSlot;
    this.#nextSlot += count;
    if (this.#nextSlot > this.table.length) this.table.grow(this.table.length);
    return first;
  }

  /** How a module under construction finds helpers. */
  linker(builder: ModuleBuilder): Linker {
    return {
      builder,
      instrumentation: this.instrumentation,
      helper: (helper) =>
        builder.import(
          this.#helper(helper),
          helper.params,
          helper.result === null ? [] : [helper.result],
        ),
    };
  }

  /** Name under which `helper` can be imported; compiles it at first use. */
  #helper(helper: Helper): string {
    const known = this.#helpers.get(helper);
    if (known !== undefined) return known;
    const name = `helper_${this.#helpers.size}_${helper.name}`;
    this.#helpers.set(helper, name);
    if (helper.run !== undefined) {
      const run = helper.run;
      const state = this.#state;
      this.functions[name] = (...args) => run(state, ...args);
    } else {
      const builder = this.builder();
      const f = new IrFunction(this.linker(builder), helper.params, helper.build!);
      const type = builder.type(helper.params, helper.result === null ? [] : [helper.result]);
      builder.export(name, builder.function(type, f.locals, f.code));
      this.functions[name] = this.instantiate(builder.build())[name];
    }
    return name;
  }

  /** What the handler in `slot` accesses on every execution. */
  accessesAt(slot: number): { readonly loads: number; readonly stores: number } {
    return this.#bySlot.get(slot) ?? NO_ACCESS;
  }

  /** The handler for `key`, if it exists already. */
  find(key: number): HandlerInfo | undefined {
    return this.#known.get(key);
  }

  /** Make the handlers of `keys` in one module. */
  make(keys: readonly number[]): void {
    const builder = this.builder();
    const linker = this.linker(builder);
    const first = this.takeSlots(keys.length);
    const lowered = keys.map((key, i) => {
      const statics = key % 0x8000_0000;
      const rest = (key - statics) / 0x8000_0000;
      const flow = rest % 16;
      const kind = Math.floor(rest / 16) % KINDS - 1;
      const row = Math.floor(rest / (16 * KINDS));
      const handler = new Handler(this.#isa, linker, row, statics, flow, kind);
      const { readsFlags, kindSet } = handler;
      const info = { slot: first + i, ...handler.accesses, readsFlags, kindSet };
      this.#known.set(key, info);
      this.#bySlot.set(first + i, info);
      return handler;
    });
    lowered.forEach((h, i) =>
      builder.element(first + i, builder.function(ENTRY_TYPE, h.locals, h.code))
    );
    this.instantiate(builder.build());
  }
}
