/**
 * The cold tier's handlers, made on demand in batches, and the functions that generated code calls.
 * One instance serves one engine: it owns the function table.
 */
import {
  BUILT_PAGES,
  type CommonHandlers,
  declarePages,
  type HandlerProperties,
  helperName,
  unpackInfo,
} from "./common_handlers.ts";
import type { Flow, Isa } from "./ir/decoded.ts";
import { Emitter } from "./ir/emitter.ts";
import type { Helper, Statement, Type } from "./ir/types.ts";
import { Handler, type Linker } from "./wasm/cold.ts";
import { flagFunctions, IrFunction } from "./wasm/function.ts";
import type { StreamKinds } from "./wasm/event_stream.ts";
import type { Instrumentation } from "./wasm/events.ts";
import { FLAG_PARAMS } from "./wasm/imports.ts";
import { ENTRY_TYPE, ModuleBuilder } from "./wasm/module.ts";
import { FIRST_SLOT, type RuntimeHost, runtimeModule } from "./wasm/runtime.ts";

/** Slots of the function table at first; a slot is used once. */
const TABLE_SIZE = 1 << 13;

/** A handler as block building needs it. */
export interface HandlerInfo extends HandlerProperties {
  /** Slot in the function table. */
  readonly slot: number;
}

/** Key of a handler: distinct for every (row, statics, flow), with no flag kind known. */
export function handlerKey(row: number, statics: number, flow: Flow): number {
  return (row * KINDS * 16 + flow) * 0x8000_0000 + statics;
}

/** Key of the variant of `key` for use where the lazy flags are known to be of `kind`. */
export function withFlagKind(key: number, kind: number): number {
  return key + (kind + 1) * 16 * 0x8000_0000;
}

/** What `handlerKey` and `withFlagKind` put together; `kind` is -1 if not known. */
function partsOf(key: number): { row: number; statics: number; flow: Flow; kind: number } {
  const statics = key % 0x8000_0000;
  const rest = (key - statics) / 0x8000_0000;
  const kind = Math.floor(rest / 16) % KINDS - 1;
  return { row: Math.floor(rest / (16 * KINDS)), statics, flow: rest % 16, kind };
}

/** Flag kinds that a key distinguishes, and one for "not known". */
const KINDS = 64;

// deno-lint-ignore no-explicit-any -- functions of any signature
type AnyFunction = (...args: any[]) => any;

