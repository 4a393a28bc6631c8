/**
 * What this CPU announces: the auxiliary vector's HWCAP words and the ID registers that Linux lets
 * user space read (HWCAP_CPUID). Bits: Linux uapi asm/hwcap.h; fields: DDI 0487, D19.2.
 */

const FP = 1 << 0;
const ASIMD = 1 << 1;
const AES = 1 << 3;
const PMULL = 1 << 4;
const SHA1 = 1 << 5;
const SHA2 = 1 << 6;
const CRC32 = 1 << 7;
const ATOMICS = 1 << 8;
const FPHP = 1 << 9;
const ASIMDHP = 1 << 10;
const CPUID = 1 << 11;
const ASIMDRDM = 1 << 12;
const JSCVT = 1 << 13;
const FCMA = 1 << 14;
const LRCPC = 1 << 15;
const DCPOP = 1 << 16;
const ASIMDDP = 1 << 20;
const ILRCPC = 1 << 26;
const FLAGM = 1 << 27;

/** AT_HWCAP. */
export const HWCAP: number = FP | ASIMD | AES | PMULL | SHA1 | SHA2 | CRC32 | ATOMICS | FPHP |
  ASIMDHP | CPUID | ASIMDRDM | JSCVT | FCMA | LRCPC | DCPOP | ASIMDDP | ILRCPC | FLAGM;
const BTI = 1 << 17;

/** AT_HWCAP2. */
export const HWCAP2 = BTI;

/** Ticks of CNTVCT_EL0 a second. */
export const COUNTER_FREQUENCY = 1_000_000_000;

/** CTR_EL0: 64-byte lines in both caches, PIPT, no IDC or DIC, RES1 bit 31. */
const CTR_EL0 = 0x8444c004;
/** DCZID_EL0: DC ZVA is permitted and clears 64 bytes. */
const DCZID_EL0 = 4;
/** MIDR_EL1: implementer 0 (reserved for software), architecture by ID registers. */
export const MIDR_EL1 = 0x000f0000;

/** ID_AA64ISAR0_EL1: AES with PMULL, SHA1, SHA256, CRC32, LSE atomics, RDM, DP, TS (FlagM). */
const ID_AA64ISAR0 = [
  (2 << 4) | (1 << 8) | (1 << 12) | (1 << 16) | (2 << 20) | (1 << 28),
  (1 << 12) | (1 << 20),
] as const;
/** ID_AA64ISAR1_EL1: DPB, JSCVT, FCMA, LRCPC 2. No pointer authentication. */
const ID_AA64ISAR1 = [1 | (1 << 12) | (1 << 16) | (2 << 20), 0] as const;
/** ID_AA64PFR0_EL1: EL0 and EL1 in AArch64 only; FP and AdvSIMD with half precision; no SVE. */
const ID_AA64PFR0 = [0x11 | (1 << 16) | (1 << 20), 0] as const;

/** ID_AA64PFR1_EL1: BT. */
const ID_AA64PFR1 = [1, 0] as const;

/**
 * Value of the register `op0 op1 CRn CRm op2` (16 bits) as low and high word, or null if it cannot
 * be read at EL0. The ID space that names no register of ours reads as zero, as Linux emulates it.
 */
export function idRegister(encoding: number): readonly [number, number] | null {
  switch (encoding) {
    case system(3, 3, 0, 0, 1):
      return [CTR_EL0 | 0, 0];
    case system(3, 3, 0, 0, 7):
      return [DCZID_EL0, 0];
    case system(3, 3, 14, 0, 0):
      return [COUNTER_FREQUENCY, 0];
    case system(3, 0, 0, 0, 0):
      return [MIDR_EL1, 0];
    case system(3, 0, 0, 0, 5):
      return [0x80000000 | 0, 0];
    case system(3, 0, 0, 4, 0):
      return ID_AA64PFR0;
    case system(3, 0, 0, 4, 1):
      return ID_AA64PFR1;
    case system(3, 0, 0, 6, 0):
      return ID_AA64ISAR0;
    case system(3, 0, 0, 6, 1):
      return ID_AA64ISAR1;
  }
  // REVIDR_EL1 and the ID_AA64* block.
  const block = encoding >> 3;
  const inBlock = block >= system(3, 0, 0, 4, 0) >> 3 && block <= system(3, 0, 0, 7, 0) >> 3;
  return inBlock || encoding === system(3, 0, 0, 0, 6) ? [0, 0] : null;
}

/** Encoding of a system register. */
export function system(op0: number, op1: number, crn: number, crm: number, op2: number): number {
  return (op0 << 14) | (op1 << 11) | (crn << 7) | (crm << 3) | op2;
}
