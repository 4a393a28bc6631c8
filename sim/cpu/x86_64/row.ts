/**
 * Decode rows of x86-64: one row per encoding, written with the operand codes of the Intel SDM
 * (volume 2, appendix A), and one semantic function.
 *
 * An encoding is written `[prefix.][map.]opcode[+r|+cc] [/digit] [m|r] [modrm[+i]]`:
 * `prefix` is np, 66, f3 or f2 where it selects the instruction (absent: any); `map` is 0f, 0f38 or
 * 0f3a; `/digit` fixes ModRM.reg; `m` or `r` asks for a memory or a register operand; two more hex
 * digits fix the whole ModRM byte. `vex.` before them asks for a VEX prefix; then `L0`, `L1` and `W0`,
 * `W1` fix its bits and `LIG` says that L is ignored.
 */
import { Flow } from "../ir/decoded.ts";
import { gpr, vector } from "../layout.ts";
import type { Instruction } from "./instruction.ts";

/** Emits the semantics of one instruction. */
export type Semantic = (x: Instruction) => void;

/** How an operand is encoded. */
export const enum Place {
  /** ModRM.reg. */
  Reg,
  /** ModRM.rm: register or memory. */
  Rm,
  /** Low three bits of the opcode. */
  OpcodeReg,
  /** A register that the instruction implies. */
  Fixed,
  /** VEX.vvvv, and bits 7:4 of a VEX instruction's immediate byte. */
  Vex,
  ImmediateReg,
  Immediate,
  /** Immediate byte that is part of the statics (shuffle controls, predicates). */
  Static,
  /** Relative branch target, or an implied operand without storage. */
  None,
}

/** Register file of an operand. */
export const enum File {
  General,
  Vector,
  Mmx,
  Segment,
}

/** One operand of a row. */
export interface Operand {
  readonly place: Place;
  readonly file: File;
  /** Width in bits; 0 = the operand size. */
  readonly bits: number;
  /** State offset of a Fixed register. */
  readonly slot: number;
}

/** What follows ModRM and the displacement. */
export const enum Imm {
  None,
  /** Sign-extended byte. */
  Ib,
  /** Zero-extended byte. */
  Ub,
  /** Byte that becomes part of the statics. */
  Kb,
  Iw,
  /** 16 bits with operand size 16, else 32, sign-extended. */
  Iz,
  /** 16, 32 or 64 bits. */
  Iv,
  /** 64-bit absolute address (32 with an address-size prefix). */
  Moffs,
  /** ENTER: word and byte. */
  IwIb,
  /** A byte whose upper half is a register number. */
  Is4,
  /** Shift count: masked to the operand size; statics say whether it is zero. */
  Count,
  /** Implied shift count of one. */
  One,
  Jb,
  Jz,
}

/** How the operand size follows from the prefixes. */
export const enum Size {
  Fixed,
  /** 66 → 16, REX.W → 64, else 32. */
  V,
  /** REX.W → 64, else 32. */
  Y,
  /** 66 → 16, else 64. */
  D64,
}

/** Properties of a row that its operands do not show. */
export interface Options {
  readonly flow?: Flow;
  /** LOCK is allowed with a memory destination. */
  readonly lock?: boolean;
  /** Operand size defaults to 64 bits. */
  readonly d64?: boolean;
  /** A string instruction: F2 and F3 repeat it. */
  readonly rep?: boolean;
  /** The next instruction's address is needed: imm0 (a memory operand's displacement goes to imm1). */
  readonly next?: boolean;
  /**
   * Its own address and its opcode as x87 keeps it are needed: imm0, the opcode's 11 bits from bit 48 on (a
   * memory operand's displacement goes to imm1).
   */
  readonly pointers?: boolean;
  /** The register number of ModRM.reg becomes part of the statics (segment registers). */
  readonly staticReg?: boolean;
  /** The register number of ModRM.rm goes to imm1 (x87 stack registers). */
  readonly rmInRecord?: boolean;
  /** RFLAGS.AC asks nothing of its single accesses. */
  readonly unaligned?: boolean;
  /** The index of the memory operand is a vector register. */
  readonly vsib?: boolean;
}

/** What a row asks of VEX.L. */
export const enum Length {
  Any = -1,
  L128 = 0,
  L256 = 1,
  Ignored = 2,
}

