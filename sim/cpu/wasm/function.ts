/** Lowers IR functions (helpers with `build`) and the flag functions to wasm functions. */
import { Emitter } from "../ir/emitter.ts";
import type { FlagModel } from "../ir/flags.ts";
import type { Helper, Node, Reg, Type } from "../ir/types.ts";
import { Code, typeCode, W } from "./code.ts";
import type { Linker } from "./cold.ts";
import { FLAG_PARAMS } from "./imports.ts";
import { loadOpcode, Lowering, storeOpcode } from "./lower.ts";

/** The body of one IR function. Registers and state are reached in state memory. */
export class IrFunction extends Lowering {
  readonly #linker: Linker;

  constructor(
    linker: Linker,
    params: readonly Type[],
    build: (e: Emitter, ...params: Node[]) => Node | null,
  ) {
    super(params.length);
    this.#linker = linker;
    const e = new Emitter(null);
    const result = build(e, ...params.map((t, i) => e.param(i, t)));
    if (result !== null) e.return(result);
    this.lower(e.body, e.variables);
    // Early returns leave the end unreachable.
    if (result !== null) this.code.op(W.unreachable);
  }

  protected override returnValue(value: Node): void {
    this.value(value);
    this.code.op(W.return);
  }
  protected override readReg(n: Node): void {
    this.#read(n, slotOf(n.reg!));
  }
  protected override setReg(reg: Reg, value: Node, bits: number): void {
    this.code.i32(0);
    this.value(value);
    if (value.type === "v128") this.code.op(0xfd, 0x0b).memarg(slotOf(reg));
    else if (bits === 32) {
      this.code.op(W.i64_extend_i32_u).mem(W.i64_store, slotOf(reg));
    } else this.code.mem(storeOpcode(value.type, bits), slotOf(reg));
  }
  #read(n: Node, offset: number): void {
    this.code.i32(0);
    if (n.type === "v128") this.code.op(0xfd, 0x00).memarg(offset);
    else this.code.mem(loadOpcode(n.type, n.bits!, n.signed === true), offset);
  }
  protected override helper(helper: Helper, args: readonly Node[]): void {
    for (const a of args) this.value(a);
    this.code.call(this.#linker.helper(helper));
  }
  protected override readField(): never {
    return no("instruction operands");
  }
  protected override readCondition(): never {
    return no("conditions");
  }
  protected override readFlags(): never {
    return no("flags");
  }
  protected override setFlags(): never {
    return no("flags");
  }
  protected override load(): never {
    return no("guest memory");
  }
  protected override store(): never {
    return no("guest memory");
  }
  protected override jump(): never {
    return no("control flow");
  }
  protected override fallthrough(): never {
    return no("control flow");
  }
  protected override branch(): never {
    return no("control flow");
  }
  protected override indirect(): never {
    return no("control flow");
  }
  protected override exit(): never {
    return no("exits");
  }
  protected override fault(): never {
    return no("faults");
  }
}

function slotOf(reg: Reg): number {
  return reg.slot >= 0 ? reg.slot : no("instruction operands");
}
function no(what: string): never {
  throw new TypeError(`an IR function has no ${what}`);
}

/** Lowers `(kind, a, b) -> i32` by a table over the flag kinds. */
class FlagFunction extends IrFunction {
  constructor(
    linker: Linker,
    kinds: number,
    arm: (e: Emitter, kind: number, a: Node, b: Node) => Node,
  ) {
    super(linker, FLAG_PARAMS, () => null);
    const code: Code = this.code;
    for (let k = 0; k < kinds; k++) code.op(W.block, typeCode.void);
    code.get(0).op(W.br_table).u32(kinds - 1);
    for (let k = 0; k < kinds; k++) code.u32(k);
    for (let k = 0; k < kinds; k++) {
      code.op(W.end);
      const e = new Emitter(null);
      e.return(arm(e, k, e.param(1, "i64"), e.param(2, "i64")));
      this.lower(e.body, e.variables);
    }
    code.op(W.unreachable);
  }
}

/** All flag functions of an architecture: `condition_N` and `flags`. */
export function flagFunctions(
  model: FlagModel,
  linker: Linker,
): { readonly name: string; readonly lowering: Lowering }[] {
  const kinds = model.kinds.length;
  const result = model.conditions.map((_, c) => ({
    name: `condition_${c}`,
    lowering: new FlagFunction(linker, kinds, (e, k, a, b) => model.condition(e, k, c, a, b)),
  }));
  result.push({
    name: "flags",
    lowering: new FlagFunction(linker, kinds, (e, k, a, b) => model.pack(e, k, a, b)),
  });
  return result;
}
