/** Directions that are not predicted by the preset: by a script's predictor, or by a WebAssembly module. */
import { DIRECTION_PARAMS } from "./directions.ts";
import { ne, toNumber, wrap } from "./function_writer.ts";
import type { Callable, ModelModule } from "./model_module.ts";

/** Who predicts directions, other than the preset's predictor. */
export type OwnDirection = "script" | "wasm";

/** Imports `predict`; returns what writes a function like those of `wasmDirection` with it. */
export function importDirection(m: ModelModule, own: OwnDirection): () => Callable {
  if (own === "wasm") {
    const predict = m.import("predict", ["i32", "i32"], ["i32"]);
    return () =>
      m.function(
        DIRECTION_PARAMS,
        ["i32"],
        (f, pc, _target, taken) => f.return(ne(predict(wrap(pc), taken), 0)),
      );
  }
  const predict = m.import("predict", ["f64", "f64", "i32"], ["i32"]);
  return () =>
    m.function(
      DIRECTION_PARAMS,
      ["i32"],
      (f, pc, target, taken) => f.return(predict(toNumber(pc), toNumber(target), taken)),
    );
}
