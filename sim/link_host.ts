/**
 * Guest addresses whose execution enters the host. They lie 16 bytes apart in one range at the same
 * place in every address space, where nothing is mapped to run: the CPU leaves when control gets
 * there.
 */
import type { HostFunction, LinkTarget } from "../lib/linker/target.ts";
import { LinkTargetError } from "../lib/linker/target.ts";
import type { Engine } from "./cpu/engine.ts";
import type { Kernel } from "./kernel/kernel.ts";
import type { Process } from "./kernel/process.ts";
import type { Thread } from "./kernel/thread.ts";
import {
  MAP_ANONYMOUS,
  MAP_FIXED_NOREPLACE,
  MAP_NORESERVE,
  MAP_PRIVATE,
  PROT_NONE,
} from "./memory/abi.ts";
import { ServiceCall, ServiceCalls } from "./link_service.ts";
import type { AddressSpace } from "./memory/address_space.ts";

/** Where the range is: far from where Linux puts anything, and below the end of user space. */
const START = 0x2000_0000_0000;
const SIZE = 0x1_0000;
/** Bytes from one function to the next. */
const STRIDE = 16;
/** aarch64: the link register. */
const X30 = 30;
/** Ids of host functions that the machine has for itself: a nested call's return, `landing`, `returned`. */
const OWN = 3;

/** A process that the linker serves while it runs. */
export interface ServedProcess {
  readonly target: LinkTarget;
  /** A system call of the process is over. */
  callEnded(): void;
  /** The process was entered early and its thread, which is in the CPU, has reached `landing`. */
  land(): Promise<void>;
  /** The same for a copy of the process. */
  fork(child: Process): ServedProcess;
}

/** The host functions of one machine. */
export class HostFunctions {
  /** Where a nested call returns to; the host function with id 0. */
  readonly returnAddress = START;
  /** Where processes that were entered early come back; the host function with id 1. */
  readonly landing = START + STRIDE;
  /** Where guest functions return to that services called; the host function with id 2. */
  readonly returned = START + 2 * STRIDE;
  readonly #services = new ServiceCalls(this.returned);
  readonly #functions: { readonly name: string; readonly handler: HostFunction }[] = [];
  readonly #addresses = new Map<HostFunction, Map<string, number>>();
  readonly #reserved = new WeakSet<AddressSpace>();
  readonly #served = new WeakMap<AddressSpace, ServedProcess>();
  #kernel: Kernel | null = null;

  constructor(readonly engine: Engine) {}

  /** Takes over host entries of `kernel`. */
  attach(kernel: Kernel): void {
    if (this.#kernel === kernel) return;
    this.#kernel = kernel;
    this.engine.hostRange(START, START + SIZE);
    kernel.onCallEnd = ({ process }) => this.#served.get(process.space.value)?.callEnded();
    kernel.onHost = (thread, id) => this.#enter(kernel, thread, id);
  }

  /** The address that enters `handler` under `name`. */
  provide(name: string, handler: HostFunction): number {
    let names = this.#addresses.get(handler);
    if (names === undefined) this.#addresses.set(handler, names = new Map());
    let address = names.get(name);
    if (address === undefined) {
      const id = this.#functions.push({ name, handler }) + OWN - 1;
      if (id * STRIDE >= SIZE) throw new LinkTargetError(`no address is left for ${name}`);
      names.set(name, address = START + id * STRIDE);
    }
    return address;
  }

  /** Keeps the range free in `space`. */
  reserveIn(space: AddressSpace): void {
    if (this.#reserved.has(space)) return;
    const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
    if (space.mmap(START, SIZE, PROT_NONE, flags) < 0) {
      throw new LinkTargetError(`0x${START.toString(16)} is not free for host functions`);
    }
    this.#reserved.add(space);
  }

  /** Who answers for the process in `space`. */
  serve(space: AddressSpace, process: ServedProcess): void {
    this.#served.set(space, process);
  }

  /** A process was copied: the child is served as its parent was. */
  forked(parent: Process, child: Process): void {
    const [from, to] = [parent.space.value, child.space.value];
    if (this.#reserved.has(from)) this.#reserved.add(to);
    const served = this.#served.get(from);
    if (served !== undefined) this.#served.set(to, served.fork(child));
  }

  #servedIn(space: AddressSpace): ServedProcess {
    const served = this.#served.get(space);
    if (served === undefined) {
      throw new LinkTargetError("a process that was never linked called a host function");
    }
    return served;
  }

  /** The thread's control has reached an address of the range: run the function and return. */
  #enter(kernel: Kernel, thread: Thread, id: number): void | Promise<void> {
    const space = thread.process.space.value;
    if (START + id * STRIDE === this.landing) return this.#servedIn(space).land();
    if (START + id * STRIDE === this.returned) return this.#services.returned(kernel, thread);
    const entry = this.#functions[id - OWN];
    if (entry === undefined) {
      throw new LinkTargetError(`the guest jumped to host function ${id}, which does not exist`);
    }
    const returnAddress = popReturn(kernel, space);
    // The return address first: a handler that kills the thread must not be undone.
    kernel.cpu.pc = returnAddress;
    const call = new ServiceCall(kernel, thread, returnAddress, this.#services);
    const { target } = this.#servedIn(space);
    return this.#services.serve(() => entry.handler(call, target));
  }
}

/** Takes the return address of the function that was just called. */
function popReturn({ cpu, abi }: Kernel, space: AddressSpace): number {
  if (abi.arch === "aarch64") return cpu.regNumber(X30);
  const stack = cpu.regNumber(abi.stackPointer);
  const address = space.readU64(stack);
  if (address < 0) throw new LinkTargetError("a host function was called without a stack");
  cpu.setRegNumber(abi.stackPointer, stack + 8);
  return address;
}
