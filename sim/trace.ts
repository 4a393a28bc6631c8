/**
 * The trace of a run: every instruction, branch, data access, page fault and TLB shootdown of the
 * program, in order. The processor goes one instruction at a time for it, which is slow.
 */
import { Access, type Cpu, type CpuExit, type CpuSpace } from "./cpu/cpu.ts";
import type { Engine } from "./cpu/engine.ts";
import { Decoded, Flow } from "./cpu/ir/decoded.ts";

/** Kinds of branches in a trace. */
export type BranchKind =
  | "taken"
  | "not taken"
  | "jump"
  | "call"
  | "indirect jump"
  | "indirect call"
  | "return";

/** Who is told of a program's events. Addresses and sizes are in bytes; `space` is the address space's id. */
export interface TraceSink {
  /** The instruction of `length` bytes at `pc` is fetched; what follows, up to the next one, is its doing. */
  fetch(pc: number, length: number, space: number): void;
  /** It loads or stores; an access over two pages comes once. */
  access(address: number, size: number, write: boolean): void;
  /** It took (or did not take) a branch `to`; told at its end. */
  branch?(kind: BranchKind, pc: number, to: number, length: number): void;
  /** It did not retire: it faulted, and what it did before does not count. */
  abandoned?(pc: number): void;
  /** An access, or the fetch that comes next, takes a page fault. */
  pageFault?(address: number, kind: "fetch" | "data", space: number): void;
  /** The mapping of a range changed. */
  shootdown?(address: number, size: number, space: number): void;
}

/** `engine` one instruction at a time, seen by `sink`. Its own `observe` must show accesses to `sink`. */
export function traced(engine: Engine, sink: TraceSink): Engine {
  const decoded = new Decoded();
  const bytes = new Uint8Array(16);
  let retired = 0;

  const run = (space: CpuSpace, budget: number): CpuExit => {
    retired = 0;
    do {
      // Without a budget, the fetch alone: its page faults, or that control leaves to the host.
      const fetched = engine.run(space, 0);
      if (fetched.kind !== "quantum" || budget === 0) return fetched;
      const { pc } = engine;
      decode(space, pc);
      const { flow, length, target } = decoded;
      sink.fetch(pc, length, space.id);
      const exit = engine.run(space, 1);
      if (engine.retired === 0) sink.abandoned?.(pc);
      else {
        retired++;
        const kind = kindOf(flow, engine.pc === target);
        if (kind !== undefined) sink.branch?.(kind, pc, engine.pc, length);
      }
      if (exit.kind !== "quantum") return exit;
    } while (retired < budget);
    return { kind: "quantum" };
  };

  const decode = (space: CpuSpace, pc: number): void => {
    const { physical } = engine;
    const room = 4096 - pc % 4096;
    const first = space.peekExecutable(pc);
    if (engine.isa.decode(physical, first, Math.min(room, 15), pc, decoded)) return;
    bytes.fill(0);
    bytes.set(physical.subarray(first, first + room));
    const second = space.peekExecutable(pc + room);
    bytes.set(physical.subarray(second, second + bytes.length - room), room);
    engine.isa.decode(bytes, 0, 15, pc, decoded);
  };

  const pageFault: Cpu["pageFault"] = (space, va, access) => {
    sink.pageFault?.(va, access === Access.Execute ? "fetch" : "data", space.id);
    engine.pageFault(space, va, access);
  };
  const shootdown: Cpu["shootdown"] = (space, va, size, code) => {
    sink.shootdown?.(va, size, space.id);
    engine.shootdown(space, va, size, code);
  };
  const step: Cpu["step"] = (space) => run(space, 1);
  const own: Record<PropertyKey, unknown> = { run, step, pageFault, shootdown };
  return new Proxy(engine, {
    get: (target, name) => {
      if (name === "retired") return retired;
      if (name in own) return own[name];
      const value = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
    set: (target, name, value) => Reflect.set(target, name, value, target),
  });
}

/** What a branch did. A conditional one whose target is the next instruction counts as taken. */
function kindOf(flow: Flow, atTarget: boolean): BranchKind | undefined {
  switch (flow) {
    case Flow.Branch:
      return atTarget ? "taken" : "not taken";
    case Flow.Jump:
      return "jump";
    case Flow.Call:
      return "call";
    case Flow.IndirectJump:
      return "indirect jump";
    case Flow.IndirectCall:
      return "indirect call";
    case Flow.Return:
      return "return";
    default:
      return undefined;
  }
}
