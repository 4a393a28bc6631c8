/** The region of interest of a run: where counting begins and ends. */
import { countersOf, type Counting, type Counts, difference } from "./counters.ts";
import type { Cpu, CpuExit, CpuSpace } from "./cpu/cpu.ts";
import type { Engine } from "./cpu/engine.ts";
import type { SyscallHooks } from "./kernel/dispatch.ts";

/**
 * One end of a region: a count of retired instructions of the machine, or the name in a guest
 * marker. A program marks a point with `prctl(0x4953544d, "name")`, which fails with EINVAL on any
 * kernel and so changes nothing.
 */
export type RoiPoint = { readonly instruction: number } | { readonly marker: string };

/** Counting goes from the first time of `from` to the first time of `to` after it. */
export interface Roi {
  readonly from: RoiPoint;
  readonly to: RoiPoint;
}

/** The run ended outside its region. */
export class RoiError extends Error {
  override readonly name = "RoiError";
}

/** Option of prctl(2) that marks a point: "ISTM". */
export const MARKER_OPTION = 0x4953544d;

const isAt = (point: RoiPoint, instructions: number): boolean =>
  "instruction" in point && point.instruction <= instructions;

/** Watches a run for the ends of its region. It stands between kernel and engine. */
export class RoiCounter {
  #begin: Counts | undefined;
  #end: Counts | undefined;
  #retired = 0;
  #parts: Counting | undefined;

  constructor(readonly roi: Roi) {}

  /** What was counted inside the region; throws a `RoiError` that names the end not reached. */
  get counters(): Record<string, number> {
    const missing = this.#begin === undefined ? "from" : "to";
    if (this.#begin === undefined || this.#end === undefined) {
      throw new RoiError(`the run ended before the region's "${missing}"`);
    }
    return difference(this.#begin, this.#end);
  }

  /** Begins to watch: instruction counts in `cpu`, markers in system calls. */
  attach(parts: Counting, hooks: SyscallHooks): void {
    this.#parts = parts;
    this.#check();
    hooks.on("prctl", {
      enter: (call, [option, address]) => {
        if (option !== MARKER_OPTION) return;
        const name = call.space.readCString(address, 256);
        if (typeof name === "string") this.#mark(name);
      },
    });
  }

  /** `engine` with its runs cut where the region begins and ends. */
  cpu(engine: Engine): Cpu {
    const run = (space: CpuSpace, budget: number): CpuExit => {
      let done = 0;
      for (;;) {
        const part = Math.min(budget - done, this.#distance());
        const exit = engine.run(space, part);
        done += engine.retired;
        this.#retired += engine.retired;
        this.#check();
        if (exit.kind !== "quantum" || done >= budget) {
          retired = done;
          return exit;
        }
      }
    };
    let retired = 0;
    return new Proxy(engine, {
      get: (target, name) => {
        if (name === "run") return run;
        if (name === "retired") return retired;
        const value = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
      set: (target, name, value) => Reflect.set(target, name, value, target),
    });
  }

  #mark(name: string): void {
    const { from, to } = this.roi;
    if (this.#begin === undefined) {
      if ("marker" in from && from.marker === name) this.#begin = this.#snapshot();
    } else if (this.#end === undefined && "marker" in to && to.marker === name) {
      this.#end = this.#snapshot();
    }
  }

  #check(): void {
    if (this.#begin === undefined && isAt(this.roi.from, this.#retired)) {
      this.#begin = this.#snapshot();
    }
    if (this.#begin !== undefined && this.#end === undefined && isAt(this.roi.to, this.#retired)) {
      this.#end = this.#snapshot();
    }
  }

  /** Instructions to the next end that is a count. */
  #distance(): number {
    const next = this.#begin === undefined ? this.roi.from : this.roi.to;
    if (this.#end !== undefined || !("instruction" in next)) return Infinity;
    return Math.max(1, next.instruction - this.#retired);
  }

  #snapshot(): Counts {
    return countersOf(this.#parts!, this.#retired);
  }
}
