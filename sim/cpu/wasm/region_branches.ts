/** Branch prediction in a region: what the models make of the branch that ends the block under way. */
import * as L from "../layout.ts";
import { typeCode, W } from "./code.ts";
import type { Instrumentation } from "./events.ts";
import { learnInline, predictInline } from "./gshare.ts";
import type { RegionContext } from "./region_context.ts";
import type { RegionSites } from "./region_sites.ts";
import { popReturn, pushReturn } from "./return_stack.ts";
import { indirectInline } from "./target_buffer.ts";

export class RegionBranches {
  readonly #region: RegionContext;
  readonly #models: Instrumentation;
  readonly #sites: RegionSites | null;
  /** Lowered where a branch was mispredicted, if attribution asks. */
  readonly #wrong: (() => void) | undefined;

  constructor(region: RegionContext, models: Instrumentation, sites: RegionSites | null) {
    this.#region = region;
    this.#models = models;
    this.#sites = sites;
    this.#wrong = sites === null ? undefined : () => sites.mispredicted();
  }

  /**
   * gshare, for a conditional branch; what is returned lowers what it learns from an outcome, where that is
   * known.
   */
  conditional(): (outcome: 0 | 1) => void {
    const { code, locals: { history, branches }, pc, temporary } = this.#region;
    const [at, counter] = [temporary("i32"), temporary("i32")];
    const locals = { at, counter, history, branches };
    predictInline(code, this.#models, pc, locals);
    return (outcome) => learnInline(code, outcome, locals, this.#wrong);
  }

  /** An indirect branch to `pc`. */
  indirect(flow: "jump" | "call" | "return"): void {
    if (flow === "return") this.#return();
    else this.#predictTarget();
    if (flow !== "call") return;
    const { code, locals: { pc } } = this.#region;
    if (this.#sites !== null) code.i32(0).get(pc).mem(W.i64_store, L.BRANCH_TARGET);
    this.call(pc);
  }

  /** The target buffer. */
  #predictTarget(): void {
    const { code, locals, pc, record, runtime } = this.#region;
    const slow = (): void => {
      this.#sites?.show();
      code.get(locals.pc).i32(record).call(runtime("indirect"));
    };
    indirectInline(code, this.#models, { pc, target: locals.pc, slow, wrong: this.#wrong });
  }

  /** A call: the return stack gets the next instruction's address. `target` is a local for indirect ones, or -1. */
  call(target: number): void {
    const { code, nextPc, temporary } = this.#region;
    pushReturn(code, this.#models.returnStack, temporary("i32"), () => code.i64(BigInt(nextPc)));
    this.#sites?.call(target);
  }

  /** A return to `pc`. */
  #return(): void {
    const { code, locals, temporary } = this.#region;
    const [top, wrong] = [temporary("i32"), temporary("i32")];
    popReturn(code, this.#models.returnStack, { top, target: locals.pc, wrong });
    if (this.#sites === null) return;
    code.get(wrong).seldom().op(W.if, typeCode.void);
    this.#sites.mispredicted();
    code.op(W.end);
    this.#sites.return();
  }
}
