import type { Architecture } from "../../lib/linker/mod.ts";
import { aarch64Gates } from "./aarch64_gate.ts";
import { x86_64Gates } from "./x86_64_gate.ts";

/** Bytes of address space for one thread's stack in a compartment, which it is aligned to. */
export const REGION = 2 ** 21;
/** Threads that can have a stack in one compartment; the area of all is aligned to its size. */
export const THREADS = 64;
export const AREA = REGION * THREADS;
/** Stack that one entry of a compartment may use; entries nest as deep as there are such slices. */
export const SLICE = 2 ** 18;
/** Words of stack arguments that a gate copies. */
export const STACK_ARGUMENTS = 6;

/** Words at the beginning of a region: stack pointer of the next entry, the thread, a call that went out. */
export const HEADER = { top: 0, owner: 8, pending: 16 } as const;

/** Where a compartment keeps what its gates read. */
export interface Place {
  /** Value of PKRU or POR_EL0 in it; bigint for the latter. */
  readonly rights: number | bigint;
  /** Guest address of the word with the offset, from the thread pointer, of the word that leads to its region. */
  readonly slot: number;
  /** Guest address of its area. */
  readonly area: number;
  /** Guest address of the service that gives the calling thread a region. */
  readonly service: number;
}

/** What a gate is between. */
export interface GateSpec {
  readonly at: number;
  /** The function. */
  readonly target: number;
  readonly to: Place;
  /** The compartment of its callers; undefined for what is in none. */
  readonly from: Place | undefined;
  /** Rights of what is in none. */
  readonly outside: number | bigint;
}

/** What a function of a compartment's heap is chosen by. */
export interface HeapSpec {
  /** Guest address of the heap, whose size it is aligned to, and its binary logarithm. */
  readonly area: number;
  readonly bits: number;
  /** The compartment's function, for blocks in the heap and for null. */
  readonly service: number;
  /** The function for others. */
  readonly target: number;
}

/** An architecture's gates. */
export interface GateCode {
  /** Rights of a compartment with key `key`, or of what is in none. */
  rights(key: number | undefined): number | bigint;
  /** The code of a gate at its address. */
  code(spec: GateSpec): Uint8Array;
  /** Code that goes to one of two functions, by where its first argument points. */
  heapCode(spec: HeapSpec): Uint8Array;
  /** Offsets at which code changes rights, outside of gates. */
  changesOfRights(code: Uint8Array): number;
}

export const GATES: Record<Architecture, GateCode> = {
  x86_64: x86_64Gates,
  aarch64: aarch64Gates,
};
