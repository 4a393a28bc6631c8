import type { LinkContext, LinkObject } from "../../lib/linker/mod.ts";
import type { Caller } from "./caller.ts";
import type { Carried } from "./wrap.ts";
import type { Signature } from "./types.ts";

/** A function of the guest, as a value. */
export class GuestFunction {
  constructor(readonly address: number, readonly signature: Signature) {}
}

/** A function of a runner's own that is given to the guest; `id` tells it from others of its instance. */
export class OwnFunction {
  constructor(readonly id: number, readonly signature: Signature) {}
}

/**
 * A value between guest and runner, by its type: a number (i32 signed, f32, f64), a bigint (i64, signed), bytes
 * (cstring without its NUL, bytes, buffer), a function; null for a null pointer.
 */
export type Value = number | bigint | Uint8Array | GuestFunction | OwnFunction | null | undefined;

/** What a runner's function ended with that is no result: a trap, an exception. The message is for users. */
export class Trap extends Error {
  override readonly name = "Trap";
}

/** What an object's payload has become in one process. All work of it is asked for by a thread, its `caller`. */
export interface Instance {
  /** Runs the object's constructor. */
  initialise(caller: Caller): Promise<void>;
  call(caller: Caller, name: string, signature: Signature, args: readonly Value[]): Promise<Value>;
  callOwn(caller: Caller, own: OwnFunction, args: readonly Value[]): Promise<Value>;
  /** Runs the program that the object is, which has no constructor; answers its exit status. */
  main(caller: Caller, args: readonly Uint8Array[]): Promise<number>;
  /** The instance of a process that has just been forked. */
  fork(): Instance;
  /** Bytes of the memory it has. */
  readonly memorySize: number;
}

/** An object's import: the function that its symbol was bound to. */
export interface Import {
  readonly name: string;
  readonly address: number;
  readonly signature: Signature;
}

/** What runs payloads of one kind. */
export interface Engine {
  readonly kind: string;
  /**
   * Examines a payload before anything starts; what is wrong with it is a thrown Error whose message says so.
   * Answers what makes its instances.
   */
  prepare(carried: Carried, object: LinkObject): Promise<Prepared>;
}

export interface Prepared {
  instantiate(link: LinkContext, imports: readonly Import[]): Instance;
}
