/**
 * The cold tier: one handler per (decode row, statics), the row's own semantics with operands read
 * from the record. Handlers hand over by tail call, so a block is threaded code.
 */
import { Emitter } from "../ir/emitter.ts";
import { Flow, type Isa } from "../ir/decoded.ts";
import type { ExitReason, Helper, Node, Reg, Type } from "../ir/types.ts";
import * as L from "../layout.ts";
import { typeCode, W } from "./code.ts";
import { dispatch, hashOf } from "./dispatch.ts";
import { EVENT_SIZE, EVENT_WORD, EventKind, packEvent, type StreamKinds } from "./event_stream.ts";
import {
  accessesOf,
  type Instrumentation,
  kindSetBy,
  readsFlags,
  updatesMemory,
} from "./events.ts";
import { FLAG_PARAMS } from "./imports.ts";
import { loadOpcode, storeOpcode } from "./lower.ts";
import { GuestLowering } from "./memory_access.ts";
import { ENTRY_TYPE, type ModuleBuilder } from "./module.ts";
import * as R from "./records.ts";

/** Parameter 0 of every handler. */
const RECORD = 0;

/** Where an imported function's index comes from; helpers are compiled before they are imported. */
export interface Linker {
  readonly builder: ModuleBuilder;
  helper(helper: Helper): number;
  /** What the models watch, or null without models. */
  readonly instrumentation: Instrumentation | null;
  /** What models read from the event stream, or null if none does. */
  readonly stream: StreamKinds | null;
}

/** The exit code of an `e.exit`. */
export const exitCode: Readonly<Record<ExitReason, R.Exit>> = {
  syscall: R.Exit.Syscall,
  yield: R.Exit.Yield,
  host: R.Exit.Host,
  mode: R.Exit.Mode,
};

/** The event of an indirect transfer. */
export const indirectKind = {
  jump: EventKind.IndirectJump,
  call: EventKind.IndirectCall,
  return: EventKind.Return,
} as const;

/** Lowers one handler. */
export class Handler extends GuestLowering {
  protected override readonly eagerReads = true;
  protected override readonly missesLeave = false;
  protected override readonly isa: Isa;
  protected override readonly linker: Linker;
  readonly #flow: Flow;
  /** Loads and stores that happen on every execution. */
  readonly accesses: { readonly loads: number; readonly stores: number };

  readonly readsFlags: boolean;
  readonly kindSet: number;
  readonly updates: boolean;
  /** Kind of the lazy flags where this handler is used, -1 if not known. */
  #kind: number;

  constructor(
    isa: Isa,
    linker: Linker,
    row: number,
    statics: number,
    flow: Flow,
    kind: number,
  ) {
    super(1);
    this.#kind = kind;
    this.isa = isa;
    this.linker = linker;
    this.#flow = flow;
    const e = new Emitter(null);
    isa.emit(row, statics, e);
    this.accesses = accessesOf(e.body);
    this.readsFlags = readsFlags(e.body);
    this.kindSet = kindSetBy(e.body);
    this.updates = updatesMemory(e.body);
    this.lower(e.body, e.variables);
    if (flow === Flow.Next) this.#next();
    else this.fallthrough();
  }

