/**
 * A modelled core in WebAssembly, put together for its preset: it reads the event stream as `CoreModel` does,
 * and counts the same.
 */
import type { CoreParts } from "../core_model.ts";
import { Side } from "../hierarchy.ts";
import type { Preset } from "../preset.ts";
import { BLOCK, BlockIndex } from "./block_index.ts";
import { writeBranch } from "./branch_events.ts";
import { WasmBranches } from "./branches.ts";
import { WasmCaches } from "./caches.ts";
import { type CoreCounters, CoreState } from "./core_state.ts";
import { DataAccess } from "./data_access.ts";
import { wasmDirection } from "./directions.ts";
import { writeReader } from "./event_reader.ts";
import { extend, type FunctionWriter, i32, i64, shl } from "./function_writer.ts";
import { InstructionFetch } from "./instruction_fetch.ts";
import { type Callable, ModelModule } from "./model_module.ts";
import { importDirection, type OwnDirection } from "./own_direction.ts";
import { PageSizes } from "./page_sizes.ts";
import { writeReadEntry, writeWalk } from "./page_walker.ts";
import { writeFinish } from "./retirement.ts";
import { siteImports, WasmSites } from "./sites.ts";
import { SPACE_SHIFT, WasmTranslation } from "./translation.ts";

export interface WasmCore {
  readonly module: ModelModule;
  readonly translation: WasmTranslation | null;
  readonly caches: WasmCaches | null;
  readonly branches: WasmBranches | null;
  /** Counts where events happen, if anyone asks. */
  readonly sites: WasmSites | null;
  readonly counters: CoreCounters;
  readonly pageSizes: PageSizes;
  readonly blocks: BlockIndex;
  /** Address behind what lies at fixed places: blocks' descriptions follow. */
  readonly end: number;
}

/**
 * Writes the functions of a core in the order of their use.
 * @param observed whether it counts where events happen
 */
export function wasmCore(
  preset: Preset,
  parts: CoreParts,
  pcShift: number,
  own: OwnDirection | null,
  observed: boolean,
): WasmCore {
  const m = new ModelModule();
  const describe = m.import("describe", ["i32"], ["i32"]);
  const pageBits = m.import("pageBits", ["f64"], ["i32"]);
  const entryAddress = m.import("entryAddress", ["f64", "i32"], ["i32"]);
  const ownDirection = own === null ? null : importDirection(m, own);
  const cut = observed ? m.import("cut", ["i32", "i32"]) : null;
  const imports = observed ? siteImports(m) : null;

  const shape = parts.caches ? preset.caches! : undefined;
  const state = new CoreState(m, preset, shape, pcShift);
  const sites = imports === null ? null : new WasmSites(m, imports, state, BLOCK);
  const pageSizes = new PageSizes(m);
  const caches = shape === undefined ? null : new WasmCaches(m, shape, (f) => {
    f.set(state.line, state.noLine);
    f.set(state.quiet, i32(0));
  });
  const readEntry = caches === null ? null : writeReadEntry(m, state, caches, entryAddress);
  const translation = parts.tlb ? new WasmTranslation(m, preset.tlb, readEntry) : null;
  const direction = (): Callable => ownDirection?.() ?? wasmDirection(m, preset.direction, pcShift);
  const branches = parts.branches ? new WasmBranches(m, preset, direction(), pcShift) : null;
  const blocks = new BlockIndex(m, describe);

  if (translation !== null || caches !== null) pageSizes.writeBits(m, pageBits);
  const [translateFetch, translateData] = translation === null
    ? [null, null]
    : [Side.Instruction, Side.Data]
      .map((side) => pageSizes.writeTranslate(m, translation, side, sites));
  const fetch = new InstructionFetch(m, state, translateFetch, caches, sites);
  const finish = writeFinish(m, state, fetch, sites === null ? null : { sites, cut: cut! });
  m.function(["i32"], [], (f, index) => fetch.reach(f, index), "executing");
  writeSpaces(m, state, { translation, caches }, parts.filtered === true);
  const branch = writeBranch(m, branches, sites, finish);
  const walk = parts.filtered
    ? writeWalk(m, state, pageSizes, fetch, { readEntry: readEntry!, finish })
    : null;
  const accesses = parts.tlb || parts.caches || observed;
  const data = accesses ? new DataAccess(m, state, translateData, caches, sites) : null;
  writeReader(m, state, { blocks, fetch, finish, data, branch, walk });
  return {
    module: m,
    ...{ translation, caches, branches, sites, pageSizes, blocks },
    counters: state.counters,
    end: m.size,
  };
}

/** Writes and exports `enterSpace(space)`, and `forgetPages()`: level 1 may no longer hold the last pages. */
function writeSpaces(
  m: ModelModule,
  state: CoreState,
  { translation, caches }: Pick<WasmCore, "translation" | "caches">,
  filtered: boolean,
): void {
  const forgetPages = (f: FunctionWriter): void => {
    f.set(state.page, i64(-1));
    f.set(state.dataPage, i64(-1));
    // Pages are not this core's business then, and no block may be under way.
    if (!filtered) f.set(state.quiet, i32(0));
  };
  m.function(["i32"], [], (f, space) => {
    if (translation !== null) f.set(translation.space, shl(extend(space), SPACE_SHIFT));
    if (caches !== null) f.set(state.tag, caches.tag(extend(space)));
    f.set(state.line, state.noLine);
    forgetPages(f);
  }, "enterSpace");
  m.function([], [], forgetPages, "forgetPages");
}
