/** What a kernel is made with, and what its run comes to. */
import type { Cpu } from "../cpu/cpu.ts";
import type { AddressLayout } from "../memory/address_layout.ts";
import type { Memory } from "../memory/memory.ts";
import type { Clock } from "./clock.ts";
import type { SyscallHooks } from "./dispatch.ts";
import type { ExecLoader } from "./exec.ts";
import type { Process } from "./process.ts";
import type { Vfs } from "./seam.ts";
import type { StracePrinter } from "./strace/printer.ts";
import type { SyscallRow } from "./syscall.ts";

/** Instructions that a thread runs before the next has its turn, unless told otherwise. */
export const DEFAULT_QUANTUM = 100_000;
/** A processor as CPUID names it. */
export interface CpuIdentity {
  readonly family: number;
  readonly model: number;
  readonly stepping: number;
  readonly name: string;
  /** Names of its features, as Linux spells them. */
  readonly flags: string;
}

export interface KernelOptions {
  readonly memory: Memory;
  readonly cpu: Cpu;
  readonly vfs: Vfs;
  /** Rows of all system calls (`syscalls/table.ts`). */
  readonly rows: Iterable<SyscallRow>;
  readonly clock?: Clock;
  /** Seeds getrandom and AT_RANDOM. */
  readonly seed?: number;
  /** Seeds the places of stack, program, libraries and heap; null (the default) fixes them. */
  readonly layoutSeed?: number | null;
  /** Places that are given, whatever the seed says. */
  readonly layout?: Partial<AddressLayout>;
  /** AT_HWCAP and AT_HWCAP2, as the CPU announces itself. */
  readonly hwcap?: number;
  readonly hwcap2?: number;
  /** Levels of the instruction set by the names that libraries' folders have, best first. */
  readonly isaLevels?: readonly string[];
  /** x86_64: what /proc/cpuinfo says of the processor. */
  readonly identity?: CpuIdentity;
  /** aarch64: MIDR_EL1. */
  readonly midr?: number;
  /** AT_PLATFORM, when it is not the architecture's name. */
  readonly platform?: string;
  readonly hostname?: string;
  readonly release?: string;
  /** Instructions a turn. */
  readonly quantum?: number;
  /** Stop the machine after so many instructions. */
  readonly maxInstructions?: number;
  readonly loader?: ExecLoader;
  readonly strace?: StracePrinter;
  /** Hooks of user scripts, made before the kernel. */
  readonly syscalls?: SyscallHooks;
  /** Where messages of the machine itself go: fatal signals, unknown system calls. */
  readonly report?: (message: string) => void;
  /** Name of the code at `pc` for messages, where more is known of it than the mapped file tells. */
  readonly symbolize?: (process: Process, pc: number) => string | undefined;
}

/** How a run of the machine ended. */
export interface Outcome {
  /** Exit code: the program's, or 128 + N after a fatal signal. */
  readonly code: number;
  /** The signal that killed the program. */
  readonly signal?: number;
  /** True when `maxInstructions` was reached. */
  readonly limit?: true;
}

/** What a spawned program gets. */
export interface SpawnOptions {
  /** Guest path of the program; argv[0] by default. */
  readonly path?: string;
  readonly argv: readonly string[];
  readonly env?: readonly string[];
  readonly cwd?: string;
  readonly uid?: number;
  readonly gid?: number;
}
