/**
 * The lower half of the hot tier: one block lowered to one WebAssembly function, in few bytes. V8's baseline
 * compiler, which is all that most of these functions ever see, spends some 30 bytes of machine code on
 * every access at a variable address and 100 on every tail call. So guest memory is reached by calls of shared
 * functions, state memory at constant addresses, and the function ends by returning where control goes.
 *
 * Registers are in locals from their first use on. Every write goes to state memory at once, so that any
 * access may fault.
 */
import { AlignmentChecks } from "./alignment_checks.ts";
import type { Block } from "../blocks.ts";
import { type Decoded, Flow, type Isa } from "../ir/decoded.ts";
import { bitsOf, Emitter } from "../ir/emitter.ts";
import type { ExitReason, Helper, Node, Reg, Statement, Type } from "../ir/types.ts";
import * as L from "../layout.ts";
import { W } from "./code.ts";
import { exitCode, faultInfo, type Linker, noteBranch } from "./cold.ts";
import { FIRST_ACCESS, kindSetBy, ONE_LOAD, ONE_STORE } from "./events.ts";
import { FLAG_PARAMS, type RuntimeName, runtimeSignatures } from "./imports.ts";
import {
  type Load,
  loadOpcode,
  Lowering,
  merged,
  part,
  type Store,
  storeOpcode,
  zero,
} from "./lower.ts";
import * as R from "./records.ts";
import { baseSlot } from "./register_cache.ts";
import type { RegionSource } from "./region_plan.ts";
import { loadName, storeName } from "./shared_access.ts";

/** Lowers one block; the warm head has charged it. What it returns is an exit, or for `run` (see `records.ts`). */
export class BlockFunction extends Lowering {
  readonly #isa: Isa;
  readonly #linker: Linker;
  readonly #source: RegionSource;
  readonly #block: Block;
  #index = 0;
  /** Number of the next data access of the current instruction. */
  #access = FIRST_ACCESS;
  /** Locals of registers, and which of them hold the register's value. */
  readonly #locals = new Map<number, number>();
  readonly #valid = new Set<number>();
  /** Kind of the lazy flags, -1 when not known. */
  #kind = -1;
  /** Whether the locals of the flags are right, and whether memory is not. */
  #flagsHeld = false;
  #flagsDirty = false;
  readonly #flagKind: number;
  readonly #flagA: number;
  readonly #flagB: number;

  constructor(source: RegionSource, linker: Linker, block: Block, scratch: Decoded) {
    super(1);
    this.#isa = source.isa;
    this.#linker = linker;
    this.#source = source;
    this.#block = block;
    this.#flagKind = this.newLocal("i32");
    this.#flagA = this.newLocal("i64");
    this.#flagB = this.newLocal("i64");
    const checks = new AlignmentChecks();
    for (let i = 0; i < block.count; i++) {
      source.decodeAt(block, i, scratch);
      const e = new Emitter(scratch);
      source.isa.emit(scratch.row, scratch.statics, e);
      checks.next(e.body);
      this.#index = i;
      this.#access = FIRST_ACCESS;
      this.lower(e.body, e.variables);
    }
    if (block.flow === Flow.Next || block.flow === Flow.Stop) this.fallthrough();
    else this.code.op(W.unreachable);
  }

