/**
 * Fetches of instructions: of a block no more than was executed, and pages and lines are looked up only where
 * they are not those that were fetched from last.
 */
import { Site } from "../../cpu/site_kinds.ts";
import { BLOCK, INSTRUCTION, instructionOf } from "./block_index.ts";
import type { WasmCaches } from "./caches.ts";
import type { CoreState } from "./core_state.ts";
import {
  add,
  and,
  eq,
  extend,
  type FunctionWriter,
  geU,
  i32,
  i64,
  load,
  type Local,
  ltU,
  ne,
  not,
  or,
  select,
  shl,
  sub,
  type Value,
} from "./function_writer.ts";
import type { Callable, ModelModule } from "./model_module.ts";
import { NO_DATA, type WasmSites } from "./sites.ts";

/** More than a block has instructions. */
const ALL = 255;

export class InstructionFetch {
  /** `fetchLine(line, address, index)`; null without caches. */
  readonly fetchLine: Callable | null;
  /** `fetch(to)`: instructions up to `to` of the block are fetched; null if nothing looks. */
  readonly #fetch: Callable | null;
  readonly #state: CoreState;
  readonly #translates: boolean;

  /** @param translate of a page, null without TLBs */
  constructor(
    m: ModelModule,
    state: CoreState,
    translate: Callable | null,
    caches: WasmCaches | null,
    sites: WasmSites | null,
  ) {
    this.#state = state;
    this.#translates = translate !== null;
    this.fetchLine = caches === null ? null : this.#writeFetchLine(m, caches, sites);
    this.#fetch = translate === null && caches === null ? null : this.#writeFetch(m, translate);
  }

  /** Instruction `index` of the block is executed. */
  reach(f: FunctionWriter, index: Value): void {
    const fetch = this.#fetch;
    if (fetch === null) return;
    const { fetched, quiet } = this.#state;
    f.if(geU(index, fetched.value), () =>
      f.if(
        geU(index, quiet.value),
        () => f.call(fetch(add(index, 1))),
        () => f.set(fetched, add(index, 1)),
      ));
  }

  /** All of the block that retires is fetched. */
  finish(f: FunctionWriter): void {
    const fetch = this.#fetch;
    if (fetch === null) return;
    const { fetched, quiet, count } = this.#state;
    f.if(
      ltU(fetched.value, count.value),
      () => f.if(ltU(quiet.value, count.value), () => f.call(fetch(count.value))),
    );
  }

  /** Nothing of the block was fetched yet; where it begins may have been fetched from last. */
  enter(f: FunctionWriter, block: Local): void {
    const state = this.#state;
    const quiet = f.keep(i32(0));
    f.if(not(load("i32", block, BLOCK.straddles)), () => {
      const same: Value[] = [];
      if (this.#translates) {
        same.push(eq(state.pageOf(load("i64", block, BLOCK.pc)), state.page.value));
      }
      if (this.fetchLine !== null) {
        same.push(eq(state.tagged(load(state.key, block, BLOCK.line)), state.line.value));
      }
      if (same.length === 0) return;
      const run = load("u8", block, BLOCK.instructions + INSTRUCTION.run);
      const until = this.fetchLine === null ? i32(ALL) : run;
      f.if(same.reduce((a, b) => and(a, b)), () => f.set(quiet, until));
    });
    f.set(state.quiet, quiet);
  }

