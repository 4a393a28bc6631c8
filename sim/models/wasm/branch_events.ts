/** Branches of the stream: predicted, and followed into callees and back if anyone asks where events happen. */
import { EventKind } from "../../cpu/wasm/event_stream.ts";
import { Site } from "../../cpu/site_kinds.ts";
import { BLOCK, offsetOf } from "./block_index.ts";
import type { WasmBranches } from "./branches.ts";
import { add, extend, geU, i32, leU, load } from "./function_writer.ts";
import type { Callable, ModelModule } from "./model_module.ts";
import { NO_DATA, type WasmSites } from "./sites.ts";

/** `branch(kind, block, index, target)`; null if nothing looks. */
export function writeBranch(
  m: ModelModule,
  branches: WasmBranches | null,
  sites: WasmSites | null,
  finish: Callable,
): Callable | null {
  if (branches === null && sites === null) return null;
  return m.function(["i32", "i32", "i32", "i64"], [], (f, kind, block, index, target) => {
    const pc = load("i64", block, BLOCK.pc);
    const here = f.keep(add(pc, extend(offsetOf(block, index))));
    const next = f.keep(add(pc, extend(offsetOf(block, index, 1))));
    f.if(leU(kind, EventKind.Call), () => f.set(target, load("i64", block, BLOCK.target)));
    if (branches !== null) {
      const wrong = f.keep(branches.branch(kind, here, next, target));
      if (sites !== null) {
        f.if(wrong, () => f.call(sites.at(i32(Site.Mispredicted), index, NO_DATA)));
      }
    }
    if (sites === null) return;
    f.if(geU(kind, EventKind.Call), () => {
      // The block ends here: its instructions are the caller's.
      f.call(finish());
      f.call(sites.branch(kind, next, target));
    });
  });
}