/** One decode row. */
export interface Encoding {
  /** The encoding as it was written. */
  readonly encoding: string;
  /** Mnemonic and operand codes. */
  readonly name: string;
  readonly emit: Semantic;
  readonly operands: readonly Operand[];
  readonly options: Options;
  readonly immediate: Imm;
  readonly size: Size;
  /** Opcode map: 0 one byte, 1 0F, 2 0F38, 3 0F3A. */
  readonly map: number;
  /** Mandatory prefix: -1 any, 0 none, 1 66, 2 F3, 3 F2. */
  readonly prefix: number;
  readonly opcode: number;
  /** Opcodes the row covers from `opcode` on: 1, 8 (+r) or 16 (+cc). */
  readonly count: number;
  readonly modrm: boolean;
  /** ModRM bytes covered: (byte & mask) === match and (memory, register or both). */
  readonly digit: number;
  readonly memory: boolean;
  readonly register: boolean;
  readonly exact: number;
  readonly exactCount: number;
  /** Whether it has a VEX prefix, and what its L and W (-1: any) must be. */
  readonly vex: boolean;
  readonly length: Length;
  readonly wide: number;
}

const widths: Record<string, number> = {
  b: 8,
  w: 16,
  d: 32,
  q: 64,
  v: 0,
  z: 0,
  y: 0,
  x: 128,
  ss: 32,
  sd: 64,
  t: 80,
  "": 0,
};

const fixed: Record<string, [slot: number, bits: number]> = {
  AL: [gpr(0), 8],
  AX: [gpr(0), 16],
  rAX: [gpr(0), 0],
  CL: [gpr(1), 8],
  DX: [gpr(2), 16],
  XMM0: [vector(0), 128],
};

function operand(code: string): Operand {
  const known = fixed[code];
  if (known) {
    const file = code === "XMM0" ? File.Vector : File.General;
    return { place: Place.Fixed, file, bits: known[1], slot: known[0] };
  }
  const letter = code[0];
  const bits = widths[code.slice(1)] ?? 0;
  const make = (place: Place, file: File): Operand => ({ place, file, bits, slot: 0 });
  if (code === "Ub") return make(Place.Immediate, File.General);
  switch (letter) {
    case "G":
      return make(Place.Reg, File.General);
    case "E":
    case "M":
    case "R":
    case "O":
      return make(Place.Rm, File.General);
    case "V":
      return make(Place.Reg, File.Vector);
    case "W":
    case "U":
      return make(Place.Rm, File.Vector);
    case "P":
      return make(Place.Reg, File.Mmx);
    case "Q":
    case "N":
      return make(Place.Rm, File.Mmx);
    case "S":
      return make(Place.Reg, File.Segment);
    case "Z":
      return make(Place.OpcodeReg, File.General);
    case "H":
      return make(Place.Vex, File.Vector);
    case "B":
      return make(Place.Vex, File.General);
    case "L":
      return make(Place.ImmediateReg, File.Vector);
    case "I":
    case "C":
      return make(Place.Immediate, File.General);
    case "K":
      return make(Place.Static, File.General);
    default:
      return make(Place.None, File.General);
  }
}

function immediateOf(codes: readonly string[]): Imm {
  for (const code of codes) {
    switch (code) {
      case "Ib":
        return Imm.Ib;
      case "Ub":
        return Imm.Ub;
      case "Kb":
        return Imm.Kb;
      case "Lx":
        return Imm.Is4;
      case "Iw":
        return codes.includes("Ib") ? Imm.IwIb : Imm.Iw;
      case "Iz":
        return Imm.Iz;
      case "Iv":
        return Imm.Iv;
      case "Cb":
        return Imm.Count;
      case "C1":
        return Imm.One;
      case "Ob":
      case "Ov":
        return Imm.Moffs;
      case "Jb":
        return Imm.Jb;
      case "Jz":
        return Imm.Jz;
    }
  }
  return Imm.None;
}

const maps = ["", "0f", "0f38", "0f3a"];
const prefixes = ["np", "66", "f3", "f2"];

/** What follows from the text of a row beyond its opcode. */
type Shape = Omit<
  Encoding,
  "name" | "emit" | "options" | "encoding" | "map" | "prefix" | "opcode" | "count" | "vex"
