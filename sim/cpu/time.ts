/** Modelled time as programs read it: RDTSC, CNTVCT_EL0. */
import type { Emitter } from "./ir/emitter.ts";
import type { Node } from "./ir/types.ts";
import { BUDGET, CLOCK, CLOCK_RATE, QUANTUM } from "./layout.ts";

/**
 * Ticks when the running instruction retires (i64): those at the start of the quantum, and what the
 * instructions since then took. The instruction must end its block, whose budget is charged ahead.
 */
export function ticks(e: Emitter): Node {
  const retired = e.sub(e.getState("i64", QUANTUM), e.getState("i64", BUDGET));
  const passed = e.op("f64.mul", [
    e.op("f64.convert_i64_s", [retired]),
    e.getState("f64", CLOCK_RATE),
  ]);
  return e.add(e.getState("i64", CLOCK), e.op("i64.trunc_sat_f64_s", [passed]));
}
