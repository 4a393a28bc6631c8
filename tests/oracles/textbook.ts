/**
 * A textbook simulator of TLBs and branch predictors: plain, slow, and importing nothing from the
 * simulator. Fed every event of a run, its counters are what the simulator's must equal.
 *
 * TLBs: an access looks up the level-1 structure for the page's size; a miss there looks up level 2,
 * a miss there is a walk; what was found or walked is filled into each level that was missed. A hit
 * in level 1 does not touch level 2. Nothing is inclusive or exclusive. A structure is indexed by
 * the page number (address divided by the page's own size) modulo its sets. An access that crosses
 * into another page is two lookups, the lower first. An access that takes a page fault is no access: it
 * is made again, and counts, when the fault was served; its walk is counted by itself.
 *
 * Branches: gshare predicts conditional ones by two-bit counters, weakly not taken at first, indexed
 * by `(pc >> shift) ^ history`. The target buffer remembers the last target of every indirect
 * branch but returns, true LRU, indexed by `pc >> shift`; an indirect branch is mispredicted if it
 * holds none or another target. Direct branches do not occupy it. Calls push on the return stack, which forgets its oldest entry when full;
 * a return is mispredicted if the stack is empty or its top is another address.
 */
import { type Policy, type ReplacementSet, replacementSet, xorshift32 } from "./replacement.ts";

/** One structure of a TLB level. */
export interface TlbGeometry {
  readonly entries: number;
  readonly ways: number;
  /** Binary logarithms of the page sizes it holds: 12, 21, 30. */
  readonly pageBits: readonly number[];
  readonly policy?: Policy;
}

export interface Geometry {
  readonly itlb: readonly TlbGeometry[];
  readonly dtlb: readonly TlbGeometry[];
  readonly stlb: readonly TlbGeometry[];
  readonly historyBits: number;
  /** Bits of the pc that never differ: 2 on aarch64, 0 on x86_64. */
  readonly pcShift: number;
  readonly targetBuffer: { readonly entries: number; readonly ways: number };
  readonly returnStack: number;
  /** Seed of the random policy, other than 0; each structure starts from it. */
  readonly seed?: number;
}

/** The `reference` preset; its target buffer and return stack are those of many cores. */
export function reference(arch: "x86_64" | "aarch64"): Geometry {
  return {
    itlb: [{ entries: 64, ways: 4, pageBits: [12] }],
    dtlb: [{ entries: 64, ways: 4, pageBits: [12] }],
    stlb: [{ entries: 1536, ways: 12, pageBits: [12] }],
    historyBits: 14,
    pcShift: arch === "aarch64" ? 2 : 0,
    targetBuffer: { entries: 4096, ways: 4 },
    returnStack: 16,
  };
}

/** A set-associative memory of numbers, with a value each. */
class Associative {
  readonly #sets: { keys: (number | undefined)[]; values: number[]; order: ReplacementSet }[];
  constructor(entries: number, ways: number, policy: Policy, seed: number) {
    if (!Number.isInteger(entries / ways)) throw new RangeError(`${entries} entries, ${ways} ways`);
    const draw = xorshift32(seed);
    this.#sets = Array.from({ length: entries / ways }, () => ({
      keys: new Array(ways).fill(undefined),
      values: new Array(ways).fill(0),
      order: replacementSet(policy, ways, draw),
    }));
  }
  /** The value of `key` if it is there, which counts as a use. */
  find(index: number, key: number): number | undefined {
    const set = this.#sets[index % this.#sets.length];
    const way = set.keys.indexOf(key);
    if (way < 0) return undefined;
    set.order.used(way, false);
    return set.values[way];
  }
  /** Puts `key`, which is not there, into its set. */
  insert(index: number, key: number, value: number): void {
    const set = this.#sets[index % this.#sets.length];
    const empty = set.keys.indexOf(undefined);
    const way = empty >= 0 ? empty : set.order.victim();
    set.keys[way] = key;
    set.values[way] = value;
    set.order.used(way, true);
  }
  /** Replaces the value of a key that is there. */
  update(index: number, key: number, value: number): void {
    const set = this.#sets[index % this.#sets.length];
    set.values[set.keys.indexOf(key)] = value;
  }
  some(wanted: (key: number, value: number) => boolean): boolean {
    return this.#sets.some(({ keys, values }) =>
      keys.some((key, way) => key !== undefined && wanted(key, values[way]))
    );
  }
  remove(unwanted: (key: number, value: number) => boolean): void {
    for (const { keys, values } of this.#sets) {
      keys.forEach((key, way) => {
        if (key !== undefined && unwanted(key, values[way])) keys[way] = undefined;
      });
    }
  }
}