>;

function shapeOf(encoding: string, name: string, options: Options): Shape {
  let digit = -1, exact = -1, exactCount = 0, memory = true, register = true;
  let length = Length.Any, wide = -1;
  const modifiers = encoding.split(" ").slice(1);
  for (const m of modifiers) {
    if (m[0] === "/") digit = Number(m[1]);
    else if (m === "m") register = false;
    else if (m === "r") memory = false;
    else if (m[0] === "L") length = m === "LIG" ? Length.Ignored : Number(m[1]);
    else if (m[0] === "W") wide = Number(m[1]);
    else {
      exact = parseInt(m, 16);
      exactCount = m.endsWith("+i") ? 8 : 1;
    }
  }
  const codes = name.includes(" ") ? name.slice(name.indexOf(" ") + 1).split(",") : [];
  const operands = codes.map(operand);
  const has = (letters: string): boolean =>
    codes.some((c) => c.length === 2 && letters.includes(c[1]) && fixed[c] === undefined) ||
    (letters.includes("v") && codes.includes("rAX"));
  const size = options.d64
    ? Size.D64
    : has("v") || (has("z") && !codes.includes("Jz"))
    ? Size.V
    : has("y")
    ? Size.Y
    : Size.Fixed;
  if (codes.some((c) => c[0] === "M")) register = false;
  if (codes.some((c) => "RUN".includes(c[0]) && c !== "Ub")) memory = false;
  const modrm = digit >= 0 || exact >= 0 || !memory || !register ||
    operands.some((o, i) => (o.place === Place.Reg || o.place === Place.Rm) && codes[i][0] !== "O");
  const immediate = immediateOf(codes);
  return {
    operands,
    immediate,
    size,
    modrm,
    digit,
    memory,
    register,
    exact,
    exactCount,
    length,
    wide,
  };
}

/** A row as written; all but the opcode is worked out when the row is first met. */
class Row implements Encoding {
  readonly map: number;
  readonly prefix: number;
  readonly opcode: number;
  readonly count: number;
  readonly vex: boolean;
  #known: Shape | null = null;

  constructor(
    readonly encoding: string,
    readonly name: string,
    readonly emit: Semantic,
    readonly options: Options,
  ) {
    const end = encoding.indexOf(" ");
    const parts = (end < 0 ? encoding : encoding.slice(0, end)).split(".");
    const last = parts.pop()!;
    this.opcode = parseInt(last, 16);
    this.count = last.endsWith("+r") ? 8 : last.endsWith("+cc") ? 16 : 1;
    this.map = parts.length === 0 ? 0 : Math.max(0, maps.indexOf(parts[parts.length - 1]));
    this.vex = parts[0] === "vex";
    if (this.vex) parts.shift();
    this.prefix = parts.length === 0 ? -1 : prefixes.indexOf(parts[0]);
  }

  get #shape(): Shape {
    return this.#known ??= shapeOf(this.encoding, this.name, this.options);
  }
  get operands(): readonly Operand[] {
    return this.#shape.operands;
  }
  get immediate(): Imm {
    return this.#shape.immediate;
  }
  get size(): Size {
    return this.#shape.size;
  }
  get modrm(): boolean {
    return this.#shape.modrm;
  }
  get digit(): number {
    return this.#shape.digit;
  }
  get memory(): boolean {
    return this.#shape.memory;
  }
  get register(): boolean {
    return this.#shape.register;
  }
  get exact(): number {
    return this.#shape.exact;
  }
  get exactCount(): number {
    return this.#shape.exactCount;
  }
  get length(): Length {
    return this.#shape.length;
  }
  get wide(): number {
    return this.#shape.wide;
  }
}

/**
 * Build a row. `name` is the mnemonic and the operand codes, `add Ev,Gv`. Besides the SDM's codes:
 * `Ub` is an immediate byte that is zero-extended, `Kb` an immediate byte that specialises the
 * semantics, `Cb` a shift count, `C1` the implied count of one; `H` and `B` are a vector and a general
 * register in VEX.vvvv, `L` a vector register in the upper half of an immediate byte.
 */
export function row(
  encoding: string,
  name: string,
  emit: Semantic,
  options: Options = {},
): Encoding {
  return new Row(encoding, name, emit, options);
}
