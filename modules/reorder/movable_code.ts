import type { ElfMachine } from "../../lib/elf/mod.ts";
import type { Image } from "../seccomp/image.ts";
import { aarch64Code } from "./aarch64_code.ts";
import { x86_64Code } from "./x86_64_code.ts";

/** A place in code that says where something lies relative to itself, and has to say it anew in a copy. */
export interface Reference {
  /** Offset of the instruction in the function, and its length. */
  readonly at: number;
  readonly length: number;
  /** Offset in the instruction of the field to write. */
  readonly field: number;
  /** What it refers to, in the object's own addresses. */
  readonly target: number;
  /** A direct branch, which may go to a copy of its target. */
  readonly isBranch: boolean;
}

/** A table of jumps, all of whose entries lead into the function; it is copied with the function. */
export interface JumpTable {
  readonly address: number;
  /** Addresses that it leads to. */
  readonly targets: readonly number[];
  /** References to the table. */
  readonly users: readonly Reference[];
  /** Entries of 8 bytes are addresses, those of 4 bytes are relative to the table. */
  readonly entrySize: 4 | 8;
}

/** Code that runs the same at another place, once its references are written anew. */
export interface MovableCode {
  readonly references: readonly Reference[];
  readonly tables: readonly JumpTable[];
  /** Bytes at its beginning that a jump may replace, because nothing leads between them; 0: too few. */
  readonly entrySize: number;
  /** Control stays in it, and leaves it, as is known: nothing that it does needs the original. */
  readonly isClosed: boolean;
}

export type NoteAddress = (address: number, isBranch: boolean) => void;

/** Reads and writes the code of an architecture. */
export interface CodeMover {
  /** What code at `start` needs to be moved; or the reason why it stays. */
  read(start: number, code: Uint8Array, image: Image): MovableCode | string;
  /** Makes the reference at address `at` in `code` refer to `target`; false if that is out of reach. */
  write(code: Uint8Array, reference: Reference, at: number, target: number): boolean;
  /** The bytes of a jump, undefined if `to` is out of reach. */
  jump(from: number, to: number): Uint8Array | undefined;
  /** Tells `note` every address that code makes, and where its direct branches go. */
  addresses(start: number, code: Uint8Array, note: NoteAddress): void;
}

export const MOVERS: Record<ElfMachine, CodeMover> = { x86_64: x86_64Code, aarch64: aarch64Code };
