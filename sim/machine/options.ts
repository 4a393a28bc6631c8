/** What a machine is made of. */
import type { Module } from "../../lib/linker/module.ts";
import type { Arch } from "../arch.ts";
import type { EventReader } from "../cpu/event_buffer.ts";
import type { Level } from "../cpu/x86_64/level.ts";
import type { GdbAddress } from "../debug/gdb_listener.ts";
import type { StandardStreams } from "../kernel/fs/streams.ts";
import type { StracePrinter } from "../kernel/strace/printer.ts";
import type { AddressLayout } from "../memory/address_layout.ts";
import type { PageSize } from "../memory/granule.ts";
import type { ThpPolicy } from "../memory/memory.ts";
import type { PredictorChoice } from "../models/core_choice.ts";
import type { MissCurvesOptions } from "../models/miss_curves.ts";
import type { Preset } from "../models/preset.ts";
import type { ObserveLinks } from "../modular_loader.ts";
import type { Roi } from "../roi.ts";
import type { TraceSink } from "../trace.ts";

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
