/**
 * The instruction decoder of x86-64: legacy and REX prefixes, opcode maps, ModRM, SIB,
 * VEX prefixes, displacement and immediate (Intel SDM volume 2, chapter 2), driven by the decode rows.
 *
 * No EVEX or XOP: such encodings are undefined instructions, as CPUID says.
 */
import { Decoded, Flow } from "../ir/decoded.ts";
import { GPR, VECTOR, X87_REGISTERS, ZERO } from "../layout.ts";
import {
  ADDRESS32,
  EXTRA_SHIFT,
  Form,
  FORM_SHIFT,
  LONG,
  SEGMENT_SHIFT,
  TOO_LONG,
} from "./instruction.ts";
import { type Encoding, File, Imm, Length, Place, Size } from "./row.ts";

/** How a ModRM register field becomes a state offset. */
const enum Reg {
  General,
  Byte,
  Vector,
  Mmx,
  /** No register. */
  None,
}

/** Properties of a row as the decoder wants them. */
class Plan {
  readonly modrm: boolean;
  readonly reg: Reg;
  readonly rm: Reg;
  readonly opcodeReg: boolean;
  readonly condition: boolean;
  readonly size: Size;
  readonly immediate: Imm;
  readonly flow: Flow;
  readonly lock: boolean;
  readonly rep: boolean;
  readonly next: boolean;
  readonly pointers: boolean;
  readonly staticReg: boolean;
  readonly rmInRecord: boolean;
  /** The index scale goes to imm1 rather than to the form. */
  readonly scaleInRecord: boolean;
  /** VEX.vvvv, whether VEX.L chooses 256 bits, and whether the index is a vector register. */
  readonly third: Reg;
  readonly long: boolean;
  readonly vsib: boolean;

  constructor(row: Encoding) {
    this.modrm = row.modrm;
    this.reg = registerKind(row, Place.Reg);
    this.rm = registerKind(row, Place.Rm);
    this.opcodeReg = row.operands.some((o) => o.place === Place.OpcodeReg);
    if (this.opcodeReg) this.reg = registerKind(row, Place.OpcodeReg);
    this.condition = row.count === 16;
    this.size = row.size;
    this.immediate = row.immediate;
    this.flow = row.options.flow ?? Flow.Next;
    this.lock = row.options.lock ?? false;
    this.rep = row.options.rep ?? false;
    this.pointers = row.options.pointers ?? false;
    this.next = row.options.next ?? this.pointers;
    this.staticReg = row.options.staticReg ?? false;
    this.rmInRecord = row.options.rmInRecord ?? false;
    this.scaleInRecord = row.immediate === Imm.None && !this.next;
    this.third = registerKind(row, Place.Vex);
    this.long = row.length !== Length.Ignored;
    this.vsib = row.options.vsib ?? false;
  }
}

function registerKind(row: Encoding, place: Place): Reg {
  const o = row.operands.find((o) => o.place === place);
  if (o === undefined) return Reg.None;
  if (o.file === File.Vector) return Reg.Vector;
  if (o.file === File.Mmx) return Reg.Mmx;
  if (o.file === File.Segment) return Reg.None;
  return o.bits === 8 ? Reg.Byte : Reg.General;
}

/** State offset of register `i` (with its REX bit); `rex` says whether any REX prefix is there. */
function slot(kind: Reg, i: number, rex: number): number {
  switch (kind) {
    case Reg.General:
      return GPR + 8 * i;
    case Reg.Byte:
      return i >= 4 && i < 8 && rex === 0 ? GPR + 8 * (i - 4) + 1 : GPR + 8 * i;
    case Reg.Vector:
      return VECTOR + 16 * i;
    case Reg.Mmx:
      return X87_REGISTERS + 16 * (i & 7);
    default:
      return ZERO;
  }
}

/** Places in `#rows` without a row, and not worked out yet; from `FIRST_GROUP` down, groups. */
const NONE = -1;
const UNKNOWN = -2;
const FIRST_GROUP = -3;

/** Place of a VEX instruction's row: map (1–3), prefix and opcode; two more bits are L and W. */
const vexPlace = (map: number, prefix: number, opcode: number): number =>
  ((map - 1) << 10) | (prefix << 8) | opcode;