  /** Tail-call the handler of the record that follows. */
  #next(): void {
    this.code.get(RECORD).i32(R.RECORD_SIZE).op(W.i32_add)
      .get(RECORD).mem(W.i32_load, R.RECORD_SIZE + R.HANDLER)
      .op(W.return_call_indirect).u32(ENTRY_TYPE).u32(0);
  }

  /** Push the base address of a register operand; returns the constant offset to add. */
  #base(reg: Reg): number {
    if (reg.slot >= 0) {
      this.code.i32(0);
      return reg.slot;
    }
    this.code.get(RECORD).mem(W.i32_load16_u, R.REGS + 2 * reg.field);
    return reg.upper === true ? L.UPPER : 0;
  }

  protected override readReg(n: Node): void {
    const offset = this.#base(n.reg!);
    if (n.type === "v128") this.code.op(0xfd, 0x00).memarg(offset);
    else this.code.mem(loadOpcode(n.type, n.bits!, n.signed === true), offset);
  }
  protected override setReg(reg: Reg, value: Node, bits: number): void {
    const offset = this.#base(reg);
    this.value(value);
    if (value.type === "v128") this.code.op(0xfd, 0x0b).memarg(offset);
    else if (bits === 32) {
      this.code.op(W.i64_extend_i32_u).mem(W.i64_store, offset);
    } else this.code.mem(storeOpcode(value.type, bits), offset);
  }
  protected override readField(n: Node): void {
    this.code.get(RECORD);
    if (n.offset === 0) {
      this.code.mem(n.type === "i64" ? W.i64_load : W.i32_load, R.IMM0);
    } else this.code.mem(n.type === "i64" ? W.i64_load32_s : W.i32_load, R.IMM1);
  }

  #flagOperands(): void {
    this.code.stateLoad(W.i32_load, L.FLAG_KIND).stateLoad(W.i64_load, L.FLAG_A)
      .stateLoad(W.i64_load, L.FLAG_B);
  }
  protected override readCondition(condition: number): void {
    if (this.#kind >= 0) {
      const e = new Emitter(null);
      const [a, b] = [e.getState("i64", L.FLAG_A), e.getState("i64", L.FLAG_B)];
      this.inline(e, this.isa.flags.condition(e, this.#kind, condition, a, b));
      return;
    }
    this.#flagOperands();
    this.code.call(this.linker.builder.import(`condition_${condition}`, FLAG_PARAMS, ["i32"]));
  }
  protected override readFlags(): void {
    this.#flagOperands();
    this.code.call(this.linker.builder.import("flags", FLAG_PARAMS, ["i32"]));
  }
  protected override setFlags(kind: number, a: Node, b: Node): void {
    // Operands may read the old flags: evaluate both before any store.
    const code = this.code;
    this.#kind = -1;
    const [x, y] = [this.temporary("i64"), this.temporary("i64")];
    this.value(a);
    code.set(x);
    this.value(b);
    code.set(y);
    code.i32(0).i32(kind).mem(W.i32_store, L.FLAG_KIND);
    code.i32(0).get(x).mem(W.i64_store, L.FLAG_A);
    code.i32(0).get(y).mem(W.i64_store, L.FLAG_B);
  }

  protected override missedLoad(address: number, size: number, number: number): void {
    this.code.get(address).i32(size | (number << 8)).get(RECORD).call(this.runtime("load_slow"));
  }
  protected override missedStore(
    address: number,
    size: number,
    number: number,
    value: number,
    type: Type,
    upper: number,
  ): void {
    // Records of changed code were replaced: the next one leaves by itself.
    this.code.get(address).get(value);
    if (upper >= 0) this.code.get(upper);
    this.code.i32(size | (number << 8)).get(RECORD)
      .call(this.runtime(upper < 0 ? `store_slow_${type}` : "store_slow_pair")).op(W.drop);
  }
  protected override ordinal(number: number): void {
    this.code.stateLoad(W.i64_load, L.NOW).get(RECORD).mem(W.i32_load16_u, R.INDEX)
      .i32(6).op(W.i32_shl).i32(number).op(W.i32_add, W.i64_extend_i32_u, W.i64_add);
  }
  protected override countAccess(unit: bigint): void {
    this.code.i32(0).stateLoad(W.i64_load, L.ACCESSES).i64(unit).op(W.i64_add)
      .mem(W.i64_store, L.ACCESSES);
  }

  protected override eventPlace(): void {
    this.code.stateLoad(W.i32_load, L.EVENTS);
  }
  protected override packEvent(kind: EventKind, argument: number): void {
    packEvent(this.code, kind, argument, { record: RECORD });
  }
  protected override nextEvent(): void {
    this.code.i32(0).stateLoad(W.i32_load, L.EVENTS).i32(EVENT_SIZE).op(W.i32_add)
      .mem(W.i32_store, L.EVENTS);
  }
  /** Append a branch to `target`, a local, if that is not static; `plus`, a local, is added to its kind. */
  #appendBranch(kind: EventKind, target = -1, plus = -1): void {
    if (this.linker.stream?.branches !== true) return;
    const code = this.code;
    this.eventPlace();
    if (target >= 0) code.get(target);
    else code.i64(0n);
    this.packEvent(kind, 0);
    if (plus >= 0) {
      code.get(plus).i32(0).op(W.i32_ne, W.i64_extend_i32_u).i64(48n).op(W.i64_shl, W.i64_add);
    }
    code.mem(W.i64_store, 0);
    this.eventPlace();
    code.get(RECORD).get(RECORD).mem(W.i32_load16_u, R.INDEX).i32(1).op(W.i32_add)
      .i32(5).op(W.i32_shl, W.i32_sub).mem(W.i32_load, R.BLOCK).mem(W.i32_store, EVENT_WORD);
    this.nextEvent();
  }

  protected override helper(helper: Helper, args: readonly Node[]): void {
    for (const a of args) this.value(a);
    this.code.call(this.linker.helper(helper));
  }

  /** Go through a link slot of the exits record: tail-call its head, or ask the engine for it. */
  #link(slotField: number, pcField: number): void {
    const code = this.code;
    const slot = this.temporary("i32");
    const head = this.temporary("i32");
    code.get(RECORD).mem(W.i32_load, R.RECORD_SIZE + slotField).tee(slot)
      .stateLoad(W.i32_load, L.LINKS).op(W.i32_add).mem(W.i32_load, 0).tee(head)
      .op(W.if, typeCode.void)
      .get(head).get(head).mem(W.i32_load, R.HANDLER)
      .op(W.return_call_indirect).u32(ENTRY_TYPE).u32(0)
      .op(W.end);
    code.i32(0).get(slot).mem(W.i32_store, L.EXIT_SLOT);
    this.#leave(pcField, R.Exit.Link);
  }
  /** Return `exit` with pc from the exits record. */
  #leave(pcField: number, exit: R.Exit): void {
    this.code.i32(0).get(RECORD).mem(W.i64_load, R.RECORD_SIZE + pcField)
      .mem(W.i64_store, L.PC);
    this.#return(exit);
  }
  #return(exit: R.Exit): void {
    this.code.i32(0).get(RECORD).mem(W.i32_store, L.EXIT_RECORD).i32(exit).op(W.return);
  }

  protected override jump(flow: "jump" | "call"): void {
    if (flow === "call") this.#pushReturn();
    if (this.#flow === Flow.Call) this.#appendBranch(EventKind.Call);
    else if (this.#flow === Flow.Jump) this.#appendBranch(EventKind.Jump);
    this.#link(R.TARGET_LINK, R.TARGET_PC);
  }
  /** A call: the return stack gets the next instruction's address. */
  #pushReturn(): void {
    if (this.linker.instrumentation?.branches !== true) return;
    this.code.get(RECORD).mem(W.i64_load, R.RECORD_SIZE + R.NEXT_PC)
      .call(this.runtime("push_return"));
  }
  protected override fallthrough(): void {
    if (this.#flow === Flow.Next) this.#next();
    else this.#link(R.NEXT_LINK, R.NEXT_PC);
  }
  protected override branch(condition: Node): void {
    this.value(condition);
    if (this.linker.instrumentation?.branches === true) {
      const taken = this.temporary("i32");
      this.code.set(taken).get(RECORD).get(taken).call(this.runtime("predict")).get(taken);
    }
    if (this.linker.stream?.branches === true) {
      const taken = this.temporary("i32");
      this.code.set(taken);
      this.#appendBranch(EventKind.NotTaken, -1, taken);
      this.code.get(taken);
    }
    this.code.op(W.if, typeCode.void);
    this.depth++;
    this.jump("jump");
    this.code.op(W.end);
    this.depth--;
    this.fallthrough();
  }
  protected override indirect(
    flow: "jump" | "call" | "return",
    target: Node,
    type: number,
  ): void {
    const code = this.code;
    const pc = this.temporary("i64");
    const entry = this.temporary("i32");
    this.value(target);
    code.set(pc);
    noteBranch(code, type);
    if (this.linker.instrumentation?.branches === true) {
      if (flow === "return") code.get(pc).call(this.runtime("pop_return"));
      else code.get(pc).get(RECORD).call(this.runtime("indirect"));
      if (flow === "call") this.#pushReturn();
    }
    this.#appendBranch(indirectKind[flow], pc);
    // What it last went to is the hot tier's guess.
    code.get(RECORD).get(pc).mem(W.i64_store, R.RECORD_SIZE + R.TARGET_PC);
    dispatch(code, pc, entry, hashOf(type));
    code.i32(0).get(pc).mem(W.i64_store, L.PC);
    this.#return(R.Exit.Lookup);
  }
  protected override exit(reason: ExitReason, target: Node | null): void {
    if (target === null) return this.#leave(R.NEXT_PC, exitCode[reason]);
    this.code.i32(0);
    this.value(target);
    this.code.mem(W.i64_store, L.PC);
    this.#return(exitCode[reason]);
  }
  protected override fault(signal: number, code: number, address: Node | null, after: boolean) {
    faultInfo(this.code, signal, code, address !== null, after, () => this.value(address!));
    this.#return(R.Exit.Fault);
  }
}

/** Note that a branch of `type` is executed; nothing of type 0. */
export function noteBranch(code: import("./code.ts").Code, type: number): void {
  if (type === 0) return;
  code.i32(0).stateLoad(W.i64_load, L.BUDGET).mem(W.i64_store, L.BRANCHED + 8 * type);
}

/** Bits of `FAULT_ACCESS` for a fault raised by semantics. */
export const FAULT_HAS_ADDRESS = 1 << 16;
export const FAULT_AFTER = 1 << 17;

/** Store what a fault raised by semantics says of itself. */
export function faultInfo(
  code: import("./code.ts").Code,
  signal: number,
  siCode: number,
  hasAddress: boolean,
  after: boolean,
  address: () => void,
): void {
  code.i32(0).i32(
    signal | (siCode << 8) & 0xff00 | (hasAddress ? FAULT_HAS_ADDRESS : 0) |
      (after ? FAULT_AFTER : 0),
  ).mem(W.i32_store, L.FAULT_ACCESS);
  if (hasAddress) {
    code.i32(0);
    address();
    code.mem(W.i64_store, L.FAULT_ADDRESS);
  }
}
