/**
 * A simulated computer, put together: memory, CPU, models, kernel, file systems and linker.
 */
import { isLinkerName } from "../lib/elf/linker_name.ts";
import type { Plan } from "../lib/linker/plan.ts";
import { countersOf, type Counting, estimate, executionOf } from "./counters.ts";
import { Engine } from "./cpu/engine.ts";
import type { Isa } from "./cpu/ir/decoded.ts";
import { XCR0 } from "./cpu/layout.ts";
import { Clock } from "./kernel/clock.ts";
import { SyscallHooks } from "./kernel/dispatch.ts";
import type { TimeSource } from "./kernel/fs/file_system.ts";
import { type HostFs, ownedByGuest } from "./kernel/fs/host_fs.ts";
import { MemoryFs } from "./kernel/fs/memory_fs.ts";
import { OverlayFs } from "./kernel/fs/overlay.ts";
import { mountKernelFiles } from "./kernel/fs/procfs.ts";
import { Vfs } from "./kernel/fs/vfs.ts";
import { Kernel } from "./kernel/kernel.ts";
import { Random } from "./kernel/random.ts";
import { syscallRows } from "./kernel/syscalls/table.ts";
import { GUEST, LinkerChoice, MODULAR, type Pipelines } from "./linker_choice.ts";
import { MachineError } from "./machine/error.ts";
import { hostFolder, mountFolders } from "./machine/host_folders.ts";
import type { MachineOptions } from "./machine/options.ts";
import { processor } from "./machine/processor.ts";
import { type Found, searchProgram, SILENT } from "./machine/program_search.ts";
import type { Result } from "./machine/result.ts";
import { modelsOf, resultsOf } from "./machine/run_models.ts";
import { Memory } from "./memory/memory.ts";

/** Executions that make a block hot. */
const DEFAULT_HEAT = 8_000;

/** What every program gets unless an option says otherwise. */
const DEFAULT_ENV: Readonly<Record<string, string>> = {
  PATH: "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games",
  HOME: "/",
  LANG: "C.UTF-8",
};

/** One simulated machine; it runs one program and the processes that it starts. */
export class Machine {
  /** Hooks on system calls by name. */
  readonly syscalls: SyscallHooks = new SyscallHooks();
  /** What it was made of, as it was given. */
  readonly options: MachineOptions;
  #kernel: Kernel | null = null;
  #isa: Isa | null = null;

  private constructor(options: MachineOptions) {
    this.options = options;
  }

  /** Make a machine. Nothing runs yet. */
  static create(options: MachineOptions = {}): Promise<Machine> {
    return Promise.resolve(new Machine(options));
  }

