/** A tiny instruction set of four-byte instructions, to test the engine apart from real ones. */
import { type Decoded, Flow, type Isa } from "../../../sim/cpu/ir/decoded.ts";
import { gpr } from "../../../sim/cpu/layout.ts";

/** `op d s imm`, one byte each; imm is signed. */
export const Toy = {
  addi: 0, // d = s + imm
  add: 1, // d = d + s
  load: 2, // d = u64 [s + imm]
  store: 3, // u64 [s + imm] = d
  bnz: 4, // if d != 0 go to pc + 4 * imm
  jump: 5, // pc + 4 * imm
  jr: 6, // go to register s
  syscall: 7,
  cmp: 8, // flags of d - s
  blt: 9, // if less go to pc + 4 * imm
} as const;

export const toy: Isa = {
  arch: "x86_64",
  rows: Object.keys(Toy).map((name) => ({ name })),
  decode(bytes, offset, available, pc, out: Decoded): boolean {
    if (available < 4) return false;
    const op = bytes[offset];
    const imm = (bytes[offset + 3] << 24) >> 24;
    out.row = op;
    out.statics = 0;
    out.regs[0] = gpr(bytes[offset + 1]);
    out.regs[1] = gpr(bytes[offset + 2]);
    out.imm0Low = imm;
    out.imm0High = imm >> 31;
    out.imm1 = imm;
    out.length = 4;
    out.target = pc + 4 * imm;
    out.flow = op === Toy.bnz || op === Toy.blt
      ? Flow.Branch
      : op === Toy.jump
      ? Flow.Jump
      : op === Toy.jr
      ? Flow.IndirectJump
      : op === Toy.syscall
      ? Flow.Stop
      : Flow.Next;
    return true;
  },
  emit(row, _statics, e): void {
    const [d, s] = [e.reg(0), e.reg(1)];
    switch (row) {
      case Toy.addi:
        return e.set64(d, e.add(e.get64(s), e.imm(1)));
      case Toy.add:
        return e.set64(d, e.add(e.get64(d), e.get64(s)));
      case Toy.load:
        return e.set64(d, e.load("i64", e.add(e.get64(s), e.imm(1))));
      case Toy.store:
        return e.store(e.add(e.get64(s), e.imm(1)), e.get64(d));
      case Toy.bnz:
        return e.branch(e.eqz(e.eqz(e.get64(d))));
      case Toy.jump:
        return e.jump();
      case Toy.jr:
        return e.jumpIndirect(e.get64(s));
      case Toy.syscall:
        return e.exit("syscall");
      case Toy.cmp:
        return e.setFlags(1, e.get64(d), e.get64(s));
      case Toy.blt:
        return e.branch(e.condition(0));
    }
  },
  flags: {
    kinds: ["explicit", "sub"],
    conditions: ["less"],
    condition(e, kind, _c, a, b) {
      return kind === 0 ? e.and(e.wrap(a), e.i32(1)) : e.ltS(a, b);
    },
    pack(e, kind, a, b) {
      return kind === 0 ? e.wrap(a) : e.ltS(a, b);
    },
  },
  describe: (bytes, offset) => `toy ${bytes[offset]}`,
};
