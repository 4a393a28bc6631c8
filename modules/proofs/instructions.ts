import type { ElfMachine } from "../../lib/elf/mod.ts";
import { X86Decoder } from "../ifed/x86_64_decoder.ts";

/** One instruction, as far as control and system calls are concerned. */
export interface Instruction {
  /** Bytes; 0: there is no instruction. */
  length: number;
  /** It enters the kernel. */
  isSyscall: boolean;
  /** Where it may branch to directly; -1: nowhere. */
  target: number;
  /** The instruction after it may follow. */
  fallsThrough: boolean;
}

/** Reads the instruction at `at` of `code`, whose first byte is at `address`. */
export type ReadInstruction = (code: Uint8Array, at: number, address: number) => Instruction;

export function reader(machine: ElfMachine): ReadInstruction {
  return machine === "x86_64" ? x86_64() : aarch64;
}

/** Opcodes after which nothing follows: returns, HLT, INT3 (Intel SDM, volume 2). */
const X86_ENDS = new Set([0xc2, 0xc3, 0xca, 0xcb, 0xcf, 0xf4, 0xcc]);

function x86_64(): ReadInstruction {
  const decoder = new X86Decoder();
  return (code, at, address) => {
    const length = decoder.decode(code, at, code.length);
    const found = { length, isSyscall: false, target: -1, fallsThrough: true };
    if (length === 0) return found;
    const { map, opcode, modrm, opcodeAt } = decoder;
    const view = new DataView(code.buffer, code.byteOffset, code.length);
    const next = address + at + length;
    const near = () => next + view.getInt32(at + length - 4, true);
    const short = () => next + view.getInt8(at + length - 1);
    if (map === 0) {
      // SYSCALL and SYSENTER are below; INT n is CD, INTO and INT1 are not made by compilers.
      if (opcode === 0xcd || opcode === 0xf1) found.isSyscall = true;
      else if (opcode === 0xe8 || opcode === 0xe9) found.target = near();
      else if (opcode === 0xeb || (opcode & 0xf0) === 0x70 || (opcode & 0xfc) === 0xe0) {
        found.target = short();
      }
      const isFarOrIndirect = opcode === 0xff && ((modrm >> 3 & 7) === 4 || (modrm >> 3 & 7) === 5);
      if (opcode === 0xe9 || opcode === 0xeb || isFarOrIndirect || X86_ENDS.has(opcode)) {
        found.fallsThrough = false;
      }
    } else if (map === 1) {
      if (opcode === 0x05 || opcode === 0x34) found.isSyscall = true;
      else if (opcode === 0x0b) found.fallsThrough = false;
      else if ((opcode & 0xf0) === 0x80 && code[at + opcodeAt] === 0x0f) found.target = near();
    }
    return found;
  };
}

/** Arm ARM (DDI 0487), C4.1.86: branches, exception generating and system instructions. */
function aarch64(code: Uint8Array, at: number, address: number): Instruction {
  const found = { length: 4, isSyscall: false, target: -1, fallsThrough: true };
  if (at + 4 > code.length || (address + at) % 4 !== 0) return { ...found, length: 0 };
  const w = new DataView(code.buffer, code.byteOffset + at, 4).getUint32(0, true);
  const place = address + at;
  const offset = (low: number, bits: number) => (w << (32 - low - bits) >> (32 - bits)) * 4;
  if ((w & 0x7c000000) === 0x14000000) { // B, BL
    found.target = place + offset(0, 26);
    found.fallsThrough = w >>> 31 === 1;
  } else if ((w & 0xff000000) >>> 0 === 0x54000000 || (w & 0x7e000000) === 0x34000000) {
    found.target = place + offset(5, 19); // B.cond, BC.cond, CBZ, CBNZ
  } else if ((w & 0x7e000000) === 0x36000000) {
    found.target = place + offset(5, 14); // TBZ, TBNZ
  } else if ((w & 0xffe0001c) >>> 0 === 0xd4000000 && (w & 3) !== 0) {
    found.isSyscall = true; // SVC, HVC, SMC
  } else if ((w & 0xfe000000) >>> 0 === 0xd6000000) {
    found.fallsThrough = (w >>> 21 & 7) === 1; // BR, RET, ERET and theirs with authentication; BLR
  } else if ((w & 0xffe0001f) >>> 0 === 0xd4200000 || w >>> 16 === 0) {
    found.fallsThrough = false; // BRK, UDF
  }
  return found;
}
