/**
 * A simulated computer, put together: memory, CPU, models, kernel, file systems and linker.
 */
import { isLinkerName } from "../lib/elf/linker_name.ts";
import type { Module } from "../lib/linker/module.ts";
import type { Plan } from "../lib/linker/plan.ts";
import type { Arch } from "./arch.ts";
import { commonHandlers } from "./cpu/common_handlers.ts";
import { Engine } from "./cpu/engine.ts";
import type { EventReader } from "./cpu/event_buffer.ts";
import type { Isa } from "./cpu/ir/decoded.ts";
import { XCR0 } from "./cpu/layout.ts";
import type { Level } from "./cpu/x86_64/level.ts";
import { countersOf, type Counting, estimate, executionOf } from "./counters.ts";
import { Clock } from "./kernel/clock.ts";
import { SyscallHooks } from "./kernel/dispatch.ts";
import { parseScript } from "./kernel/exec.ts";
import { failed } from "./kernel/fs/inode.ts";
import { inodeAt } from "./kernel/fs/dentry.ts";
import type { TimeSource } from "./kernel/fs/file_system.ts";
import { FsContext } from "./kernel/fs/task.ts";
import { readInode } from "./kernel/fs/mapped_pages.ts";
import { HostFs, type HostFsOptions, ownedByGuest } from "./kernel/fs/host_fs.ts";
import { MemoryFs } from "./kernel/fs/memory_fs.ts";
import { OverlayFs } from "./kernel/fs/overlay.ts";
import { mountKernelFiles } from "./kernel/fs/procfs.ts";
import type { StandardStreams } from "./kernel/fs/streams.ts";
import { Vfs } from "./kernel/fs/vfs.ts";
import { Kernel } from "./kernel/kernel.ts";
import type { CpuIdentity } from "./kernel/kernel_options.ts";
import { Random } from "./kernel/random.ts";
import type { StracePrinter } from "./kernel/strace/printer.ts";
import { syscallRows } from "./kernel/syscalls/table.ts";
import type { AddressLayout } from "./memory/address_layout.ts";
import type { PageSize } from "./memory/granule.ts";
import { Memory, type ThpPolicy } from "./memory/memory.ts";
import type { ModelledCore, PredictorChoice } from "./models/core_choice.ts";
import type { CompiledCore } from "./models/compiled_core.ts";
import type { MissCurve, MissCurves, MissCurvesOptions } from "./models/miss_curves.ts";
import type { Preset } from "./models/preset.ts";
import { GUEST, LinkerChoice, MODULAR, type Pipelines } from "./linker_choice.ts";
import type { ObserveLinks } from "./modular_loader.ts";
import type { GdbAddress } from "./debug/gdb_listener.ts";
import type { Roi } from "./roi.ts";
import type { Attribution, AttributionReport } from "./study/attribution.ts";
import type { TraceSink } from "./trace.ts";

/** A host folder shown to the guest. */
export interface MountOption {
  /** Folder of the host, or a file, which is copied. */
  readonly host: string;
  /** Absolute path at which the guest sees it; made if it is not there. */
  readonly guest: string;
  /** Whether the guest may change the folder of the host; default: its writes fail with EROFS. */
  readonly writable?: boolean;
}

