/** The page walker reads entries of page tables through the caches, at their physical addresses. */
import { Side } from "../hierarchy.ts";
import type { WasmCaches } from "./caches.ts";
import type { CoreState } from "./core_state.ts";
import { eq, extend, geU, i32, i64, or, sub, toNumber } from "./function_writer.ts";
import type { InstructionFetch } from "./instruction_fetch.ts";
import type { Callable, ModelModule } from "./model_module.ts";
import type { PageSizes } from "./page_sizes.ts";

/**
 * `readEntry(va, index)`: the entry of a level, from the root on, that translates an address.
 * @param entryAddress of the host: where that lies, or -1
 */
export function writeReadEntry(
  m: ModelModule,
  state: CoreState,
  { key, walkTag, walks }: WasmCaches,
  entryAddress: Callable,
): Callable {
  return m.function(["i64", "i32"], [], (f, va, index) => {
    const at = f.keep(entryAddress(toNumber(va), index));
    f.if(eq(at, i32(-1)), () => f.return());
    const line = f.keep(state.ofInt(state.lineOf(at)));
    const tagged = key === "i32" ? line : or(line, i64(walkTag));
    // No instruction: -1 - index.
    const pc = sub(i64(-1), extend(index));
    f.do(walks.access(line, tagged, state.ofInt(at), pc));
  });
}

/** `walk(side, va, index)`: a walk of inlined TLBs, which have no walk caches. */
export function writeWalk(
  m: ModelModule,
  { counters }: CoreState,
  sizes: PageSizes,
  fetch: InstructionFetch,
  { readEntry, finish }: Readonly<Record<"readEntry" | "finish", Callable>>,
): Callable {
  return m.function(["i32", "i64", "i32"], [], (f, side, va, index) => {
    // What was fetched before is of the block before.
    f.if(eq(side, Side.Data), () => fetch.reach(f, index), () => f.call(finish()));
    const reads = f.keep(i32(4));
    f.if(sizes.hasLarge.value, () => {
      const bits = f.keep(sizes.bits(va));
      f.set(reads, sub(sub(i32(4), geU(bits, 21)), geU(bits, 30)));
    });
    f.for(i32(0), reads, 1, (entry) => {
      f.count(counters.references);
      f.call(readEntry(va, entry));
    });
  });
}
