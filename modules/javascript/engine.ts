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
import { formatSignature, parseInterface, type Signature, type Type } from "../runner/types.ts";
import type { Carried } from "../runner/wrap.ts";
import type { ModuleCode } from "../wasm/module_code.ts";
import { type Handle, Quickjs, quickjs, type QuickjsOptions, ScriptError } from "./quickjs.ts";

/** Bounds of each script. */
export interface Bounds {
  readonly pages: number;
  readonly steps: number;
}

/** Runs scripts by QuickJS. */
export function javascriptEngine({ pages, steps }: Bounds): Engine {
  return {
    kind: "javascript",
    async prepare({ payload, interface: types }: Carried, object: LinkObject): Promise<Prepared> {
      const code = await quickjs(pages);
      const source = new TextDecoder().decode(payload);
      await checkSyntax(code, source, object.path);
      return {
        instantiate: (_link, imports) =>
          new Script({ code, source, steps, file: object.path, exports: types.exports, imports }),
      };
    },
  };
}

/** Throws what is wrong with a script's syntax. */
export async function checkSyntax(code: ModuleCode, source: string, file: string): Promise<void> {
  const host = () => Promise.reject(new TypeError("a script is compiled, not run"));
  const engine = new Quickjs(code, { host, steps: 0 });
  await engine.start();
  await engine.compile(source, file);
}

interface ScriptParts {
  readonly code: ModuleCode;
  readonly source: string;
  readonly file: string;
  readonly steps: number;
  readonly exports: ReadonlyMap<string, Signature>;
  readonly imports: readonly Import[];
}

/** Names of host functions: an import by its symbol, or a function of the guest's by address and signature. */
const IMPORT = "import ", GUEST = "guest ";

/** A script in one process. */
class Script implements Instance {
  readonly #engine: Quickjs;
  readonly #callers: Caller[] = [];
  /** The values of exports, once the script has run. */
  readonly #functions: Map<string, Handle>;
  /** Functions that the guest was given: a reference to each, by the object's identity. */
  readonly #own: Map<number, Handle>;

  constructor(private readonly parts: ScriptParts, from?: Script) {
    const options: QuickjsOptions = {
      caller: () => this.#callers.at(-1)!,
      host: (name, args) => this.#callGuest(name, args),
      steps: parts.steps,
    };
    this.#engine = from === undefined
      ? new Quickjs(parts.code, options)
      : from.#engine.fork(options);
    this.#functions = new Map(from === undefined ? [] : from.#functions);
    this.#own = new Map(from === undefined ? [] : from.#own);
  }

  get memorySize(): number {
    return this.#engine.memorySize;
  }

  initialise(caller: Caller): Promise<void> {
    return this.#as(caller, () => this.#start());
  }

