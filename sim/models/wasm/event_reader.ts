/** Reads the event stream (`event_stream.ts`): its encoding is undone, and each event goes to what it is for. */
import {
  ARGUMENT_SHIFT,
  EVENT_SIZE,
  EVENT_WORD,
  EventKind,
  INDEX_SHIFT,
  KIND_SHIFT,
} from "../../cpu/wasm/event_stream.ts";
import type { BlockIndex } from "./block_index.ts";
import type { CoreState } from "./core_state.ts";
import type { DataAccess } from "./data_access.ts";
import {
  add,
  and,
  eq,
  extend,
  geU,
  i32,
  i64,
  leU,
  loadOutside,
  shrU,
  sub,
  type Value,
  wrap,
} from "./function_writer.ts";
import type { InstructionFetch } from "./instruction_fetch.ts";
import type { Callable, ModelModule } from "./model_module.ts";

/** What events go to. */
export interface EventReceivers {
  readonly blocks: BlockIndex;
  readonly fetch: InstructionFetch;
  /** The block under way has retired. */
  readonly finish: Callable;
  /** Null if blocks and accesses are not in the stream. */
  readonly data: DataAccess | null;
  /** Null if branches are not. */
  readonly branch: Callable | null;
  /** Null if the stream is not filtered; else it tells page walks, and leaves blocks out. */
  readonly walk: Callable | null;
}

/** The last kind of branch. */
const LAST = EventKind.Return;

/** Writes and exports `read(from, to)`: the events at these addresses of the machine's memory. */
export function writeReader(
  m: ModelModule,
  state: CoreState,
  { blocks, fetch, finish, data, branch, walk }: EventReceivers,
): void {
  const { counters } = state;
  m.function(["i32", "i32"], [], (f, at, end) => {
    const high = f.local("i32");
    const third = f.local("i32");
    const index = f.local("i32");
    const size = f.local("i32");
    const address = f.local("i64");
    const block = f.local("i32");
    const kind = f.local("i32");
    // Data accesses and stores among them, of these events.
    const all = f.local("i64");
    const stores = f.local("i64");
    const is = (k: EventKind): Value => eq(kind, k);
    const access = (): void => {
      if (data === null) return;
      f.set(all, add(all, 1));
      f.set(stores, add(stores, extend(kind)));
      fetch.reach(f, index);
      data.access(f, { address, size, physical: third, index });
    };
    const begin = (): void => {
      if (data === null) return;
      f.call(finish());
      f.set(block, blocks.find(third));
      f.set(state.block, block);
      f.set(state.number, third);
      f.set(state.count, add(and(sub(size, 1), 63), 1));
      fetch.enter(f, block);
    };
    const branches = (): void => {
      if (branch === null) return;
      f.set(block, blocks.find(third));
      fetch.reach(f, index);
      f.call(branch(kind, block, index, address));
    };
    const rare = (): void => {
      if (data === null) return;
      f.if(is(EventKind.Straddle), () => f.set(state.second, third));
      f.if(is(EventKind.Cut), () => f.set(state.count, size));
      if (walk === null) return;
      f.if(is(EventKind.Quiet), () => {
        f.call(finish());
        fetch.skip(f);
      });
      f.if(is(EventKind.Walk), () => f.call(walk(third, address, index)));
    };
    f.block((done) =>
      f.loop((again) => {
        f.if(geU(at, end), done);
        f.set(address, loadOutside("i64", at));
        f.set(high, wrap(shrU(address, 32)));
        f.set(address, and(address, i64((1n << 48n) - 1n)));
        f.set(third, loadOutside("i32", at, EVENT_WORD));
        f.set(index, shrU(high, INDEX_SHIFT));
        f.set(size, and(shrU(high, ARGUMENT_SHIFT), 63));
        f.set(kind, and(shrU(high, KIND_SHIFT), 15));
        f.set(at, add(at, EVENT_SIZE));
        f.if(leU(kind, EventKind.Store), access, () =>
          f.if(is(EventKind.Block), begin, () => {
            if (walk !== null) {
              f.if(is(EventKind.Line), () => {
                f.call(fetch.fetchLine!(state.lineOf(third), third, i32(0)));
                again();
              });
            }
            const isBranch = leU(sub(kind, EventKind.NotTaken), LAST - EventKind.NotTaken);
            f.if(isBranch, branches, rare);
          }));
        again();
      })
    );
    f.count(counters.loads, sub(all, stores));
    f.count(counters.stores, stores);
  }, "read");
}
