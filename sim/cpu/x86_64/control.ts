/** Control transfer: Jcc, JMP, CALL, RET, LOOP, JRCXZ. */
import type { Node } from "../ir/types.ts";
import { Flow } from "../ir/decoded.ts";
import { gpr } from "../layout.ts";
import type { Instruction } from "./instruction.ts";
import { push } from "./moves.ts";
import { type Encoding, row, type Semantic } from "./row.ts";

const jcc: Semantic = (x) => x.e.branch(x.e.condition(x.extra));
const jmp: Semantic = (x) => x.e.jump();

/** Refuse a branch to `target` (i64) if that is not canonical: #GP at the branch, which changed no register. */
export function canonical(x: Instruction, target: Node): void {
  const e = x.e;
  e.if(e.gtU(e.add(target, e.i64(1n << 47n)), e.i64((1n << 48n) - 1n)), () => x.protection());
}

const jmpIndirect: Semantic = (x) => {
  const target = x.get(0);
  canonical(x, target);
  x.e.jumpIndirect(target);
};

const call: Semantic = (x) => {
  push(x, x.e.imm(0));
  x.e.callDirect();
};

const callIndirect: Semantic = (x) => {
  const e = x.e;
  const target = x.get(0);
  const stack = e.fixed(gpr(4));
  const top = e.sub(e.get64(stack), e.i64(8));
  // Processors store the return address before they look at the target.
  e.store(top, e.imm(0));
  canonical(x, target);
  e.set64(stack, top);
  e.callIndirect(target);
};

/** RET; with an immediate it releases that many bytes of arguments. */
const returnReleasing = (released: (x: Instruction) => Node): Semantic => (x) => {
  const e = x.e;
  const stack = e.fixed(gpr(4));
  const top = e.get64(stack);
  const target = e.load("i64", top);
  canonical(x, target);
  e.set64(stack, e.add(e.add(top, e.i64(8)), released(x)));
  e.ret(target);
};
const ret = returnReleasing((x) => x.e.i64(0));
const retRelease = returnReleasing((x) => x.e.and(x.e.imm(1), x.e.i64(0xffff)));

/** LOOP, LOOPE, LOOPNE: `condition` is the condition code that must hold too. */
function loop(condition: number): Semantic {
  return (x) => {
    const e = x.e;
    const bits = x.address32 ? 32 : 64;
    const left = e.sub(x.getGpr(1, bits), bits === 64 ? e.i64(1) : e.i32(1));
    const also = condition < 0 ? null : e.condition(condition);
    x.setGpr(1, left, bits);
    const more = notZero(x, left);
    e.branch(also === null ? more : e.and(more, also));
  };
}

function notZero(x: Instruction, v: Node): Node {
  return x.e.ne(v, x.constant(0, v));
}

const jrcxz: Semantic = (x) => x.e.branch(x.e.eqz(x.getGpr(1, x.address32 ? 32 : 64)));

const BRANCH = { flow: Flow.Branch };

export const control: readonly Encoding[] = [
  row("70+cc", "jcc Jb", jcc, BRANCH),
  row("0f.80+cc", "jcc Jz", jcc, BRANCH),
  row("eb", "jmp Jb", jmp, { flow: Flow.Jump }),
  row("e9", "jmp Jz", jmp, { flow: Flow.Jump }),
  row("e8", "call Jz", call, { flow: Flow.Call, next: true }),
  row("ff /2", "call Eq", callIndirect, { flow: Flow.IndirectCall, next: true }),
  row("ff /4", "jmp Eq", jmpIndirect, { flow: Flow.IndirectJump }),
  row("c3", "ret", ret, { flow: Flow.Return }),
  row("c2", "ret Iw", retRelease, { flow: Flow.Return }),
  row("e0", "loopne Jb", loop(5), BRANCH),
  row("e1", "loope Jb", loop(4), BRANCH),
  row("e2", "loop Jb", loop(-1), BRANCH),
  row("e3", "jrcxz Jb", jrcxz, BRANCH),
];
