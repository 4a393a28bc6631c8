/**
 * The CPU as the kernel sees it: registers in state memory, and `run`.
 *
 * The kernel loads a thread (`load`), runs it for a budget of instructions, handles the exit, and
 * saves it (`save`) before it loads another. Everything is exact at an exit: `pc` is that of the
 * next instruction to run (after a syscall instruction; at the faulting instruction after a fault).
 */
import type { Arch } from "../arch.ts";

/** Address-space operations that the CPU needs; `sim/memory`'s AddressSpace implements them. */
export interface CpuSpace {
  /** Number unique to this space for the life of the machine. */
  readonly id: number;
  /**
   * Translate `va` for `access`, taking the page fault if needed (demand paging, copy-on-write).
   * Returns 0 and fills `resolved`, or returns a fault as
   * `signal << 8 | si_code` (for instance SIGSEGV with SEGV_MAPERR).
   */
  resolve(va: number, access: Access): number;
  /** Physical address that `va` executes from if it is mapped in now, or -1: takes no fault, counts nothing. */
  peekExecutable(va: number): number;
  /**
   * Level of the table entry that decides about `va`, from 0 (a page's) to 3, complemented (negative) if
   * no page is mapped in there: for fault reports.
   */
  walkEnd?(va: number): number;
  /** Physical address of entry `index` of the page walk for `va`, the root's being 0; -1 without such an entry. */
  entryAddress?(va: number, index: number): number;
  /** PKRU, where there are protection keys: what data of each key may be accessed; 0 permits all. */
  pkru?: number;
  /** aarch64, where there are protection keys: those of which no instruction may be fetched, a bit each. */
  noFetch?: number;
  /** Results of the last successful `resolve`. */
  readonly resolved: Resolved;
}

/** What `resolve` answers: one reused object, no allocation. */
export interface Resolved {
  /** Physical byte address that `va` translates to. */
  physical: number;
  /** log2 of the mapping's page size: 12, 21 or 30. */
  pageShift: number;
  /** Whether the page table entry permits user writes now (not so for a copy-on-write page). */
  writable: boolean;
  /** aarch64: whether targets of indirect branches on it are checked (FEAT_BTI). */
  guarded?: boolean;
}

export const enum Access {
  Read = 0,
  Write = 1,
  Execute = 2,
}

/** Why `run` returned. */
export type CpuExit =
  | { readonly kind: "quantum" }
  | { readonly kind: "syscall" }
  /** `PAUSE`, `YIELD`, `WFE`: the quantum ends early. */
  | { readonly kind: "yield" }
  /** A breakpoint: the instruction at pc is next. */
  | { readonly kind: "break" }
  /** A watched address: the instruction at pc is about to access it. */
  | { readonly kind: "watch"; readonly address: number; readonly access: Access }
  /** A guest fault: deliver `signal` with `code`, `address` (si_addr as a bigint: may be non-canonical). */
  | {
    readonly kind: "fault";
    readonly signal: number;
    readonly code: number;
    readonly address: bigint;
    /** For SIGILL: the mnemonic or bytes that were refused. */
    readonly detail?: string;
    /** x86 trap number and error code for the ucontext, where the architecture has them. */
    readonly trapno?: number;
    readonly error?: number;
    /** x86: whether the instruction at pc is to be gone on with, so that RFLAGS.RF is set in the ucontext. */
    readonly resume?: boolean;
  }
  /** Control reached an address given out by `provide`. */
  | { readonly kind: "host"; readonly id: number };

/** One modelled CPU's execution engine. */
export interface Cpu {
  readonly arch: Arch;
  /** Run the loaded thread in `space` for at most `budget` instructions. */
  run(space: CpuSpace, budget: number): CpuExit;
  /**
   * Run one instruction of the loaded thread, and nothing else, even where a breakpoint is; of a repeated
   * string instruction, one iteration. Exits are those of `run`: `quantum` once it retired, `fault` where
   * it did not, `host` where there is none. A debugger's single step; the program does not see it.
   *
   * @example
   * ```ts ignore
   * const from = cpu.pc;
   * const exit = cpu.step(space);
   * if (exit.kind === "quantum") console.log(`${from.toString(16)} → ${cpu.pc.toString(16)}`);
   * ```
   */
  step(space: CpuSpace): CpuExit;
  /** Instructions retired by the last `run`. */
  readonly retired: number;
  /** Copy the live thread state out (`layout.THREAD_SIZE` bytes), or in. */
  save(into: Uint8Array): void;
  load(from: Uint8Array): void;
  /** Register `i` (x86 encoding order; aarch64 31 = SP) as an unsigned 64-bit value. */
  reg(i: number): bigint;
  setReg(i: number, value: bigint): void;
  /** Register as a JS number, for pointers and sizes; signed 64-bit, exact below 2^53 in magnitude. */
  regNumber(i: number): number;
  setRegNumber(i: number, value: number): void;
  pc: number;
  /** The same, exact beyond 2^53: where a program may have jumped, but not run. */
  readonly exactPc: bigint;
  /** FS base on x86_64, TPIDR_EL0 on aarch64. */
  threadPointer: number;
  /** RFLAGS, or NZCV and BTYPE as bits 31..28 and 11..10 of PSTATE, materialised from the lazy form. */
  flags: number;
  /** Live bytes of the state block, for ucontext and vectors (offsets of `layout.ts`). */
  readonly stateBytes: Uint8Array;

  /** An access of the program in `space` is about to take a page fault, before anything changes. */
  pageFault(space: CpuSpace, va: number, access: Access): void;
  /** Mapping or permission of `[va, va+size)` in `space` changed: drop soft TLB entries and, if it may hold code, links. */
  shootdown(space: CpuSpace, va: number, size: number, code: boolean): void;
  /** Bytes of a physical frame changed by the host (kernel copy, page cache, linker): drop translations of it. */
  frameWritten(physical: number, size: number): void;
  /** The frame, of `size` bytes, was freed: its translations may never be used again. */
  frameFreed(physical: number, size: number): void;
  /** An address space is gone. */
  spaceFreed(space: CpuSpace): void;
  /** Forget the exclusive monitor (aarch64): at every switch and exception. */
  clearMonitor(): void;
}
