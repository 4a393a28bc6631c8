/** A block is done: its instructions are fetched to the end and retire. */
import { BLOCK } from "./block_index.ts";
import type { CoreState } from "./core_state.ts";
import { add, eq, extend, type FunctionWriter, i32, load } from "./function_writer.ts";
import type { InstructionFetch } from "./instruction_fetch.ts";
import type { Callable, ModelModule } from "./model_module.ts";
import type { WasmSites } from "./sites.ts";

/** Attribution of what retires. */
export interface RetiredSites {
  readonly sites: WasmSites;
  /** Of the host: of the block with a number, only so many instructions retired. */
  readonly cut: Callable;
}

/** Writes and exports `finish()`: the block under way, if there is one, has retired. */
export function writeFinish(
  m: ModelModule,
  state: CoreState,
  fetch: InstructionFetch,
  told: RetiredSites | null,
): Callable {
  const { block, count, fetched, counters } = state;
  return m.function([], [], (f) => {
    fetch.finish(f);
    f.count(counters.instructions, extend(count.value));
    f.if(count.value, () => {
      const straddles = load("i32", block.value, BLOCK.straddles);
      f.count(counters.fetchStraddles, extend(straddles));
      if (told !== null) tell(f, state, told);
    });
    f.set(count, i32(0));
    f.set(fetched, i32(0));
  }, "finish");
}

function tell(
  f: FunctionWriter,
  { block, number, count }: CoreState,
  { sites, cut }: RetiredSites,
): void {
  const at = f.keep(block.value);
  const retired = f.keep(count.value);
  f.call(sites.spend(load("i32", at, BLOCK.symbol), retired));
  f.if(
    eq(retired, load("i32", at, BLOCK.count)),
    () => f.store("i64", at, add(load("i64", at, BLOCK.whole), 1), BLOCK.whole),
    () => f.call(cut(number.value, retired)),
  );
}