  #runtime(name: RuntimeName): number {
    const { params, results } = runtimeSignatures[name];
    return this.#linker.builder.import(name, params, results);
  }

  get #record(): number {
    return this.#block.head + R.RECORD_SIZE * (this.#index + 1);
  }
  get #nextPc(): number {
    return this.#block.pc + this.#block.bytes;
  }

  // ---- registers and flags ----------------------------------------------------------------

  #local(slot: number): number {
    let local = this.#locals.get(slot);
    if (local === undefined) {
      local = this.newLocal(slot >= L.VECTOR ? "v128" : "i64");
      this.#locals.set(slot, local);
    }
    return local;
  }

  /** Push the whole register at `slot`; from then on a local holds it, but for conditional reads. */
  #whole(slot: number): void {
    const code = this.code;
    if (this.#valid.has(slot)) {
      code.get(this.#local(slot));
      return;
    }
    code.i32(0);
    if (slot >= L.VECTOR) code.op(0xfd, 0x00).memarg(slot);
    else code.mem(W.i64_load, slot);
    if (this.depth > 0) return;
    this.#valid.add(slot);
    code.tee(this.#local(slot));
  }

  protected override readReg(n: Node): void {
    const code = this.code;
    const slot = n.reg!.slot;
    const bits = n.bits ?? bitsOf(n.type);
    const base = baseSlot(slot);
    if (slot < L.GPR) return zero(code, n.type);
    const cached = slot >= L.GPR && slot < L.X87_REGISTERS;
    const whole = base >= L.VECTOR ? n.type === "v128" : true;
    if (!cached || (!whole && !this.#valid.has(base))) {
      code.i32(0);
      if (n.type === "v128") code.op(0xfd, 0x00).memarg(slot);
      else code.mem(loadOpcode(n.type, bits, n.signed === true), slot);
      return;
    }
    this.#whole(base);
    part(code, n, slot - base, base >= L.VECTOR);
  }

  protected override setReg(reg: Reg, value: Node, bits: number): void {
    const code = this.code;
    const { slot } = reg;
    const cached = slot >= L.GPR && slot < L.X87_REGISTERS;
    if (!cached) {
      if (slot >= L.TRASH && slot < L.TRASH + 16) {
        this.value(value);
        code.op(W.drop);
        return;
      }
      code.i32(0);
      this.value(value);
      if (value.type === "v128") code.op(0xfd, 0x0b).memarg(slot);
      else code.mem(storeOpcode(value.type, bits), slot);
      return;
    }
    const base = baseSlot(slot);
    const local = this.#local(base);
    merged(code, bits, slot - base, () => this.#whole(base), () => this.value(value));
    code.set(local).i32(0).get(local);
    if (base >= L.VECTOR) code.op(0xfd, 0x0b).memarg(base);
    else code.mem(W.i64_store, base);
    // Where the write is conditional, the local of a register that was not held is right on one path only.
    if (this.depth === 0) this.#valid.add(base);
  }

  protected override readField(): void {
    throw new TypeError("a record field in the hot tier");
  }

  /** Flags that an instruction sets on some path only must be in locals on the others. */
  protected override prepare(body: readonly Statement[]): void {
    if (kindSetBy(body) !== -2) return;
    if (this.#kind >= 0) this.code.i32(this.#kind).set(this.#flagKind);
    if (this.#flagsHeld) return;
    this.code.stateLoad(W.i32_load, L.FLAG_KIND).set(this.#flagKind)
      .stateLoad(W.i64_load, L.FLAG_A).set(this.#flagA)
      .stateLoad(W.i64_load, L.FLAG_B).set(this.#flagB);
    this.#flagsHeld = true;
  }
  /** Make the flags in memory right, on this path. */
  #flush(): void {
    if (!this.#flagsDirty) return;
    if (this.depth === 0) this.#flagsDirty = false;
    this.code.i32(0);
    if (this.#kind >= 0) this.code.i32(this.#kind);
    else this.code.get(this.#flagKind);
    this.code.mem(W.i32_store, L.FLAG_KIND)
      .i32(0).get(this.#flagA).mem(W.i64_store, L.FLAG_A)
      .i32(0).get(this.#flagB).mem(W.i64_store, L.FLAG_B);
  }
  protected override setFlags(kind: number, a: Node, b: Node): void {
    this.value(a);
    this.value(b);
    this.code.set(this.#flagB).set(this.#flagA);
    if (this.depth === 0) this.#kind = kind;
    else {
      this.code.i32(kind).set(this.#flagKind);
      this.#kind = -1;
    }
    this.#flagsHeld = this.#flagsDirty = true;
  }
  #pushFlags(): void {
    const code = this.code;
    if (this.#flagsHeld) {
      code.get(this.#flagKind).get(this.#flagA).get(this.#flagB);
      return;
    }
    code.stateLoad(W.i32_load, L.FLAG_KIND).stateLoad(W.i64_load, L.FLAG_A)
      .stateLoad(W.i64_load, L.FLAG_B);
  }
  protected override readCondition(condition: number): void {
    if (this.#kind >= 0) {
      const e = new Emitter(null);
      const [a, b] = [e.param(this.#flagA, "i64"), e.param(this.#flagB, "i64")];
      this.inline(e, this.#isa.flags.condition(e, this.#kind, condition, a, b));
      return;
    }
    this.#pushFlags();
    this.code.call(this.#linker.builder.import(`condition_${condition}`, FLAG_PARAMS, ["i32"]));
  }
  protected override readFlags(): void {
    if (this.#kind >= 0) this.code.i32(this.#kind).get(this.#flagA).get(this.#flagB);
    else this.#pushFlags();
    this.code.call(this.#linker.builder.import("flags", FLAG_PARAMS, ["i32"]));
  }

  protected override helper(helper: Helper, args: readonly Node[]): void {
    const flags = helper.flags === true;
    if (flags) this.#flush();
    for (const a of args) this.value(a);
    this.code.call(this.#linker.helper(helper));
    if (helper.writes === "all") this.#valid.clear();
    else for (const slot of helper.writes) this.#valid.delete(baseSlot(slot));
    if (!flags) return;
    this.#kind = -1;
    this.#flagsHeld = this.#flagsDirty = false;
  }

  // ---- memory -----------------------------------------------------------------------------

  /** Push what an access tells its function: its instruction's record, and its number. */
  #tell(): void {
    this.code.i32(this.#record | (this.#access >> 1));
    this.#access = Math.min(this.#access + 2, 62);
  }
  #countIfConditional(unit: bigint): void {
    if (this.#linker.instrumentation === null || (this.depth === 0 && !this.maybeLeft)) return;
    this.code.i32(0).stateLoad(W.i64_load, L.ACCESSES).i64(unit).op(W.i64_add)
      .mem(W.i64_store, L.ACCESSES);
  }
  protected override load({ node, address, bits, signed }: Load): void {
    this.#flush();
    this.value(address);
    this.#tell();
    const name = loadName(node.type, bits, signed);
    const results: Type[] = bits === 256 ? ["v128", "v128"] : [node.type];
    this.code.call(this.#linker.builder.import(name, ["i64", "i32"], results));
    this.#countIfConditional(ONE_LOAD);
  }
  protected override store({ address, value, bits, high }: Store): void {
    this.#flush();
    this.value(address);
    this.value(value);
    const params: Type[] = ["i64", value.type];
    if (high !== undefined) {
      this.value(high);
      params.push("v128");
    }
    this.#tell();
    this.code.call(
      this.#linker.builder.import(storeName(value.type, bits), [...params, "i32"], []),
    );
    this.#countIfConditional(ONE_STORE);
  }

  // ---- control ----------------------------------------------------------------------------

  /** Return the link of the block's target or next instruction. */
  #go(next: boolean): void {
    this.#flush();
    this.code.i32(this.#source.linkOf(this.#block, next) | R.TO_LINK).op(W.return);
  }
  /** A call: the return stack gets the next instruction's address. */
  #pushReturn(): void {
    if (this.#linker.instrumentation === null) return;
    this.code.i64(BigInt(this.#nextPc)).call(this.#runtime("push_return"));
  }
  protected override jump(flow: "jump" | "call"): void {
    if (flow === "call") this.#pushReturn();
    this.#go(false);
  }
  protected override fallthrough(): void {
    this.#go(true);
  }
  protected override branch(condition: Node): void {
    const code = this.code;
    const taken = this.temporary("i32");
    this.value(condition);
    code.set(taken);
    if (this.#linker.instrumentation !== null) {
      code.i32(this.#record).get(taken).call(this.#runtime("predict"));
    }
    this.#flush();
    for (const next of [false, true]) {
      code.i32(this.#source.linkOf(this.#block, next) | R.TO_LINK);
    }
    code.get(taken).op(W.select, W.return);
  }
  protected override indirect(
    flow: "jump" | "call" | "return",
    target: Node,
    type: number,
  ): void {
    const code = this.code;
    const pc = this.temporary("i64");
    this.value(target);
    code.set(pc);
    noteBranch(code, type);
    if (this.#linker.instrumentation !== null) {
      if (flow === "return") code.get(pc).call(this.#runtime("pop_return"));
      else code.get(pc).i32(this.#record).call(this.#runtime("indirect"));
      if (flow === "call") this.#pushReturn();
    }
    this.#flush();
    // What it last went to is a region's guess.
    const exits = this.#block.head + R.RECORD_SIZE * (this.#block.count + 1);
    code.i32(0).get(pc).mem(W.i64_store, exits + R.TARGET_PC)
      .i32(0).get(pc).mem(W.i64_store, L.PC).i32(R.TO_PC + type).op(W.return);
  }
  protected override exit(reason: ExitReason, target: Node | null): void {
    this.code.i32(0);
    if (target === null) this.code.i64(BigInt(this.#nextPc));
    else this.value(target);
    this.code.mem(W.i64_store, L.PC);
    this.#leave(exitCode[reason]);
  }
  protected override fault(signal: number, code: number, address: Node | null, after: boolean) {
    faultInfo(this.code, signal, code, address !== null, after, () => this.value(address!));
    this.#leave(R.Exit.Fault);
  }
  #leave(exit: R.Exit): void {
    this.#flush();
    this.code.i32(0).i32(this.#record).mem(W.i32_store, L.EXIT_RECORD).i32(exit).op(W.return);
  }
}
