import type { LinkObject } from "./link_object.ts";
import { LinkError } from "./link_error.ts";
import type { Module, Pass, PipelineView, PrecedingModule, Registration } from "./module.ts";
import { type Phase, PHASES } from "./phase.ts";

/** A pass in an object's pipeline. */
export interface PlannedPass {
  readonly module: string;
  readonly pass: Pass;
}

/** One line of the plan as data. */
export interface PlanEntry {
  readonly object: string;
  readonly phase: Phase;
  readonly module: string;
  readonly strength: "weak" | "strong";
  /** True for a strong pass that a later module overrode: it does not run. */
  readonly overridden: boolean;
}

/** What every module registered for one object. */
export class Pipeline {
  readonly #registered: { readonly module: string; readonly registration: Registration }[] = [];

  constructor(readonly object: LinkObject) {}

  /** Asks a module for its registration and adds it after those already there. */
  add(module: Module): void {
    let registration: Registration;
    try {
      registration = module.register(this.object, this.#view());
    } catch (cause) {
      throw LinkError.from(cause, {
        phase: "register",
        module: module.name,
        object: this.object.path,
      });
    }
    for (const phase of Object.keys(registration)) {
      if (!PHASES.includes(phase as Phase)) {
        const where = { phase: "register", module: module.name, object: this.object.path } as const;
        throw new LinkError(`"${phase}" is not a phase`, where);
      }
    }
    this.#refuseConflict(module.name, registration);
    this.#registered.push({ module: module.name, registration });
  }

  /** Two main passes of a phase cannot both hold where one of them must. */
  #refuseConflict(module: string, registration: Registration): void {
    for (const phase of PHASES) {
      const pass = registration[phase];
      if (pass?.strength !== "strong") continue;
      const other = this.#registered.findLast((r) => r.registration[phase]?.exclusive);
      if (other === undefined) continue;
      throw new LinkError(
        `${module} and ${other.module} conflict: each would be the main pass of ${phase}, and that of ` +
          `${other.module} must hold`,
        { phase: "register", module, object: this.object.path },
      );
    }
  }

  /** The module whose strong pass runs in `phase`: the last one that registered one. */
  main(phase: Phase): string | undefined {
    return this.#registered.findLast((r) => r.registration[phase]?.strength === "strong")?.module;
  }

  /** The passes that run in `phase`: every weak one and the main one, in module order. */
  passes(phase: Phase): PlannedPass[] {
    return this.#all(phase).filter((entry) => !entry.overridden);
  }

  entries(): PlanEntry[] {
    return PHASES.flatMap((phase) =>
      this.#all(phase).map(({ module, pass, overridden }) => ({
        object: this.object.path,
        phase,
        module,
        strength: pass.strength,
        overridden,
      }))
    );
  }

  #all(phase: Phase): (PlannedPass & { overridden: boolean })[] {
    const last = this.#registered.findLastIndex((r) =>
      r.registration[phase]?.strength === "strong"
    );
    return this.#registered.flatMap(({ module, registration }, index) => {
      const pass = registration[phase];
      if (pass === undefined) return [];
      return [{ module, pass, overridden: pass.strength === "strong" && index !== last }];
    });
  }

  #view(): PipelineView {
    const preceding: PrecedingModule[] = this.#registered.map(({ module, registration }) => ({
      name: module,
      passes: Object.fromEntries(
        Object.entries(registration).map(([phase, pass]) => [phase, pass.strength]),
      ),
    }));
    return { preceding, main: (phase) => this.main(phase) };
  }
}

/** What a link does, as data: phase by module by object. */
export class Plan {
  constructor(readonly entries: readonly PlanEntry[]) {}

  /** Pipelines of objects, in load order, as a plan. */
  static of(pipelines: readonly Pipeline[]): Plan {
    return new Plan(pipelines.flatMap((pipeline) => pipeline.entries()));
  }

  /**
   * One line per object and phase: the main pass bare, weak ones after `+`, overridden strong ones
   * in parentheses.
   */
  toString(): string {
    const lines: string[] = [];
    let object: string | undefined;
    for (const phases of groups(this.entries)) {
      if (phases[0].object !== object) lines.push(object = phases[0].object);
      const words = phases.map((entry) =>
        entry.overridden
          ? `(${entry.module})`
          : entry.strength === "weak"
          ? `+${entry.module}`
          : entry.module
      );
      lines.push(`  ${phases[0].phase.padEnd(14)} ${words.join(" ")}`);
    }
    return lines.join("\n");
  }

  /** SHA-256 of the plan in hexadecimal. */
  async hash(): Promise<string> {
    const bytes = new TextEncoder().encode(this.toString());
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  }
}

/** Splits entries into runs of the same object and phase. */
function groups(entries: readonly PlanEntry[]): PlanEntry[][] {
  const runs: PlanEntry[][] = [];
  for (const entry of entries) {
    const last = runs.at(-1);
    if (last?.[0].object === entry.object && last[0].phase === entry.phase) last.push(entry);
    else runs.push([entry]);
  }
  return runs;
}
