/**
 * x87 instructions. Memory operands are read and written in IR; the work on the register stack is
 * done on the host (x87_arithmetic.ts, x87_transcendental.ts). A pending unmasked exception is
 * reported by the next waiting instruction, as SIGFPE.
 */
import * as L from "../layout.ts";
import { fxrstor, fxsave } from "./fxsave.ts";
import { Form } from "./instruction.ts";
import { type Encoding, row, type Semantic } from "./row.ts";
import * as F from "./soft_float.ts";
import * as A from "./x87_arithmetic.ts";
import * as E from "./x87_environment.ts";
import { type Operation, wait } from "./x87_helpers.ts";
import * as M from "./x87_memory.ts";
import * as S from "./x87_stack.ts";
import { C1, ERROR_SUMMARY } from "./x87_state.ts";
import * as T from "./x87_transcendental.ts";

/** Instructions that leave the pointers, or load them. */
const CONTROL = /^f(wait|n?clex|n?init|ldcw|nst[cs]w|nstenv|ldenv|nsave|rstor|xsave|xrstor)/;

/**
 * The row with x87's pointers to the last instruction: its address always; its opcode and its operand's
 * address only if it left an exception unmasked (CPUID.7.0:EBX[6]; Intel SDM volume 1, 8.1.8 and 8.1.9).
 */
function tracked(own: Encoding): Encoding {
  if (CONTROL.test(own.name)) return own;
  const emit: Semantic = (x) => {
    const e = x.e;
    const operand = x.form === Form.Register ? null : x.address();
    own.emit(x);
    e.setState(L.X87_FIP, x.pc());
    e.if(e.and(e.getState("i32", L.X87_STATUS), e.i32(ERROR_SUMMARY)), () => {
      e.setState(L.X87_FOP, x.opcode());
      if (operand !== null) e.setState(L.X87_FDP, operand);
    });
  };
  return row(own.encoding, own.name, emit, { ...own.options, pointers: true });
}

const arithmeticNames = ["fadd", "fmul", "fcom", "fcomp", "fsub", "fsubr", "fdiv", "fdivr"];
const RM = { rmInRecord: true };
const stack = (encoding: string, name: string, run: Operation): Encoding =>
  row(encoding, name, S.onStack(run), RM);

/** Operations of DC and DE on ST(i): subtraction and division exchange their reverse forms. */
const toRegisterOrder = [
  A.Arithmetic.Add,
  A.Arithmetic.Mul,
  -1,
  -1,
  A.Arithmetic.SubReverse,
  A.Arithmetic.Sub,
  A.Arithmetic.DivReverse,
  A.Arithmetic.Div,
];
const Single = A.Memory.Single, Double = A.Memory.Double;
const Extended = A.Memory.Extended, Integer = A.Memory.Integer;
const hex = (n: number): string => n.toString(16);

const arithmeticRows: Encoding[] = arithmeticNames.flatMap((name, i) => {
  const forms: [string, string, A.Memory, number][] = [
    ["d8", name, Single, 32],
    ["dc", name, Double, 64],
    ["da", `fi${name.slice(1)}`, Integer, 32],
    ["de", `fi${name.slice(1)}`, Integer, 16],
  ];
  const rows = forms.map(([opcode, n, kind, bits]) =>
    row(`${opcode} /${i} m`, `${n} M`, M.memoryArithmetic(i, kind, bits))
  );
  const at = hex(0xc0 + 8 * i);
  if (i === A.Arithmetic.Com || i === A.Arithmetic.ComPop) {
    rows.push(stack(`d8 ${at}+i`, name, S.com(false, i - A.Arithmetic.Com)));
  } else {
    rows.push(stack(`d8 ${at}+i`, name, S.toTop(i)));
    const op = toRegisterOrder[i];
    const reversed = arithmeticNames[op];
    rows.push(stack(`dc ${at}+i`, reversed, S.toRegister(op, false)));
    rows.push(stack(`de ${at}+i`, `${reversed}p`, S.toRegister(op, true)));
  }
  return rows;
});

/** They check the operand's alignment themselves. */
const UNALIGNED = { unaligned: true };

