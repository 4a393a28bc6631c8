import type { X86Decoder } from "../ifed/x86_64_decoder.ts";
import { type FunctionFacts, type ImageReader, isSmall } from "./function_facts.ts";
import {
  ARGUMENTS,
  isArgument,
  join,
  map,
  numbersOf,
  type Registers,
  type Value,
} from "./values.ts";

export const RAX = 0, RCX = 1, RDX = 2, RSI = 6, RDI = 7;
const RBX = 3, RSP = 4, RBP = 5;
/** Beside the registers: how far the stack pointer is from where it was at the entry, and what is there. */
export const DEPTH = 16, TOP = 17, STATE = 18;
/** The seventh argument is above the return address. */
const SEVENTH = 8;

/** What instructions that go on to the next one do to registers, and what they refer to. */
export class X86Effects {
  /** Whether facts are noted. */
  #noting = false;

  constructor(
    readonly decoder: X86Decoder,
    readonly start: number,
    readonly code: Uint8Array,
    /** Whether an instruction begins at an offset. */
    readonly isInstruction: (at: number) => boolean,
    readonly image: ImageReader,
    readonly facts: FunctionFacts,
  ) {}

  /** Takes the effect of the instruction that was just decoded. */
  apply(at: number, length: number, registers: Registers, noting: boolean): void {
    this.#noting = noting;
    const loaded = this.#stack(at, length, registers);
    this.#plain(at, length, registers);
    if (loaded !== undefined) registers[loaded[0]] = loaded[1];
    const { fixed } = this.image;
    if (fixed !== undefined && noting) this.#absolute(at, length, fixed);
  }