/** What a machine is made of. Everything has a default; results depend on nothing else. */
export interface MachineOptions {
  /** Host folder, or files by absolute guest path, that the guest sees as `/`; default `/`. */
  readonly root?: string | ReadonlyMap<string, Uint8Array>;
  /** Host folders beside `root`, in order: a later one may lie in an earlier one. */
  readonly mounts?: readonly MountOption[];
  /** Architecture; by default that of the program that is run. */
  readonly arch?: Arch;
  /** Modelled core, or the name of a preset; without one nothing is modelled. */
  readonly cpu?: Preset | string;
  /** Model what its preset has in detail too: caches, walk caches, buffers of branch targets. Slower. */
  readonly detail?: boolean;
  /** Predicts conditional branches instead of the core's own predictor. */
  readonly predictor?: PredictorChoice;
  /** Tell where events happen, in `attribution` of the result. */
  readonly attribution?: boolean;
  /** Make miss curves, in `missCurves` of the result. */
  readonly missCurves?: boolean | MissCurvesOptions;
  /** More cores that the same run is evaluated on, side by side. */
  readonly cores?: readonly (Preset | string)[];
  /** The processor's level, x86-64-v1 to v3 (default 2); for x86_64 programs alone. */
  readonly cpuLevel?: Level;
  /**
   * Environment variables; default PATH, HOME and LANG of a plain system, which are kept unless
   * replaced.
   */
  readonly env?: Readonly<Record<string, string>>;
  /** Working directory in the guest; default `/`. */
  readonly cwd?: string;
  /** User that the program runs as; default 1000. */
  readonly uid?: number;
  /** Group that the program runs as; default 1000. */
  readonly gid?: number;
  /** Seeds all that is random to the guest; default 1. */
  readonly seed?: number;
  /** Seeds the places of stack, program, libraries and heap; null, the default, fixes them. */
  readonly layoutSeed?: number | null;
  /** Guest addresses, page-aligned, that replace those that Linux would choose. */
  readonly layout?: Partial<AddressLayout>;
  /** Stop after so many instructions. */
  readonly maxInstructions?: number;
  /** Standard input, output and error; default this process's own. */
  readonly streams?: StandardStreams;
  /** Told of every system call and signal, as strace prints them. */
  readonly strace?: StracePrinter;
  /** Messages of the machine itself; default standard error. */
  readonly report?: (message: string) => void;
  /** Bytes of physical memory; default 3 GiB, which is also the most. */
  readonly memory?: number;
  /** Size of base pages: `4k`, which is the default and x86_64's only one, `16k` or `64k`. */
  readonly pageSize?: PageSize;
  /** Transparent huge pages: `never`, `madvise` (the default) or `always`. */
  readonly thp?: ThpPolicy;
  /** Huge pages of 2 MiB set aside for hugetlbfs and MAP_HUGETLB; default 0. With base pages of 4 KiB. */
  readonly hugePages2M?: number;
  /** Those of 32 MiB, which go with base pages of 16 KiB; default 0. */
  readonly hugePages32M?: number;
  /** Those of 512 MiB, which go with base pages of 64 KiB; default 0. */
  readonly hugePages512M?: number;
  /** Those of 1 GiB, which go with base pages of 4 KiB; default 0. */
  readonly hugePages1G?: number;
  /** Executions after which the hot tier compiles a block; Infinity keeps to the cold tier. */
  readonly heat?: number;
  /**
   * Who links programs that name no linker themselves: `guest`, the program's own interpreter in the
   * machine, as on Linux; `modular`, the linker of this project; or a name of `linkers`. Default:
   * `modular` if there are modules, else `guest`.
   */
  readonly linker?: string;
  /** Modules of the modular linker, in order; default the usual ones for Linux programs. */
  readonly modules?: readonly Module[];
  /** More linkers, as lists of modules under the names that programs ask for them by. */
  readonly linkers?: Readonly<Record<string, readonly Module[]>>;
  /** Watches the modular linkers: asked for every program that one of them is to link. */
  readonly observeLinks?: ObserveLinks;
  /** Bring ranges of program text that fill a huge page onto huge pages as they are mapped. */
  readonly hugeText?: boolean;
  /** Count in a part of the run only. */
  readonly roi?: Roi;
  /** Models of one's own that read the event stream, at the speed of generated code. */
  readonly readers?: readonly EventReader[];
  /**
   * File of the host for the core of every process that dies of a signal that dumps one, whether the guest has
   * asked for it or not; `%p`, `%e` and `%s` in it are as in core(5).
   */
  readonly coreFile?: string;
  /** Wait for gdb here before the first instruction, and serve it until the program ends. */
  readonly gdb?: GdbAddress;
  /** Sees every event of the program, which then runs one instruction at a time. */
  readonly trace?: TraceSink;
}

/** The outcome of one run. */
export interface Result {
  /** Architecture of the program. */
  readonly arch: Arch;
  /** Guest path of the program. */
  readonly program: string;
  /** Exit code: the program's, or 128 + N after fatal signal N. */
  readonly exit: number;
  /** The fatal signal, if one ended it. */
  readonly signal?: number;
  /** Exact event counts under dotted names (`docs/counters.md`). */
  readonly counters: Readonly<Record<string, number>>;
  /** What the cost model derives. */
  readonly estimated: Readonly<Record<string, number>>;
  /** The same of the further cores (`MachineOptions.cores`), by name; what models do not count is left out. */
  readonly cores?: Readonly<Record<string, CoreResult>>;
  /** If they were asked for: misses of TLBs of every size. */
  readonly missCurves?: readonly MissCurve[];
  /** If it was asked for: where events happened. */
  readonly attribution?: AttributionReport;
  /** How the run was executed: accelerator figures that no model depends on. */
  readonly execution: Readonly<Record<string, number>>;
  /**
   * If the program was not linked by the guest's own linker: the linker's name, its modules by name, and
   * the plan, phase by module by object.
   */
  readonly link?: {
    readonly linker: string;
    readonly modules: readonly string[];
    readonly plan: Plan;
  };
}

/** Models of a run, as the machine's options ask for them. */
interface RunModels {
  readonly first?: ModelledCore;
  readonly beside: readonly CompiledCore[];
  readonly curves?: MissCurves;
  readonly attribution?: Attribution;
  /** All that read the event stream. */
  readonly readers: readonly EventReader[];
}

