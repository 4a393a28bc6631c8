import type { ElfFile } from "../elf/mod.ts";
import { LinkError } from "./link_error.ts";
import type { LinkCounters } from "./counters.ts";
import type { LinkObject } from "./link_object.ts";
import { LinkSession } from "./link_session.ts";
import type { Module } from "./module.ts";
import { type Phase, PHASES } from "./phase.ts";
import type { LinkObserver } from "./observer.ts";
import { Pipeline, Plan, type PlannedPass } from "./plan.ts";
import type { GuestFile, LinkTarget, Start } from "./target.ts";

/** What a link is made of beside its target. */
export interface LinkerOptions {
  /** In order: later modules override earlier ones. */
  readonly modules: readonly Module[];
  /** What messages call the program: its argv[0]. Default: its path. */
  readonly programName?: string;
  /** The environment the program will start with; modules read LD_LIBRARY_PATH and the like there. */
  readonly environment?: Iterable<[string, string]>;
  readonly observer?: LinkObserver;
}

/**
 * The last object first, but every object after those it depends on: relocated dependencies let a program
 * copy their data and call the functions in them that choose an implementation.
 */
function dependenciesFirst(batch: readonly Pipeline[]): Pipeline[] {
  const pipelines = new Map(batch.map((pipeline) => [pipeline.object, pipeline]));
  const order: Pipeline[] = [];
  const visit = (object: LinkObject): void => {
    const pipeline = pipelines.get(object);
    if (pipeline === undefined) return;
    pipelines.delete(object);
    object.dependencies.forEach(visit);
    order.push(pipeline);
  };
  for (const { object } of batch.toReversed()) visit(object);
  return order;
}

/** A program that is ready to start. */
export interface LinkResult {
  readonly start: Start;
  /** Every object, in load order. */
  readonly objects: readonly LinkObject[];
  readonly plan: Plan;
  readonly counters: LinkCounters;
}

/**
 * The modular dynamic linker: opens objects, lets modules register passes for them, and runs the passes
 * phase by phase. It assumes nothing of a file beyond ELF header, program headers and section headers.
 * One linker serves one process.
 */
export class Linker {
  readonly #modules: readonly Module[];
  readonly #observer: LinkObserver | undefined;
  readonly #session: LinkSession;
  #pipelines: Pipeline[] = [];

  constructor(target: LinkTarget, options: LinkerOptions, parent?: Linker) {
    this.#modules = options.modules;
    this.#observer = options.observer;
    const environment = new Map(options.environment ?? []);
    this.#session = new LinkSession(
      target,
      options.modules,
      environment,
      options.programName,
      (what, reuses) => this.open(what, reuses),
      options.observer,
      parent === undefined ? undefined : parent.#session,
    );
    if (parent !== undefined) this.#pipelines = [...parent.#pipelines];
  }

  /** The linker of a process that has just been forked from this one's; `target` is the new process. */
  fork(target: LinkTarget): Linker {
    const { environment, programName } = this.#session;
    const observer = this.#observer;
    const options = { modules: this.#modules, environment, programName, observer };
    return new Linker(target, options, this);
  }

  /** Links a program: a guest path, an opened file or an ELF object made in memory. */
  async link(program: string | GuestFile | ElfFile): Promise<LinkResult> {
    await this.collect(program);
    await this.#run(PHASES.slice(1));
    const start = this.#session.start();
    this.#session.enterPhase("run");
    return {
      start,
      objects: this.#session.objects,
      plan: this.plan,
      counters: this.#session.counters,
    };
  }

  /** Registration and the collect phase alone: enough to print the plan of a program. */
  async collect(program: string | GuestFile | ElfFile): Promise<Plan> {
    if (this.#pipelines.length > 0) throw new LinkError("this linker already has a program");
    await this.#collect([program]);
    return this.plan;
  }

  /**
   * Loads more objects into the running process as a batch of its own, through every phase but start.
   * Returns the objects that were asked for; those already loaded are found again.
   */
  async open(
    what: readonly (string | GuestFile | ElfFile)[],
    reuses?: (object: LinkObject) => boolean,
  ): Promise<readonly LinkObject[]> {
    if (this.#pipelines.length === 0) {
      throw new LinkError("there is no program to open objects for");
    }
    const session = this.#session;
    session.nextBatch(reuses);
    try {
      const opened = await this.#collect(what);
      await this.#run(PHASES.slice(1, -1));
      return opened;
    } catch (error) {
      session.abandonBatch();
      throw error;
    } finally {
      const left = new Set(session.objects);
      this.#pipelines = this.#pipelines.filter(({ object }) => left.has(object));
      session.enterPhase("run");
    }
  }

  /** What is registered so far, as data. */
  get plan(): Plan {
    return Plan.of(this.#pipelines);
  }

  /** Every object of the process, in load order. */
  get objects(): readonly LinkObject[] {
    return this.#session.objects;
  }

  get counters(): LinkCounters {
    return this.#session.counters;
  }

  /** Registers and collects until nothing new appears. */
  async #collect(what: readonly (string | GuestFile | ElfFile)[]): Promise<LinkObject[]> {
    const session = this.#session;
    session.enterPhase("collect");
    const opened = what.map((item) => session.need(item));
    const known = new Set(this.#pipelines.map(({ object }) => object));
    for (let next = 0; next < session.objects.length; next++) {
      if (known.has(session.objects[next])) continue;
      const pipeline = new Pipeline(session.objects[next]);
      session.enterPhase("register");
      for (const module of this.#modules) pipeline.add(module);
      this.#pipelines.push(pipeline);
      session.enterPhase("collect");
      await this.#runPasses(pipeline, "collect");
    }
    return opened;
  }

  async #run(phases: readonly Phase[]): Promise<void> {
    const objects = new Set(this.#session.batch);
    const batch = this.#pipelines.filter(({ object }) => objects.has(object));
    for (const phase of phases) {
      this.#session.enterPhase(phase);
      const order = phase === "relocate"
        ? dependenciesFirst(batch)
        : phase === "start"
        ? batch.slice(0, 1)
        : batch;
      for (const pipeline of order) await this.#runPasses(pipeline, phase);
      this.#session.leave();
    }
  }

  async #runPasses(pipeline: Pipeline, phase: Phase): Promise<void> {
    for (const planned of pipeline.passes(phase)) {
      await this.#runPass(planned, pipeline.object, phase);
    }
  }

  async #runPass({ module, pass }: PlannedPass, object: LinkObject, phase: Phase): Promise<void> {
    this.#session.at(module, object);
    try {
      const pending = pass.run(this.#session, object);
      if (pending !== undefined) await pending;
    } catch (cause) {
      throw LinkError.from(cause, { phase, module, object: object.path });
    } finally {
      this.#session.at(undefined, undefined);
    }
  }
}