export const x87: readonly Encoding[] = [
  ...arithmeticRows,
  row("d9 /0 m", "fld Md", M.load(Single, 32)),
  row("dd /0 m", "fld Mq", M.load(Double, 64)),
  row("db /5 m", "fld Mt", M.load(Extended, 80)),
  row("df /0 m", "fild Mw", M.load(Integer, 16)),
  row("db /0 m", "fild Md", M.load(Integer, 32)),
  row("df /5 m", "fild Mq", M.load(Integer, 64)),
  row(
    "df /4 m",
    "fbld Mt",
    M.withMemory(Extended, 80, (fpu, low, high) => fpu.push(A.fromDecimal(low, high))),
  ),
  row("d9 /2 m", "fst Md", M.storeFloat(F.SINGLE, false)),
  row("d9 /3 m", "fstp Md", M.storeFloat(F.SINGLE, true)),
  row("dd /2 m", "fst Mq", M.storeFloat(F.DOUBLE, false)),
  row("dd /3 m", "fstp Mq", M.storeFloat(F.DOUBLE, true)),
  row("db /7 m", "fstp Mt", M.storeExtended),
  row("df /2 m", "fist Mw", M.storeInteger(16, false)),
  row("df /3 m", "fistp Mw", M.storeInteger(16, true)),
  row("db /2 m", "fist Md", M.storeInteger(32, false)),
  row("db /3 m", "fistp Md", M.storeInteger(32, true)),
  row("df /7 m", "fistp Mq", M.storeInteger(64, true)),
  row("df /1 m", "fisttp Mw", M.storeInteger(16, true, true)),
  row("db /1 m", "fisttp Md", M.storeInteger(32, true, true)),
  row("dd /1 m", "fisttp Mq", M.storeInteger(64, true, true)),
  row("df /6 m", "fbstp Mt", M.store(80, true, A.toDecimal)),
  stack("d9 c0+i", "fld", S.loadRegister),
  stack("d9 c8+i", "fxch", S.exchange),
  stack("dd d0+i", "fst", S.storeRegister(false)),
  stack("dd d8+i", "fstp", S.storeRegister(true)),
  stack("dd c0+i", "ffree", (fpu, i) => {
    fpu.setConditions(C1, 0);
    fpu.setEmpty(i, true);
  }),
  stack("df c0+i", "ffreep", (fpu, i) => {
    fpu.setConditions(C1, 0);
    fpu.setEmpty(i, true);
    fpu.pop();
  }),
  stack("dd e0+i", "fucom", S.com(true, 0)),
  stack("dd e8+i", "fucomp", S.com(true, 1)),
  stack("da e9", "fucompp", S.com(true, 2)),
  stack("de d9", "fcompp", S.com(false, 2)),
  row("db e8+i", "fucomi", S.setsFlags(S.comi(true, false)), RM),
  row("db f0+i", "fcomi", S.setsFlags(S.comi(false, false)), RM),
  row("df e8+i", "fucomip", S.setsFlags(S.comi(true, true)), RM),
  row("df f0+i", "fcomip", S.setsFlags(S.comi(false, true)), RM),
  ...[2, 4, 6, 10].flatMap((cc, i) => [
    row(`da ${hex(0xc0 + 8 * i)}+i`, "fcmovcc", S.conditionalMove(cc), RM),
    row(`db ${hex(0xc0 + 8 * i)}+i`, "fcmovncc", S.conditionalMove(cc ^ 1), RM),
  ]),
  stack("d9 e0", "fchs", S.sign((high) => high ^ 0x8000)),
  stack("d9 e1", "fabs", S.sign((high) => high & 0x7fff)),
  stack("d9 e4", "ftst", S.test),
  stack("d9 e5", "fxam", A.examine),
  ...["fld1", "fldl2t", "fldl2e", "fldpi", "fldlg2", "fldln2", "fldz"].map((name, i) =>
    stack(`d9 ${hex(0xe8 + i)}`, name, S.loadConstant(i))
  ),
  stack("d9 f0", "f2xm1", T.twoToXMinus1),
  stack("d9 f1", "fyl2x", T.yLog2),
  stack("d9 f2", "fptan", (fpu) => T.trigonometric(fpu, T.Trig.Tangent)),
  stack("d9 f3", "fpatan", T.arcTangent2),
  stack("d9 f4", "fxtract", A.extract),
  stack("d9 f5", "fprem1", (fpu) => A.remainder(fpu, true)),
  stack("d9 f6", "fdecstp", S.rotate(-1)),
  stack("d9 f7", "fincstp", S.rotate(1)),
  stack("d9 f8", "fprem", (fpu) => A.remainder(fpu, false)),
  stack("d9 f9", "fyl2xp1", T.yLog2Plus1),
  stack("d9 fa", "fsqrt", A.squareRoot),
  stack("d9 fb", "fsincos", (fpu) => T.trigonometric(fpu, T.Trig.SineCosine)),
  stack("d9 fc", "frndint", A.roundToIntegral),
  stack("d9 fd", "fscale", A.scale),
  stack("d9 fe", "fsin", (fpu) => T.trigonometric(fpu, T.Trig.Sine)),
  stack("d9 ff", "fcos", (fpu) => T.trigonometric(fpu, T.Trig.Cosine)),
  row("d9 d0", "fnop", wait),
  row("9b", "fwait", wait),
  row("d9 /5 m", "fldcw Mw", E.fldcw),
  row("d9 /7 m", "fnstcw Mw", E.fnstcw),
  row("dd /7 m", "fnstsw Mw", E.fnstsw),
  row("df e0", "fnstsw AX", E.fnstswAx),
  row("db e2", "fnclex", E.fnclex),
  row("db e3", "fninit", E.initialize),
  row("d9 /6 m", "fnstenv Mv", E.fnstenv, UNALIGNED),
  row("d9 /4 m", "fldenv Mv", E.fldenv, UNALIGNED),
  row("dd /6 m", "fnsave Mv", E.fnsave, UNALIGNED),
  row("dd /4 m", "frstor Mv", E.frstor, UNALIGNED),
  row("np.0f.ae /0 m", "fxsave My", fxsave, UNALIGNED),
  row("np.0f.ae /1 m", "fxrstor My", fxrstor, UNALIGNED),
].map(tracked);