  /** The kernel, once `run` has begun. */
  get kernel(): Kernel {
    if (this.#kernel === null) throw new MachineError("the machine has not run yet");
    return this.#kernel;
  }

  /** Its processor's instruction set, once `run` has begun. */
  get isa(): Isa {
    if (this.#isa === null) throw new MachineError("the machine has not run yet");
    return this.#isa;
  }

  /** The environment that programs start with. */
  get environment(): Readonly<Record<string, string>> {
    return { ...DEFAULT_ENV, ...this.options.env };
  }

  /**
   * Run `argv[0]` to its end. Throws a `MachineError` if a machine has run already, and a
   * `KernelError` that names the program if it cannot be started.
   */
  async run(argv: readonly string[]): Promise<Result> {
    if (this.#kernel !== null) throw new MachineError("a machine runs one program");
    const { options } = this;
    const clock = new Clock();
    const random = new Random(options.seed ?? 1);
    const now = () => ({ seconds: clock.realSeconds, nanoseconds: clock.realNanoseconds });
    const { uid, gid } = this.#user;
    const base = this.#base(now);
    const env = this.environment;
    const path = this.#find(argv[0], base, now);
    const arch = options.arch ?? path.arch;
    const { isa, hwcap, hwcap2, isaLevels, identity, midr, xcr0 } = await processor(
      arch,
      options.cpu !== undefined,
      options.cpuLevel,
      this.#needsKeys,
    );
    this.#isa = isa;
    const { pageSize, thp, hugePages2M, hugePages32M, hugePages512M, hugePages1G } = options;
    const memory = new Memory({
      ...{ arch, pageSize, bytes: options.memory, thp },
      ...{ hugePages2M, hugePages32M, hugePages512M, hugePages1G },
    });
    const { trace } = options;
    const { first, beside, readers, attribution, curves } = await modelsOf(
      options,
      arch,
      memory.granule.shift,
    );
    const engine = new Engine({
      isa,
      physical: memory.physical.memory,
      heat: options.heat ?? DEFAULT_HEAT,
      preset: first?.inlined?.preset,
      branches: first?.inlined?.branches,
      pageBits: memory.granule.shift,
      sites: first?.sites ?? undefined,
      readers,
      observe: trace && ((address, size, write) => trace.access(address, size, write)),
    });
    const cpu = trace ? (await import("./trace.ts")).traced(engine, trace) : engine;
    new DataView(engine.stateBytes.buffer).setUint32(XCR0, xcr0 ?? 0, true);
    const vfs = new Vfs(new OverlayFs(base, now), {
      now,
      random: (into) => random.fill(into),
      cache: memory.cache,
      streams: options.streams,
      user: { uid, gid },
    });
    vfs.mountStandard();
    mountFolders(vfs, { uid, gid }, options.mounts);
    const loader = new LinkerChoice({
      engine: cpu,
      vfs,
      observe: options.observeLinks,
      ...this.#linkers(),
    });
    const huge = options.hugeText ? await import("./huge_text.ts") : undefined;
    huge?.promoteMapped(this.syscalls);
    const roi = options.roi && new (await import("./roi.ts")).RoiCounter(options.roi);
    const kernel = new Kernel({
      memory,
      cpu: roi?.cpu(cpu) ?? cpu,
      vfs,
      rows: syscallRows,
      clock,
      seed: options.seed,
      layoutSeed: options.layoutSeed,
      layout: options.layout,
      hwcap,
      hwcap2,
      isaLevels,
      identity,
      midr,
      maxInstructions: options.maxInstructions,
      loader: huge?.withHugeText(loader) ?? loader,
      strace: options.strace,
      report: options.report,
      syscalls: this.syscalls,
    });
    this.#kernel = kernel;
    const parts: Counting = {
      kernel,
      cpu,
      memory,
      models: first?.streamed ?? undefined,
      get linking() {
        return loader.counters;
      },
    };
    roi?.attach(parts, this.syscalls);
    mountKernelFiles(vfs, kernel);
    await kernel.spawn({
      path: path.name,
      argv,
      env: Object.entries(env).map(([k, v]) => `${k}=${v}`),
      cwd: options.cwd,
      uid,
      gid,
    });
    if (options.coreFile !== undefined) {
      const { coreWriter } = await import("./debug/core_writer.ts");
      kernel.onCore = coreWriter(options.coreFile, kernel.report);
    }
    const gdb = options.gdb && await listen(options, kernel, engine, vfs);
    const outcome = await kernel.run();
    await gdb?.close();
    vfs.close();
    const counters = roi?.counters ?? countersOf(parts, kernel.instructions);
    return {
      arch,
      program: path.name,
      exit: outcome.code,
      signal: outcome.signal,
      counters,
      estimated: estimate(counters, first?.preset.cost),
      cores: beside.length === 0 ? undefined : resultsOf(beside, counters),
      missCurves: curves?.curves(),
      attribution: attribution?.report(),
      execution: executionOf(parts, kernel.instructions),
      link: loader.first && {
        linker: loader.first.linker,
        modules: loader.first.modules,
        plan: loader.first.plan,
      },
    };
  }

  /**
   * What the linker that the program `name` asks for would do to it, without doing it; in place of the
   * guest's own, the modular linker.
   */
  async plan(name: string): Promise<Plan> {
    const now = () => ({ seconds: 0, nanoseconds: 0 });
    const { name: program, arch, vfs } = this.#find(name, this.#base(now), now);
    const { usual, pipelines } = this.#linkers();
    const { planOf } = await import("./link_plan.ts");
    const { environment } = this;
    const { pageSize } = this.options;
    return planOf(program, {
      arch,
      pageSize,
      vfs,
      user: this.#user,
      usual,
      pipelines,
      environment,
    });
  }

  /** Name of a module that needs protection keys. */
  get #needsKeys(): string | undefined {
    const lists = [this.options.modules ?? [], ...Object.values(this.options.linkers ?? {})];
    return lists.flat().find(({ needs }) => needs?.includes("protection-keys"))?.name;
  }

  get #user(): { readonly uid: number; readonly gid: number } {
    const uid = this.options.uid ?? 1000;
    return { uid, gid: this.options.gid ?? uid };
  }

  /** The read-only file system below the overlay. */
  #base(now: TimeSource): HostFs | MemoryFs {
    const { root = "/" } = this.options;
    return typeof root === "object"
      ? MemoryFs.fromFiles(root, now)
      : hostFolder(root, { owner: ownedByGuest(this.#user, false) });
  }

  /** The linkers there are, and the usual one; modules are loaded only if they are used. */
  #linkers(): { readonly usual: string; readonly pipelines: Pipelines } {
    const { linker, modules, linkers = {} } = this.options;
    if (linker === GUEST && modules !== undefined) {
      throw new MachineError("modules are for the modular linker, not the guest's own");
    }
    const taken = [GUEST, MODULAR].find((name) => Object.hasOwn(linkers, name));
    if (taken !== undefined) throw new MachineError(`no other linker can be called ${taken}`);
    const odd = Object.keys(linkers).find((name) => !isLinkerName(name));
    if (odd !== undefined) throw new MachineError(`${JSON.stringify(odd)} is no name of a linker`);
    const usualModules = async () => (await import("../modules/mod.ts")).linux();
    const pipelines = { [MODULAR]: modules ?? usualModules, ...linkers };
    const usual = linker ?? (modules === undefined ? GUEST : MODULAR);
    if (usual !== GUEST && !Object.hasOwn(pipelines, usual)) {
      const names = [GUEST, ...Object.keys(pipelines)].join(", ");
      throw new MachineError(`no linker is called ${usual}; there are ${names}`);
    }
    return { usual, pipelines };
  }

  /** Guest path of a program, found as a shell finds it, and the architecture it is for. */
  #find(name: string, root: HostFs | MemoryFs, now: TimeSource): Found {
    const search = this.environment.PATH;
    const vfs = new Vfs(new OverlayFs(root, now), { now, random: () => {}, streams: SILENT });
    mountFolders(vfs, vfs.user, this.options.mounts);
    return searchProgram(vfs, name, search, this.options.cwd);
  }
}

/** Wait for gdb, which then controls what `kernel` runs. */
async function listen(options: MachineOptions, kernel: Kernel, engine: Engine, vfs: Vfs) {
  if (options.roi !== undefined || options.trace !== undefined) {
    throw new MachineError("gdb does not go with a region of interest or a trace");
  }
  const { DebugTarget } = await import("./debug/target.ts");
  const { GdbListener } = await import("./debug/gdb_listener.ts");
  const { hostname = "127.0.0.1", port } = options.gdb!;
  try {
    return new GdbListener(new DebugTarget(kernel, engine), vfs, options.gdb!);
  } catch (error) {
    const why = (error as Error).message;
    throw new MachineError(`cannot wait for gdb at ${hostname}:${port}: ${why}`, { cause: error });
  }
}
