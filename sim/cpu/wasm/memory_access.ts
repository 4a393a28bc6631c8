/** The inline path of guest loads and stores: a soft TLB lookup, then the access itself. */
import { READ_TLB, TLB_ENTRIES, WRITE_TLB } from "../layout.ts";
import { type Code, STATE, W } from "./code.ts";

/** Width of an entry's index: address bits 12 and up, scaled to 16-byte entries. */
const INDEX_MASK = (TLB_ENTRIES - 1) << 4;

/**
 * Push 1 if the soft TLB of loads or stores translates the `size` bytes at `address`, leaving the
 * entry's offset in `entry`. An access that straddles two pages never matches: its last byte gives
 * the tag, its first the index. `ignoreTop` drops the top byte (aarch64 TBI).
 */
export function tlbMatch(
  code: Code,
  address: number,
  entry: number,
  size: number,
  write: boolean,
  ignoreTop: boolean,
): void {
  code.get(address).i64(8n).op(W.i64_shr_u, W.i32_wrap_i64).i32(INDEX_MASK).op(W.i32_and)
    .tee(entry).mem(W.i64_load, STATE, write ? WRITE_TLB : READ_TLB);
  code.get(address);
  if (size > 1) code.i64(BigInt(size - 1)).op(W.i64_add);
  code.i64(ignoreTop ? 0x00ff_ffff_ffff_f000n : -4096n).op(W.i64_and, W.i64_eq);
}

/** Push the physical address, given a matching `entry`. */
export function tlbPhysical(code: Code, address: number, entry: number, write: boolean): void {
  code.get(address).op(W.i32_wrap_i64)
    .get(entry).mem(W.i32_load, STATE, (write ? WRITE_TLB : READ_TLB) + 8)
    .op(W.i32_add);
}
