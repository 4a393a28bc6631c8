/** Branches and exception generation (DDI 0487, C4.1.93). */
import { BranchType, jumpType } from "./branch_targets.ts";
import { Flow } from "../ir/decoded.ts";
import { gpr } from "../layout.ts";
import { get, immediate } from "./registers.ts";
import { row, setAddress, setTarget } from "./row.ts";

const LINK = gpr(30);
const SIGILL = 4;
const ILL_ILLOPC = 1;
const SIGTRAP = 5;
const TRAP_BRKPT = 1;

/** What everything unallocated decodes to. */
export const undefinedRow = row("undefined", "xxxxxxxx xxxxxxxx xxxxxxxx xxxxxxxx", () => ({
  flow: Flow.Stop,
  emit: (e) => e.fault(SIGILL, ILL_ILLOPC),
}));

export const rows = [
  row("B", "0 00101 imm26:26", (f) => ({
    flow: Flow.Jump,
    operands: (w, pc, out) => setTarget(out, pc + f.imm26.signed(w) * 4),
    emit: (e) => e.jump(),
  })),
  row("BL", "1 00101 imm26:26", (f) => ({
    flow: Flow.Call,
    operands: (w, pc, out) => {
      out.target = pc + f.imm26.signed(w) * 4;
      setAddress(out, pc + 4);
    },
    emit: (e) => {
      e.set64(e.fixed(LINK), e.imm(0));
      e.callDirect();
    },
  })),
  row("B.cond", "0101010 0 imm19:19 0 cond:4", (f) => ({
    flow: Flow.Branch,
    statics: ["cond"],
    operands: (w, pc, out) => setTarget(out, pc + f.imm19.signed(w) * 4),
    emit: (e, { cond }) => e.branch(e.condition(cond)),
  })),
  row("CBZ/CBNZ", "sf:1 011010 op:1 imm19:19 rt:5", (f) => ({
    flow: Flow.Branch,
    regs: [f.rt.x],
    statics: ["sf", "op"],
    operands: (w, pc, out) => setTarget(out, pc + f.imm19.signed(w) * 4),
    emit: (e, { sf, op }) => {
      const x = get(e, 0, sf);
      e.branch(op ? e.ne(x, sf ? e.i64(0) : e.i32(0)) : e.eqz(x));
    },
  })),
  row("TBZ/TBNZ", "high:1 011011 op:1 b40:5 imm14:14 rt:5", (f) => ({
    flow: Flow.Branch,
    regs: [f.rt.x],
    statics: ["high", "op"],
    imm1: f.b40,
    operands: (w, pc, out) => setTarget(out, pc + f.imm14.signed(w) * 4),
    emit: (e, { high, op }) => {
      const x = e.get64(e.reg(0));
      const half = e.wrap(high ? e.shrU(x, e.i64(32)) : x);
      const bit = e.and(half, e.shl(e.i32(1), immediate(e, 1, 0)));
      e.branch(op ? bit : e.eqz(bit));
    },
  })),
  row("BR", "1101011 0000 11111 000000 rn:5 00000", (f) => ({
    flow: Flow.IndirectJump,
    regs: [f.rn.x],
    variant: (w, guarded) => jumpType(f.rn.of(w), guarded),
    emit: (e, _statics, type) => e.jumpIndirect(e.get64(e.reg(0)), type),
  })),
  row("BLR", "1101011 0001 11111 000000 rn:5 00000", (f) => ({
    flow: Flow.IndirectCall,
    regs: [f.rn.x],
    operands: (_w, pc, out) => setAddress(out, pc + 4),
    emit: (e) => {
      const target = e.variable("i64", e.get64(e.reg(0)));
      e.set64(e.fixed(LINK), e.imm(0));
      e.callIndirect(e.read(target), BranchType.Call);
    },
  })),
  row("RET", "1101011 0010 11111 000000 rn:5 00000", (f) => ({
    flow: Flow.Return,
    regs: [f.rn.x],
    emit: (e) => e.ret(e.get64(e.reg(0))),
  })),
  row("SVC", "11010100 000 imm16:16 000 01", (f) => ({
    flow: Flow.Stop,
    imm1: f.imm16,
    emit: (e) => e.exit("syscall"),
  })),
  row("BRK", "11010100 001 imm16:16 000 00", (f) => ({
    flow: Flow.Stop,
    imm1: f.imm16,
    emit: (e) => e.fault(SIGTRAP, TRAP_BRKPT),
  })),
];
