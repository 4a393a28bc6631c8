/** Value types of the IR: WebAssembly's own. */
export type Type = "i32" | "i64" | "f32" | "f64" | "v128";

/**
 * A value: one node of an instruction's expression graph. Nodes are created by `Emitter` in program
 * order; pure ones are evaluated where they are first needed, reads of registers and memory where
 * they were created.
 */
export interface Node {
  readonly type: Type;
  readonly kind: NodeKind;
  /** Operation name (`kind` Op), helper (`Call`). */
  readonly op?: string;
  readonly args: readonly Node[];
  /** Const: the value (a bigint for i64, a number for i32; 16 bytes for v128). Op: an immediate lane. */
  readonly value?: bigint | number | Uint8Array;
  /** Reg, Field, State: the register operand or the state offset; Variable: its number. */
  readonly reg?: Reg;
  readonly offset?: number;
  /** Reg, State: bits read, when narrower than `type`; `signed` sign-extends them. */
  readonly bits?: number;
  readonly signed?: boolean;
  /** For back ends: how many times it is used, and the wasm local that holds it. */
  uses: number;
  local: number;
  /** For the analysis: uses not yet reached. */
  remaining: number;
}

export const enum NodeKind {
  Const,
  /** Immediate operand of the record (cold tier): `offset` 0 = imm0 as i64, 1 = imm1 sign-extended. */
  Field,
  /** Read of a guest register. */
  Reg,
  /** Read of a state word that is no register. */
  State,
  /** Read of an instruction-local variable. */
  Variable,
  Op,
  /** Result of a memory load (a statement; the node stands for its value). */
  Load,
  /** Result of a helper call (a statement). */
  Call,
  /** The parameter of an IR function. */
  Param,
  /** A condition over the lazy flags, as 0 or 1. */
  Condition,
  /** All lazy flags packed as the architecture packs them. */
  Flags,
}

/**
 * A register operand. Exactly one member is set: `slot`, a byte offset in state memory (hot tier,
 * reference evaluation), or `field`, which of the record's operands holds that offset (cold tier).
 */
export interface Reg {
  readonly slot: number;
  readonly field: number;
  /** With `field`: the register that lies `layout.UPPER` bytes behind, the upper half of a wide one. */
  readonly upper?: boolean;
}

/** Statements, in order; a statement tree is what back ends lower. */
export type Statement =
  /** The point where a node was created: reads take their value here. */
  | { readonly kind: "def"; readonly node: Node }
  | { readonly kind: "setReg"; readonly reg: Reg; readonly value: Node; readonly bits: number }
  | {
    readonly kind: "setState";
    readonly offset: number;
    readonly value: Node;
    readonly bits: number;
  }
  | {
    readonly kind: "assign";
    readonly variable: number;
    readonly type: Type;
    readonly value: Node;
  }
  | {
    readonly kind: "load";
    readonly node: Node;
    /** The upper half of a load of 256 bits. */
    readonly high?: Node;
    readonly address: Node;
    readonly bits: number;
    readonly signed: boolean;
  }
  | {
    readonly kind: "store";
    readonly address: Node;
    readonly value: Node;
    readonly bits: number;
    /** The upper half of a store of 256 bits. */
    readonly high?: Node;
  }
  | {
    readonly kind: "call";
    readonly node: Node | null;
    readonly helper: Helper;
    readonly args: readonly Node[];
  }
  | { readonly kind: "setFlags"; readonly flag: number; readonly a: Node; readonly b: Node }
  | {
    readonly kind: "if";
    readonly condition: Node;
    readonly then: Statement[];
    readonly else: Statement[];
    /** The condition is seldom true. */
    readonly seldom?: boolean;
  }
  | { readonly kind: "loop"; readonly body: Statement[] }
  /** Jump back to the start of the innermost loop when the condition holds. */
  | { readonly kind: "continueIf"; readonly condition: Node }
  | { readonly kind: "return"; readonly value: Node }
  /** Control transfers: each ends the instruction on its path. */
  | { readonly kind: "jump"; readonly flow: "jump" | "call" }
  | { readonly kind: "fallthrough" }
  | { readonly kind: "branch"; readonly condition: Node }
  | {
    readonly kind: "indirect";
    readonly flow: "jump" | "call" | "return";
    readonly target: Node;
    /** What PSTATE.BTYPE is at the target (aarch64), 0 elsewhere. */
    readonly type: number;
  }
  /** Leave to the host with pc at `target`, or at the next instruction. */
  | { readonly kind: "exit"; readonly reason: ExitReason; readonly target: Node | null }
  /** Raise a guest fault with pc at this instruction (or the next one, for traps). */
  | {
    readonly kind: "fault";
    readonly signal: number;
    readonly code: number;
    readonly address: Node | null;
    readonly after: boolean;
  };

/** `mode`: how to go on may have changed (protection keys, x86_64 RFLAGS.TF and AC, instruction caches). */
export type ExitReason = "syscall" | "yield" | "host" | "mode";

/**
 * A function called by semantics: written in IR (`build`), compiled once to a wasm function; or
 * on the host (`run`), for rare instructions, working on state memory.
 */
export interface Helper {
  readonly name: string;
  readonly params: readonly Type[];
  readonly result: Type | null;
  /** State slots (byte offsets of registers) that it reads and writes, beyond its parameters. "all" is allowed. */
  readonly reads: readonly number[] | "all";
  readonly writes: readonly number[] | "all";
  /** Whether it reads or writes the lazy flags. */
  readonly flags?: boolean;
  readonly build?: (e: import("./emitter.ts").Emitter, ...params: Node[]) => Node | null;
  // deno-lint-ignore no-explicit-any -- i64 parameters arrive as bigint, others as number
  readonly run?: (state: DataView, ...params: any[]) => any;
}
