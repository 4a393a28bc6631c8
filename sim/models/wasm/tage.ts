/** `Tage` in WebAssembly: its tables are looked up by straight code. */
import type { DirectionShape } from "../direction.ts";
import { ALTERNATE_LEAST, ALTERNATE_MOST, LEAST, MOST, PERIOD, USEFUL } from "../tage.ts";
import {
  add,
  and,
  type Cell,
  eq,
  type FunctionWriter,
  geS,
  gtS,
  i32,
  load,
  type Local,
  ltS,
  ltU,
  ne,
  not,
  or,
  select,
  shl,
  shrU,
  sub,
  type Value,
  wrap,
  xor,
} from "./function_writer.ts";
import type { Callable, ModelModule } from "./model_module.ts";

/** An entry of a table: its tag (-1: none), counter and usefulness. */
const ENTRY = 8;
const [TAG, COUNTER, USE] = [0, 4, 5];

export function tage(
  m: ModelModule,
  { baseBits, tableBits, tagBits, histories }: DirectionShape & { kind: "tage" },
  pcShift: number,
): Callable {
  const base = m.allocate(2 ** baseBits);
  m.initial.push({ address: base, bytes: new Uint8Array(2 ** baseBits).fill(1) });
  const size = ENTRY << tableBits;
  const tables = m.allocate(size * histories.length);
  const empty = new Uint8Array(size * histories.length);
  for (let at = 0; at < empty.length; at += ENTRY) empty.fill(255, at + TAG, at + TAG + 4);
  m.initial.push({ address: tables, bytes: empty });
  // The last outcomes, the latest at `latest`, older ones follow, in a ring.
  const ring = 2 ** Math.ceil(Math.log2(Math.max(...histories) + 1));
  const outcomes = m.allocate(ring);
  const latest = m.cell("i32");
  const alternate = m.cell("i32");
  const branches = m.cell("i32");
  // For each table its history folded to the bits of an index, of a tag, and of a tag less one.
  const widths = [tableBits, tagBits, tagBits - 1];
  const folded = histories.map(() => widths.map(() => m.cell("i32")));

  /** Clear one bit of all counters of usefulness. */
  const age = m.function(["i32"], [], (f, keep) => {
    f.for(
      i32(0),
      i32(size * histories.length),
      ENTRY,
      (at) => f.store("u8", at, and(load("u8", at, tables + USE), keep), tables + USE),
    );
  });

  const push = m.function(["i32"], [], (f, outcome) => {
    const at = f.keep(and(sub(latest.value, 1), ring - 1));
    f.set(latest, at);
    f.store("u8", at, outcome, outcomes);
    histories.forEach((length, t) => {
      const left = f.keep(load("u8", and(add(at, length), ring - 1), outcomes));
      widths.forEach((bits, i) => {
        const cell = folded[t][i];
        const next = f.keep(or(shl(cell.value, 1), outcome));
        const out = shl(left, length % bits);
        f.set(cell, and(xor(xor(next, out), shrU(next, bits)), 2 ** bits - 1));
      });
    });
  });

  return m.function(["i64", "i64", "i32"], ["i32"], (f, pc, _target, taken) => {
    const address = f.keep(wrap(shrU(pc, pcShift)));
    const low = f.keep(xor(address, shrU(address, tableBits)));
    // Addresses of the entries and the tags looked for; the longest match, and the next.
    const places: Local[] = [];
    const tags: Local[] = [];
    const provider = f.keep(i32(-1));
    const next = f.keep(i32(-1));
    const [place, nextPlace] = [f.keep(i32(0)), f.keep(i32(0))];
    histories.forEach((_, t) => {
      const [index, tag, less] = folded[t];
      const at = f.keep(
        add(shl(and(xor(low, index.value), 2 ** tableBits - 1), 3), tables + size * t),
      );
      const wanted = f.keep(
        and(xor(xor(address, tag.value), shl(less.value, 1)), 2 ** tagBits - 1),
      );
      places.push(at);
      tags.push(wanted);
      f.if(eq(load("i32", at, TAG), wanted), () => {
        f.set(next, provider);
        f.set(nextPlace, place);
        f.set(provider, i32(t));
        f.set(place, at);
      });
    });
    const baseAt = f.keep(and(address, 2 ** baseBits - 1));
    const baseCounter = f.keep(load("u8", baseAt, base));
    const baseTaken = f.keep(shrU(baseCounter, 1));
    const predicted = f.keep(baseTaken);
    f.if(geS(provider, 0), () => {
      const counter = f.keep(load("s8", place, COUNTER));
      const useful = f.keep(load("u8", place, USE));
      const providerTaken = f.keep(geS(counter, 0));
      const nextTaken = f.keep(baseTaken);
      f.if(geS(next, 0), () => f.set(nextTaken, geS(load("s8", nextPlace, COUNTER), 0)));
      // Never right for good: weak and not useful.
      const isNew = f.keep(and(not(useful), ltU(add(counter, 1), 2)));
      const passed = and(isNew, geS(alternate.value, 0));
      f.set(predicted, select(passed, nextTaken, providerTaken));
      // It learns.
      f.if(ne(providerTaken, nextTaken), () => {
        f.if(
          isNew,
          () => bounded(f, alternate, eq(nextTaken, taken), ALTERNATE_LEAST, ALTERNATE_MOST),
        );
        f.if(eq(providerTaken, taken), () => {
          f.if(ltU(useful, USEFUL), () => f.store("u8", place, add(useful, 1), USE));
        }, () => {
          f.if(useful, () => f.store("u8", place, sub(useful, 1), USE));
        });
      });
    });
    const wrong = f.keep(ne(predicted, taken));
    f.if(and(wrong, ltS(provider, i32(histories.length - 1))), () => {
      f.block((done) => {
        histories.forEach((_, t) => {
          f.if(ltS(provider, i32(t)), () =>
            f.if(not(load("u8", places[t], USE)), () => {
              f.store("i32", places[t], tags[t], TAG);
              f.store("u8", places[t], sub(taken, 1), COUNTER);
              done();
            }));
        });
        histories.forEach((_, t) =>
          f.if(
            ltS(provider, i32(t)),
            () => f.store("u8", places[t], sub(load("u8", places[t], USE), 1), USE),
          )
        );
      });
    });
    f.if(geS(provider, 0), () => {
      const counter = f.keep(load("s8", place, COUNTER));
      f.if(taken, () => {
        f.if(ltS(counter, i32(MOST)), () => f.store("u8", place, add(counter, 1), COUNTER));
      }, () => {
        f.if(gtS(counter, LEAST), () => f.store("u8", place, sub(counter, 1), COUNTER));
      });
    }, () => {
      f.if(taken, () => {
        f.if(ltU(baseCounter, 3), () => f.store("u8", baseAt, add(baseCounter, 1), base));
      }, () => {
        f.if(baseCounter, () => f.store("u8", baseAt, sub(baseCounter, 1), base));
      });
    });
    f.set(branches, add(branches.value, 1));
    f.if(not(and(branches.value, PERIOD - 1)), () => {
      const odd = and(branches.value, PERIOD);
      f.call(age(select(odd, i32(1), i32(2))));
    });
    f.call(push(taken));
    f.return(predicted);
  });
}

/** Step a counter up or down within its limits. */
function bounded(f: FunctionWriter, cell: Cell, up: Value, least: number, most: number): void {
  const value = f.keep(cell.value);
  f.if(up, () => {
    f.if(ltS(value, i32(most)), () => f.set(cell, add(value, 1)));
  }, () => {
    f.if(gtS(value, least), () => f.set(cell, sub(value, 1)));
  });
}
