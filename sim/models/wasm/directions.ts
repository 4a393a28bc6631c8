/**
 * Predictors of conditional branches in WebAssembly (`direction.ts`, `perceptron.ts`): each a function
 * `(pc: i64, target: i64, taken: i32) -> i32` that says what it predicted, and then learns the outcome.
 */
import type { DirectionShape } from "../direction.ts";
import { trainingThreshold } from "../perceptron.ts";
import {
  add,
  and,
  eq,
  geS,
  gtS,
  i32,
  leU,
  load,
  loadVector,
  ltS,
  ltU,
  mul,
  ne,
  not,
  or,
  remU,
  select,
  shl,
  shrU,
  simd,
  sub,
  wrap,
  xor,
} from "./function_writer.ts";
import type { Callable, ModelModule } from "./model_module.ts";
import { tage } from "./tage.ts";

export const DIRECTION_PARAMS = ["i64", "i64", "i32"] as const;

export function wasmDirection(m: ModelModule, shape: DirectionShape, pcShift: number): Callable {
  switch (shape.kind) {
    case "static":
      return m.function(
        DIRECTION_PARAMS,
        ["i32"],
        (f, pc, target) =>
          f.return(shape.rule === "btfn" ? leU(target, pc) : i32(shape.rule === "taken" ? 1 : 0)),
      );
    case "bimodal":
      return twoBit(m, shape.indexBits, 0, pcShift);
    case "gshare":
      return twoBit(m, shape.historyBits, shape.historyBits, pcShift);
    case "perceptron":
      return perceptron(m, shape.entries, shape.history, pcShift);
    case "tage":
      return tage(m, shape, pcShift);
  }
}

/** Two-bit counters by address XOR history, of which there may be none. */
function twoBit(m: ModelModule, indexBits: number, historyBits: number, shift: number): Callable {
  const counters = m.allocate(2 ** indexBits);
  m.initial.push({ address: counters, bytes: new Uint8Array(2 ** indexBits).fill(1) });
  const history = m.cell("i32");
  return m.function(DIRECTION_PARAMS, ["i32"], (f, pc, _target, taken) => {
    const mask = 2 ** indexBits - 1;
    const at = f.keep(and(xor(shrU(wrap(pc), shift), history.value), mask));
    const counter = f.keep(load("u8", at, counters));
    f.if(taken, () => {
      f.if(ltU(counter, 3), () => f.store("u8", at, add(counter, 1), counters));
    }, () => {
      f.if(counter, () => f.store("u8", at, sub(counter, 1), counters));
    });
    if (historyBits > 0) {
      f.set(history, and(or(shl(history.value, 1), taken), 2 ** historyBits - 1));
    }
    f.return(shrU(counter, 1));
  });
}

/** Bytes of a vector. */
const VECTOR = 16;
/** Outcomes that are kept before the window on them starts anew. */
const WINDOW = 4096;
const ADD_SATURATED = 0x6f;
const NEGATE = 0x61;
const AND = 0x4e;
const PRODUCTS = [0x9c, 0x9d] as const;
const ADD_PAIRS = 0x7e;
const ADD_I32 = 0xae;
const LANE_I32 = 0x1b;

/** Weights and outcomes are bytes; a perceptron's weights fill whole vectors, the bias is apart. */
function perceptron(m: ModelModule, entries: number, length: number, shift: number): Callable {
  const row = Math.ceil(length / VECTOR) * VECTOR;
  const weights = m.allocate(entries * row);
  const biases = m.allocate(entries);
  // Outcomes as 1 and -1, the latest at `latest`, which goes down; then it starts at the top again.
  const outcomes = m.allocate(WINDOW + row);
  m.initial.push({ address: outcomes, bytes: new Uint8Array(WINDOW + row).fill(255) });
  const latest = m.cell("i32", WINDOW);
  // Weights beyond the history stay 0.
  const mask = m.allocate(row);
  m.initial.push({ address: mask, bytes: new Uint8Array(length).fill(255) });
  const threshold = trainingThreshold(length);
  return m.function(DIRECTION_PARAMS, ["i32"], (f, pc, _target, taken) => {
    const entry = f.keep(wrap(remU(shrU(pc, shift), entries)));
    const at = f.keep(mul(entry, row));
    const from = f.keep(latest.value);
    const bias = f.keep(load("s8", entry, biases));
    const sum = f.local("v128");
    for (let i = 0; i < row; i += VECTOR) {
      const [w, o] = [loadVector(at, weights + i), loadVector(from, outcomes + i)];
      for (const [half, product] of PRODUCTS.entries()) {
        const pairs = simd(ADD_PAIRS, [simd(product, [w, o])]);
        f.set(sum, i + half === 0 ? pairs : simd(ADD_I32, [sum, pairs]));
      }
    }
    const output = f.keep(bias);
    for (let lane = 0; lane < 4; lane++) {
      f.set(output, add(output, simd(LANE_I32, [sum], [lane], "i32")));
    }
    const predicted = f.keep(geS(output, 0));
    const size = select(ltS(output, i32(0)), sub(i32(0), output), output);
    f.if(or(ne(predicted, taken), not(gtS(size, threshold))), () => {
      const learn = (sign: 1 | -1): void => {
        const most = sign === 1 ? 127 : -128;
        f.if(ne(bias, most), () => f.store("u8", entry, add(bias, sign), biases));
        for (let i = 0; i < row; i += VECTOR) {
          const o = loadVector(from, outcomes + i);
          const by = simd(AND, [sign === 1 ? o : simd(NEGATE, [o]), loadVector(i32(0), mask + i)]);
          f.storeVector(at, simd(ADD_SATURATED, [loadVector(at, weights + i), by]), weights + i);
        }
      };
      f.if(taken, () => learn(1), () => learn(-1));
    });
    f.if(eq(from, 0), () => {
      for (let i = 0; i < row; i += VECTOR) {
        f.storeVector(i32(0), loadVector(i32(0), outcomes + i), outcomes + WINDOW + i);
      }
      f.set(from, i32(WINDOW));
    });
    f.set(from, sub(from, 1));
    f.store("u8", from, sub(shl(taken, 1), 1), outcomes);
    f.set(latest, from);
    f.return(predicted);
  });
}
