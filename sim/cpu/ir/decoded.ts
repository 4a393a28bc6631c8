/**
 * What a decoder says of one instruction. The engine owns one reused object and copies what it
 * keeps: no allocation per instruction.
 */
export class Decoded {
  /** Given to decoders: whether the instruction lies in a guarded page (aarch64, FEAT_BTI). */
  guarded = false;
  /** Index of the decode row in `Isa.rows`. */
  row = 0;
  /** Values that the semantics fix at translation time, packed by the row (0 .. 2^31-1). */
  statics = 0;
  /** Register operands: byte offsets in state memory (see `layout.ts`), at most six. */
  readonly regs: Uint16Array = new Uint16Array(6);
  /** First immediate, 64 bits as two halves; pc-relative ones are stored as absolute addresses. */
  imm0Low = 0;
  imm0High = 0;
  /** Second immediate, a signed 32-bit value. */
  imm1 = 0;
  /** Length in bytes. */
  length = 0;
  /** How it ends a block, if it does. */
  flow: Flow = Flow.Next;
  /** Direct target of Jump, Branch and Call. */
  target = 0;
}

/** Control flow of an instruction, as block building needs it. */
export const enum Flow {
  /** Falls through; does not end a block. */
  Next,
  /** Direct unconditional jump to `target`. */
  Jump,
  /** Conditional: `target` or the next instruction. */
  Branch,
  /** Direct call to `target`; returns to the next instruction. */
  Call,
  IndirectJump,
  IndirectCall,
  Return,
  /** Leaves to the host or always faults (syscall, hlt, undefined), or otherwise must end the block. */
  Stop,
  /** An instruction that repeats itself (x86 rep): a block of its own, `target` is its own address. */
  Repeat,
}

/** One decode row as the engine and the tools see it. */
export interface Row {
  /** Mnemonic as the manual spells it, plus a form where one mnemonic has several rows. */
  readonly name: string;
}

/** A fault as the kernel of an architecture reports it. */
export interface Trap {
  readonly signal: number;
  readonly code: number;
  /** x86 trap number and error code, for the ucontext. */
  readonly trapno: number;
  readonly error: number;
  /** Whether RFLAGS.RF is set in the ucontext. */
  readonly resume?: boolean;
}

/** An access that was refused with `signal` and `code` (SIGSEGV or SIGBUS). */
export interface AccessFault {
  readonly signal: number;
  readonly code: number;
  readonly access: import("../cpu.ts").Access;
  readonly va: number;
  /** Whether a page is mapped there, whatever its rights. */
  readonly present: boolean;
  /** Level of the table entry that decided, from 0 (a page's) to 3. */
  readonly level: number;
  /** State memory; the instruction's bytes, if it is one of a program's. */
  readonly state: DataView;
  readonly bytes?: Uint8Array;
}

/** An instruction set: its decoder and its semantics. */
export interface Isa {
  readonly arch: "x86_64" | "aarch64";
  readonly rows: readonly Row[];
  /**
   * Decode the instruction at `bytes[offset]`, of which `available` bytes may be read (up to 15), at
   * guest address `pc`. Returns false when more bytes than available are needed. An encoding that
   * no row matches decodes to a row whose semantics raise SIGILL (and `describe` names it).
   */
  decode(bytes: Uint8Array, offset: number, available: number, pc: number, out: Decoded): boolean;
  /** Emit the semantics of row `row` with `statics`; operands come from `e.reg(i)` and `e.imm(i)`. */
  emit(row: number, statics: number, e: import("./emitter.ts").Emitter): void;
  /** The lazy flag kinds of this architecture. */
  readonly flags: import("./flags.ts").FlagModel;
  /** Handlers made ahead, if there are any. */
  readonly common?: import("../common_handlers.ts").CommonHandlers;
  /** Trap number (x86) and error code or syndrome of an access that was refused; another address to show. */
  accessFault?(
    fault: AccessFault,
  ): { readonly trapno: number; readonly error: number; readonly address?: bigint };
  /**
   * What the kernel makes of a fault that semantics raised, or, with `access`, of an access to an address
   * that can be nobody's. `bytes` are the instruction's and what follows; `state` is state memory.
   */
  trap?(
    signal: number,
    code: number,
    access: boolean,
    state: DataView,
    bytes: Uint8Array,
  ): Trap;
  /**
   * x86_64: the trap of RFLAGS.TF after the instruction that began at `from` in `bytes` retired and control went
   * on to `pc`; undefined where the instruction holds it back.
   */
  singleStep?(bytes: Uint8Array, from: number, pc: number): Trap | undefined;
  /** x86_64 with RFLAGS.AC: what the address of an access of `size` bytes of the instruction in `bytes` must be a multiple of. */
  alignment?(bytes: Uint8Array, size: number): number;
  /**
   * aarch64: to which branches the instruction at `bytes[offset]` of a guarded page is a landing pad, a bit for each
   * value of PSTATE.BTYPE; without it there are no guarded pages.
   */
  landing?(bytes: Uint8Array, offset: number): number;
  /** Name or bytes of the instruction, for error messages. */
  describe(bytes: Uint8Array, offset: number, available: number, pc: number): string;
}
