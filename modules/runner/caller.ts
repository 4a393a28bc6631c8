import {
  type GuestValue,
  type HostCall,
  type LinkContext,
  type LinkObject,
  LinkTargetError,
} from "../../lib/linker/mod.ts";
import { GuestFunction, OwnFunction, Trap, type Value } from "./instance.ts";
import { type RunnerState, stubFor } from "./state.ts";
import { classesOf, classOf, type Signature, type Type } from "./types.ts";

/** Why memory of the running process is written. */
const REASON = "runner";
/** System calls by architecture (asm/unistd.h). */
const NUMBERS = {
  x86_64: {
    read: 0,
    write: 1,
    futex: 202,
    clock_gettime: 228,
    exit: 60,
    exit_group: 231,
    getrandom: 318,
  },
  aarch64: {
    read: 63,
    write: 64,
    futex: 98,
    clock_gettime: 113,
    exit: 93,
    exit_group: 94,
    getrandom: 278,
  },
} as const;

/**
 * A thread's call of a runner's function, and what that may ask of the guest meanwhile. Values are copied between
 * the memories of the two; the thread runs guest functions as ordinary calls on its own stack.
 */
export class Caller {
  constructor(
    readonly call: HostCall,
    readonly link: LinkContext,
    readonly state: RunnerState,
    /** The object whose function was called. */
    readonly object: LinkObject,
  ) {}

  /** The bits of the arguments that a function was called with. */
  arguments({ parameters }: Signature): bigint[] {
    return this.#access(() => this.call.values(classesOf(parameters)));
  }

  /** The arguments that the bits stand for; `finish` gives changed buffers back. */
  receive(
    { parameters }: Signature,
    bits: readonly bigint[],
  ): { readonly args: Value[]; readonly finish: () => void } {
    const buffers: { readonly at: number; readonly bytes: Uint8Array }[] = [];
    let next = 0;
    const args = parameters.map((type) => {
      if (type !== "bytes" && type !== "buffer") return this.#value(type, bits[next++]);
      const at = Number(bits[next++]);
      const bytes = this.readBytes(at, Number(bits[next++]));
      if (type === "buffer") buffers.push({ at, bytes });
      return bytes;
    });
    return {
      args,
      finish: () => buffers.forEach(({ at, bytes }) => this.writeBytes(at, bytes)),
    };
  }