  /** Any four bytes of the instruction that are an address of the image. */
  #absolute(at: number, length: number, image: { start: number; end: number }): void {
    for (let i = at + 1; i + 4 <= at + length; i++) {
      const number = int32(this.code, i) >>> 0;
      if (number >= image.start && number < image.end) this.facts.addresses.add(number);
    }
  }

  /**
   * Follows the stack pointer, and what the word there is. Answers a register and what it is loaded with
   * if that is the function's seventh argument.
   */
  #stack(at: number, length: number, registers: Registers): [number, Value] | undefined {
    const { map: table, opcode, modrm, wide } = this.decoder;
    const { code } = this;
    const end = at + length;
    const depth = registers[DEPTH];
    const before = typeof depth === "number" ? depth : undefined;
    const move = (by: number, top: Value): void => {
      registers[DEPTH] = before === undefined ? undefined : before + by;
      registers[TOP] = top;
    };
    if (table !== 0) return undefined;
    const { opcodeAt } = this.decoder;
    const rex = opcodeAt > 0 ? code[at + opcodeAt - 1] : 0;
    const high = (rex & 0xf1) === 0x41 ? 8 : 0;
    const isMemory = modrm >> 6 !== 3;
    // An operand at the stack pointer and a displacement: ModRM.rm 4, SIB 24.
    const sib = at + this.decoder.modrmAt + 1;
    const onStack = isMemory && (modrm & 7) === 4 && code[sib] === 0x24 && high === 0;
    const displacement = modrm >> 6 === 1
      ? int8(code, sib + 1)
      : modrm >> 6 === 2
      ? int32(code, sib + 1)
      : 0;
    const isSeventh = onStack && before !== undefined && displacement + before === SEVENTH;
    if (opcode >= 0x50 && opcode < 0x58) move(-8, registers[(opcode & 7) | high]);
    else if (opcode >= 0x58 && opcode < 0x60) move(8, undefined);
    else if (opcode === 0x68) move(-8, int32(code, end - 4));
    else if (opcode === 0x6a) move(-8, int8(code, end - 1));
    else if (opcode === 0xff && ((modrm >> 3) & 7) === 6) {
      move(-8, isSeventh ? ARGUMENTS[6] : undefined);
    } else if (opcode === 0xc9) registers[DEPTH] = registers[TOP] = undefined;
    else if (
      (opcode === 0x83 || opcode === 0x81) && wide && (modrm & 0xc7) === 0xc4 && high === 0
    ) {
      const number = opcode === 0x83 ? int8(code, end - 1) : int32(code, end - 4);
      const operation = (modrm >> 3) & 7;
      if (operation === 0 || operation === 5) move(operation === 0 ? number : -number, undefined);
      else if (operation !== 7) registers[DEPTH] = registers[TOP] = undefined;
    } else if (opcode === 0x8d && ((modrm >> 3) & 7) === 4 && (rex & 4) === 0) {
      if (onStack) move(displacement, undefined);
      else registers[DEPTH] = registers[TOP] = undefined;
    } else if ((opcode === 0x89 || opcode === 0x8b) && !isMemory) {
      const to = opcode === 0x89 ? (modrm & 7) | high : (modrm >> 3) & 7;
      if (to === RSP) registers[DEPTH] = registers[TOP] = undefined;
    } else if (opcode === 0xc7 && onStack && displacement === 0) {
      registers[TOP] = int32(code, end - 4);
    } else if (opcode === 0x89 && onStack && displacement === 0) {
      registers[TOP] = registers[((modrm >> 3) & 7) | (rex >> 4 === 4 && (rex & 4) !== 0 ? 8 : 0)];
    } else if (opcode === 0x8b && isSeventh) {
      const to = ((modrm >> 3) & 7) | (rex >> 4 === 4 && (rex & 4) !== 0 ? 8 : 0);
      return [to, ARGUMENTS[6]];
    }
    return undefined;
  }

  /** An instruction that goes on to the next one. */
  #plain(at: number, length: number, registers: Registers): void {
    const { map: table, opcode, modrm, modrmAt, opcodeAt, isRipRelative } = this.decoder;
    const { code } = this;
    const rex = opcodeAt > 0 && table < 16 && (code[at + opcodeAt - 1] & 0xf0) === 0x40
      ? code[at + opcodeAt - 1]
      : 0;
    const mod = modrm >> 6;
    const reg = ((modrm >> 3) & 7) | ((rex & 4) << 1);
    const rm = (modrm & 7) | ((rex & 1) << 3);
    const isRegister = modrmAt !== 0 && mod === 3;
    const next = this.start + at + length;
    if (isRipRelative && this.#noting) {
      const tail = this.#immediateSize(table, opcode, modrm);
      const address = next + int32(code, at + length - tail - 4);
      if (table === 0 && opcode === 0x8d) this.facts.addresses.add(address);
      else this.facts.accesses.add(address);
    }
    if (table === 0) return this.#oneByte(at, length, registers, reg, rm, isRegister, rex);
    if (table >= 16) {
      // VEX and EVEX: the registers' upper bits, and the third operand, are not looked at.
      if (table === 17 && modrmAt !== 0) {
        forget(registers, [modrm >> 3 & 7, (modrm >> 3 & 7) + 8, modrm & 7, (modrm & 7) + 8]);
      } else if (table !== 17) {
        for (let i = 0; i < DEPTH; i++) registers[i] = undefined;
      }
      return;
    }
    if (table === 1) {
      const isMove = (opcode & 0xf0) === 0x40; // CMOVcc
      if (isMove) {
        registers[reg] = isRegister ? join(registers[reg], registers[rm]) : undefined;
        return;
      }
      if ((opcode & 0xf0) === 0x90) { // SETcc
        if (isRegister) registers[rm] = registers[rex === 0 ? rm & 3 : rm] = undefined;
        return;
      }
      if (opcode >= 0x18 && opcode <= 0x1f || opcode === 0x0d) return;
      if (opcode >= 0x10 && opcode <= 0x17 || opcode === 0x28 || opcode === 0x29) return;
      if (opcode === 0x2e || opcode === 0x2f || (opcode >= 0x51 && opcode <= 0x7d)) return;
      if (opcode === 0x7f || (opcode >= 0xd0 && opcode !== 0xd7)) return;
      if ((opcode & 0xf8) === 0xc8) return forget(registers, [(opcode & 7) | (rex & 1) << 3]);
      if (opcode === 0xa2) forget(registers, [RAX, RBX, RCX, RDX]);
      if ([0x00, 0x01, 0x31, 0x32, 0x33, 0xc7, 0xb0, 0xb1].includes(opcode)) {
        forget(registers, [RAX, RCX, RDX]);
      }
    }
    if (modrmAt !== 0) {
      registers[reg] = undefined;
      if (isRegister) forget(registers, [rm, rm & 3]);
    }
  }

  /** Bytes of immediate after a displacement. */
  #immediateSize(table: number, opcode: number, modrm: number): number {
    const small = (this.decoder.prefixes & 4) !== 0 && !this.decoder.wide ? 2 : 4;
    if (table === 3 || table === 19) return 1;
    if (table === 1 || table === 17) {
      const has = (opcode >= 0x70 && opcode <= 0x73) || [0xa4, 0xac, 0xba, 0xc2, 0xc4, 0xc5, 0xc6]
        .includes(opcode);
      return has ? 1 : 0;
    }
    if (table !== 0) return 0;
    if ([0x6b, 0x80, 0x82, 0x83, 0xc0, 0xc1, 0xc6].includes(opcode)) return 1;
    if ([0x69, 0x81, 0xc7].includes(opcode)) return small;
    if (opcode === 0xf6) return (modrm & 0x30) === 0 ? 1 : 0;
    if (opcode === 0xf7) return (modrm & 0x30) === 0 ? small : 0;
    return 0;
  }

  #store(value: Value): void {
    if (!this.#noting) return;
    for (const number of numbersOf(value) ?? []) {
      if (isSmall(number)) this.facts.stored.add(number);
    }
  }

  #oneByte(
    at: number,
    length: number,
    registers: Registers,
    reg: number,
    rm: number,
    isRegister: boolean,
    rex: number,
  ): void {
    const { opcode, modrm, wide } = this.decoder;
    const { code } = this;
    const low = (opcode & 7) | ((rex & 1) << 3);
    const operation = (modrm >> 3) & 7;
    const put = (register: number, value: Value): void => {
      // 32-bit results are zero-extended; what is copied of an argument is taken for the whole of it.
      registers[register] = wide || isArgument(value) || value === undefined
        ? value
        : map(value, (number) => number < 0 ? number + 2 ** 32 : number % 2 ** 32);
    };
    const lose = (...which: number[]): void => forget(registers, which);
    /** An operand in a register, of a byte perhaps the second one. */
    const spoil = (register: number): void => {
      registers[register] = undefined;
      if (opcode % 2 === 0 && rex === 0) registers[register & 3] = undefined;
    };
    if (opcode < 0x40) {
      const form = opcode & 7;
      const kind = opcode >> 3;
      if (kind === 7 || form > 5) return; // CMP
      if ((kind === 6 || kind === 5) && (form === 1 || form === 3) && isRegister && reg === rm) {
        registers[reg] = 0; // XOR or SUB of a register and itself
        return;
      }
      if (form >= 4) return lose(RAX);
      if (form >= 2) return spoil(reg);
      if (isRegister) spoil(rm);
      return;
    }
    if (opcode >= 0x50 && opcode < 0x58) {
      this.#store(registers[low]);
      return;
    }
    if (opcode >= 0x58 && opcode < 0x60) {
      // PUSH of a number right before moves it.
      const pushed = at >= 2 && code[at - 2] === 0x6a && this.isInstruction(at - 2);
      registers[low] = pushed ? int8(code, at - 1) : undefined;
      return;
    }
    switch (opcode) {
      case 0x68:
        return this.#store(int32(code, at + length - 4));
      case 0x6a:
        return this.#store(int8(code, at + length - 1));
      case 0x63:
        return put(reg, isRegister ? registers[rm] : undefined);
      case 0x69:
      case 0x6b:
        return lose(reg);
      case 0x80:
      case 0x82:
      case 0x81:
      case 0x83: {
        if (!isRegister || operation === 7) return;
        const small = opcode === 0x83 || (this.decoder.prefixes & 4) !== 0;
        const number = opcode === 0x83 ? int8(code, at + length - 1) : int32(code, at + length - 4);
        if (opcode === 0x81 && small || opcode % 2 === 0) return spoil(rm);
        if (operation === 0) return put(rm, map(registers[rm], (value) => value + number));
        if (operation === 5) return put(rm, map(registers[rm], (value) => value - number));
        if (operation === 1 && number === -1) return put(rm, -1);
        if (operation === 4 && number === 0) return put(rm, 0);
        return lose(rm);
      }
      case 0x84:
      case 0x85:
      case 0xa8:
      case 0xa9:
      case 0x90:
        return;
      case 0x86:
      case 0x87:
        spoil(reg);
        if (isRegister) spoil(rm);
        return;
      case 0x88:
        if (isRegister) spoil(rm);
        return;
      case 0x89:
        if (isRegister) put(rm, registers[reg]);
        else this.#store(registers[reg]);
        return;
      case 0x8a:
        return spoil(reg);
      case 0x8b:
        return put(reg, isRegister ? registers[rm] : undefined);
      case 0x8d: {
        const next = this.start + at + length;
        if (this.decoder.isRipRelative) registers[reg] = next + int32(code, at + length - 4);
        else if ((modrm & 7) !== 4 && modrm >> 6 === 1) {
          put(reg, map(registers[rm], (value) => value + int8(code, at + length - 1)));
        } else if ((modrm & 7) !== 4 && modrm >> 6 === 2) {
          put(reg, map(registers[rm], (value) => value + int32(code, at + length - 4)));
        } else registers[reg] = undefined;
        return;
      }
      case 0x98:
      case 0x9f:
      case 0xd7:
      case 0xe4:
      case 0xe5:
      case 0xec:
      case 0xed:
        return lose(RAX);
      case 0x99:
        return lose(RDX);
      case 0xc8:
      case 0xc9:
        return lose(RBP);
      case 0xc0:
      case 0xc1:
      case 0xc6:
      case 0xd0:
      case 0xd1:
      case 0xd2:
      case 0xd3:
        if (isRegister) spoil(rm);
        return;
      case 0xc7: {
        const half = (this.decoder.prefixes & 4) !== 0 && !wide;
        const number = half ? undefined : int32(code, at + length - 4);
        if (isRegister) put(rm, number);
        else this.#store(number);
        return;
      }
      case 0xf6:
      case 0xf7:
        if (operation >= 4) return lose(RAX, RDX);
        if (operation >= 2 && isRegister) spoil(rm);
        return;
      case 0xfe:
      case 0xff:
        if (operation > 1 || !isRegister) return;
        if (opcode === 0xfe) return spoil(rm);
        return put(rm, map(registers[rm], (value) => value + (operation === 0 ? 1 : -1)));
    }
    if (opcode >= 0xb8 && opcode < 0xc0) {
      const half = (this.decoder.prefixes & 4) !== 0;
      if (wide) registers[low] = int64(code, at + length - 8);
      else put(low, half ? undefined : int32(code, at + length - 4));
      return;
    }
    if (opcode >= 0xb0 && opcode < 0xb8) return lose(low, low & 3);
    if (opcode > 0x90 && opcode < 0x98) return lose(RAX, low);
    if (opcode >= 0xa4 && opcode <= 0xaf) return lose(RAX, RCX, RSI, RDI);
    if (opcode >= 0xd8 && opcode <= 0xdf) {
      if (opcode === 0xdf) lose(RAX); // FNSTSW AX
      return;
    }
    if (isRegister) spoil(rm);
    lose(RAX, RCX, RDX);
  }
}

/** Forgets what registers hold. */
export function forget(registers: Registers, which: readonly number[]): void {
  for (const register of which) registers[register] = undefined;
}

export function int8(bytes: Uint8Array, at: number): number {
  return bytes[at] << 24 >> 24;
}

export function int32(bytes: Uint8Array, at: number): number {
  return bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
}

function int64(bytes: Uint8Array, at: number): Value {
  const value = int32(bytes, at + 4) * 2 ** 32 + (int32(bytes, at) >>> 0);
  return Number.isSafeInteger(value) ? value : undefined;
}
