/** x86_64 instructions in Intel's syntax, from a decode row's operand codes and what was decoded. */
import { type Decoded, Flow } from "../cpu/ir/decoded.ts";
import { gpr, VECTOR, X87_REGISTERS, ZERO } from "../cpu/layout.ts";
import {
  ADDRESS32,
  EXTRA_SHIFT,
  Form,
  FORM_SHIFT,
  LONG,
  SEGMENT_SHIFT,
} from "../cpu/x86_64/instruction.ts";
import { type Encoding, File, Imm, type Operand, Place } from "../cpu/x86_64/row.ts";

const LEGACY = ["ax", "cx", "dx", "bx", "sp", "bp", "si", "di"];
const LOW_BYTES = ["al", "cl", "dl", "bl", "spl", "bpl", "sil", "dil"];
const HIGH_BYTES = ["ah", "ch", "dh", "bh"];
const SEGMENTS = ["es", "cs", "ss", "ds", "fs", "gs"];
const CONDITIONS = [
  ...["o", "no", "b", "ae", "e", "ne", "be", "a", "s", "ns", "p", "np", "l", "ge", "le", "g"],
];
const SIZES: Readonly<Record<number, string>> = {
  ...{
    8: "byte",
    16: "word",
    32: "dword",
    64: "qword",
    80: "tbyte",
    128: "xmmword",
    256: "ymmword",
  },
};
const LOCK = 0xf0, REPNE = 0xf2, REP = 0xf3;
/** Bytes that may stand before an opcode: legacy prefixes. */
const PREFIXES = [LOCK, REPNE, REP, 0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65, 0x66, 0x67];

/** The instruction of `row` in `bytes`. */
export function x86Text(row: Encoding, d: Decoded, bytes: Uint8Array): string {
  const [mnemonic, codes = ""] = row.name.split(" ");
  const extra = (d.statics & ~LONG) >> EXTRA_SHIFT;
  const wide = mnemonic.endsWith("movd") && (d.statics & 3) === 3;
  const name = wide ? mnemonic.slice(0, -1) + "q" : mnemonic.replace(/cc$/, CONDITIONS[extra & 15]);
  const operands = codes.split(",").flatMap((code, i) => {
    const text = code === "" ? undefined : operandText(row, row.operands[i], code, d);
    return text === undefined ? [] : [text];
  });
  return `${prefixes(d, bytes)}${name}${operands.length > 0 ? " " : ""}${operands.join(",")}`;
}

function prefixes({ flow }: Decoded, bytes: Uint8Array): string {
  for (const byte of bytes) {
    if (!PREFIXES.includes(byte)) return "";
    if (byte === LOCK) return "lock ";
    if (flow === Flow.Repeat && byte === REP) return "rep ";
    if (flow === Flow.Repeat && byte === REPNE) return "repnz ";
  }
  return "";
}

function operandText(row: Encoding, o: Operand, code: string, d: Decoded): string | undefined {
  const size = 8 << (d.statics & 3);
  const vector = o.file === File.Vector;
  const bits = vector && (d.statics & LONG) !== 0 ? 256 : o.bits || (vector ? 128 : size);
  switch (o.place) {
    case Place.Reg:
    case Place.OpcodeReg:
      if (o.file === File.Segment) return SEGMENTS[(d.statics >> EXTRA_SHIFT) & 7];
      return register(d.regs[0], bits);
    case Place.Rm:
      if (((d.statics >> FORM_SHIFT) & 7) === Form.Register && row.immediate !== Imm.Moffs) {
        return register(d.regs[1], bits);
      }
      return memory(row, d, code[0] === "M" && row.name.startsWith("lea") ? 0 : bits);
    case Place.Fixed:
      return register(o.slot, bits);
    case Place.Vex:
      return register(d.regs[3], bits);
    case Place.ImmediateReg:
      return register(d.regs[4], bits);
    case Place.Immediate:
      if (code === "C1") return "1";
      return immediate(row.immediate === Imm.Iv ? imm0(d) : BigInt(d.imm1), size);
    case Place.Static:
      return `0x${((d.statics & ~LONG) >> EXTRA_SHIFT & 0xff).toString(16)}`;
    case Place.None:
      return code[0] === "J" ? `0x${d.target.toString(16)}` : undefined;
  }
}

function register(offset: number, bits: number): string {
  if (offset >= X87_REGISTERS) return `mm${(offset - X87_REGISTERS) >> 4}`;
  if (offset >= VECTOR) return `${bits === 256 ? "y" : "x"}mm${((offset - VECTOR) >> 4) & 15}`;
  const i = (offset - gpr(0)) >> 3;
  if ((offset & 7) === 1) return HIGH_BYTES[i];
  if (i >= 8) return `r${i}${({ 8: "b", 16: "w", 32: "d" } as Record<number, string>)[bits] ?? ""}`;
  if (bits === 8) return LOW_BYTES[i];
  return bits === 16 ? LEGACY[i] : (bits === 32 ? "e" : "r") + LEGACY[i];
}

/** A memory operand; one that is relative to the next instruction as the address it comes to. */
function memory(row: Encoding, d: Decoded, bits: number): string {
  const form = (d.statics >> FORM_SHIFT) & 7;
  const segment = ["", "fs:", "gs:"][(d.statics >> SEGMENT_SHIFT) & 3];
  const width = (d.statics & ADDRESS32) !== 0 ? 32 : 64;
  const inRecord = row.options.next || row.options.pointers;
  const parts: string[] = [];
  if (d.regs[1] !== ZERO && form !== Form.Next) parts.push(register(d.regs[1], width));
  if (form >= Form.Index && form <= Form.Index8) {
    const scale = 1 <<
      (form === Form.Index && row.immediate === Imm.None ? d.imm1 & 3 : form - Form.Index);
    parts.push(`${register(d.regs[2], width)}*${scale}`);
  }
  let displacement = inRecord ? BigInt(d.imm1) : imm0(d);
  if (form === Form.Next) displacement += imm0(d);
  const text = parts.join("+");
  const magnitude = `0x${(displacement < 0n ? -displacement : displacement).toString(16)}`;
  const sign = displacement < 0n ? "-" : parts.length > 0 ? "+" : "";
  const shown = displacement === 0n && parts.length > 0 ? "" : sign + magnitude;
  return `${bits === 0 ? "" : SIZES[bits] + " "}${segment}[${text}${shown}]`;
}

function imm0({ imm0Low, imm0High }: Decoded): bigint {
  return BigInt(imm0High) << 32n | BigInt(imm0Low >>> 0);
}

/** An immediate as the operation of `bits` sees it. */
function immediate(value: bigint, bits: number): string {
  return `0x${BigInt.asUintN(bits, value).toString(16)}`;
}