const NO_ACCESS = { loads: 0, stores: 0, updates: false };

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
  /** Keys of the common handlers, ascending, their properties, and the slot of the first. */
  #commonKeys: Float64Array = new Float64Array();
  #commonInfo: Uint32Array = new Uint32Array();
  #commonSlot = 0;
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
    readonly stream: StreamKinds | null = null,
  ) {
    this.#isa = isa;
    this.#memory = memory;
    this.#state = new DataView(memory.buffer);
    this.table = new WebAssembly.Table({ initial: TABLE_SIZE, element: "anyfunc" });
    this.functions.load_miss = host.load_miss;
    this.functions.store_miss = host.store_miss;
    this.functions.own_store_miss = host.own_store_miss;
    this.functions.fetch_miss = host.fetch_miss;
    this.functions.drain = host.drain;
    Object.assign(this.functions, host.sites);
    // Those made ahead append no events.
    const common = stream === null ? isa.common : undefined;
    const runtime = common?.runtime(instrumentation);
    this.#provide(
      runtime === undefined
        ? runtimeModule(this.builder(), instrumentation, stream)
        : this.#fitting(runtime),
    );
    if (common === undefined) {
      const builder = this.builder();
      exportFlags(builder, isa, this.linker(builder));
      this.#provide(builder.build());
    } else this.#useCommon(common);
  }

  #useCommon({ keys, info, hostHelpers, functions, handlers }: CommonHandlers): void {
    for (const [name, key] of Object.entries(hostHelpers)) {
      this.functions[helperName(name)] = this.#lateHelper(name, key);
    }
    this.#provide(this.#fitting(functions));
    this.#commonKeys = keys;
    this.#commonInfo = info;
    this.#commonSlot = this.takeSlots(keys.length);
    this.instantiate(this.#fitting(handlers));
  }

  /** A module made ahead, for a memory of this size. */
  #fitting(module: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    const { pages } = this.builder();
    if (pages !== BUILT_PAGES) declarePages(module, pages);
    return module;
  }

  /** Let other modules import what `module` exports. */
  #provide(module: Uint8Array<ArrayBuffer>): void {
    Object.assign(this.functions, this.instantiate(module));
  }

  /** The common handler for `key`, if there is one: most are never asked for. */
  #findCommon(key: number): HandlerInfo | undefined {
    const keys = this.#commonKeys;
    let low = 0;
    for (let high = keys.length; low < high;) {
      const middle = (low + high) >> 1;
      if (keys[middle] < key) low = middle + 1;
      else high = middle;
    }
    if (keys[low] !== key) return undefined;
    const info = { slot: this.#commonSlot + low, ...unpackInfo(this.#commonInfo[low]) };
    this.#know(key, info);
    return info;
  }

  /** The host's helper `name`, which the handler for `key` calls: looked for at its first call. */
  #lateHelper(name: string, key: number): AnyFunction {
    let run: AnyFunction | undefined;
    return (...args) => {
      if (run === undefined) {
        const found = helpersOf(this.#isa, key).find((h) => h.name === name && h.run !== undefined);
        if (found === undefined) throw new TypeError(`no helper ${name}`);
        run = this.functions[this.#helper(found)];
      }
      return run(...args);
    };
  }

  #know(key: number, info: HandlerInfo): void {
    this.#known.set(key, info);
    this.#bySlot.set(info.slot, info);
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
      stream: this.stream,
      helper: (helper) =>
        builder.import(
          this.#helper(helper),
          helper.params,
          resultsOf(helper),
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
      const f = lowerHelper(this.linker(builder), helper);
      exportHelper(builder, name, helper, f);
      this.functions[name] = this.instantiate(builder.build())[name];
    }
    return name;
  }

  /** What the handler in `slot` accesses on every execution. */
  accessesAt(slot: number): Pick<HandlerProperties, "loads" | "stores" | "updates"> {
    return this.#bySlot.get(slot) ?? NO_ACCESS;
  }

  /** The handler for `key`, if it exists already. */
  find(key: number): HandlerInfo | undefined {
    return this.#known.get(key) ?? this.#findCommon(key);
  }

  /** Make the handlers of `keys` in one module. */
  make(keys: readonly number[]): void {
    const builder = this.builder();
    const linker = this.linker(builder);
    const first = this.takeSlots(keys.length);
    const made = keys.map((key) => handlerOf(this.#isa, linker, key));
    made.forEach((handler, i) => {
      const { readsFlags, kindSet, updates } = handler;
      this.#know(keys[i], { slot: first + i, ...handler.accesses, readsFlags, kindSet, updates });
    });
    this.instantiate(handlerModule(builder, made, first));
  }
}

/** What a helper returns, as a function type has it. */
export function resultsOf(helper: Helper): Type[] {
  return helper.result === null ? [] : [helper.result];
}

/** Lower a helper that is written in IR. */
export function lowerHelper(linker: Linker, helper: Helper): IrFunction {
  return new IrFunction(linker, helper.params, helper.build!);
}

/** Export a lowered helper. */
export function exportHelper(b: ModuleBuilder, name: string, helper: Helper, f: IrFunction): void {
  b.export(name, b.function(b.type(helper.params, resultsOf(helper)), f.locals, f.code));
}

/** Export the flag functions of an architecture, `condition_N` and `flags`. */
export function exportFlags(builder: ModuleBuilder, isa: Isa, linker: Linker): void {
  const type = builder.type(FLAG_PARAMS, ["i32"]);
  for (const f of flagFunctions(isa.flags, linker)) {
    builder.export(f.name, builder.function(type, f.lowering.locals, f.lowering.code));
  }
}

/** Lower the handler for `key`. */
export function handlerOf(isa: Isa, linker: Linker, key: number): Handler {
  const { row, statics, flow, kind } = partsOf(key);
  return new Handler(isa, linker, row, statics, flow, kind);
}

/** Helpers that the handler for `key` calls, and those that these call. */
export function helpersOf(isa: Isa, key: number): Helper[] {
  const e = new Emitter(null);
  const { row, statics } = partsOf(key);
  isa.emit(row, statics, e);
  const found = new Set<Helper>();
  const add = (helper: Helper): void => {
    if (found.has(helper)) return;
    found.add(helper);
    calledByHelper(helper).forEach(add);
  };
  callsIn(e.body).forEach(add);
  return [...found];
}

/** Helpers that a helper calls itself. */
export function calledByHelper(helper: Helper): Helper[] {
  if (helper.build === undefined) return [];
  const e = new Emitter(null);
  helper.build(e, ...helper.params.map((type, i) => e.param(i, type)));
  return callsIn(e.body);
}

/** Helpers that statements call. */
function callsIn(body: readonly Statement[]): Helper[] {
  return body.flatMap((s) =>
    s.kind === "call"
      ? [s.helper]
      : s.kind === "if"
      ? [...callsIn(s.then), ...callsIn(s.else)]
      : s.kind === "loop"
      ? callsIn(s.body)
      : []
  );
}

/** A module that puts handlers into the function table from slot `first` on. */
export function handlerModule(
  builder: ModuleBuilder,
  handlers: readonly Handler[],
  first: number,
): Uint8Array<ArrayBuffer> {
  handlers.forEach((h, i) =>
    builder.element(first + i, builder.function(ENTRY_TYPE, h.locals, h.code))
  );
  return builder.build();
}
