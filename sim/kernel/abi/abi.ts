/** What differs between the two architectures, as the kernel sees them. */
import type { Arch } from "../../arch.ts";
import type { Cpu } from "../../cpu/cpu.ts";
import type { AddressSpace } from "../../memory/address_space.ts";

/** What a signal handler's frame is built from. */
export interface SignalFrame {
  readonly signo: number;
  /** siginfo_t, 128 bytes. */
  readonly info: Uint8Array;
  readonly handler: number;
  /** sa_flags. */
  readonly flags: number;
  /** sa_restorer, or on aarch64 without SA_RESTORER the address of the kernel's trampoline. */
  readonly restorer: number;
  /** Signal mask to restore at return, bits 1–32 and 33–64. */
  readonly maskLow: number;
  readonly maskHigh: number;
  /** The thread's alternate stack as stored in uc_stack. */
  readonly stack: { readonly sp: number; readonly flags: number; readonly size: number };
  /** Where the frame grows down from when it goes on the alternate stack; 0: the current stack. */
  readonly top: number;
  /** Of the fault that raised the signal, if one did. */
  readonly fault?: { readonly address: bigint; readonly trapno: number; readonly error: number };
  /** x86_64: whether RFLAGS.RF is set. */
  readonly resumes: boolean;
}

/** What a signal frame held beside the registers, which are live again. */
export interface RestoredFrame {
  readonly maskLow: number;
  readonly maskHigh: number;
  readonly stack: { readonly sp: number; readonly flags: number; readonly size: number };
}

/** Calling conventions of one architecture's kernel. */
export interface Abi {
  readonly arch: Arch;
  /** `uname -m`. */
  readonly machine: string;
  /** Register numbers: syscall number, arguments, result, stack pointer. */
  readonly number: number;
  readonly args: readonly number[];
  readonly result: number;
  readonly stackPointer: number;
  /** Bytes of the syscall instruction: to restart a call, pc goes back by this. */
  readonly syscallSize: number;
  /** Highest user address plus one. */
  readonly taskSize: number;
  /** AT_PLATFORM. */
  readonly platform: string;
  /** MINSIGSTKSZ announced as AT_MINSIGSTKSZ. */
  minimumSignalStack(cpu: Cpu): number;
  /** e_machine of its programs. */
  readonly elfMachine: number;
  /** Instructions that call rt_sigreturn, for handlers without SA_RESTORER; null where all have one. */
  readonly sigreturnCode: Uint8Array | null;
  /** State of a thread that has just entered a new program. */
  start(cpu: Cpu, pc: number, stackPointer: number): void;
  /** What the syscall instruction itself leaves behind when it returns (x86_64: rcx, r11). */
  leave(cpu: Cpu): void;
  /** Build a frame and enter the handler; false if the stack cannot take it. */
  pushFrame(cpu: Cpu, space: AddressSpace, frame: SignalFrame): boolean;
  /** Undo `pushFrame` for rt_sigreturn; null if the frame cannot be read. */
  popFrame(cpu: Cpu, space: AddressSpace): RestoredFrame | null;
  /** If control has gone to a fixed address that stands for a system call: be at that call. */
  vsyscall?(cpu: Cpu, space: AddressSpace): boolean;
  /** All registers as text, several lines, for the message about a fatal signal. */
  describe(cpu: Cpu): string;
}
