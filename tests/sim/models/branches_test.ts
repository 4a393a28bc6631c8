/** Predictors against the textbook on random programs, and against what papers say of small kernels. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { BranchUnit } from "../../../sim/models/branch_unit.ts";
import {
  directionPredictor,
  type DirectionShape,
  namedDirections,
  WasmPredictor,
} from "../../../sim/models/direction.ts";
import { BranchKind } from "../../../sim/models/stream_model.ts";
import { TextbookBranches, type TextbookBranchKind } from "../../oracles/textbook_predictors.ts";
import { xorshift32 } from "../../oracles/replacement.ts";

const KINDS: Readonly<Record<TextbookBranchKind, BranchKind>> = {
  "not taken": BranchKind.NotTaken,
  "taken": BranchKind.Taken,
  "jump": BranchKind.Jump,
  "call": BranchKind.Call,
  "indirect jump": BranchKind.IndirectJump,
  "indirect call": BranchKind.IndirectCall,
  "return": BranchKind.Return,
};

/** A program of functions that loop, branch on what branched before, and call each other. */
function program(seed: number, branch: (k: TextbookBranchKind, pc: number, to: number) => void) {
  const draw = xorshift32(seed);
  const past: boolean[] = [];
  let left = 40_000;
  const conditional = (pc: number, to: number, taken: boolean) => {
    past.unshift(taken);
    past.length = Math.min(past.length, 200);
    left--;
    branch(taken ? "taken" : "not taken", pc, to);
  };
  const call = (f: number, depth: number): void => {
    const at = 0x40_0000 + f * 0x1_0044 + (f % 3) * 2 ** 40;
    const turns = 1 + (f * 7 + draw() % 2) % 19;
    for (let i = 0; i < turns && left > 0; i++) {
      conditional(at + 8, at + 64, past[f % 40] !== past[3]);
      conditional(at + 16, at + 128, draw() % (2 + f % 5) === 0);
      if (depth < 40 && draw() % 3 === 0) {
        const callee = draw() % 60;
        const to = 0x40_0000 + callee * 0x1_0044 + (callee % 3) * 2 ** 40;
        branch(callee % 2 === 0 ? "call" : "indirect call", at + 32, to);
        call(callee, depth + 1);
        branch("return", to + 80, draw() % 300 === 0 ? 0 : at + 36);
      }
      if (draw() % 4 === 0) branch("indirect jump", at + 48, at + 52 + 4 * (draw() % 3));
      branch("jump", at + 56, at + 8);
      conditional(at + 60, at, i < turns - 1);
    }
  };
  while (left > 0) call(draw() % 60, 0);
}

const SHAPES: Readonly<Record<string, DirectionShape>> = {
  ...namedDirections,
  "small tage": {
    kind: "tage",
    ...{ baseBits: 6, tableBits: 5, tagBits: 7 },
    histories: [3, 8, 21, 55],
  },
};

for (const [name, direction] of Object.entries(SHAPES)) {
  for (const pcShift of [0, 2]) {
    Deno.test(`${name}, addresses without ${pcShift} bits: equal to the textbook's`, () => {
      const shape = {
        direction,
        targetBuffer: { entries: 64, ways: 4, historyBits: pcShift === 0 ? undefined : 7 },
        btb: [{ entries: 16, ways: 16 }, { entries: 96, ways: 3 }],
        returnStack: 8,
      };
      const book = new TextbookBranches(shape, pcShift);
      const model = new BranchUnit(shape, directionPredictor(direction, pcShift), pcShift);
      program(17, (kind, pc, to) => {
        book.branch(kind, pc, to, 4);
        model.branch(KINDS[kind], pc, pc + 4, to);
      });
      const expected = book.counters();
      assertEquals(model.report(), expected);
      assert(expected["returns.mispredicted"] > 20);
      assert(expected["btb.2.misses"] > 100);
      assert(expected["branches.indirect.mispredicted"] > 100);
    });
  }
}