/** Pages of several sizes may start at one address; all start at multiples of 4096. */
const keyOf = (page: number, bits: number) => page + bits;

/** One level: the structures of each page size. A page's value is the logarithm of its size. */
class Level {
  accesses = 0;
  misses = 0;
  readonly #structures: { geometry: TlbGeometry; memory: Associative }[];
  constructor(geometries: readonly TlbGeometry[], seed: number) {
    this.#structures = geometries.map((geometry) => ({
      geometry,
      memory: new Associative(geometry.entries, geometry.ways, geometry.policy ?? "lru", seed),
    }));
  }
  #structure(bits: number): Associative | undefined {
    return this.#structures.find((one) => one.geometry.pageBits.includes(bits))?.memory;
  }
  /** Looks a page up and counts; true if it is there. */
  lookUp(page: number, bits: number): boolean {
    this.accesses++;
    const found = this.#structure(bits)?.find(page / 2 ** bits, keyOf(page, bits)) !== undefined;
    if (!found) this.misses++;
    return found;
  }
  fill(page: number, bits: number): void {
    this.#structure(bits)?.insert(page / 2 ** bits, keyOf(page, bits), bits);
  }
  /** Whether a page of any size holds `address`; no use of it is made. */
  covers(address: number): boolean {
    return this.#structures.some(({ memory }) =>
      memory.some((key, bits) => key - bits <= address && address < key - bits + 2 ** bits)
    );
  }
  invalidate(from: number, to: number): void {
    for (const { memory } of this.#structures) {
      memory.remove((key, bits) => {
        const page = key - bits;
        return page < to && page + 2 ** bits > from;
      });
    }
  }
}

/** What an event is; the numbers are those of the trace format. */
export const eventKind = {
  fetch: 0,
  load: 1,
  store: 2,
  notTaken: 3,
  taken: 4,
  jump: 5,
  call: 6,
  indirectJump: 7,
  indirectCall: 8,
  return: 9,
  /** The mapping of [address, address + other) changed: its entries are gone from every level. */
  invalidate: 10,
  /** From now on [address, address + other) has pages of 2^size bytes. */
  pages: 11,
  /** A load or store, or a fetch, of `address` takes a page fault. */
  dataFault: 12,
  fetchFault: 13,
} as const;

export class Textbook {
  #instructions = 0;
  #loads = 0;
  #stores = 0;
  #faultedWalks = 0;
  readonly #itlb: Level;
  readonly #dtlb: Level;
  readonly #stlb: Level;
  readonly #pages: { from: number; to: number; bits: number }[] = [];
  readonly #geometry: Geometry;
  readonly #counters: Uint8Array;
  #history = 0;
  readonly #targets: Associative;
  readonly #stack: number[] = [];
  readonly #conditional = { all: 0, wrong: 0 };
  readonly #indirect = { all: 0, wrong: 0 };
  readonly #returns = { all: 0, wrong: 0 };

  constructor(geometry: Geometry) {
    const seed = geometry.seed ?? 1;
    this.#geometry = geometry;
    this.#itlb = new Level(geometry.itlb, seed);
    this.#dtlb = new Level(geometry.dtlb, seed);
    this.#stlb = new Level(geometry.stlb, seed);
    this.#counters = new Uint8Array(2 ** geometry.historyBits).fill(1);
    const { entries, ways } = geometry.targetBuffer;
    this.#targets = new Associative(entries, ways, "lru", seed);
  }

