/**
 * The x86-64 instruction set at the levels x86-64-v1 and v2, in 64-bit user mode: decoder, semantics,
 * flags.
 *
 * All integer instructions that user mode may run, x87, MMX, SSE to SSE4.2, CMPXCHG16B, POPCNT,
 * CRC32. Everything else is an undefined instruction, as CPUID says; `level3_isa.ts` has more.
 */
import { Decoded, Flow, type Isa, type Trap } from "../ir/decoded.ts";
import type { Emitter } from "../ir/emitter.ts";
import { arithmetic } from "./arithmetic.ts";
import { bits } from "./bits.ts";
import { control } from "./control.ts";
import { Decoder } from "./decode.ts";
import { flags } from "./flags.ts";
import { EXTRA_SHIFT, Instruction } from "./instruction.ts";
import { mmx } from "./mmx.ts";
import { type Level, levelOf } from "./level.ts";
import { moves } from "./moves.ts";
import type { Encoding } from "./row.ts";
import { segments, SS } from "./segments.ts";
import { shifts } from "./shifts.ts";
import { sseConvert } from "./sse_convert.ts";
import { sseFloat } from "./sse_float.ts";
import { sseInteger } from "./sse_integer.ts";
import { sseMoves } from "./sse_moves.ts";
import { sseShuffle } from "./sse_shuffle.ts";
import { sseStrings } from "./sse_strings.ts";
import { strings } from "./strings.ts";
import { nonCanonicalTrap, pageFault, semanticTrap, singleStep } from "./traps.ts";
import { x87 } from "./x87.ts";
import { system, undefinedRow } from "./system.ts";

/** Every decode row; row 0 is the undefined instruction. */
export const rows: readonly Encoding[] = [
  undefinedRow,
  ...arithmetic,
  ...moves,
  ...shifts,
  ...bits,
  ...control,
  ...strings,
  ...system,
  ...segments,
  ...sseMoves,
  ...sseFloat,
  ...sseConvert,
  ...sseInteger,
  ...sseShuffle,
  ...sseStrings,
  ...x87,
  ...mmx,
];

/** Bytes as hexadecimal, for messages. */
function hexadecimal(bytes: Uint8Array): string {
  return [...bytes].map((b) => b.toString(16).padStart(2, "0")).join(" ");
}

/** What an undefined instruction is called. */
function describeUndefined(bytes: Uint8Array, level: Level): string {
  const text = hexadecimal(bytes);
  const at = bytes.findIndex((b) => !LEGACY_PREFIXES.includes(b));
  if (bytes[at] === 0x62) return `AVX-512 (EVEX) instruction, which no level has: ${text}`;
  if ((bytes[at] === 0xc4 || bytes[at] === 0xc5) && level < 3) {
    return `AVX or BMI (VEX) instruction, above the level x86-64-v${level}: ${text}`;
  }
  return `undefined instruction ${text}`;
}
/** INT n, and what vector 80 hexadecimal is. */
const INT = 0xcd;
const SYSTEM_CALL_32 =
  "INT 0x80, the 32-bit system call, which is not there, as in a Linux without CONFIG_IA32_EMULATION";
const LEGACY_PREFIXES = [0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65];

/** The instruction set of `rows` as a processor of `level` has it. */
export function instructionSet(rows: readonly Encoding[], level: Level): Isa {
  const decoder = new Decoder(rows, level > 1 ? undefined : (row) => levelOf(row) === 1);
  return {
    arch: "x86_64",
    rows,
    flags,
    decode(
      bytes: Uint8Array,
      offset: number,
      available: number,
      pc: number,
      out: Decoded,
    ): boolean {
      return decoder.decode(bytes, offset, available, pc, out);
    },
    emit(row: number, statics: number, e: Emitter): void {
      const encoding = rows[row];
      encoding.emit(new Instruction(e, encoding, statics, level));
    },
    accessFault: pageFault,
    trap(
      signal: number,
      code: number,
      access: boolean,
      state: DataView,
      bytes: Uint8Array,
    ): Trap {
      if (!access) return semanticTrap(signal, code, state);
      const d = new Decoded();
      decoder.decode(bytes, 0, 15, 0, d);
      return nonCanonicalTrap(rows[d.row].name, d, state);
    },
    singleStep(bytes: Uint8Array, from: number, pc: number): Trap | undefined {
      const d = new Decoded();
      decoder.decode(bytes, 0, 15, from, d);
      const encoding = rows[d.row];
      // A load of SS holds traps back for one instruction.
      const isStack = ((d.statics >> EXTRA_SHIFT) & 7) === SS;
      if (encoding.name === "mov Ew,Sw" && isStack) return undefined;
      return singleStep(d.flow === Flow.Repeat && pc === from);
    },
    alignment(bytes: Uint8Array, size: number): number {
      const d = new Decoded();
      decoder.decode(bytes, 0, 15, 0, d);
      // Intel's processors ask for none of more than 64 bits.
      return size > 8 || rows[d.row].options.unaligned ? 1 : size;
    },
    describe(bytes: Uint8Array, offset: number, available: number, pc: number): string {
      const row = decoder.rowAt(bytes, offset, available, pc);
      if (row > 0) {
        const { name } = rows[row];
        const vector = bytes[bytes.indexOf(INT, offset) + 1];
        return name === "int Kb" && vector === 0x80 ? SYSTEM_CALL_32 : name;
      }
      const end = offset + Math.min(available, 15);
      return describeUndefined(bytes.subarray(offset, end), level);
    },
  };
}

/** The x86-64 instruction set at the level x86-64-v2. */
export const x86_64: Isa = instructionSet(rows, 2);