/** A decoder over a list of rows; row 0 is what undefined encodings decode to. */
export class Decoder {
  readonly #all: readonly Encoding[];
  readonly #plans: Plan[] = [];
  /** Rows by `map << 8 | opcode`. */
  readonly #byOpcode: number[][] = [];
  /**
   * Row by `map << 10 | prefix << 8 | opcode`, worked out when it is first needed: NONE, or
   * `FIRST_GROUP - group` where the ModRM byte decides.
   */
  readonly #rows = new Int16Array(4 * 4 * 256).fill(UNKNOWN);
  /** Row by group, then ModRM byte. */
  readonly #groups: Int16Array[] = [];
  /** VEX rows by `vexPlace`; a row by `vexPlace << 2 | L << 1 | W`. */
  readonly #byVex: number[][] = [];
  #vexRows: Int16Array = new Int16Array(0);

  /** `allowed` says which rows the processor has. */
  constructor(rows: readonly Encoding[], allowed?: (row: Encoding) => boolean) {
    this.#all = rows;
    for (let index = 1; index < rows.length; index++) {
      if (allowed !== undefined && !allowed(rows[index])) continue;
      const { map, opcode, count, vex, prefix } = rows[index];
      if (vex) {
        (this.#byVex[vexPlace(map, prefix, opcode)] ??= []).push(index);
        continue;
      }
      const first = (map << 8) | opcode;
      for (let at = first; at < first + count; at++) (this.#byOpcode[at] ??= []).push(index);
    }
  }

  /** Work out every opcode: a `TypeError` names a row whose encoding another one has. */
  complete(): void {
    for (let at = 0; at < this.#rows.length; at++) this.#row(at);
    for (let at = 0; at < 4 * 3 * 4 * 256; at++) this.#vexRow(at);
  }

  /** The row at a place of `#vexRows`, NONE or a group. */
  #vexRow(at: number): number {
    if (this.#byVex.length === 0) return NONE;
    if (this.#vexRows.length === 0) this.#vexRows = new Int16Array(4 * 3 * 4 * 256).fill(UNKNOWN);
    if (this.#vexRows[at] !== UNKNOWN) return this.#vexRows[at];
    this.#vexRows[at] = NONE;
    for (const index of this.#byVex[at >> 2] ?? []) {
      const { length, wide } = this.#all[index];
      if (wide >= 0 && wide !== (at & 1)) continue;
      if (length === Length.L128 && (at & 2) !== 0) continue;
      if (length === Length.L256 && (at & 2) === 0) continue;
      this.#insert(index, this.#vexRows, at);
    }
    return this.#vexRows[at];
  }

  /** The row at a place of `#rows`, NONE or a group. */
  #row(at: number): number {
    const known = this.#rows[at];
    return known === UNKNOWN ? this.#workOut(at) : known;
  }

  #workOut(at: number): number {
    const prefix = (at >> 8) & 3;
    const rows = this.#byOpcode[((at >> 10) << 8) | (at & 255)] ?? [];
    this.#rows[at] = NONE;
    for (const index of rows) {
      if (this.#all[index].prefix === prefix) this.#insert(index, this.#rows, at);
    }
    // Rows for any prefix take what those that name theirs leave.
    const shared = this.#rows[at] !== NONE;
    if (this.#rows[at] >= 0) return this.#rows[at];
    for (const index of rows) {
      if (this.#all[index].prefix < 0) this.#insert(index, this.#rows, at, shared);
    }
    return this.#rows[at];
  }

  /** With `leftovers`, only ModRM bytes that no row has. */
  #insert(index: number, table: Int16Array, at: number, leftovers = false): void {
    const { name, modrm, digit, exact, exactCount, memory, register } = this.#all[index];
    const whole = digit < 0 && exact < 0 && memory && register;
    if ((whole || !modrm) && !leftovers) {
      if (table[at] !== NONE) throw new TypeError(`${name}: encoding is taken`);
      table[at] = index;
      return;
    }
    if (table[at] === NONE) {
      table[at] = FIRST_GROUP - this.#groups.length;
      this.#groups.push(new Int16Array(256).fill(NONE));
    }
    if (table[at] >= 0) throw new TypeError(`${name}: encoding is taken`);
    const group = this.#groups[FIRST_GROUP - table[at]];
    const [from, to] = exact >= 0
      ? [exact, exact + exactCount]
      : [memory ? 0 : 0xc0, register ? 256 : 0xc0];
    for (let byte = from; byte < to; byte++) {
      if (digit >= 0 && ((byte >> 3) & 7) !== digit) continue;
      if (!(byte >= 0xc0 ? register : memory)) continue;
      if (leftovers && group[byte] !== NONE) continue;
      if (group[byte] !== NONE) throw new TypeError(`${name}: encoding is taken`);
      group[byte] = index;
    }
  }

  /** See `Isa.decode`. */
  decode(
    bytes: Uint8Array,
    offset: number,
    available: number,
    pc: number,
    out: Decoded,
  ): boolean {
    const limit = offset + (available < 15 ? available : 15);
    let at = offset;
    let opsize = false, lock = false;
    let repeat = 0, segment = 0, rex = 0, statics = 0;
    let byte = 0;
    out.target = 0;
    out.imm0Low = out.imm0High = out.imm1 = 0;

    prefixes: for (;;) {
      if (at >= limit) return this.#short(available, at - offset, out);
      byte = bytes[at++];
      switch (byte) {
        case 0x66:
          opsize = true;
          break;
        case 0x67:
          statics |= ADDRESS32;
          break;
        case 0xf0:
          lock = true;
          break;
        case 0xf2:
          repeat = 3;
          break;
        case 0xf3:
          repeat = 2;
          break;
        case 0x64:
          segment = 1;
          break;
        case 0x65:
          segment = 2;
          break;
        case 0x26:
        case 0x2e:
        case 0x36:
        case 0x3e:
          break;
        default:
          if ((byte & 0xf0) === 0x40) {
            rex = byte;
            if (at >= limit) return this.#short(available, at - offset, out);
            byte = bytes[at++];
            // A REX prefix counts only right before the opcode.
            if (isPrefix(byte)) {
              at--;
              rex = 0;
              continue;
            }
          }
          break prefixes;
      }
    }

    let map = 0;
    let prefix = repeat !== 0 ? repeat : opsize ? 1 : 0;
    let vex = -1;
    if ((byte === 0xc4 || byte === 0xc5) && this.#byVex.length > 0) {
      // No prefix that VEX replaces may precede it; its bits are inverted but for W, L and pp.
      if (rex !== 0 || prefix !== 0 || lock) return this.#undefined(at - offset, out);
      if (at + 1 + (byte & 1 ^ 1) >= limit) return this.#short(available, limit - offset, out);
      let wide = 0;
      map = 1;
      if (byte === 0xc4) {
        map = bytes[at] & 31;
        rex = 0x40 | ((bytes[at++] >> 5) ^ 7);
        wide = bytes[at] >> 7;
      } else rex = 0x40 | (((bytes[at] >> 5) & 4) ^ 4);
      rex |= wide << 3;
      vex = bytes[at++];
      if (map < 1 || map > 3) return this.#undefined(at - offset, out);
      // The order of pp is 66, F3, F2, as here.
      prefix = vex & 3;
      byte = bytes[at++];
    } else if (byte === 0x0f) {
      if (at >= limit) return this.#short(available, at - offset, out);
      byte = bytes[at++];
      map = 1;
      if (byte === 0x38 || byte === 0x3a) {
        map = byte === 0x38 ? 2 : 3;
        if (at >= limit) return this.#short(available, at - offset, out);
        byte = bytes[at++];
      }
    } else if (byte === 0x90 && (rex & 1) !== 0) {
      // 90 is NOP; with REX.B it is XCHG as its neighbours are.
      out.regs[0] = GPR + 64;
      return this.#exchange(rex, opsize, at - offset, out);
    }
    const opcode = byte;
    let index = vex < 0
      ? this.#row((map << 10) | (prefix << 8) | opcode)
      : this.#vexRow((vexPlace(map, prefix, opcode) << 2) | ((vex >> 1) & 2) | ((rex >> 3) & 1));
    if (index === NONE) return this.#undefined(at - offset, out);
    let modrm = 0;
    if (index < NONE) {
      if (at >= limit) return this.#short(available, at - offset, out);
      index = this.#groups[FIRST_GROUP - index][bytes[at]];
      if (index === NONE) return this.#undefined(at + 1 - offset, out);
    }
    const plan = this.#plans[index] ??= new Plan(this.#all[index]);

    let size = 0;
    switch (plan.size) {
      case Size.V:
        size = (rex & 8) !== 0 ? 3 : opsize ? 1 : 2;
        break;
      case Size.Y:
        size = (rex & 8) !== 0 ? 3 : 2;
        break;
      case Size.D64:
        size = opsize && (rex & 8) === 0 ? 1 : 3;
        break;
    }

    const regs = out.regs;
    if (vex >= 0) {
      const third = ((vex >> 3) & 15) ^ 15;
      if (plan.third === Reg.None && third !== 0) return this.#undefined(at - offset, out);
      regs[3] = slot(plan.third, third, rex);
      if (plan.long && (vex & 4) !== 0) statics |= LONG;
    }
    let form: Form = Form.Register;
    let displacement = 0;
    let relative = false;
    let scale = 0;
    if (plan.modrm) {
      if (at >= limit) return this.#short(available, at - offset, out);
      modrm = bytes[at++];
      const reg = ((modrm >> 3) & 7) | ((rex & 4) << 1);
      regs[0] = slot(plan.reg, reg, rex);
      if (plan.staticReg) statics |= reg << EXTRA_SHIFT;
      const mode = modrm >> 6;
      const rm = modrm & 7;
      if (mode === 3) {
        regs[1] = slot(plan.rm, rm | ((rex & 1) << 3), rex);
        if (lock) return this.#undefined(at - offset, out);
        if (plan.rmInRecord) out.imm1 = rm;
      } else {
        if (lock && !plan.lock) return this.#undefined(at - offset, out);
        form = Form.Base;
        let base = ZERO;
        if (rm === 4) {
          if (at >= limit) return this.#short(available, at - offset, out);
          const sib = bytes[at++];
          const i = ((sib >> 3) & 7) | ((rex & 2) << 2);
          if (plan.vsib) {
            regs[2] = slot(Reg.Vector, i, rex);
            scale = sib >> 6;
            form = Form.Index;
            // Destination, mask and index must be three registers.
            if (regs[0] === regs[2] || regs[0] === regs[3] || regs[2] === regs[3]) {
              return this.#undefined(at - offset, out);
            }
          } else if (i !== 4) {
            regs[2] = GPR + 8 * i;
            scale = sib >> 6;
            form = Form.Index;
          }
          const b = sib & 7;
          if (b === 5 && mode === 0) {
            if (at + 4 > limit) return this.#short(available, at - offset, out);
            displacement = int32(bytes, at);
            at += 4;
          } else base = GPR + 8 * (b | ((rex & 1) << 3));
        } else if (rm === 5 && mode === 0) {
          if (at + 4 > limit) return this.#short(available, at - offset, out);
          displacement = int32(bytes, at);
          at += 4;
          relative = true;
        } else base = GPR + 8 * (rm | ((rex & 1) << 3));
        if (mode === 1) {
          if (at >= limit) return this.#short(available, at - offset, out);
          displacement = bytes[at++] << 24 >> 24;
        } else if (mode === 2) {
          if (at + 4 > limit) return this.#short(available, at - offset, out);
          displacement = int32(bytes, at);
          at += 4;
        }
        regs[1] = base;
        if (plan.vsib && rm !== 4) return this.#undefined(at - offset, out);
        statics |= segment << SEGMENT_SHIFT;
      }
    } else {
      if (lock) return this.#undefined(at - offset, out);
      if (plan.opcodeReg) regs[0] = slot(plan.reg, (opcode & 7) | ((rex & 1) << 3), rex);
    }
    if (plan.condition) statics |= (opcode & 15) << EXTRA_SHIFT;
    let flow = plan.flow;
    if (plan.rep) {
      statics |= segment << SEGMENT_SHIFT;
      if (repeat !== 0) {
        statics |= (repeat - 1) << EXTRA_SHIFT;
        flow = Flow.Repeat;
        out.target = pc;
      }
    }

    // Immediate.
    switch (plan.immediate) {
      case Imm.None:
        break;
      case Imm.One:
        out.imm1 = 1;
        break;
      case Imm.Iw:
        if (at + 2 > limit) return this.#short(available, at - offset, out);
        out.imm1 = bytes[at] | (bytes[at + 1] << 8);
        at += 2;
        break;
      case Imm.IwIb:
        if (at + 3 > limit) return this.#short(available, at - offset, out);
        out.imm1 = bytes[at] | (bytes[at + 1] << 8);
        statics |= (bytes[at + 2] & 31) << EXTRA_SHIFT;
        at += 3;
        break;
      case Imm.Iz:
      case Imm.Iv:
        if (size === 1) {
          if (at + 2 > limit) return this.#short(available, at - offset, out);
          out.imm1 = bytes[at] | (bytes[at + 1] << 24 >> 16);
          at += 2;
        } else {
          if (at + 4 > limit) return this.#short(available, at - offset, out);
          out.imm1 = int32(bytes, at);
          at += 4;
        }
        if (plan.immediate === Imm.Iv) {
          out.imm0Low = out.imm1;
          if (size === 3) {
            if (at + 4 > limit) return this.#short(available, at - offset, out);
            out.imm0High = int32(bytes, at);
            at += 4;
          }
        }
        break;
      case Imm.Moffs:
        if (at + ((statics & ADDRESS32) !== 0 ? 4 : 8) > limit) {
          return this.#short(available, at - offset, out);
        }
        out.imm0Low = int32(bytes, at);
        at += 4;
        if ((statics & ADDRESS32) === 0) {
          out.imm0High = int32(bytes, at);
          at += 4;
        }
        form = Form.Base;
        regs[1] = ZERO;
        statics |= segment << SEGMENT_SHIFT;
        break;
      case Imm.Jz:
        if (at + 4 > limit) return this.#short(available, at - offset, out);
        out.target = pc + (at + 4 - offset) + int32(bytes, at);
        at += 4;
        break;
      case Imm.Jb:
        if (at >= limit) return this.#short(available, at - offset, out);
        out.target = pc + (at + 1 - offset) + (bytes[at] << 24 >> 24);
        at++;
        break;
      default: {
        if (at >= limit) return this.#short(available, at - offset, out);
        const value = bytes[at++];
        if (plan.immediate === Imm.Ib) out.imm1 = value << 24 >> 24;
        else if (plan.immediate === Imm.Ub) out.imm1 = value;
        else if (plan.immediate === Imm.Kb) statics |= value << EXTRA_SHIFT;
        else if (plan.immediate === Imm.Is4) regs[4] = VECTOR + 16 * (value >> 4);
        else {
          out.imm1 = value & (size === 3 ? 63 : 31);
          if (out.imm1 === 0) statics |= 1 << EXTRA_SHIFT;
        }
      }
    }

    const length = at - offset;
    if (plan.next) {
      if (plan.pointers) {
        setImm0(out, pc);
        out.imm0High |= (((opcode & 7) << 8) | modrm) << 16;
      } else setImm0(out, pc + length);
      if (form !== Form.Register) {
        out.imm1 = plan.pointers && relative ? displacement + length : displacement;
        if (relative) form = Form.Next;
        else if (form === Form.Index) form += scale;
      }
    } else if (form !== Form.Register && plan.immediate !== Imm.Moffs) {
      if (relative) setImm0(out, pc + length + displacement);
      else {
        out.imm0Low = displacement;
        out.imm0High = displacement >> 31;
      }
      if (form === Form.Index) {
        if (plan.scaleInRecord) out.imm1 = scale;
        else form += scale;
      }
    }
    out.row = index;
    out.statics = statics | size | (form << FORM_SHIFT);
    out.length = length;
    out.flow = flow;
    return true;
  }

  /** The row of an instruction, 0 if undefined or cut off: for messages. */
  rowAt(bytes: Uint8Array, offset: number, available: number, pc: number): number {
    const out = new Decoded();
    return this.decode(bytes, offset, available, pc, out) ? out.row : 0;
  }

  /** XCHG r8, rAX in its single-byte form. */
  #exchange(rex: number, opsize: boolean, length: number, out: Decoded): boolean {
    out.row = this.#row(0x91);
    out.statics = (rex & 8) !== 0 ? 3 : opsize ? 1 : 2;
    out.length = length;
    out.flow = Flow.Next;
    return true;
  }

  /** Out of bytes: ask for more, unless fifteen were not enough. */
  #short(available: number, length: number, out: Decoded): boolean {
    if (available < 15) return false;
    this.#undefined(length, out);
    out.statics = TOO_LONG;
    return true;
  }

  #undefined(length: number, out: Decoded): boolean {
    out.row = 0;
    out.statics = 0;
    out.length = length;
    out.flow = Flow.Stop;
    return true;
  }
}

function isPrefix(byte: number): boolean {
  switch (byte) {
    case 0x66:
    case 0x67:
    case 0xf0:
    case 0xf2:
    case 0xf3:
    case 0x64:
    case 0x65:
    case 0x26:
    case 0x2e:
    case 0x36:
    case 0x3e:
      return true;
  }
  return (byte & 0xf0) === 0x40;
}

function int32(bytes: Uint8Array, at: number): number {
  return bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
}

function setImm0(out: Decoded, address: number): void {
  out.imm0Low = address | 0;
  out.imm0High = Math.floor(address / 4294967296) | 0;
}
