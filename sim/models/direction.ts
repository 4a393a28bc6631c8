/** Predictors of conditional branches, from the simplest to TAGE; and the user's own. */
import { Perceptron } from "./perceptron.ts";
import { Tage } from "./tage.ts";

/** Predicts the directions of conditional branches, in program order, each learned at once. */
export interface DirectionPredictor {
  /** Whether the branch at `pc`, whose target is `target`, is predicted taken. */
  predict(pc: number, target: number): boolean;
  /** It was taken or not. */
  update(pc: number, taken: boolean, predicted: boolean): void;
}

/**
 * A predictor as data.
 *
 * - `static`: `taken`, `not-taken`, or backwards taken and forwards not (`btfn`).
 * - `bimodal`: two-bit counters by address (Smith 1981).
 * - `gshare`: two-bit counters by address XOR history (McFarling 1993).
 * - `perceptron`: Jiménez and Lin 2001.
 * - `tage`: Seznec and Michaud 2006, with histories of geometric lengths.
 *
 * Counters start weakly not taken.
 */
export type DirectionShape =
  | { readonly kind: "static"; readonly rule: "taken" | "not-taken" | "btfn" }
  | { readonly kind: "bimodal"; readonly indexBits: number }
  | { readonly kind: "gshare"; readonly historyBits: number }
  | { readonly kind: "perceptron"; readonly entries: number; readonly history: number }
  | {
    readonly kind: "tage";
    /** log2 of the base predictor's counters. */
    readonly baseBits: number;
    /** log2 of each tagged table's entries, and bits of a tag. */
    readonly tableBits: number;
    readonly tagBits: number;
    /** History of each table, ascending. */
    readonly histories: readonly number[];
  };

/** Shapes under the names that a command line takes. */
export const namedDirections: Readonly<Record<string, DirectionShape>> = {
  "taken": { kind: "static", rule: "taken" },
  "not-taken": { kind: "static", rule: "not-taken" },
  "btfn": { kind: "static", rule: "btfn" },
  "bimodal": { kind: "bimodal", indexBits: 14 },
  "gshare": { kind: "gshare", historyBits: 14 },
  "perceptron": { kind: "perceptron", entries: 512, history: 34 },
  "tage": {
    kind: "tage",
    ...{ baseBits: 13, tableBits: 10, tagBits: 10 },
    histories: [5, 9, 15, 25, 44, 76, 130],
  },
};

/** @param pcShift low bits of an instruction address that never differ */
export function directionPredictor(shape: DirectionShape, pcShift: number): DirectionPredictor {
  switch (shape.kind) {
    case "static":
      return new Static(shape.rule);
    case "bimodal":
      return new TwoBit(shape.indexBits, 0, pcShift);
    case "gshare":
      return new TwoBit(shape.historyBits, shape.historyBits, pcShift);
    case "perceptron":
      return new Perceptron(shape.entries, shape.history, pcShift);
    case "tage":
      return new Tage(shape, pcShift);
  }
}

class Static implements DirectionPredictor {
  constructor(readonly rule: "taken" | "not-taken" | "btfn") {}
  predict(pc: number, target: number): boolean {
    return this.rule === "btfn" ? target <= pc : this.rule === "taken";
  }
  update(): void {}
}

/** Two-bit counters by address XOR history, of which there may be none. */
class TwoBit implements DirectionPredictor {
  readonly #counters: Uint8Array;
  readonly #mask: number;
  readonly #historyMask: number;
  readonly #shift: number;
  #history = 0;
  constructor(indexBits: number, historyBits: number, pcShift: number) {
    this.#counters = new Uint8Array(2 ** indexBits).fill(1);
    this.#mask = 2 ** indexBits - 1;
    this.#historyMask = 2 ** historyBits - 1;
    this.#shift = pcShift;
  }
  predict(pc: number): boolean {
    return this.#counters[this.#index(pc)] >= 2;
  }
  update(pc: number, taken: boolean): void {
    const at = this.#index(pc);
    const counter = this.#counters[at];
    if (taken) {
      if (counter < 3) this.#counters[at] = counter + 1;
    } else if (counter > 0) this.#counters[at] = counter - 1;
    this.#history = ((this.#history << 1) | (taken ? 1 : 0)) & this.#historyMask;
  }
  #index(pc: number): number {
    return ((pc >>> this.#shift) ^ this.#history) & this.#mask;
  }
}

/** A module that does nothing but import `predict`, as `(i32, i32) -> i32`: only linking tells a type. */
const IMPORTS_PREDICT = Uint8Array.fromHex(
  "0061736d01000000" + "01070160027f7f017f" + "020d01016607707265646963740000",
);

/**
 * A predictor in WebAssembly: a module that exports `predict(pc: i32, taken: i32) -> i32`, which says what it
 * predicted for the branch and then learns that it was `taken`. `pc` is the address's low 32 bits. Throws
 * a TypeError that names what the module lacks.
 */
export class WasmPredictor implements DirectionPredictor {
  readonly step: (pc: number, taken: number) => number;
  constructor(module: WebAssembly.Module) {
    const wanted = WebAssembly.Module.imports(module)[0];
    if (wanted !== undefined) {
      throw new TypeError(`a predictor gets no imports; the module wants ${wanted.name}`);
    }
    const { predict } = new WebAssembly.Instance(module).exports;
    if (typeof predict !== "function") {
      throw new TypeError("the module exports no function called predict");
    }
    try {
      new WebAssembly.Instance(new WebAssembly.Module(IMPORTS_PREDICT), { f: { predict } });
    } catch (error) {
      if (!(error instanceof WebAssembly.LinkError)) throw error;
      throw new TypeError("the module's predict does not have the type (i32, i32) -> i32");
    }
    this.step = predict as (pc: number, taken: number) => number;
  }
  /** Predicting and learning are one step here. */
  predict(): boolean {
    throw new TypeError("a WebAssembly predictor learns as it predicts: use step");
  }
  update(): void {
    this.predict();
  }
}
