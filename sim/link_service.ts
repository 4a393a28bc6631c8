/** Calls of host functions by guest threads, and the guest functions that those call in turn. */
import {
  type GuestValue,
  type HostCall,
  LinkTargetError,
  type ValueClass,
} from "../lib/linker/target.ts";
import type { Kernel } from "./kernel/kernel.ts";
import type { Thread } from "./kernel/thread.ts";
import type { AddressSpace } from "./memory/address_space.ts";
import {
  argumentRegister,
  readResult,
  readValues,
  scratchRegister,
  writeResult,
  writeValues,
} from "./link_values.ts";

const WORD = 8;
/** aarch64: the link register. */
const X30 = 30;

/** One call of a host function. The calling thread is in the CPU whenever its handler runs. */
export class ServiceCall implements HostCall {
  readonly threadPointer: number;
  readonly scratch: number;
  /** Stack pointer of the caller when the call is done; stack arguments begin there. */
  readonly #stack: number;
  #next: number;
  #beforeInvoke = () => {};

  constructor(
    private readonly kernel: Kernel,
    private readonly caller: Thread,
    readonly returnAddress: number,
    private readonly services: ServiceCalls,
  ) {
    const { cpu, abi } = kernel;
    this.threadPointer = cpu.threadPointer;
    this.scratch = scratchRegister(kernel);
    this.#stack = cpu.regNumber(abi.stackPointer);
    this.#next = returnAddress;
  }

  argument(index: number): number {
    const value = this.signed(index);
    return value < 0 ? value + 2 ** 64 : value;
  }

  get thread(): number {
    return this.caller.tid;
  }

  signed(index: number): number {
    return this.kernel.cpu.regNumber(argumentRegister(this.kernel, index));
  }

  result(value: number): void {
    this.kernel.cpu.setRegNumber(this.kernel.abi.result, value);
  }

  values(classes: readonly ValueClass[]): bigint[] {
    return readValues(this.kernel, this.caller.process.space.value, classes, this.#stack);
  }

  answer(value: GuestValue): void {
    writeResult(this.kernel, value);
  }

  continueAt(address: number): void {
    this.kernel.cpu.pc = this.#next = address;
  }

  beforeInvoke(action: () => void): void {
    this.#beforeInvoke = action;
  }

  async invoke(
    address: number,
    args: readonly GuestValue[],
    result: ValueClass = "integer",
  ): Promise<bigint> {
    const { kernel, caller: thread } = this;
    const { cpu, abi } = kernel;
    const space = thread.process.space.value;
    if (kernel.current !== thread) {
      throw new LinkTargetError("a service runs while its thread does not");
    }
    this.#beforeInvoke();
    let stack = writeValues(kernel, space, args, this.#stack);
    const back = this.services.address;
    if (abi.arch === "aarch64") cpu.setRegNumber(X30, back);
    else if (space.writeU64(stack - WORD, back) < 0) {
      throw new LinkTargetError("no room on the stack for a guest function's return address");
    }
    cpu.setRegNumber(abi.stackPointer, abi.arch === "x86_64" ? stack -= WORD : stack);
    cpu.pc = address;
    const top = abi.arch === "x86_64" ? stack + WORD : stack;
    await this.services.guestCall(thread, top);
    const bits = readResult(kernel, result);
    cpu.setRegNumber(abi.stackPointer, this.#stack);
    cpu.pc = this.#next;
    return bits;
  }
}

/** A guest function that runs for a service. */
interface Pending {
  readonly space: AddressSpace;
  /** Stack pointer when it has returned. */
  readonly stack: number;
  /** Goes on with the service. */
  readonly resume: () => void;
  readonly service: Service;
}

/** A host function whose handler has not ended: `yield` lets the machine go on meanwhile. */
interface Service {
  yield: () => void;
  fail: (error: unknown) => void;
}

/** The services that wait for guest functions, by the threads that run these. */
export class ServiceCalls {
  readonly #pending = new WeakMap<Thread, Pending[]>();
  /** The service whose handler is at work. */
  #current: Service | undefined;

  constructor(
    /** Guest address that guest functions return to. */
    readonly address: number,
  ) {}

  /** Runs a handler; what it answers is settled when the handler is, or has the thread run a guest function. */
  serve(handler: () => void | Promise<void>): void | Promise<void> {
    const service: Service = { yield: () => {}, fail: () => {} };
    return this.#goOn(service, () => {
      const done = handler();
      done?.then(() => service.yield(), (error) => service.fail(error));
      return done !== undefined;
    });
  }

  /** Lets `service` work; the machine stands still until it yields. */
  #goOn(service: Service, work: () => boolean): void | Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    service.yield = resolve;
    service.fail = reject;
    this.#current = service;
    return work() ? promise : undefined;
  }

  /** Lets the machine run the thread, until the function that it was sent to has returned. */
  guestCall(thread: Thread, stack: number): Promise<void> {
    const service = this.#current;
    if (service === undefined) {
      throw new LinkTargetError("a service called the guest after it had ended");
    }
    this.#current = undefined;
    let list = this.#pending.get(thread);
    if (list === undefined) this.#pending.set(thread, list = []);
    return new Promise((resume) => {
      list.push({ space: thread.process.space.value, stack, resume, service });
      service.yield();
    });
  }

  /**
   * A guest function has returned. Those that the thread jumped out of are forgotten; a thread that has none to
   * return to, such as a forked one, goes on at address 0.
   */
  returned(kernel: Kernel, thread: Thread): void | Promise<void> {
    const list = this.#pending.get(thread) ?? [];
    const space = thread.process.space.value;
    const stack = kernel.cpu.regNumber(kernel.abi.stackPointer);
    const index = list.findLastIndex((item) => item.space === space && item.stack === stack);
    if (index < 0) {
      kernel.report("isthmus: a guest function returned to a service that is not in this process");
      kernel.cpu.pc = 0;
      return;
    }
    const [pending] = list.splice(index);
    return this.#goOn(pending.service, () => {
      pending.resume();
      return true;
    });
  }
}
