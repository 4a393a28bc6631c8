/** Vector operations made of scalar ones. */
import type { Emitter } from "../../ir/emitter.ts";
import type { Helper, Node, Type } from "../../ir/types.ts";
import { pure } from "../multiply.ts";
import type { FloatKind } from "./nan.ts";

/** An IR function on vectors from a function on the bits of one lane of each. */
export function lanewise(
  name: string,
  k: FloatKind,
  arity: number,
  lane: (e: Emitter, ...bits: Node[]) => Node,
): Helper {
  const params = Array.from({ length: arity }, () => "v128" as Type);
  return pure(`aarch64.${name}`, params, "v128", (e, ...vectors) => {
    const result = e.variable("v128", vectors[0]);
    for (let i = 0; i < k.lanes; i++) {
      const bits = vectors.map((v) => e.op(`${k.intShape}.extract_lane`, [v], i));
      const r = lane(e, ...bits);
      e.assign(result, e.op(`${k.intShape}.replace_lane`, [e.read(result), r], i));
    }
    return e.read(result);
  });
}
