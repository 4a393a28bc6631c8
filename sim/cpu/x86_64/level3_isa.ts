/**
 * The x86-64 instruction set at the level x86-64-v3, with AES-NI, PCLMULQDQ, SHA-NI, ADX, RDRAND, RDSEED,
 * RDTSCP, FSGSBASE, XSAVE and protection keys beside it.
 */
import type { Isa } from "../ir/decoded.ts";
import { bmi } from "./bmi.ts";
import { crypto } from "./crypto.ts";
import { instructionSet, rows as base } from "./isa.ts";
import type { Encoding } from "./row.ts";
import { vexConvert } from "./vex/convert.ts";
import { vexFma } from "./vex/fma.ts";
import { vexInteger } from "./vex/integer.ts";
import { vexMoves } from "./vex/moves.ts";
import { vexPermute } from "./vex/permute.ts";
import { vexSse } from "./vex/sse.ts";
import { system3 } from "./system3.ts";
import { xsave } from "./xsave.ts";

/** Every decode row, those of level 2 first. */
export const rows: readonly Encoding[] = [
  ...base,
  ...bmi,
  ...crypto,
  ...system3,
  ...xsave,
  ...vexMoves,
  ...vexSse,
  ...vexInteger,
  ...vexPermute,
  ...vexConvert,
  ...vexFma,
];

/** x86-64-v3. */
export const x86_64_v3: Isa = instructionSet(rows, 3);
