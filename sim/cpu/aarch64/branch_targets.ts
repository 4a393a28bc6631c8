/** Branch target identification (FEAT_BTI; DDI 0487, D8.4.4). */

/** PSTATE.BTYPE at the target of an indirect branch; RET leaves it 0. */
export const enum BranchType {
  /** BR from a page that is not guarded, or by X16 or X17, which linkage tables use. */
  Linkage = 1,
  /** BLR. */
  Call = 2,
  /** Any other BR. */
  Jump = 3,
}

/** The type of BR by register `rn`. */
export function jumpType(rn: number, guarded: boolean): BranchType {
  return guarded && rn !== 16 && rn !== 17 ? BranchType.Jump : BranchType.Linkage;
}

/** Sets of types that an instruction accepts, as bits. */
const NONE = 1;
const CALLS = NONE | 1 << BranchType.Linkage | 1 << BranchType.Call;
const JUMPS = NONE | 1 << BranchType.Linkage | 1 << BranchType.Jump;

/**
 * The types of branch that may go to instruction `word` of a guarded page, a bit each; bit 0 is always set. PACIASP
 * and PACIBSP are no target of jumps, as Linux sets SCTLR_EL1.BT0.
 */
export function landing(word: number): number {
  switch (word >>> 0) {
    case 0xd503245f: // BTI c
    case 0xd503233f: // PACIASP
    case 0xd503237f: // PACIBSP
      return CALLS;
    case 0xd503249f: // BTI j
      return JUMPS;
    case 0xd50324df: // BTI jc
      return CALLS | JUMPS;
  }
  // BRK and HLT, whose own exceptions come first.
  const exception = (word & 0xffe0001f) >>> 0;
  return exception === 0xd4200000 || exception === 0xd4400000 ? CALLS | JUMPS : NONE;
}
