/** Loads and stores: the pages and lines that each lies on. */
import { Site } from "../../cpu/site_kinds.ts";
import type { WasmCaches } from "./caches.ts";
import type { CoreState } from "./core_state.ts";
import {
  add,
  and,
  extend,
  type FunctionWriter,
  gtU,
  i32,
  type Local,
  ltU,
  ne,
  select,
  sub,
  type Value,
  wrap,
} from "./function_writer.ts";
import type { Callable, ModelModule } from "./model_module.ts";
import type { WasmSites } from "./sites.ts";

/** `size` bytes at `address`, the first at `physical`, by instruction `index` of the block. */
export interface Access {
  readonly address: Local;
  readonly size: Local;
  readonly physical: Local;
  readonly index: Local;
}

export class DataAccess {
  readonly #state: CoreState;
  readonly #translate: Callable | null;
  readonly #caches: WasmCaches | null;
  /** Counts where events happen, if anyone asks. */
  readonly #sites: WasmSites | null;
  /** `accessLine(line, address, index, va)`; null without caches. */
  readonly #accessLine: Callable | null;
  readonly #accessMany: Callable;

  /** @param translate of a page, null without TLBs */
  constructor(
    m: ModelModule,
    state: CoreState,
    translate: Callable | null,
    caches: WasmCaches | null,
    sites: WasmSites | null,
  ) {
    this.#state = state;
    this.#translate = translate;
    this.#caches = caches;
    this.#sites = sites;
    this.#accessLine = caches === null ? null : this.#writeAccessLine(m, caches);
    this.#accessMany = this.#writeAccessMany(m);
  }

  /** What a load or store does. */
  access(f: FunctionWriter, { address, size, physical, index }: Access): void {
    const state = this.#state;
    const caches = this.#caches;
    const at = state.key === "i32" ? physical : address;
    // Without caches only pages count.
    const unit = caches === null ? 2 ** state.pageBits : caches.line;
    const begin = and(at.type === "i64" ? wrap(at) : at, unit - 1);
    const many = this.#accessMany(address, size, at, index);
    f.if(gtU(add(begin, size), unit), () => f.call(many), () => {
      this.#translatePage(f, address, index);
      if (caches === null) return;
      const line = f.keep(state.lineOf(at));
      if (this.#sites === null) {
        const access = [line, state.tagged(line), at, state.pcOf(index)] as const;
        caches.l1d.ifMissed(f, access, () => {});
      } else f.call(this.#accessLine!(line, at, index, address));
    });
  }

  #translatePage(f: FunctionWriter, address: Local, index: Local): void {
    const { dataPage } = this.#state;
    const translate = this.#translate;
    if (translate === null) return;
    const page = f.keep(this.#state.pageOf(address));
    f.if(ne(page, dataPage.value), () => {
      f.set(dataPage, page);
      f.call(translate(address, index, address));
    });
  }

  #writeAccessLine(m: ModelModule, caches: WasmCaches): Callable {
    const state = this.#state;
    const sites = this.#sites;
    const { key } = state;
    return m.function([key, key, "i32", "i64"], [], (f, line, address, index, va) => {
      const missedLast = sites === null ? null : caches.watchLast(f);
      caches.l1d.ifMissed(f, [line, state.tagged(line), address, state.pcOf(index)], () => {
        if (sites === null) return;
        const tell = (site: Site) => f.call(sites.at(i32(site), index, va));
        tell(Site.L1dMisses);
        missedLast?.(() => tell(Site.LlcMisses));
      });
    });
  }

  /** `accessMany(address, size, at, index)`: an access that may lie on several lines, or on two pages. */
  #writeAccessMany(m: ModelModule): Callable {
    const state = this.#state;
    const translate = this.#translate;
    const accessLine = this.#accessLine;
    const { counters, pageBits, dataPage } = state;
    return m.function(["i64", "i32", state.key, "i32"], [], (f, address, size, at, index) => {
      this.#translatePage(f, address, index);
      const restOf = (unit: number) => f.keep(sub(i32(unit), and(wrap(address), unit - 1)));
      const rest = restOf(2 ** pageBits);
      const crosses = f.keep(ltU(rest, size));
      f.if(crosses, () => {
        f.count(counters.dataStraddles);
        if (translate === null) return;
        f.set(dataPage, add(state.pageOf(address), 1));
        const second = f.keep(add(address, extend(rest)));
        f.call(translate(second, index, second));
      });
      if (accessLine === null) return;
      // What crosses 4 KiB comes in two parts, whatever a page is.
      const same = pageBits === 12;
      const room = same ? rest : restOf(4096);
      const two = same ? crosses : f.keep(ltU(room, size));
      const first = f.keep(state.lineOf(at));
      f.call(accessLine(first, at, index, address));
      const lines = (from: Value, to: Value): void =>
        f.for(from, f.keep(add(to, 1)), 1, (line) => {
          f.count(counters.lineStraddles);
          f.call(accessLine(line, state.ofLine(line), index, address));
        });
      const isPhysical = state.key === "i32";
      const length = isPhysical ? select(two, room, size) : size;
      lines(add(first, 1), state.lineOf(sub(add(at, state.ofInt(length)), 1)));
      if (!isPhysical) return;
      f.if(two, () => {
        const second = f.keep(state.second.value);
        const from = f.keep(state.lineOf(second));
        f.count(counters.lineStraddles);
        f.call(accessLine(from, second, index, address));
        lines(add(from, 1), state.lineOf(sub(add(second, sub(size, room)), 1)));
      });
    });
  }
}
