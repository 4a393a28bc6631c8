/**
 * Reads where events of inlined models happen (`cpu/wasm/site_events.ts`) and counts them there: the part of
 * attribution that every call and every miss needs, in WebAssembly.
 */
import {
  SITE_ARGUMENT_SHIFT,
  SITE_BUDGET,
  SITE_EVENT_SIZE,
  SITE_INDEX_SHIFT,
  SITE_KIND_SHIFT,
  SITE_NUMBER,
} from "../../cpu/wasm/site_events.ts";
import { Site } from "../core_model.ts";
import { BranchKind } from "../stream_model.ts";
import { MOST_BLOCKS } from "./core.ts";
import {
  add,
  and,
  geS,
  geU,
  gtS,
  i32,
  i64,
  load,
  loadOutside,
  select,
  shl,
  shrU,
  sub,
  type Value,
  wrap,
} from "./function_writer.ts";
import { ModelModule } from "./model_module.ts";
import { siteImports, WasmSites } from "./sites.ts";

/** A block's description: offsets, in bytes. */
export const SITE_BLOCK = {
  /** Where a call of it returns to, and goes to if that is static, else -1. */
  next: 0,
  target: 8,
  count: 16,
  /** What `WasmSites` has of it. */
  symbol: 20,
  records: 24,
  size: 32,
} as const;

export interface WasmSiteCore {
  readonly module: ModelModule;
  readonly sites: WasmSites;
  /** Addresses of blocks' descriptions by number, i32; descriptions follow. */
  readonly index: number;
  readonly end: number;
}

/**
 * The module. It exports `read(from, to)`, events at these addresses; `begin(budget)` and
 * `spend(function, budget)` where instructions begin and end; and `forgetSlot` of `WasmSites`.
 */
export function wasmSiteCore(): WasmSiteCore {
  const m = new ModelModule();
  const describe = m.import("describe", ["i32"], ["i32"]);
  const imports = siteImports(m);
  const block = m.cell("i32");
  const number = m.cell("i32");
  /** What is left of the budget after what was spent. */
  const left = m.cell("i32");
  const sites = new WasmSites(m, imports, { block, number }, SITE_BLOCK);
  const index = m.allocate(4 * MOST_BLOCKS);

  m.function(["i32"], [], (f, budget) => f.set(left, budget), "begin");
  const spend = m.function(["i32", "i32"], [], (f, symbol, budget) => {
    const spent = f.keep(sub(left.value, budget));
    f.if(gtS(spent, 0), () => {
      f.set(left, budget);
      f.call(sites.spend(symbol, spent));
    });
  }, "spend");
  m.function(["i32", "i32"], [], (f, at, end) => {
    const first = f.local("i64");
    const word = f.local("i32");
    const budget = f.local("i32");
    const from = f.local("i32");
    const symbol = f.local("i32");
    const address: Value = and(first, i64((1n << BigInt(SITE_KIND_SHIFT)) - 1n));
    const high = (shift: number): Value => wrap(shrU(first, shift));
    const ofBlock = (): void => {
      f.set(from, load("i32", shl(word, 2), index));
      f.if(from, () => {}, () => f.set(from, describe(word)));
      f.set(block, from);
      f.set(number, word);
      f.set(symbol, load("i32", from, SITE_BLOCK.symbol));
    };
    /** What was spent before the block, which was charged whole. */
    const before = (): void => {
      f.call(spend(symbol, add(budget, load("i32", from, SITE_BLOCK.count))));
    };
    const last = sub(load("i32", from, SITE_BLOCK.count), 1);
    const wrong = (): void => {
      before();
      f.call(sites.at(i32(Site.Mispredicted), last, NOWHERE));
    };
    const walked = (then: () => void): void => f.if(and(high(SITE_ARGUMENT_SHIFT), 1), then);
    const missed = (site: Site, at: Value, where: Value): void => {
      f.call(sites.at(i32(site), at, where));
      walked(() => f.call(sites.at(i32(Site.StlbMisses), at, where)));
    };
    f.block((done) =>
      f.loop((again) => {
        f.if(geU(at, end), done);
        f.set(first, loadOutside("i64", at));
        f.set(word, loadOutside("i32", at, SITE_NUMBER));
        f.set(budget, loadOutside("i32", at, SITE_BUDGET));
        f.set(at, add(at, SITE_EVENT_SIZE));
        // In the order of `SiteEvent`.
        f.switch(and(high(SITE_KIND_SHIFT), 15), [
          () => f.call(spend(word, budget)),
          () => {
            ofBlock();
            f.call(spend(symbol, budget));
            const target = f.keep(load("i64", from, SITE_BLOCK.target));
            const to = select(geS(target, 0), target, address);
            f.call(sites.branch(i32(BranchKind.Call), load("i64", from, SITE_BLOCK.next), to));
          },
          () => {
            ofBlock();
            walked(wrong);
            f.call(spend(symbol, budget));
            f.call(sites.branch(i32(BranchKind.Return), i64(0), address));
          },
          () => {
            ofBlock();
            f.call(spend(symbol, budget));
            missed(Site.ItlbMisses, i32(0), NOWHERE);
          },
          () => {
            ofBlock();
            before();
            missed(Site.DtlbMisses, high(SITE_INDEX_SHIFT), address);
          },
          () => {
            ofBlock();
            wrong();
          },
        ]);
        again();
      })
    );
  }, "read");
  return { module: m, sites, index, end: m.size };
}

/** No address. */
const NOWHERE = i64(-1);
