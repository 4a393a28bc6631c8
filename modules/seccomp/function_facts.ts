import type { Value } from "./values.ts";

/** A call or a jump out of the function, with what its integer arguments are known to be. */
export interface CallSite {
  /** Address that control goes to, or the slot that holds it. */
  readonly target: number;
  readonly through: "address" | "slot";
  readonly arguments: readonly Value[];
}

/** A system call instruction, and what is known of the number in its register. */
export interface SyscallSite {
  readonly at: number;
  readonly number: Value;
}

/** What the code of one function says. */
export interface FunctionFacts {
  readonly calls: CallSite[];
  readonly syscalls: SyscallSite[];
  /** Addresses in the image that it computes. */
  readonly addresses: Set<number>;
  /** Addresses that it loads from or stores to directly, slots among them. */
  readonly accesses: Set<number>;
  /** Small numbers that it stores to memory. */
  readonly stored: Set<number>;
  /** Calls and jumps through registers or memory that is no slot. */
  indirect: number;
  /** Control may go on into what follows the code. */
  goesOn: boolean;
  instructions: number;
  /** Bytes that are no instruction. */
  undecodable: number;
}

export function noFacts(): FunctionFacts {
  return {
    calls: [],
    syscalls: [],
    addresses: new Set(),
    accesses: new Set(),
    stored: new Set(),
    indirect: 0,
    goesOn: false,
    instructions: 0,
    undecodable: 0,
  };
}

/** Whether a number may be that of a system call. */
export function isSmall(number: number): boolean {
  return number >= 0 && number < 1024;
}

/** Reads the code of an architecture. */
export interface CodeReader {
  /**
   * The facts of the function at `[start, start + code.length)`. `known` says that control enters at its
   * start alone, with arguments in the registers of the calling convention. Unless it is `thorough`, the
   * values of registers may be left unknown from block to block where there is no system call; the facts
   * are in the same order then.
   */
  read(
    start: number,
    code: Uint8Array,
    known: boolean,
    image: ImageReader,
    thorough: boolean,
  ): FunctionFacts;
  /** The slot that a linkage table entry jumps through; undefined if the bytes are no such entry. */
  entrySlot(address: number, image: ImageReader): number | undefined;
}

/** Bytes of the file by address. */
export interface ImageReader {
  /** The bytes at `address`, at most `size`, none where the file has none. */
  bytes(address: number, size: number): Uint8Array;
  /** Whether `address` is a slot that the loader binds to a symbol. */
  isSlot(address: number): boolean;
  /** For a program at a fixed address, whose code may hold addresses as they are: where its image lies. */
  readonly fixed?: { readonly start: number; readonly end: number };
}
