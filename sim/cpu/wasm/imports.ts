/** Signatures of the functions that generated modules may import under "f". */
import type { Type } from "../ir/types.ts";

interface Signature {
  readonly params: readonly Type[];
  readonly results: readonly Type[];
}

/**
 * Out-of-line memory paths. The address is parameter 0; then the access size in bytes (with the
 * number of the access in the instruction from bit 8 on) and the record of the instruction; stores pass the value first and
 * return 1 if they changed translated code.
 */
export const runtimeSignatures = {
  load_slow: { params: ["i64", "i32", "i32"], results: ["i32"] },
  store_slow_i32: { params: ["i64", "i32", "i32", "i32"], results: ["i32"] },
  store_slow_i64: { params: ["i64", "i64", "i32", "i32"], results: ["i32"] },
  store_slow_f32: { params: ["i64", "f32", "i32", "i32"], results: ["i32"] },
  store_slow_f64: { params: ["i64", "f64", "i32", "i32"], results: ["i32"] },
  store_slow_v128: { params: ["i64", "v128", "i32", "i32"], results: ["i32"] },
  /** 256 bits: the lower half, then the upper one. */
  store_slow_pair: { params: ["i64", "v128", "v128", "i32", "i32"], results: ["i32"] },
  /** The page of an address was but evicted: `(address, ordinal)`; 0 if the host must see the access. */
  refill_data: { params: ["i64", "i64"], results: ["i32"] },
  /** Conditional branch at a record: `(record, taken)`. */
  predict: { params: ["i32", "i32"], results: [] },
  /** Indirect jump or call: `(target, record)`. */
  indirect: { params: ["i64", "i32"], results: [] },
  push_return: { params: ["i64"], results: [] },
  pop_return: { params: ["i64"], results: [] },
  /** With attribution (`SiteFunctions`). */
  site_enter: { params: ["i32", "i64"], results: [] },
  site_call: { params: ["i32", "i64", "i64"], results: [] },
  site_return: { params: ["i64", "i64"], results: [] },
  /** Control enters the page at an address; `NOW` is the ordinal. */
  fetch_slow: { params: ["i64"], results: [] },
} as const satisfies Record<string, Signature>;

export type RuntimeName = keyof typeof runtimeSignatures;

/** `condition_N(kind, a, b)` and `flags(kind, a, b)`. */
export const FLAG_PARAMS: readonly Type[] = ["i32", "i64", "i64"];