/** Mispredictions among the last half of `count` branches at one address, by their outcomes. */
function wrong(
  name: string,
  outcome: (i: number, past: readonly boolean[]) => boolean,
  count = 8000,
) {
  const predictor = directionPredictor(namedDirections[name], 0);
  const past: boolean[] = [];
  let mispredicted = 0;
  for (let i = 0; i < count; i++) {
    const taken = outcome(i, past);
    const predicted = predictor.predict(0x1000, 0x800);
    predictor.update(0x1000, taken, predicted);
    if (i >= count / 2 && predicted !== taken) mispredicted++;
    past.unshift(taken);
    if (past.length > 300) past.length = 200;
  }
  return mispredicted / (count / 2);
}

Deno.test("a loop of ten: two-bit counters miss its end only, histories nothing (Smith 1981)", () => {
  const loop = (i: number) => i % 10 !== 9;
  assertEquals(wrong("bimodal", loop), 0.1);
  assertEquals(wrong("taken", loop), 0.1);
  assertEquals(wrong("btfn", loop), 0.1);
  assertEquals(wrong("not-taken", loop), 0.9);
  for (const name of ["gshare", "perceptron", "tage"]) assertEquals(wrong(name, loop), 0, name);
});

Deno.test("alternation: a counter is no better than chance, one bit of history is enough", () => {
  const alternate = (i: number) => i % 2 === 0;
  assert(wrong("bimodal", alternate) >= 0.5);
  for (const name of ["gshare", "perceptron", "tage"]) assertEquals(wrong(name, alternate), 0);
});

Deno.test("a loop of 30 needs a history of 30: not gshare of 14 (Jiménez and Lin 2001)", () => {
  const loop = (i: number) => i % 30 !== 29;
  assert(wrong("gshare", loop) > 0.03);
  assertEquals(wrong("perceptron", loop), 0);
  assertEquals(wrong("tage", loop), 0);
});

Deno.test("a loop of 100 needs TAGE's long histories (Seznec and Michaud 2006)", () => {
  const loop = (i: number) => i % 100 !== 99;
  assertEquals(wrong("perceptron", loop), 0.01);
  assertEquals(wrong("tage", loop, 20_000), 0);
});

Deno.test("XOR of two outcomes is not linearly separable: perceptrons fail (Jiménez and Lin 2001)", () => {
  const draw = xorshift32(5);
  // Two random branches, then one that is the XOR of both, all at one address.
  const xor = (i: number, past: readonly boolean[]) =>
    i % 3 === 2 ? past[0] !== past[1] : draw() % 2 === 0;
  const best = 1 / 3; // of all branches: half of the two random ones
  assert(wrong("perceptron", xor, 60_000) > best + 0.1);
  // gshare sees random histories of 14, each pattern seldom: short histories are TAGE's strength.
  assert(wrong("tage", xor, 60_000) < best + 0.1);
});

Deno.test("a predictor in WebAssembly", () => {
  // (func (export "predict") (param i32 i32) (result i32) i32.const 1)
  const bytes = Uint8Array.fromHex(
    "0061736d0100000001070160027f7f017f030201000707010370726500000a0601040041010b",
  );
  assertThrows(() => new WasmPredictor(new WebAssembly.Module(bytes)), TypeError, "predict");
  const named = Uint8Array.fromHex(
    "0061736d0100000001070160027f7f017f03020100070b0107707265646963740000" + "0a0601040041010b",
  );
  const predictor = new WasmPredictor(new WebAssembly.Module(named));
  const unit = new BranchUnit(
    { targetBuffer: { entries: 4, ways: 4 }, returnStack: 4 },
    predictor,
    0,
  );
  for (let i = 0; i < 10; i++) {
    unit.branch(i % 5 === 0 ? BranchKind.NotTaken : BranchKind.Taken, 4, 8, 64);
  }
  assertEquals(unit.conditionalWrong, 2);
});