/** What a further core counted, and its cost model derives. */
export interface CoreResult {
  /** Exact counts of the core's events, as in `Result.counters`. */
  readonly counters: Readonly<Record<string, number>>;
  /** Cycles and what else its cost model derives. */
  readonly estimated: Readonly<Record<string, number>>;
}

/** Executions that make a block hot. */
const DEFAULT_HEAT = 12_000;

/** What every program gets unless an option says otherwise. */
const DEFAULT_ENV: Readonly<Record<string, string>> = {
  PATH: "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games",
  HOME: "/",
  LANG: "C.UTF-8",
};

/** A machine could not be made, or its program not be found. */
export class MachineError extends Error {
  /** Tells this error from others, also across realms. */
  override readonly name = "MachineError";
}

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
    this.#mount(vfs, { uid, gid });
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

  /** Show the host folders that were asked for. */
  #mount(vfs: Vfs, user: { readonly uid: number; readonly gid: number }): void {
    const owner = ownedByGuest(user, true);
    for (const { host, guest, writable } of this.options.mounts ?? []) {
      try {
        if (isHostFile(host)) {
          if (writable) throw new TypeError(`only a folder can be mounted writable, not ${host}`);
          vfs.place(guest, Deno.readFileSync(host), 0o755);
          continue;
        }
        const folder = hostFolder(host, { writable, owner });
        vfs.mount(folder, guest, { readOnly: !writable, source: host });
      } catch (error) {
        if (!(error instanceof TypeError)) throw error;
        throw new MachineError(error.message, { cause: error });
      }
    }
  }

  /** Guest path of a program, found as a shell finds it, and the architecture it is for. */
  #find(name: string, root: HostFs | MemoryFs, now: TimeSource): Found {
    const search = this.environment.PATH;
    const vfs = new Vfs(new OverlayFs(root, now), { now, random: () => {}, streams: SILENT });
    this.#mount(vfs, vfs.user);
    const candidates = name.includes("/")
      ? [name.startsWith("/") ? name : `${this.options.cwd ?? ""}/${name}`]
      : search.split(":").map((directory) => `${directory}/${name}`);
    for (const candidate of candidates) {
      const arch = archOf(vfs, candidate, 0);
      if (arch !== null) return { name: candidate, arch, vfs };
    }
    throw new MachineError(
      name.includes("/") ? `no program ${name} in the guest` : `no program ${name} in ${search}`,
    );
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

/** The models that were asked for; they are loaded only here. */
async function modelsOf(
  options: MachineOptions,
  arch: Arch,
  granule: number,
): Promise<RunModels> {
  const { cpu, detail, predictor, cores = [], readers = [], missCurves, attribution } = options;
  if (cpu === undefined && predictor !== undefined) {
    throw new MachineError("a predictor is part of a modelled core: give a cpu");
  }
  const wanted = [cpu, missCurves, attribution].some((one) => one !== undefined && one !== false);
  if (!wanted && cores.length === 0) return { beside: [], readers };
  const { besideCore, modelledCore, observingCore } = await import("./models/core_choice.ts");
  const curves = missCurves
    ? new (await import("./models/miss_curves.ts")).MissCurves(
      missCurves === true ? {} : missCurves,
    )
    : undefined;
  const keeper = attribution
    ? new (await import("./study/attribution.ts")).Attribution()
    : undefined;
  // What the stream holds anyway is cheaper to read than to inline too.
  const observed = cores.length > 0 || readers.some(({ kinds }) => kinds.accesses) ||
    curves !== undefined;
  const first = cpu === undefined
    ? undefined
    : modelledCore(cpu, arch, { detail, predictor, granule, keeper, observed });
  const beside = cores.map((core) => besideCore(core, arch, detail, granule));
  const all: EventReader[] = [...beside, ...readers];
  if (first?.streamed) all.unshift(first.streamed);
  else if (keeper !== undefined && first === undefined) all.unshift(observingCore(arch, keeper));
  if (curves !== undefined) all.push(curves);
  return { first, beside, curves, attribution: keeper, readers: all };
}

/** Results of further cores; what no model counts is the same for all. */
function resultsOf(
  models: readonly CompiledCore[],
  counters: Readonly<Record<string, number>>,
): Record<string, CoreResult> {
  const results: Record<string, CoreResult> = {};
  for (const model of models) {
    const own = { instructions: counters.instructions, ...model.report() };
    const estimated = estimate({ ...counters, ...own }, model.preset.cost);
    results[model.preset.name] = { counters: own, estimated };
  }
  return results;
}

/** Whether a host path names a regular file: such a mount is a copy, made at the start. */
function isHostFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false; // hostFolder says what is wrong with it
  }
}

