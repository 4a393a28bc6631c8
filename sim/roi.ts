/** The region of interest of a run: where counting begins and ends. */
import { countersOf, type Counting, type Counts, difference } from "./counters.ts";
import type { Cpu, CpuExit, CpuSpace } from "./cpu/cpu.ts";
import type { Engine } from "./cpu/engine.ts";
import type { SyscallHooks } from "./kernel/dispatch.ts";
import type { AddressSpace, PlacedObject } from "./memory/address_space.ts";
import { PROT_EXEC } from "./memory/abi.ts";
import { type FunctionName, functionPlaces } from "./symbol_places.ts";

/**
 * One end of a region: a count of retired instructions of the machine; the name in a guest marker; or a
 * function, about to run its first instruction. A program marks a point with
 * `prctl(0x4953544d, "name")`, which fails with EINVAL on any kernel and so changes nothing. `main` is
 * found in stripped programs too, as what is handed to `__libc_start_main`.
 */
export type RoiPoint =
  | { readonly instruction: number }
  | { readonly marker: string }
  | FunctionName;

/** Counting goes from the first time of `from` to the first time of `to` after it. */
export interface Roi {
  /** Where counting begins. */
  readonly from: RoiPoint;
  /** Where it ends. */
  readonly to: RoiPoint;
}

/** The run ended outside its region. */
export class RoiError extends Error {
  /** Tells this error from others, also across realms. */
  override readonly name = "RoiError";
}

/** Option of prctl(2) that marks a point: "ISTM". */
export const MARKER_OPTION = 0x4953544d;

/** Watches a run for the ends of its region. It stands between kernel and engine. */
export class RoiCounter {
  #begin: Counts | undefined;
  #end: Counts | undefined;
  #retired = 0;
  #parts: Counting | undefined;
  /** Spaces where the function that is waited for has its breakpoints, with their objects then. */
  #armed = new WeakMap<CpuSpace, readonly PlacedObject[]>();
  /** Whether the function was found anywhere. */
  #found = false;
  /** Instructions that retire before the next breakpoints: "to" comes after "from" has run. */
  #notBefore = 0;

  constructor(readonly roi: Roi) {}

  /** What was counted inside the region; throws a `RoiError` that names the end not reached. */
  get counters(): Record<string, number> {
    const point = this.#next;
    if (point === undefined) return difference(this.#begin!, this.#end!);
    const missing = this.#begin === undefined ? "from" : "to";
    const why = "symbol" in point && !this.#found
      ? `: no function ${nameOf(point)} was mapped`
      : "";
    throw new RoiError(`the run ended before the region's "${missing}"${why}`);
  }

  /** The end that is waited for. */
  get #next(): RoiPoint | undefined {
    if (this.#begin === undefined) return this.roi.from;
    return this.#end === undefined ? this.roi.to : undefined;
  }

  /** Begins to watch: counts and functions in `cpu`, markers and new mappings in system calls. */
  attach(parts: Counting, hooks: SyscallHooks): void {
    this.#parts = parts;
    this.#check();
    hooks.on("prctl", {
      enter: (call, [option, address]) => {
        const point = this.#next;
        if (option !== MARKER_OPTION || point === undefined || !("marker" in point)) return;
        if (call.space.readCString(address, 256) === point.marker) this.#reach();
      },
    });
    hooks.on("mmap", {
      exit: ({ space }, [, , protection]) => {
        if ((protection & PROT_EXEC) !== 0) this.#armed.delete(space);
      },
    });
  }

  /** `engine` with its runs cut where the region begins and ends. */
  cpu(engine: Engine): Cpu {
    const run = (space: CpuSpace, budget: number): CpuExit => {
      retired = 0;
      for (;;) {
        this.#arm(engine, space as AddressSpace);
        const exit = engine.run(space, Math.min(budget - retired, this.#distance()));
        retired += engine.retired;
        this.#retired += engine.retired;
        if (exit.kind === "break") this.#broke(engine, space as AddressSpace);
        this.#check();
        if (exit.kind !== "quantum" && exit.kind !== "break") return exit;
        if (retired >= budget) return { kind: "quantum" };
      }
    };
    const step = (space: CpuSpace): CpuExit => run(space, 1);
    let retired = 0;
    return new Proxy(engine, {
      get: (target, name) => {
        if (name === "run") return run;
        if (name === "step") return step;
        if (name === "retired") return retired;
        const value = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
      set: (target, name, value) => Reflect.set(target, name, value, target),
    });
  }

  /** Break where the function that is waited for lies in `space`. */
  #arm(engine: Engine, space: AddressSpace): void {
    const point = this.#next;
    if (point === undefined || !("symbol" in point)) return;
    if (this.#retired < this.#notBefore || this.#armed.get(space) === space.objects) return;
    this.#armed.set(space, space.objects);
    let places = functionPlaces(space, point);
    if (places.length > 0) this.#found = true;
    else if (isMain(point)) places = functionPlaces(space, START);
    if (places.length > 0) engine.breakAt(space, places);
  }

  /** The engine is at a breakpoint. */
  #broke(engine: Engine, space: AddressSpace): void {
    const point = this.#next as FunctionName;
    if (isMain(point) && !this.#found) {
      this.#found = true;
      engine.breakAt(space, [engine.regNumber(engine.arch === "x86_64" ? RDI : 0)]);
      return;
    }
    engine.clearBreaks();
    this.#reach();
  }

  #check(): void {
    for (let point = this.#next; point !== undefined; point = this.#next) {
      if (!("instruction" in point) || point.instruction > this.#retired) return;
      this.#reach();
    }
  }

  /** The end that is waited for is reached. */
  #reach(): void {
    const counts = countersOf(this.#parts!, this.#retired);
    if (this.#begin === undefined) this.#begin = counts;
    else this.#end = counts;
    this.#notBefore = this.#retired + 1;
    this.#armed = new WeakMap();
    this.#found = false;
  }

  /** Instructions to the next end that is a count, or until breakpoints may be set. */
  #distance(): number {
    const point = this.#next;
    if (point === undefined || "marker" in point) return Infinity;
    if ("instruction" in point) return Math.max(1, point.instruction - this.#retired);
    return Math.max(0, this.#notBefore - this.#retired) || Infinity;
  }
}

/** x86_64: the first argument's register. */
const RDI = 7;
const START: FunctionName = { symbol: "__libc_start_main" };

function nameOf({ object, symbol }: FunctionName): string {
  return object === undefined ? symbol : `${object}:${symbol}`;
}

function isMain({ object, symbol }: FunctionName): boolean {
  return symbol === "main" && object === undefined;
}
