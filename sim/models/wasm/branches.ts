/** `BranchUnit` in WebAssembly. */
import type { BranchShape } from "../branch_unit.ts";
import { BranchKind } from "../stream_model.ts";
import {
  add,
  and,
  type Cell,
  eq,
  extend,
  geS,
  gtU,
  i32,
  load,
  ltU,
  ne,
  not,
  select,
  shl,
  shrU,
  sub,
  type Value,
  wrap,
  xor,
} from "./function_writer.ts";
import type { Callable, ModelModule } from "./model_module.ts";
import { Store } from "./store.ts";

export class WasmBranches {
  readonly conditional: Cell;
  readonly conditionalWrong: Cell;
  readonly indirect: Cell;
  readonly indirectWrong: Cell;
  readonly returns: Cell;
  readonly returnsWrong: Cell;
  readonly btbAccesses: Cell;
  readonly btbMisses: readonly Cell[];
  /** `branch(kind, pc, next, to)`, i32 and i64s: whether it was mispredicted. */
  readonly branch: Callable;

  /** @param direction `(pc, target, taken)`: what it predicted */
  constructor(m: ModelModule, shape: BranchShape, direction: Callable, pcShift: number) {
    this.conditional = m.cell("i64");
    this.conditionalWrong = m.cell("i64");
    this.indirect = m.cell("i64");
    this.indirectWrong = m.cell("i64");
    this.returns = m.cell("i64");
    this.returnsWrong = m.cell("i64");
    this.btbAccesses = m.cell("i64");
    const { btb = [], returnStack } = shape;
    this.btbMisses = btb.map(() => m.cell("i64"));
    const levels = btb.map(({ entries, ways }) => new Store(m, { entries, ways, key: "i64" }));
    const lookUp = m.function(["i64"], [], (f, pc) => {
      f.count(this.btbAccesses);
      const index = f.keep(shrU(pc, pcShift));
      levels.forEach((store, i) => {
        f.block((missed) => {
          store.ifMissed(f, index, pc, missed);
          f.return();
        });
        f.count(this.btbMisses[i]);
        f.call(store.fill(index, store.victim(index), pc));
      });
    });
    const indirect = this.#indirect(m, shape, pcShift);
    // Addresses that calls return to: a ring.
    const stack = m.allocate(8 * returnStack);
    const [top, depth] = [m.cell("i32"), m.cell("i32")];
    const push = m.function(["i64"], [], (f, address) => {
      const at = f.keep(add(top.value, 1));
      f.set(at, select(eq(at, returnStack), i32(0), at));
      f.set(top, at);
      f.store("i64", shl(at, 3), address, stack);
      f.if(ltU(depth.value, returnStack), () => f.set(depth, add(depth.value, 1)));
    });
    const pop = m.function(["i64"], ["i32"], (f, to) => {
      f.count(this.returns);
      f.if(depth.value, () => {
        const at = f.keep(top.value);
        f.set(top, sub(select(at, at, i32(returnStack)), 1));
        f.set(depth, sub(depth.value, 1));
        f.if(eq(load("i64", shl(at, 3), stack), to), () => f.return(i32(0)));
      });
      f.count(this.returnsWrong);
      f.return(i32(1));
    });
    this.branch = m.function(["i32", "i64", "i64", "i64"], ["i32"], (f, kind, pc, next, to) => {
      const wrong = f.keep(i32(0));
      f.if(not(gtU(kind, BranchKind.Taken)), () => {
        const taken = f.keep(sub(kind, BranchKind.NotTaken));
        f.count(this.conditional);
        f.set(wrong, ne(direction(pc, to, taken), taken));
        f.if(wrong, () => f.count(this.conditionalWrong));
        f.if(not(taken), () => f.return(wrong));
      });
      if (levels.length > 0) f.call(lookUp(pc));
      f.switch(sub(kind, BranchKind.NotTaken), [
        () => {},
        () => {},
        () => {},
        () => f.call(push(next)),
        () => f.set(wrong, indirect(pc, to)),
        () => {
          f.set(wrong, indirect(pc, to));
          f.call(push(next));
        },
        () => f.set(wrong, pop(to)),
      ]);
      f.return(wrong);
    });
  }

  #indirect(m: ModelModule, { targetBuffer }: BranchShape, pcShift: number): Callable {
    const { entries, ways, historyBits = 0 } = targetBuffer;
    const tagged = historyBits > 0;
    const store = new Store(m, { entries, ways, key: "i64", tagged });
    const targets = m.allocate(8 * store.places);
    // Targets of the last indirect branches, hashed.
    const path = m.cell("i32");
    return m.function(["i64", "i64"], ["i32"], (f, pc, to) => {
      f.count(this.indirect);
      const index = f.keep(shrU(pc, pcShift));
      const past = f.keep(tagged ? path.value : i32(0));
      if (tagged) {
        f.if(past, () => f.set(index, extend(xor(wrap(index), past))));
      }
      const tag: Value[] = tagged ? [past] : [];
      const at = f.keep(store.find(index, pc, ...tag));
      const wrong = f.keep(i32(1));
      f.if(geS(at, 0), () => f.set(wrong, ne(load("i64", shl(at, 3), targets), to)), () => {
        f.set(at, store.victim(index));
        f.call(store.fill(index, at, pc, ...tag));
      });
      f.store("i64", shl(at, 3), to, targets);
      if (tagged) {
        const mask = 2 ** historyBits - 1;
        f.set(path, and(xor(shl(past, 2), wrap(shrU(to, pcShift))), mask));
      }
      f.count(this.indirectWrong, extend(wrong));
      f.return(wrong);
    });
  }
}
