/** What the module reads of a profile: `isthmus run --profile FILE.json`, or `attribution` of a result. */
export interface Profile {
  /** Functions with what was counted in them. */
  readonly symbols: readonly {
    readonly object: string;
    readonly name: string;
    readonly plt: boolean;
    readonly counts: Readonly<Record<string, number>>;
  }[];
  /**
   * Calling contexts, from the outermost function in, by which callers are placed near callees.
   */
  readonly stacks?: readonly {
    readonly frames: readonly { readonly object: string; readonly symbol: string }[];
    readonly counts: Readonly<Record<string, number>>;
  }[];
}

/** A function of a profile. */
export interface Hot {
  /** Path of its object. */
  readonly object: string;
  /** Its symbol, or its address in hexadecimal. */
  readonly name: string;
  readonly instructions: number;
}

const NEW_OBJECT = "[hot text]";
/** Clusters do not grow beyond this, a page. */
const CLUSTER = 4096;

/** The hottest functions that took a share of all instructions, the hottest first. */
export function hotFunctions({ symbols }: Profile, cover: number): Hot[] {
  const all = symbols
    .filter(({ object, plt }) => !plt && object !== NEW_OBJECT)
    .map(({ object, name, counts }) => ({ object, name, instructions: counts.instructions ?? 0 }))
    .filter(({ instructions }) => instructions > 0)
    .sort((a, b) => b.instructions - a.instructions);
  let left = cover * all.reduce((sum, { instructions }) => sum + instructions, 0);
  const count = all.findIndex(({ instructions }) => (left -= instructions) <= 0);
  return count < 0 ? all : all.slice(0, count + 1);
}

export const keyOf = (object: string, name: string): string => `${object} ${name}`;

/** Functions that were called through slots of linkage tables. */
export function calledThroughSlots({ stacks = [] }: Profile): Set<string> {
  const called = new Set<string>();
  for (const { frames } of stacks) {
    frames.forEach(({ object, symbol }, i) => {
      if (frames[i - 1]?.symbol.endsWith("@plt")) called.add(keyOf(object, symbol));
    });
  }
  return called;
}

/**
 * An order that brings functions near their callers: call-chain clustering (C³: Ottoni and Maher, CGO 2017). From
 * the hottest on, a function's cluster is appended to that of its heaviest caller, unless the two would be larger
 * than a page; then clusters are sorted by instructions a byte.
 */
export function clustered<F extends Hot & { readonly size: number }>(
  functions: readonly F[],
  { stacks = [] }: Profile,
): F[] {
  const callers = new Map<string, Map<string, number>>();
  for (const { frames, counts } of stacks) {
    const weight = counts.instructions ?? 0;
    // A linkage slot stands between a caller and what it calls.
    const own = frames.filter(({ symbol }) => !symbol.endsWith("@plt"));
    for (let i = Math.max(1, own.length - 1); i < own.length; i++) {
      const callee = keyOf(own[i].object, own[i].symbol);
      const caller = keyOf(own[i - 1].object, own[i - 1].symbol);
      let known = callers.get(callee);
      if (known === undefined) callers.set(callee, known = new Map());
      known.set(caller, (known.get(caller) ?? 0) + weight);
    }
  }
  const clusters = new Map(functions.map((one) => [keyOf(one.object, one.name), {
    functions: [one],
    size: one.size,
    instructions: one.instructions,
  }]));
  for (const { object, name } of functions) {
    const key = keyOf(object, name);
    const heaviest = [...callers.get(key) ?? []].reduce<[string, number] | undefined>(
      (best, one) => best === undefined || one[1] > best[1] ? one : best,
      undefined,
    );
    const own = clusters.get(key)!;
    const other = heaviest && clusters.get(heaviest[0]);
    if (other === undefined || other === own || own.size + other.size > CLUSTER) continue;
    other.functions.push(...own.functions);
    other.size += own.size;
    other.instructions += own.instructions;
    for (const moved of own.functions) clusters.set(keyOf(moved.object, moved.name), other);
  }
  return [...new Set(clusters.values())]
    .sort((a, b) => b.instructions / b.size - a.instructions / a.size)
    .flatMap((cluster) => cluster.functions);
}
