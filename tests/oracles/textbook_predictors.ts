/**
 * Branch predictors as papers state them: plain, slow, and importing nothing from the simulator. History
 * is a list of outcomes, the latest first; tables are maps.
 */

export interface TextbookDirection {
  /** Predict the branch at `pc`, which if taken goes `to`, then learn what it did. */
  branch(pc: number, to: number, taken: boolean): boolean;
}

export type TextbookDirectionShape =
  | { readonly kind: "static"; readonly rule: "taken" | "not-taken" | "btfn" }
  | { readonly kind: "bimodal"; readonly indexBits: number }
  | { readonly kind: "gshare"; readonly historyBits: number }
  | { readonly kind: "perceptron"; readonly entries: number; readonly history: number }
  | {
    readonly kind: "tage";
    readonly baseBits: number;
    readonly tableBits: number;
    readonly tagBits: number;
    readonly histories: readonly number[];
  };

/** A saturating counter's next value. */
const step = (value: number, up: boolean, least: number, most: number): number =>
  up ? Math.min(most, value + 1) : Math.max(least, value - 1);

class Table<T> {
  readonly #values = new Map<number, T>();
  constructor(readonly initial: () => T) {}
  at(index: number): T {
    let value = this.#values.get(index);
    if (value === undefined) this.#values.set(index, value = this.initial());
    return value;
  }
  put(index: number, value: T): void {
    this.#values.set(index, value);
  }
  all(): [number, T][] {
    return [...this.#values];
  }
}

export function textbookDirection(
  shape: TextbookDirectionShape,
  pcShift: number,
): TextbookDirection {
  const drop = (pc: number) => Math.floor(pc / 2 ** pcShift);
  switch (shape.kind) {
    case "static":
      return {
        branch: (pc, to) => shape.rule === "btfn" ? to <= pc : shape.rule === "taken",
      };
    case "bimodal":
      return counters(2 ** shape.indexBits, 0, drop);
    case "gshare":
      return counters(2 ** shape.historyBits, shape.historyBits, drop);
    case "perceptron":
      return perceptron(shape.entries, shape.history, drop);
    case "tage":
      return tage(shape, drop);
  }
}

function counters(size: number, length: number, drop: (pc: number) => number): TextbookDirection {
  const table = new Table(() => 1);
  const history: number[] = new Array(length).fill(0);
  return {
    branch(pc, _to, taken) {
      // The latest outcome is the lowest bit.
      const past = history.reduce((sum, bit, age) => sum + bit * 2 ** age, 0);
      const index = Number((BigInt(drop(pc)) ^ BigInt(past)) % BigInt(size));
      const counter = table.at(index);
      table.put(index, step(counter, taken, 0, 3));
      history.unshift(taken ? 1 : 0);
      history.length = length;
      return counter >= 2;
    },
  };
}

/** Jiménez and Lin 2001, section 3: y = w0 + Σ wi·xi; trained while wrong or |y| ≤ θ. */
function perceptron(
  entries: number,
  length: number,
  drop: (pc: number) => number,
): TextbookDirection {
  const table = new Table(() => new Array<number>(length + 1).fill(0));
  const history: number[] = new Array(length).fill(-1);
  const threshold = Math.floor(1.93 * length + 14);
  const weight = (w: number, by: number) => Math.max(-128, Math.min(127, w + by));
  return {
    branch(pc, _to, taken) {
      const weights = table.at(drop(pc) % entries);
      const output = history.reduce((y, x, i) => y + weights[i + 1] * x, weights[0]);
      const t = taken ? 1 : -1;
      if ((output >= 0) !== taken || Math.abs(output) <= threshold) {
        weights[0] = weight(weights[0], t);
        history.forEach((x, i) => weights[i + 1] = weight(weights[i + 1], t * x));
      }
      history.unshift(t);
      history.length = length;
      return output >= 0;
    },
  };
}

interface Entry {
  tag: number;
  counter: number;
  useful: number;
}

/** Seznec and Michaud 2006, with the choices that `sim/models/tage.ts` states. */
function tage(
  shape: TextbookDirectionShape & { kind: "tage" },
  drop: (pc: number) => number,
): TextbookDirection {
  const { baseBits, tableBits, tagBits, histories } = shape;
  const base = new Table(() => 1);
  const tables = histories.map(() => new Table<Entry>(() => ({ tag: -1, counter: 0, useful: 0 })));
  const history: number[] = [];
  let branches = 0;
  let alternate = 0;
  /** Bits of the last `length` outcomes folded by XOR: outcome i counts at bit i modulo `bits`. */
  const fold = (length: number, bits: number): number => {
    let folded = 0;
    for (let i = 0; i < length; i++) folded ^= (history[i] ?? 0) << (i % bits);
    return folded;
  };
  return {
    branch(pc, _to, taken) {
      const address = drop(pc) % 2 ** 32;
      const low = (n: number, bits: number): number => n % 2 ** bits;
      const xor = (...numbers: number[]): number =>
        Number(numbers.reduce((sum, n) => sum ^ BigInt(n), 0n));
      const indices = histories.map((length) =>
        low(xor(address, Math.floor(address / 2 ** tableBits), fold(length, tableBits)), tableBits)
      );
      const tags = histories.map((length) =>
        low(xor(address, fold(length, tagBits), 2 * fold(length, tagBits - 1)), tagBits)
      );
      const matches = histories.map((_, t) => t)
        .filter((t) => tables[t].at(indices[t]).tag === tags[t]).reverse();
      const [provider, next] = matches;
      const baseCounter = base.at(low(address, baseBits));
      const entry = provider === undefined ? undefined : tables[provider].at(indices[provider]);
      const alternateTaken = next === undefined
        ? baseCounter >= 2
        : tables[next].at(indices[next]).counter >= 0;
      let predicted = baseCounter >= 2;
      if (entry !== undefined) {
        const own = entry.counter >= 0;
        const isNew = entry.useful === 0 && (entry.counter === 0 || entry.counter === -1);
        predicted = isNew && alternate >= 0 ? alternateTaken : own;
        if (own !== alternateTaken) {
          if (isNew) alternate = step(alternate, alternateTaken === taken, -8, 7);
          entry.useful = step(entry.useful, own === taken, 0, 3);
        }
      }
      if (predicted !== taken) {
        const longer = histories.map((_, t) => t).filter((t) => t > (provider ?? -1));
        const free = longer.find((t) => tables[t].at(indices[t]).useful === 0);
        if (free !== undefined) {
          tables[free].put(indices[free], {
            ...{ tag: tags[free], counter: taken ? 0 : -1 },
            useful: 0,
          });
        } else longer.forEach((t) => tables[t].at(indices[t]).useful--);
      }
      if (entry !== undefined) entry.counter = step(entry.counter, taken, -4, 3);
      else base.put(low(address, baseBits), step(baseCounter, taken, 0, 3));
      if (++branches % 2 ** 18 === 0) {
        const keep = branches / 2 ** 18 % 2 === 1 ? 1 : 2;
        for (const table of tables) for (const [, e] of table.all()) e.useful &= keep;
      }
      history.unshift(taken ? 1 : 0);
      if (history.length > 1000) history.length = 500;
      return predicted;
    },
  };
}

/** Buffers of targets: true LRU sets, each a list, the least recent first. */
class TargetSets {
  readonly #sets: { key: string; target: number }[][];
  readonly #ways: number;
  constructor(entries: number, ways: number) {
    this.#ways = ways;
    this.#sets = Array.from({ length: entries / ways }, () => []);
  }
  /** The target that was held, which `target` replaces. */
  exchange(index: number, key: string, target: number): number | undefined {
    const set = this.#sets[index % this.#sets.length];
    const at = set.findIndex((one) => one.key === key);
    const [held] = at < 0 ? [] : set.splice(at, 1);
    if (set.length === this.#ways) set.shift();
    set.push({ key, target });
    return held?.target;
  }
}

export interface TextbookBranchShape {
  readonly direction: TextbookDirectionShape;
  readonly targetBuffer: {
    readonly entries: number;
    readonly ways: number;
    readonly historyBits?: number;
  };
  readonly btb?: readonly { readonly entries: number; readonly ways: number }[];
  readonly returnStack: number;
}

export type TextbookBranchKind =
  | "taken"
  | "not taken"
  | "jump"
  | "call"
  | "indirect jump"
  | "indirect call"
  | "return";

/** All structures of branch prediction. */
export class TextbookBranches {
  readonly #shape: TextbookBranchShape;
  readonly #shift: number;
  readonly #direction: TextbookDirection;
  readonly #targets: TargetSets;
  readonly #btb: TargetSets[];
  readonly #stack: number[] = [];
  #path = 0;
  readonly #counts: Record<string, number> = {};

