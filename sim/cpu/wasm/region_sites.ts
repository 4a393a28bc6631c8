/** Attribution of the block under way: `site_calls.ts` for what a region knows of it. */
import type { Block } from "../blocks.ts";
import * as R from "./records.ts";
import type { RegionContext } from "./region_context.ts";
import {
  callSite,
  comeToFunction,
  enterSiteAt,
  returnSite,
  showSite,
  type SiteLocals,
} from "./site_calls.ts";
import { countMispredicted } from "./site_events.ts";

export class RegionSites {
  readonly #region: RegionContext;
  readonly #locals: SiteLocals;

  constructor(region: RegionContext) {
    this.#region = region;
    const { now, sites: [node, at, to] } = region.locals;
    this.#locals = { now, node, at, to };
  }

  /** Control comes from node `from`, or from the root, to node `to`. */
  come(from: number, to: number): void {
    const { code, plan } = this.#region;
    comeToFunction(code, this.#locals, plan.counting(from, to), this.#entryOf(to));
  }
  /** It is entered. */
  enter(): void {
    const { code, plan, source, node, block } = this.#region;
    enterSiteAt(code, this.#locals, {
      ...this.#entryOf(node),
      ...{ record: siteOf(block), counter: source.counterOf(block) },
      ...{ count: block.count, entered: plan.entered(node) },
    });
  }
  #entryOf(x: number) {
    const { plan, source, runtime } = this.#region;
    const number = source.functionOf(plan.members[x].block);
    return { number, enter: () => runtime("site_enter") };
  }
  /** `SITE_BLOCK` is right for what is called next. */
  show(): void {
    showSite(this.#region.code, siteOf(this.#region.block));
  }
  /** The branch at its end was mispredicted. */
  mispredicted(): void {
    const { code, block } = this.#region;
    countMispredicted(code, () => code.i32(0), siteOf(block));
  }
  /** It calls; `target` is a local for indirect calls, or -1. */
  call(target: number): void {
    const { code, block, nextPc, runtime } = this.#region;
    callSite(code, this.#locals, {
      ...{ record: siteOf(block), number: block.number, next: BigInt(nextPc), target },
      call: () => runtime("site_call"),
    });
  }
  /** It returns to `pc`. */
  return(): void {
    const { code, locals, runtime } = this.#region;
    returnSite(code, this.#locals, locals.pc, () => runtime("site_return"));
  }
}

/** Address of a block's site record. */
const siteOf = ({ head, count }: Block): number => R.siteRecord(head, count);
