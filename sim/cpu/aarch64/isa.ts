/** The AArch64 instruction set: Armv8.2-A and parts of 8.3 and 8.4 at EL0, as `id_registers.ts` announces it. */
import type { Decoded, Isa } from "../ir/decoded.ts";
import type { Emitter } from "../ir/emitter.ts";
import { rows as atomics } from "./atomics.ts";
import { landing } from "./branch_targets.ts";
import { rows as branches, undefinedRow } from "./branches.ts";
import { rows as dataImmediate } from "./data_immediate.ts";
import { rows as dataRegister } from "./data_register.ts";
import { Decoder } from "./decoder.ts";
import { flags } from "./flags.ts";
import { rows as flagRows } from "./flag_rows.ts";
import { rows as floatRows } from "./float_rows.ts";
import { rows as halfRows } from "./half_rows.ts";
import { rows as loadStore } from "./load_store.ts";
import { rows as simd } from "./simd/rows.ts";
import { checkingStack } from "./row.ts";
import { abort, semanticTrap } from "./syndrome.ts";
import { rows as system } from "./system.ts";

export { COUNTER_FREQUENCY, HWCAP, HWCAP2 } from "./id_registers.ts";

/** Every decode row. */
export const rows = [
  ...dataImmediate,
  ...branches,
  ...system,
  ...checkingStack(loadStore),
  ...checkingStack(atomics),
  ...dataRegister,
  ...floatRows,
  ...halfRows,
  ...flagRows,
  ...simd,
  undefinedRow,
];
const decoder = new Decoder(rows);

function wordAt(bytes: Uint8Array, offset: number): number {
  return bytes[offset] | (bytes[offset + 1] << 8) | (bytes[offset + 2] << 16) |
    (bytes[offset + 3] << 24);
}

/** Bits 28–25 of the Scalable Vector Extension's encodings (DDI 0487, C4.1). */
const SVE = 2;

/** AArch64. */
export const aarch64: Isa = {
  arch: "aarch64",
  rows,
  flags,

  decode(bytes: Uint8Array, offset: number, available: number, pc: number, out: Decoded): boolean {
    if (available < 4) return false;
    const word = wordAt(bytes, offset);
    out.row = decoder.find(word);
    rows[out.row].decode(word, pc, out);
    return true;
  },

  emit(row: number, statics: number, e: Emitter): void {
    rows[row].emit(e, statics);
  },

  landing: (bytes, offset) => landing(wordAt(bytes, offset)),

  accessFault: abort,

  trap: (signal, code, _access, state, bytes) => semanticTrap(signal, code, state, bytes),

  describe(bytes: Uint8Array, offset: number, available: number): string {
    if (available < 4) return "truncated instruction";
    const word = wordAt(bytes, offset);
    const { name } = rows[decoder.find(word)];
    if (name === undefinedRow.name && ((word >>> 25) & 15) === SVE) {
      return `SVE instruction, which this processor lacks: 0x${(word >>> 0).toString(16)}`;
    }
    return `${name} 0x${(word >>> 0).toString(16).padStart(8, "0")}`;
  },
};