  constructor(shape: TextbookBranchShape, pcShift: number) {
    this.#shape = shape;
    this.#shift = pcShift;
    this.#direction = textbookDirection(shape.direction, pcShift);
    this.#targets = new TargetSets(shape.targetBuffer.entries, shape.targetBuffer.ways);
    this.#btb = (shape.btb ?? []).map(({ entries, ways }) => new TargetSets(entries, ways));
    for (const name of ["branches.conditional", "branches.indirect", "returns"]) {
      this.#counts[name] = this.#counts[`${name}.mispredicted`] = 0;
    }
    if (this.#btb.length > 0) this.#counts["btb.accesses"] = 0;
    this.#btb.forEach((_, i) => this.#counts[`btb.${i + 1}.misses`] = 0);
  }

  #count(name: string, wrong: boolean): void {
    this.#counts[name]++;
    if (wrong) this.#counts[`${name}.mispredicted`]++;
  }

  /** `to` is the target of a conditional branch also if it is not taken. */
  branch(kind: TextbookBranchKind, pc: number, to: number, length: number): void {
    if (kind === "taken" || kind === "not taken") {
      const taken = kind === "taken";
      this.#count("branches.conditional", this.#direction.branch(pc, to, taken) !== taken);
      if (!taken) return;
    }
    const drop = (address: number) => Math.floor(address / 2 ** this.#shift);
    if (this.#btb.length > 0) {
      this.#counts["btb.accesses"]++;
      for (const [i, level] of this.#btb.entries()) {
        if (level.exchange(drop(pc), `${pc}`, 1) !== undefined) break;
        this.#counts[`btb.${i + 1}.misses`]++;
      }
    }
    if (kind === "indirect jump" || kind === "indirect call") {
      const { historyBits = 0 } = this.#shape.targetBuffer;
      const index = Number((BigInt(drop(pc)) ^ BigInt(this.#path)) % 2n ** 32n);
      const held = this.#targets.exchange(
        this.#path === 0 ? drop(pc) : index,
        `${pc} ${this.#path}`,
        to,
      );
      this.#count("branches.indirect", held !== to);
      if (historyBits > 0) {
        this.#path = Number(
          (BigInt(this.#path) * 4n ^ BigInt(drop(to))) % BigInt(2 ** historyBits),
        );
      }
    }
    if (kind === "return") this.#count("returns", this.#stack.pop() !== to);
    if (kind === "call" || kind === "indirect call") {
      this.#stack.push(pc + length);
      if (this.#stack.length > this.#shape.returnStack) this.#stack.shift();
    }
  }

  counters(): Record<string, number> {
    return this.#counts;
  }
}
