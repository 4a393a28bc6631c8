/**
 * AArch64 with FEAT_S1POE, stage 1 permission overlays (DDI 0487, D8.4.3): POR_EL0, and the ID register that
 * announces it.
 */
import type { Isa } from "../ir/decoded.ts";
import { Flow } from "../ir/decoded.ts";
import { POR } from "../layout.ts";
import { aarch64, rows as base } from "./isa.ts";
import { type AArch64Row, row } from "./row.ts";

/** HWCAP2_POE (Linux, asm/hwcap.h). */
export const HWCAP2_POE = 2 ** 63;
/** ID_AA64MMFR3_EL1.S1POE. */
const S1POE = 1 << 16;

const overlay: readonly AArch64Row[] = [
  row("MRS POR_EL0", "1101010100 1 11 011 1010 0010 100 rt:5", (f) => ({
    regs: [f.rt.out],
    emit: (e) => e.set64(e.reg(0), e.getState("i64", POR)),
  })),
  // What was translated under the old rights is looked up anew, at once; an ISB changes nothing more.
  row("MSR POR_EL0", "1101010100 0 11 011 1010 0010 100 rt:5", (f) => ({
    flow: Flow.Stop,
    regs: [f.rt.x],
    emit: (e) => {
      e.setState(POR, e.get64(e.reg(0)));
      e.exit("mode");
    },
  })),
  row("MRS ID_AA64MMFR3_EL1", "1101010100 1 11 000 0000 0111 011 rt:5", (f) => ({
    regs: [f.rt.out],
    emit: (e) => e.set64(e.reg(0), e.i64(S1POE)),
  })),
];

const rows = [...base, ...overlay];

/** The rows of the base keep their places, which handlers made ahead are kept by. */
export const aarch64Poe: Isa = {
  ...aarch64,
  rows,
  decode(bytes, offset, available, pc, out) {
    if (!aarch64.decode(bytes, offset, available, pc, out)) return false;
    const word = new DataView(bytes.buffer, bytes.byteOffset).getInt32(offset, true);
    const at = overlay.findIndex((one) => one.matches(word));
    if (at < 0) return true;
    out.row = base.length + at;
    rows[out.row].decode(word, pc, out);
    return true;
  },
  emit: (index, statics, e) => rows[index].emit(e, statics),
};
