/**
 * Lengths of x86_64 instructions in 64-bit mode, from the opcode maps of the Intel SDM, volume 2, appendix A
 * (and AMD's XOP and 3DNow! encodings, APM volume 3, appendix A). One letter an opcode:
 *
 *     -  not an instruction       .  nothing follows          m  ModRM
 *     b  imm8 or rel8             M  ModRM and imm8           z  imm16 or imm32
 *     Z  ModRM and imm16/32       w  imm16                    v  imm16, imm32 or imm64
 *     J  rel32                    o  64-bit offset            e  imm16 and imm8 (ENTER)
 *     t  ModRM, imm8 if TEST      T  ModRM, imm16/32 if TEST  p  prefix     x  handled apart
 */
const ONE_BYTE = "mmmmbz--" + "mmmmbz-x" + // 00: ADD, OR, the escape 0F
  "mmmmbz--" + "mmmmbz--" + // 10
  "mmmmbzp-" + "mmmmbzp-" + // 20
  "mmmmbzp-" + "mmmmbzp-" + // 30
  "pppppppp" + "pppppppp" + // 40: REX
  "........" + "........" + // 50
  "--xmpppp" + "zZbM...." + // 60: 62 is EVEX
  "bbbbbbbb" + "bbbbbbbb" + // 70: Jcc rel8
  "MZ-Mmmmm" + "mmmmmmmx" + // 80: 8F is POP or XOP
  "........" + "..-....." + // 90
  "oooo...." + "bz......" + // A0
  "bbbbbbbb" + "vvvvvvvv" + // B0
  "MMw.xxMZ" + "e.w..b-." + // C0: C4 and C5 are VEX
  "mmmm---." + "mmmmmmmm" + // D0
  "bbbbbbbb" + "JJ-b...." + // E0
  "p.pp..tT" + "......mm"; // F0

const TWO_BYTE = "mmmm-..." + "..-.-m.M" + // 00
  "mmmmmmmm" + "mmmmmmmm" + // 10
  "mmmm----" + "mmmmmmmm" + // 20
  "......-." + "x-x-----" + // 30: the escapes 38 and 3A
  "mmmmmmmm" + "mmmmmmmm" + // 40
  "mmmmmmmm" + "mmmmmmmm" + // 50
  "mmmmmmmm" + "mmmmmmmm" + // 60
  "MMMMmmm." + "mm--mmmm" + // 70
  "JJJJJJJJ" + "JJJJJJJJ" + // 80: Jcc rel32
  "mmmmmmmm" + "mmmmmmmm" + // 90
  "...mMm--" + "...mMmmm" + // A0
  "mmmmmmmm" + "mmMmmmmm" + // B0
  "mmMmMMMm" + "........" + // C0
  "mmmmmmmm" + "mmmmmmmm" + // D0
  "mmmmmmmm" + "mmmmmmmm" + // E0
  "mmmmmmmm" + "mmmmmmmm"; // F0

const LONGEST = 15;

/** Opcode maps as numbers: 0 one byte, 1 is 0F, 2 is 0F 38, 3 is 0F 3A; others are vector extensions. */
export class X86Decoder {
  /** What `decode` found out about the last instruction. */
  map = 0;
  opcode = 0;
  /** Offset of the ModRM byte from the start of the instruction; 0 if it has none. */
  modrmAt = 0;
  /** The ModRM byte. */
  modrm = 0;
  /** The last of the prefixes F2, F3 and 66 present, as bits 1, 2 and 4. */
  prefixes = 0;
  /** REX.W, or a vector extension's W. */
  wide = false;
  /** Bytes before the opcode that `decode` took as prefixes (or 0 for vector extensions). */
  opcodeAt = 0;

