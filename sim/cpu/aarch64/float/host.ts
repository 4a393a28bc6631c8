/** Calls from IR into the exact arithmetic of `soft_float.ts`, on bits. */
import type { Helper, Type } from "../../ir/types.ts";
import { FPCR, FPSR } from "../../layout.ts";
import { takeExceptions } from "./soft_float.ts";
import { Exception, setControlWord, UNSEEN } from "./status.ts";

type Bits = bigint | number;

/** A parameter as it arrives from WebAssembly, unsigned. */
export function unsigned(x: Bits): bigint {
  return typeof x === "bigint" ? BigInt.asUintN(64, x) : BigInt(x >>> 0);
}

/** A helper whose parameters and result are bit patterns; `run` also gets FPCR, and raises in FPSR. */
export function softHelper(
  name: string,
  params: readonly Type[],
  result: "i32" | "i64",
  run: (fpcr: number, ...bits: bigint[]) => bigint,
): Helper {
  return {
    name: `aarch64.soft_${name}`,
    params,
    result,
    reads: [],
    writes: [],
    run: (state: DataView, ...bits: Bits[]) => {
      const control = state.getUint32(FPCR, true);
      const r = run(control & ~UNSEEN, ...bits.map(unsigned));
      const raised = takeExceptions();
      if (raised !== 0) {
        state.setUint32(FPSR, state.getUint32(FPSR, true) | raised, true);
        if (raised & Exception.Inexact) setControlWord(state, control & ~UNSEEN);
      }
      return result === "i64" ? r : Number(BigInt.asIntN(32, r));
    },
  };
}
