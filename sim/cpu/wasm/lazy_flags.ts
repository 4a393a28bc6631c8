/**
 * The guest's lazy flags in a region: in locals from where a block first needs or sets them, in state memory where
 * control leaves. Their kind is often known when the region is lowered.
 */
import type { Isa } from "../ir/decoded.ts";
import { Emitter } from "../ir/emitter.ts";
import type { Node } from "../ir/types.ts";
import * as L from "../layout.ts";
import { type Code, W } from "./code.ts";
import type { Linker } from "./cold.ts";
import { FLAG_PARAMS } from "./imports.ts";
import type { RegionContext } from "./region_context.ts";
import type { RegionLocals } from "./region_locals.ts";

export class LazyFlags {
  readonly #code: Code;
  readonly #locals: RegionLocals;
  readonly #linker: Linker;
  readonly #isa: Isa;
  readonly #inline: (e: Emitter, result: Node) => void;
  /** Flag kind at the current point, -1 when not known. */
  #kind = -1;
  /** Whether the locals are right here; memory is otherwise. */
  #held = false;

  /** `inline` pushes an expression. */
  constructor(
    { code, locals, linker, source }: RegionContext,
    inline: (e: Emitter, result: Node) => void,
  ) {
    this.#code = code;
    this.#locals = locals;
    this.#linker = linker;
    this.#isa = source.isa;
    this.#inline = inline;
  }

  /** A block begins. */
  begin(kind: number, held: boolean): void {
    this.#kind = kind;
    this.#held = held;
  }
  /** Have them in locals. */
  fill(): void {
    const { flagKind, flagA, flagB } = this.#locals;
    this.#code.stateLoad(W.i32_load, L.FLAG_KIND).set(flagKind)
      .stateLoad(W.i64_load, L.FLAG_A).set(flagA)
      .stateLoad(W.i64_load, L.FLAG_B).set(flagB);
    this.#held = true;
  }
  /** A helper may have set them, in memory. */
  reload(): void {
    this.fill();
    this.#kind = -1;
  }
  /** Make them right in memory where control leaves. */
  spill(): void {
    if (!this.#held) return;
    const { flagKind, flagA, flagB } = this.#locals;
    this.#code.i32(0);
    if (this.#kind >= 0) this.#code.i32(this.#kind);
    else this.#code.get(flagKind);
    this.#code.mem(W.i32_store, L.FLAG_KIND)
      .i32(0).get(flagA).mem(W.i64_store, L.FLAG_A)
      .i32(0).get(flagB).mem(W.i64_store, L.FLAG_B);
  }

  /** Set them to `kind`, of the two operands on the stack; `certain` if that happens on every path through the block. */
  set(kind: number, certain: boolean): void {
    const { flagKind, flagA, flagB } = this.#locals;
    this.#code.set(flagB).set(flagA).i32(kind).set(flagKind);
    // Inside a conditional arm the kind is known on that path only.
    this.#kind = certain ? kind : -1;
    this.#held = true;
  }

  /** Push whether a condition holds. */
  readCondition(condition: number): void {
    this.#read(
      `condition_${condition}`,
      (e, a, b) => this.#isa.flags.condition(e, this.#kind, condition, a, b),
    );
  }
  /** Push all of them, as the program sees them. */
  readPacked(): void {
    this.#read("flags", (e, a, b) => this.#isa.flags.pack(e, this.#kind, a, b));
  }
  /** Push what is computed of them: inline where their kind is known, by the shared function `name` elsewhere. */
  #read(name: string, known: (e: Emitter, a: Node, b: Node) => Node): void {
    const { flagKind, flagA, flagB } = this.#locals;
    if (this.#kind >= 0) {
      const e = new Emitter(null);
      this.#inline(e, known(e, e.param(flagA, "i64"), e.param(flagB, "i64")));
      return;
    }
    this.#code.get(flagKind).get(flagA).get(flagB)
      .call(this.#linker.builder.import(name, FLAG_PARAMS, ["i32"]));
  }
}