  async #start(): Promise<void> {
    const { source, file, exports, imports } = this.parts;
    await this.#engine.start();
    for (const { name } of imports) this.#engine.define(name, IMPORT + name);
    await this.#engine.run(source, file);
    for (const name of exports.keys()) await this.#find(name);
  }

  async #find(name: string): Promise<Handle> {
    const known = this.#functions.get(name);
    if (known !== undefined) return known;
    const handle = await this.#engine.lookUp(name);
    if (!this.#engine.isFunction(handle)) throw new Trap(`the script has no function ${name}`);
    this.#functions.set(name, handle);
    return handle;
  }

  call(
    caller: Caller,
    name: string,
    signature: Signature,
    args: readonly Value[],
  ): Promise<Value> {
    return this.#as(caller, async () => await this.#run(await this.#find(name), signature, args));
  }

  callOwn(caller: Caller, { id, signature }: OwnFunction, args: readonly Value[]): Promise<Value> {
    return this.#as(caller, () => this.#run(id, signature, args));
  }

  main(caller: Caller, args: readonly Uint8Array[]): Promise<number> {
    return this.#as(caller, async () => {
      await this.#start();
      const main = await this.#find("main");
      const result = await this.#run(
        main,
        { parameters: args.map(() => "cstring"), result: "i32" },
        args,
      );
      return Number(result);
    });
  }

  fork(): Script {
    return new Script(this.parts, this);
  }

  async #as<T>(caller: Caller, work: () => Promise<T>): Promise<T> {
    this.#callers.push(caller);
    try {
      return await work();
    } finally {
      this.#callers.pop();
    }
  }

  /** Calls a function of the script's with values of the guest's. */
  async #run(f: Handle, { parameters, result }: Signature, args: readonly Value[]): Promise<Value> {
    const engine = this.#engine;
    const handles = parameters.map((type, i) => this.#handleOf(type, args[i]));
    const answer = await engine.call(f, handles);
    parameters.forEach((type, i) => {
      if (type === "buffer") (args[i] as Uint8Array).set(engine.bytesOf(handles[i])!);
    });
    const value = result === undefined ? undefined : this.#valueOf(result, answer);
    if (result !== undefined && value === undefined) {
      throw new Trap(`the result is no ${formatSignature({ parameters: [result] }).slice(1, -1)}`);
    }
    for (const handle of [...handles, answer]) engine.release(handle);
    return value;
  }

  /** Calls a guest function for the script. */
  async #callGuest(name: string, handles: readonly Handle[]): Promise<Handle> {
    const engine = this.#engine;
    const { address, signature, what } = this.#guestFunction(name);
    const args = signature.parameters.map((type, i) => {
      const value = i < handles.length ? this.#valueOf(type, handles[i]) : undefined;
      if (value !== undefined) return value;
      const wanted = formatSignature(signature);
      throw new ScriptError(`${what}${wanted}: argument ${i + 1} has another type`);
    });
    const value = await this.#callers.at(-1)!.invoke(address, signature, args);
    signature.parameters.forEach((type, i) => {
      if (type === "buffer") engine.setBytes(handles[i], args[i] as Uint8Array);
    });
    return signature.result === undefined
      ? engine.undefined()
      : this.#handleOf(signature.result, value);
  }

  #guestFunction(name: string): { address: number; signature: Signature; what: string } {
    if (name.startsWith(IMPORT)) {
      const what = name.slice(IMPORT.length);
      return { ...this.parts.imports.find((item) => item.name === what)!, what };
    }
    const [, address, types] = /^guest (\d+) (.*)$/.exec(name)!;
    const signature = parseInterface(`import f${types}`).imports.get("f")!;
    return { address: Number(address), signature, what: "function" };
  }

  /** A value of the guest's in the script. */
  #handleOf(type: Type, value: Value): Handle {
    const engine = this.#engine;
    if (value === undefined) return engine.undefined();
    if (value === null) return engine.null();
    if (typeof value === "bigint") return engine.bigint(value);
    if (typeof value === "number") return engine.number(value);
    if (value instanceof GuestFunction) {
      return engine.hostFunction(`${GUEST}${value.address} ${formatSignature(value.signature)}`);
    }
    if (value instanceof OwnFunction) return engine.duplicate(value.id);
    return type === "cstring" ? engine.string(value) : engine.bytes(value);
  }

  /** A value of the script's for the guest; undefined if it is not of the type. */
  #valueOf(type: Type, handle: Handle): Value {
    const engine = this.#engine;
    if (typeof type !== "string") {
      if (engine.isNothing(handle)) return null;
      return engine.isFunction(handle) ? this.#ownFunction(handle, type) : undefined;
    }
    switch (type) {
      case "i32": {
        const number = engine.numberOf(handle);
        return number === undefined ? undefined : number | 0;
      }
      case "i64": {
        const number = engine.bigintOf(handle) ?? engine.numberOf(handle);
        return typeof number === "number" ? BigInt(Math.trunc(number)) : number;
      }
      case "f32":
      case "f64":
        return engine.numberOf(handle);
      case "cstring":
        return engine.isNothing(handle) ? null : engine.stringOf(handle);
      default:
        return engine.bytesOf(handle);
    }
  }

  /** A function of the script's that the guest is given: the same one is the same pointer, and stays. */
  #ownFunction(handle: Handle, signature: Signature): OwnFunction {
    const identity = this.#engine.identityOf(handle);
    let kept = this.#own.get(identity);
    if (kept === undefined) this.#own.set(identity, kept = this.#engine.duplicate(handle));
    return new OwnFunction(kept, signature);
  }
}
