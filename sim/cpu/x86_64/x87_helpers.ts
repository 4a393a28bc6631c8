/** How x87 instructions reach the register stack: helpers that run on the host. */
import type { Helper } from "../ir/types.ts";
import * as L from "../layout.ts";
import type { Instruction } from "./instruction.ts";
import { ERROR_SUMMARY, X87 } from "./x87_state.ts";
import { FPE_X87 } from "./traps.ts";

const SIGFPE = 8;

/** What an instruction does to the stack; `i` is a register number. A result is bits of RFLAGS. */
export type Operation = (fpu: X87, i: number) => number | void;

/** Makes the helpers' names different. */
let helperCount = 0;

/** A helper for one operation on the stack; its parameter is a register number. */
export function stackHelper(run: Operation, result = false): Helper {
  return {
    name: `x87_${helperCount++}`,
    params: ["i32"],
    result: result ? "i32" : null,
    reads: [],
    writes: [],
    run: (state, i: number) => run(new X87(state), i) ?? 0,
  };
}

/** A helper that takes a memory operand. */
export function memoryHelper(run: (fpu: X87, low: bigint, high: number) => void): Helper {
  return {
    name: `x87_memory_${helperCount++}`,
    params: ["i64", "i32"],
    result: null,
    reads: [],
    writes: [],
    run: (state, low: bigint, high: number) => run(new X87(state), low, high),
  };
}
/**
 * A helper that converts ST(0): returns the low 64 bits, leaves the upper 16 in SCRATCH, in
 * SCRATCH + 8 whether there is something to store (an unmasked exception forbids it), and in
 * SCRATCH + 12 the new status word, which counts once the store went through.
 */
export function storeHelper(convert: (fpu: X87) => { low: bigint; high: number } | null): Helper {
  return {
    name: `x87_store_${helperCount++}`,
    params: [],
    result: "i64",
    reads: [],
    writes: [],
    run: (state) => {
      const fpu = new X87(state);
      const before = fpu.status;
      const value = convert(fpu);
      state.setUint32(L.SCRATCH + 12, fpu.status, true);
      fpu.status = before;
      state.setUint32(L.SCRATCH, value?.high ?? 0, true);
      state.setUint32(L.SCRATCH + 8, value === null ? 0 : 1, true);
      return BigInt.asIntN(64, value?.low ?? 0n);
    },
  };
}

/** Raise SIGFPE if an unmasked exception is pending. */
export function wait(x: Instruction): void {
  const e = x.e;
  e.if(
    e.and(e.getState("i32", L.X87_STATUS), e.i32(ERROR_SUMMARY)),
    () => e.fault(SIGFPE, FPE_X87),
  );
}