  /** Length of the instruction at `at`, which must end by `end`; 0 if the bytes are none. */
  decode(bytes: Uint8Array, at: number, end: number): number {
    const limit = Math.min(end, at + LONGEST);
    let i = at;
    let addressSize32 = false;
    this.prefixes = 0;
    this.wide = false;
    this.modrmAt = 0;
    let byte = 0;
    for (; i < limit; i++) {
      byte = bytes[i];
      if (ONE_BYTE[byte] !== "p") break;
      // REX counts only right before the opcode.
      if (byte >= 0x40 && byte <= 0x4f) {
        this.wide = (byte & 8) !== 0;
        continue;
      }
      this.wide = false;
      if (byte === 0x66) this.prefixes |= 4;
      else if (byte === 0xf2) this.prefixes |= 1;
      else if (byte === 0xf3) this.prefixes |= 2;
      else if (byte === 0x67) addressSize32 = true;
    }
    if (i >= limit) return 0;
    this.opcodeAt = i - at;
    let kind = ONE_BYTE[byte];
    this.map = 0;
    i++;
    if (kind === "x") {
      if (byte === 0x0f) {
        this.map = 1;
        byte = bytes[i++];
        kind = TWO_BYTE[byte];
        if (byte === 0x38 || byte === 0x3a) {
          this.map = byte === 0x38 ? 2 : 3;
          kind = byte === 0x38 ? "m" : "M";
          byte = bytes[i++];
        }
      } else if (byte === 0x8f && (bytes[i] & 0x38) === 0) {
        kind = "m";
      } else {
        return this.#vector(bytes, at, i, byte, limit);
      }
    }
    if (i > limit) return 0;
    this.opcode = byte;
    if (kind === "-") return 0;
    return this.#tail(bytes, at, i, kind, limit, addressSize32);
  }

  /** VEX, EVEX and XOP: a payload that holds map and prefixes, then opcode and ModRM. */
  #vector(bytes: Uint8Array, at: number, i: number, first: number, limit: number): number {
    let map: number;
    if (first === 0xc5) {
      map = 1;
      i += 1;
    } else {
      map = bytes[i] & (first === 0x62 ? 7 : 31);
      this.wide = (bytes[i + 1] & 0x80) !== 0;
      i += first === 0x62 ? 3 : 2;
    }
    if (i >= limit) return 0;
    const opcode = bytes[i++];
    this.map = first === 0x8f ? map : map + 16;
    this.opcode = opcode;
    let kind: string;
    if (first === 0x8f) kind = map === 8 ? "M" : map === 9 ? "m" : map === 10 ? "Z" : "-";
    else if (map === 1) kind = TWO_BYTE[opcode];
    else if (map === 2 || map === 5 || map === 6) kind = "m";
    else if (map === 3) kind = "M";
    else kind = "-";
    if (kind === "-" || kind === "J" || kind === "x") return 0;
    const length = this.#tail(bytes, at, i, kind, limit, false);
    return length;
  }

  /** Everything after the opcode. */
  #tail(
    bytes: Uint8Array,
    at: number,
    i: number,
    kind: string,
    limit: number,
    addressSize32: boolean,
  ): number {
    // REX.W overrules the operand-size prefix.
    const immediate = (this.prefixes & 4) !== 0 && !this.wide ? 2 : 4;
    switch (kind) {
      case ".":
        break;
      case "b":
        i += 1;
        break;
      case "w":
        i += 2;
        break;
      case "z":
        i += immediate;
        break;
      case "v":
        i += this.wide ? 8 : immediate;
        break;
      case "J":
        i += 4;
        break;
      case "o":
        i += addressSize32 ? 4 : 8;
        break;
      case "e":
        i += 3;
        break;
      default:
        i = this.#operand(bytes, at, i);
        if (kind === "M") i += 1;
        else if (kind === "Z") i += immediate;
        else if (kind === "t" && (this.modrm & 0x30) === 0) i += 1;
        else if (kind === "T" && (this.modrm & 0x30) === 0) i += immediate;
    }
    return i <= limit ? i - at : 0;
  }

  /** ModRM with what follows it: SIB and displacement. */
  #operand(bytes: Uint8Array, at: number, i: number): number {
    const modrm = bytes[i];
    this.modrm = modrm;
    this.modrmAt = i - at;
    i++;
    const mod = modrm >> 6;
    // Moves to and from control and debug registers ignore mod.
    if (mod === 3 || (this.map === 1 && this.opcode >= 0x20 && this.opcode <= 0x23)) return i;
    const rm = modrm & 7;
    if (rm === 4) {
      const base = bytes[i++] & 7;
      if (mod === 0 && base === 5) return i + 4;
    } else if (mod === 0 && rm === 5) {
      return i + 4;
    }
    return i + (mod === 1 ? 1 : mod === 2 ? 4 : 0);
  }

  /** True if the operand is at a displacement from the next instruction (mod 0, rm 5). */
  get isRipRelative(): boolean {
    return this.modrmAt !== 0 && (this.modrm & 0xc7) === 5;
  }
}