/** A folder of the host as a file system; a `MachineError` if there is none. */
function hostFolder(path: string, options: HostFsOptions): HostFs {
  try {
    return new HostFs(path, options);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound) && !(error instanceof TypeError)) throw error;
    throw new MachineError(`${path} is no folder of the host`, { cause: error });
  }
}

/** An architecture's instructions, and what they announce. */
interface Processor {
  readonly isa: Isa;
  readonly hwcap: number;
  readonly hwcap2?: number;
  readonly isaLevels?: readonly string[];
  readonly identity?: CpuIdentity;
  /** aarch64: MIDR_EL1. */
  readonly midr?: number;
  /** x86_64: XCR0. */
  readonly xcr0?: number;
}

/** The processor of an architecture; only the one in use is loaded. */
async function processor(
  arch: Arch,
  models: boolean,
  level?: Level,
  keysFor?: string,
): Promise<Processor> {
  const common = await commonHandlers(arch, models);
  if (arch === "aarch64") {
    if (level !== undefined) {
      throw new MachineError("a CPU level is for x86_64; the program is for aarch64");
    }
    const { aarch64 } = await import("./cpu/aarch64/isa.ts");
    const { HWCAP, HWCAP2, MIDR_EL1 } = await import("./cpu/aarch64/id_registers.ts");
    const plain = { isa: { ...aarch64, common }, hwcap: HWCAP, hwcap2: HWCAP2, midr: MIDR_EL1 };
    if (keysFor === undefined) return plain;
    const { aarch64Poe, HWCAP2_POE } = await import("./cpu/aarch64/poe_isa.ts");
    const isa = { ...aarch64Poe, common };
    return { ...plain, isa, hwcap2: HWCAP2 + HWCAP2_POE, xcr0: 1 };
  }
  const chosen = level ?? (keysFor === undefined ? 2 : 3);
  if (keysFor !== undefined && chosen < 3) {
    throw new MachineError(
      `${keysFor} needs protection keys; a processor of level v${level} has none`,
    );
  }
  const isa = await x86Level(chosen);
  const { cpuid } = await import("./cpu/x86_64/cpuid.ts");
  const x = await import("./cpu/x86_64/features.ts");
  return {
    isa: { ...isa, common },
    hwcap: cpuid(1, 0, chosen)[3] >>> 0,
    hwcap2: x.hwcap2(chosen),
    isaLevels: [3, 2].filter((level) => level <= chosen).map((level) => `x86-64-v${level}`),
    identity: { ...x.signature(chosen), name: x.BRAND, flags: x.featureNames(chosen) },
    xcr0: x.xcr0(chosen),
  };
}

/** The x86-64 instruction set of a level. */
async function x86Level(level: Level): Promise<Isa> {
  if (level === 3) return (await import("./cpu/x86_64/level3_isa.ts")).x86_64_v3;
  const { instructionSet, rows, x86_64 } = await import("./cpu/x86_64/isa.ts");
  return level === 2 ? x86_64 : instructionSet(rows, 1);
}

interface Found {
  readonly name: string;
  readonly arch: Arch;
  /** The file system it was found in, without what the kernel mounts. */
  readonly vfs: Vfs;
}

/** Streams for looking around before a machine runs. */
const SILENT: StandardStreams = {
  stdin: { read: () => 0 },
  stdout: { write: () => {} },
  stderr: { write: () => {} },
};

/** Interpreters of interpreters that Linux follows. */
const MAX_SCRIPTS = 4;

/** Architecture of the program at `path`, or of a script's interpreter; null if there is none. */
function archOf(vfs: Vfs, path: string, depth: number): Arch | null {
  const task = vfs.task(new FsContext(vfs.root, vfs.root), { uid: 0, gid: 0 });
  const found = vfs.resolve(task, vfs.root, path, true);
  if (failed(found)) return null;
  const inode = inodeAt(found);
  if (!inode.isRegular) return null;
  const head = new Uint8Array(256);
  const length = readInode(inode, 0, head);
  const script = parseScript(head.subarray(0, Math.max(0, length)));
  if (script !== null && typeof script === "object") {
    return depth < MAX_SCRIPTS ? archOf(vfs, script.path, depth + 1) : null;
  }
  if (length < 20) throw new MachineError(`${path} is not a program: too short for an ELF header`);
  const magic = head[0] === 0x7f && head[1] === 0x45 && head[2] === 0x4c && head[3] === 0x46;
  if (!magic) throw new MachineError(`${path} is not a program: neither ELF nor a script`);
  const machine = head[18] | (head[19] << 8);
  if (machine === 62) return "x86_64";
  if (machine === 183) return "aarch64";
  throw new MachineError(`${path} is for ELF machine ${machine}; x86_64 is 62, aarch64 183`);
}
