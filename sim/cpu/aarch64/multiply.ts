/** Integer operations that WebAssembly lacks. */
import type { Emitter } from "../ir/emitter.ts";
import type { Helper, Node, Type } from "../ir/types.ts";

/** A pure IR function of the ISA. */
export function pure(
  name: string,
  params: readonly Type[],
  result: Type,
  build: (e: Emitter, ...params: Node[]) => Node,
): Helper {
  return { name, params, result, reads: [], writes: [], build };
}

/** SMULH and UMULH: high 64 bits of the 128-bit product of two i64, by 32-bit halves. */
export function highProduct(e: Emitter, a: Node, b: Node, signed: boolean): Node {
  const by = e.i64(32);
  const mask = e.i64(0xffffffffn);
  const high = (x: Node): Node => signed ? e.shrS(x, by) : e.shrU(x, by);
  const low = (x: Node): Node => e.and(x, mask);
  const cross = e.add(
    e.mul(high(a), low(b)),
    e.shrU(e.mul(low(a), low(b)), by),
  );
  const other = e.add(e.mul(low(a), high(b)), low(cross));
  return e.add(e.add(e.mul(high(a), high(b)), high(cross)), high(other));
}

/** Exchange neighbouring groups of `by` bits, of which `mask` selects the lower ones. */
function exchange(e: Emitter, x: Node, by: number, mask: bigint): Node {
  const wide = x.type === "i64";
  const amount = wide ? e.i64(by) : e.i32(by);
  const m = wide ? e.i64(mask) : e.i32(Number(BigInt.asIntN(32, mask)));
  return e.or(e.and(e.shrU(x, amount), m), e.shl(e.and(x, m), amount));
}
/** RBIT of an i32 or i64. */
export function bitReverse(e: Emitter, x: Node): Node {
  let r = exchange(e, x, 1, 0x5555555555555555n);
  r = exchange(e, r, 2, 0x3333333333333333n);
  r = exchange(e, r, 4, 0x0f0f0f0f0f0f0f0fn);
  r = exchange(e, r, 8, 0x00ff00ff00ff00ffn);
  if (x.type === "i32") return e.rotl(r, e.i32(16));
  r = exchange(e, r, 16, 0x0000ffff0000ffffn);
  return e.rotl(r, e.i64(32));
}