  /** Answers the guest's call with a result; a string of one lives until the function is next called. */
  answer(type: Type | undefined, value: Value): void {
    if (type === undefined) return;
    const { results, heap } = this.state;
    const { scratch, thread } = this.call;
    if (type === "cstring") {
      const name = `${scratch} ${thread}`;
      const old = results.get(name);
      if (old !== undefined) heap.release(this.link, old);
      const at = value === null ? 0 : this.#store(value as Uint8Array);
      if (value === null) results.delete(name);
      else results.set(name, at);
      this.call.answer({ class: "integer", bits: BigInt(at) });
    } else this.call.answer(this.#guestValue(type, value));
  }

  /** Calls a guest function. */
  async invoke(address: number, signature: Signature, args: readonly Value[]): Promise<Value> {
    const { parameters, result } = signature;
    if (address === 0) throw new Trap("call of a null function pointer");
    const blocks: number[] = [];
    const buffers: { readonly at: number; readonly bytes: Uint8Array }[] = [];
    const values = parameters.flatMap((type, i): GuestValue[] => {
      const value = args[i];
      if (value === null || value === undefined || typeof type !== "string" || !isCopied(type)) {
        return [this.#guestValue(type, value)];
      }
      const bytes = value as Uint8Array;
      const at = this.#store(bytes);
      blocks.push(at);
      const pointer: GuestValue = { class: "integer", bits: BigInt(at) };
      if (type === "cstring") return [pointer];
      if (type === "buffer") buffers.push({ at, bytes });
      return [pointer, { class: "integer", bits: BigInt(bytes.length) }];
    });
    this.count("calls.guest");
    const bits = await this.#invoke(address, values, result && classOf(result));
    for (const { at, bytes } of buffers) bytes.set(this.readBytes(at, bytes.length));
    const value = result === undefined ? undefined : this.#value(result, bits);
    for (const at of blocks) this.state.heap.release(this.link, at);
    return value;
  }

  /** A system call of the thread; a negative answer is an errno. */
  async syscall(name: keyof typeof NUMBERS.x86_64, ...args: (number | bigint)[]): Promise<number> {
    const words = [NUMBERS[this.link.arch][name], ...args].map((word): GuestValue => (
      { class: "integer", bits: BigInt(word) }
    ));
    return Number(BigInt.asIntN(64, await this.#invoke(this.state.syscall, words)));
  }

  async #invoke(...args: Parameters<HostCall["invoke"]>): Promise<bigint> {
    try {
      return await this.call.invoke(...args);
    } catch (error) {
      throw trapOf(error);
    }
  }

  /** Ends the program. */
  async exit(status: number): Promise<never> {
    await this.state.exit?.(this, status);
    await this.syscall("exit_group", status);
    throw new TypeError("exit_group came back");
  }

  /** A block of guest memory while `use` runs. */
  async borrow<T>(bytes: Uint8Array, use: (at: number) => Promise<T>): Promise<T> {
    const at = this.#store(bytes);
    const result = await use(at);
    this.state.heap.release(this.link, at);
    return result;
  }

  readBytes(at: number, size: number): Uint8Array {
    this.count("bytes.in", size);
    return size === 0 ? new Uint8Array(0) : this.#access(() => this.link.read(at, size));
  }

  readWord(at: number): number {
    return this.#access(() => this.link.readI64(at));
  }

  /** The bytes up to a NUL. */
  readString(at: number): Uint8Array {
    const { link } = this;
    const parts: number[] = [];
    for (let from = at;;) {
      // Never past the page that holds the byte, which may be the last one mapped.
      const page = this.#access(() => link.read(from, link.pageSize - from % link.pageSize));
      const end = page.indexOf(0);
      for (const byte of end < 0 ? page : page.subarray(0, end)) parts.push(byte);
      if (end >= 0) break;
      from += page.length;
    }
    this.count("bytes.in", parts.length);
    return Uint8Array.from(parts);
  }

  writeBytes(at: number, bytes: Uint8Array): void {
    this.count("bytes.out", bytes.length);
    if (bytes.length > 0) this.#access(() => this.link.patch(at, bytes, REASON));
  }

  count(name: string, by = 1): void {
    this.link.counters.count(name, by, "runner");
  }

  #access<T>(use: () => T): T {
    try {
      return use();
    } catch (error) {
      throw trapOf(error);
    }
  }

  /** Copies bytes into a block of guest memory, with a NUL behind them. */
  #store(bytes: Uint8Array): number {
    this.count("bytes.out", bytes.length);
    const block = new Uint8Array(bytes.length + 1);
    block.set(bytes);
    return this.state.heap.store(this.link, block);
  }

  #value(type: Type, bits: bigint): Value {
    if (typeof type !== "string") return bits === 0n ? null : new GuestFunction(Number(bits), type);
    switch (type) {
      case "i32":
        return Number(BigInt.asIntN(32, bits));
      case "i64":
        return BigInt.asIntN(64, bits);
      case "cstring":
        return bits === 0n ? null : this.readString(Number(bits));
      case "f32":
        return floatOf(bits, 4);
      case "f64":
        return floatOf(bits, 8);
      default:
        throw new TypeError(`${type} is no single value`);
    }
  }

  #guestValue(type: Type, value: Value): GuestValue {
    if (value instanceof GuestFunction) return { class: "integer", bits: BigInt(value.address) };
    if (value instanceof OwnFunction) {
      return { class: "integer", bits: BigInt(stubFor(this.link, this.state, this.object, value)) };
    }
    if (type === "f32" || type === "f64") {
      return { class: "float", bits: bitsOf(value as number, type === "f32" ? 4 : 8) };
    }
    return { class: "integer", bits: BigInt((value ?? 0) as number | bigint) };
  }
}

/** What the guest's memory refuses as a Trap. A length that no array can have is a RangeError. */
function trapOf(error: unknown): unknown {
  const isRefused = error instanceof LinkTargetError || error instanceof RangeError;
  return isRefused ? new Trap(`bad address: ${error.message}`) : error;
}

function isCopied(type: Type): boolean {
  return type === "cstring" || type === "bytes" || type === "buffer";
}

const scratch = new DataView(new ArrayBuffer(8));

function floatOf(bits: bigint, size: 4 | 8): number {
  scratch.setBigUint64(0, bits, true);
  return size === 4 ? scratch.getFloat32(0, true) : scratch.getFloat64(0, true);
}

function bitsOf(value: number, size: 4 | 8): bigint {
  scratch.setBigUint64(0, 0n, true);
  if (size === 4) scratch.setFloat32(0, value, true);
  else scratch.setFloat64(0, value, true);
  return scratch.getBigUint64(0, true);
}