  /** Instructions of blocks that are not told are fetched already, however many are executed. */
  skip(f: FunctionWriter): void {
    f.set(this.#state.quiet, i32(ALL));
  }

  #writeFetch(m: ModelModule, translate: Callable | null): Callable {
    const state = this.#state;
    const { fetchLine } = this;
    return m.function(["i32"], [], (f, to) => {
      const block = f.keep(state.block.value);
      const from = f.keep(state.fetched.value);
      const straddles = f.keep(load("i32", block, BLOCK.straddles));
      f.set(state.fetched, to);
      if (translate !== null) {
        const pc = f.keep(load("i64", block, BLOCK.pc));
        const page = f.keep(state.pageOf(pc));
        f.if(or(straddles, ne(page, state.page.value)), () => {
          f.set(state.page, page);
          f.call(translate(pc, from, NO_DATA));
          f.if(straddles, () => {
            f.set(state.page, add(page, 1));
            f.call(translate(shl(add(page, 1), state.pageBits), from, NO_DATA));
          });
        });
      }
      if (fetchLine === null) {
        f.set(state.quiet, select(straddles, i32(0), i32(ALL)));
        return;
      }
      f.if(straddles, () => {
        this.#straddling(f, block, fetchLine);
        f.return();
      });
      this.#lines(f, block, { from, to }, fetchLine);
    });
  }

  /** Lines of the instructions `[from, to)` of a block. */
  #lines(
    f: FunctionWriter,
    block: Local,
    { from, to }: Readonly<Record<"from" | "to", Local>>,
    fetchLine: Callable,
  ): void {
    const state = this.#state;
    const base = f.keep(load(state.key, block, BLOCK.line));
    const i = f.keep(from);
    const line = f.local(state.key);
    const run = f.local("i32");
    f.loop((again) => {
      const at = f.keep(instructionOf(block, i));
      const first = load("u8", at, BLOCK.instructions + INSTRUCTION.line);
      f.set(line, add(base, state.ofInt(first)));
      f.if(ne(state.tagged(line), state.line.value), () => {
        const address = load("i64", block, BLOCK.address);
        const offset = extend(load("u16", at, BLOCK.instructions + INSTRUCTION.offset));
        f.call(fetchLine(line, state.ofLong(add(address, offset)), i));
      });
      f.set(run, load("u8", at, BLOCK.instructions + INSTRUCTION.run));
      f.if(eq(run, i), () => {
        // It goes on in the next line.
        f.set(line, add(line, 1));
        f.count(state.counters.fetchLineStraddles);
        f.call(fetchLine(line, state.ofLine(line), i));
        f.set(run, add(i, 1));
      }, () => {
        // Unless a level below took the line away meanwhile.
        f.if(ne(state.tagged(line), state.line.value), () => f.set(run, add(i, 1)));
      });
      f.set(i, run);
      f.if(ltU(i, to), again);
    });
    f.set(state.quiet, run);
  }

  /** The block's only instruction lies on two pages. */
  #straddling(f: FunctionWriter, block: Local, fetchLine: Callable): void {
    const state = this.#state;
    const at = f.keep(state.ofLong(load("i64", block, BLOCK.address)));
    const room = f.keep(
      state.ofLong(sub(i64(4096), and(load("i64", block, BLOCK.pc), 4095))),
    );
    const first = f.keep(state.lineOf(at));
    f.call(fetchLine(first, at, i32(0)));
    const last = f.keep(state.lineOf(sub(add(at, room), 1)));
    f.if(ne(last, first), () => f.call(fetchLine(last, state.ofLine(last), i32(0))));
    const second = f.keep(state.ofLong(load("i64", block, BLOCK.second)));
    f.call(fetchLine(state.lineOf(second), second, i32(0)));
    f.count(state.counters.fetchLineStraddles);
    f.set(state.quiet, i32(0));
  }

  #writeFetchLine(m: ModelModule, caches: WasmCaches, sites: WasmSites | null): Callable {
    const state = this.#state;
    const { key } = state;
    return m.function([key, key, "i32"], [], (f, line, address, index) => {
      const missedLast = sites === null ? null : caches.watchLast(f);
      const tagged = f.keep(state.tagged(line));
      f.set(state.line, tagged);
      caches.l1i.ifMissed(f, [line, tagged, address, state.pcOf(index)], () => {
        if (sites === null) return;
        const tell = (site: Site) => f.call(sites.at(i32(site), index, NO_DATA));
        tell(Site.L1iMisses);
        missedLast?.(() => tell(Site.LlcMisses));
      });
    });
  }
}
