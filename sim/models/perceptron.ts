/** The perceptron predictor (Jiménez and Lin, "Dynamic Branch Prediction with Perceptrons", HPCA 2001). */
import type { DirectionPredictor } from "./direction.ts";

/** Weights are 8 bits. */
const MOST = 127;
const LEAST = -128;

/** Training goes on while the output is not beyond this: section 4.2 of the paper. */
export function trainingThreshold(history: number): number {
  return Math.floor(1.93 * history + 14);
}

export class Perceptron implements DirectionPredictor {
  readonly #entries: number;
  readonly #history: number;
  readonly #shift: number;
  readonly #threshold: number;
  /** For each perceptron the bias, then a weight for each past branch, the latest first. */
  readonly #weights: Int8Array;
  /** Outcomes as 1 and -1; the latest is at `#latest`, older ones follow, cyclically. */
  readonly #outcomes: Int8Array;
  #latest = 0;
  #output = 0;

  constructor(entries: number, history: number, pcShift: number) {
    this.#entries = entries;
    this.#history = history;
    this.#shift = 2 ** pcShift;
    this.#threshold = trainingThreshold(history);
    this.#weights = new Int8Array(entries * (history + 1));
    this.#outcomes = new Int8Array(history).fill(-1);
  }

  predict(pc: number): boolean {
    let at = this.#first(pc);
    const weights = this.#weights;
    const outcomes = this.#outcomes;
    let output = weights[at++];
    for (let i = this.#latest; i < outcomes.length; i++) output += weights[at++] * outcomes[i];
    for (let i = 0; i < this.#latest; i++) output += weights[at++] * outcomes[i];
    this.#output = output;
    return output >= 0;
  }

  update(pc: number, taken: boolean, predicted: boolean): void {
    const t = taken ? 1 : -1;
    const outcomes = this.#outcomes;
    if (predicted !== taken || Math.abs(this.#output) <= this.#threshold) {
      let at = this.#first(pc);
      this.#train(at++, t);
      for (let i = this.#latest; i < outcomes.length; i++) this.#train(at++, t * outcomes[i]);
      for (let i = 0; i < this.#latest; i++) this.#train(at++, t * outcomes[i]);
    }
    this.#latest = (this.#latest === 0 ? this.#history : this.#latest) - 1;
    outcomes[this.#latest] = t;
  }

  #first(pc: number): number {
    return Math.floor(pc / this.#shift) % this.#entries * (this.#history + 1);
  }
  #train(at: number, by: number): void {
    const weight = this.#weights[at] + by;
    if (weight <= MOST && weight >= LEAST) this.#weights[at] = weight;
  }
}