  /**
   * One event at `address`. `size` is the length of the access or of the branch instruction, or the
   * logarithm of a page size; `other` is the target of a branch that is taken or the length of a
   * range of addresses.
   */
  event(kind: number, address: number, other: number, size: number): void {
    switch (kind) {
      case eventKind.fetch:
        this.#instructions++;
        return this.#access(this.#itlb, address, size);
      case eventKind.load:
        this.#loads++;
        return this.#access(this.#dtlb, address, size);
      case eventKind.store:
        this.#stores++;
        return this.#access(this.#dtlb, address, size);
      case eventKind.notTaken:
        return this.#conditionalBranch(address, false);
      case eventKind.taken:
        this.#conditionalBranch(address, true);
        return;
      case eventKind.jump:
        return;
      case eventKind.call:
        return this.#push(address + size);
      case eventKind.indirectJump:
        return this.#indirectBranch(address, other);
      case eventKind.indirectCall:
        this.#indirectBranch(address, other);
        return this.#push(address + size);
      case eventKind.return:
        this.#returns.all++;
        if (this.#stack.pop() !== other) this.#returns.wrong++;
        return;
      case eventKind.invalidate:
        for (const level of [this.#itlb, this.#dtlb, this.#stlb]) {
          level.invalidate(address, address + other);
        }
        return;
      case eventKind.pages:
        this.#pages.unshift({ from: address, to: address + other, bits: size });
        return;
      case eventKind.dataFault:
        return this.#fault(this.#dtlb, address);
      case eventKind.fetchFault:
        return this.#fault(this.#itlb, address);
      default:
        throw new RangeError(`event kind ${kind}`);
    }
  }

  #pageBits(address: number): number {
    return this.#pages.find(({ from, to }) => from <= address && address < to)?.bits ?? 12;
  }

  #access(level: Level, address: number, size: number): void {
    let at = address;
    do {
      const bits = this.#pageBits(at);
      const page = Math.floor(at / 2 ** bits) * 2 ** bits;
      this.#translate(level, page, bits);
      at = page + 2 ** bits;
    } while (at < address + size);
  }

  #translate(level: Level, page: number, bits: number): void {
    if (level.lookUp(page, bits)) return;
    if (!this.#stlb.lookUp(page, bits)) this.#stlb.fill(page, bits);
    level.fill(page, bits);
  }

  /** A fault is found by a walk, unless a level holds the page with too few rights. */
  #fault(level: Level, address: number): void {
    if (!level.covers(address) && !this.#stlb.covers(address)) this.#faultedWalks++;
  }

  #pcIndex(pc: number): number {
    return Math.floor(pc / 2 ** this.#geometry.pcShift);
  }

  #conditionalBranch(pc: number, taken: boolean): void {
    const size = this.#counters.length;
    const index = (this.#pcIndex(pc) % size) ^ this.#history;
    const counter = this.#counters[index];
    this.#conditional.all++;
    if ((counter >= 2) !== taken) this.#conditional.wrong++;
    this.#counters[index] = taken ? Math.min(3, counter + 1) : Math.max(0, counter - 1);
    this.#history = (this.#history * 2 + (taken ? 1 : 0)) % size;
  }

  /** Whether the target buffer held `target`, which it does from now on. */
  #predictTarget(pc: number, target: number): boolean {
    const index = this.#pcIndex(pc);
    const held = this.#targets.find(index, pc);
    if (held === undefined) this.#targets.insert(index, pc, target);
    else this.#targets.update(index, pc, target);
    return held === target;
  }

  #indirectBranch(pc: number, target: number): void {
    this.#indirect.all++;
    if (!this.#predictTarget(pc, target)) this.#indirect.wrong++;
  }

  #push(address: number): void {
    this.#stack.push(address);
    if (this.#stack.length > this.#geometry.returnStack) this.#stack.shift();
  }

  /** The counters under the names that `--stats` uses. */
  counters(): Record<string, number> {
    return {
      "instructions": this.#instructions,
      "loads": this.#loads,
      "stores": this.#stores,
      "itlb.accesses": this.#itlb.accesses,
      "itlb.misses": this.#itlb.misses,
      "dtlb.accesses": this.#dtlb.accesses,
      "dtlb.misses": this.#dtlb.misses,
      "stlb.accesses": this.#stlb.accesses,
      "stlb.misses": this.#stlb.misses,
      "walks": this.#stlb.misses,
      "walks.faulted": this.#faultedWalks,
      "branches.conditional": this.#conditional.all,
      "branches.conditional.mispredicted": this.#conditional.wrong,
      "branches.indirect": this.#indirect.all,
      "branches.indirect.mispredicted": this.#indirect.wrong,
      "returns": this.#returns.all,
      "returns.mispredicted": this.#returns.wrong,
    };
  }
}
