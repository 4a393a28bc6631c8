import type { Emitter } from "./emitter.ts";
import type { Node } from "./types.ts";

/**
 * Lazy condition flags of an architecture. The last flag-setting operation is kept as a *kind* and
 * two 64-bit operands, `a` and `b`; conditions are computed from them when something asks.
 *
 * Kinds and conditions are small integers that the architecture numbers. Kind 0 must be
 * *explicit*: `a` holds the packed architectural flags themselves.
 *
 * Advice for widths under 32: keep `a` and `b` shifted to the top of 32 bits (`x << 24`, `x << 16`),
 * so that one comparison serves 8, 16 and 32 bits; parity and AF shift back.
 */
export interface FlagModel {
  /** Number of kinds and of conditions. */
  readonly kinds: readonly string[];
  readonly conditions: readonly string[];
  /** Condition `condition` (0 or 1, i32) after an operation of `kind` on `a` and `b` (i64). */
  condition(e: Emitter, kind: number, condition: number, a: Node, b: Node): Node;
  /** Packed flags (i32: RFLAGS' CF PF AF ZF SF OF in place; NZCV in bits 31..28). */
  pack(e: Emitter, kind: number, a: Node, b: Node): Node;
}
