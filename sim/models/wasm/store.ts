/**
 * `Associative` in WebAssembly: a set-associative memory of numbers with a replacement policy, written for
 * its geometry. Entries of a set lie together, are compared several at once, and are known by their place.
 */
import type { Replacement } from "../associative.ts";
import {
  add,
  and,
  type Cell,
  ctz,
  eq,
  extend,
  type FunctionWriter,
  geS,
  i32,
  i64,
  load,
  loadVector,
  type Local,
  ltU,
  mul,
  ne,
  or,
  remU,
  select,
  shl,
  shrU,
  simd,
  sub,
  type Value,
  wrap,
  xor,
} from "./function_writer.ts";
import type { Callable, ModelModule } from "./model_module.ts";

/** Keys of an empty entry, and of what fills sets up; others are less as unsigned numbers. */
const NONE = -1;
const PADDING = -2;
/** Sets of more ways are looked through in a loop, after a look where the key was found last. */
const UNROLLED = 16;
/** Vectors that are compared before a branch. */
const AT_ONCE = 4;
const HINTS = 256;

const [SPLAT, EQUAL, BITMASK] = [0, 1, 2];
const VECTOR = { i32: [0x11, 0x37, 0xa4], i64: [0x12, 0xd6, 0xc4] } as const;

export interface StoreShape {
  readonly entries: number;
  readonly ways: number;
  readonly policy?: Replacement;
  readonly key: "i32" | "i64";
  /** Whether entries have a tag, an i32, beside their key. */
  readonly tagged?: boolean;
  readonly seed?: number;
}

export class Store {
  readonly key: "i32" | "i64";
  /** Places of a set; those beyond `ways` stay unused. */
  readonly #stride: number;
  readonly #sets: number;
  readonly #ways: number;
  readonly #policy: Replacement;
  readonly #keys: number;
  readonly #used: number;
  readonly #tags: number;
  readonly #bits: number;
  /** The key used last of each set: to use it again changes nothing, whatever the policy. */
  readonly #last: number;
  readonly #time: Cell;
  readonly #random: Cell;
  /** `find(index, key[, tag])`: the place that holds `key` in the set of `index`, a use of it; or -1. */
  readonly find: Callable;
  /** The same without a use. */
  readonly peek: Callable;
  /** `victim(index)`: the place where a key of the set of `index` goes next. */
  readonly victim: Callable;
  /** `fill(index, place, key[, tag])`, the place that `victim` named; a use. */
  readonly fill: Callable;

  constructor(
    m: ModelModule,
    { entries, ways, policy = "lru", key, tagged, seed = 1 }: StoreShape,
  ) {
    this.key = key;
    const lanes = key === "i32" ? 4 : 2;
    this.#policy = policy;
    this.#ways = ways;
    this.#sets = entries / ways;
    this.#stride = ways === 1 || tagged ? ways : Math.ceil(ways / lanes) * lanes;
    const places = this.#sets * this.#stride;
    this.#keys = m.allocate(places * this.#keySize);
    const keys = new (key === "i32" ? Int32Array : BigInt64Array)(places);
    for (let i = 0; i < places; i++) {
      const empty = i % this.#stride < ways ? NONE : PADDING;
      keys[i] = key === "i32" ? empty : BigInt(empty);
    }
    m.initial.push({ address: this.#keys, bytes: new Uint8Array(keys.buffer) });
    const stamped = policy === "lru" || policy === "fifo";
    this.#used = stamped ? m.allocate(places * 8) : -1;
    this.#tags = tagged ? m.allocate(places * 4) : -1;
    this.#bits = stamped || policy === "random" ? -1 : m.allocate(this.#sets * 8);
    this.#time = m.cell("i64");
    this.#random = m.cell("i32", seed);
    const lasts = new Uint8Array(this.#sets * this.#keySize).fill(255);
    this.#last = m.allocate(lasts.length);
    m.initial.push({ address: this.#last, bytes: lasts });
    const params = tagged ? [key, key, "i32"] as const : [key, key] as const;
    const hints = !tagged && ways > UNROLLED ? m.allocate(HINTS * 4) : -1;
    this.peek = m.function(params, ["i32"], (f, index, wanted, tag) => {
      const first = f.keep(mul(this.#set(index), this.#stride));
      this.#scan(f, first, wanted, tag, (place) => f.return(place));
      f.return(i32(-1));
    });
    this.find = m.function(params, ["i32"], (f, index, wanted, tag) => {
      const found = (place: Value, way?: Value): void => {
        const at = f.keep(place);
        this.#use(f, at, way, true);
        this.#note(f, index, wanted);
        f.return(at);
      };
      if (hints < 0) {
        const first = f.keep(mul(this.#set(index), this.#stride));
        this.#scan(f, first, wanted, tag, found);
        f.return(i32(-1));
        return;
      }
      const hint = f.keep(shl(and(low(index), HINTS - 1), 2));
      const place = f.keep(load("i32", hint, hints));
      f.if(ne(this.keyAt(place), wanted), () => {
        f.set(place, this.peek(index, wanted));
        f.if(eq(place, i32(-1)), () => f.return(i32(-1)));
        f.store("i32", hint, place, hints);
      });
      found(place);
    });
    this.victim = m.function([key], ["i32"], (f, index) => this.#victim(f, index));
    const filled = tagged ? [key, "i32", key, "i32"] as const : [key, "i32", key] as const;
    this.fill = m.function(filled, [], (f, index, place, wanted, tag) => {
      f.store(key, mul(place, this.#keySize), wanted, this.#keys);
      if (tagged) f.store("i32", mul(place, 4), tag, this.#tags);
      this.#use(f, place, undefined, false);
      this.#note(f, index, wanted);
    });
  }

  /** Look `key` up in the set of `index`, a use of it; `missed` if it is not there. Not for tagged ones. */
  ifMissed(f: FunctionWriter, index: Value, key: Value, missed: () => void): void {
    f.if(
      ne(load(this.key, this.#lastOf(index), this.#last), key),
      () => f.if(eq(this.find(index, key), i32(-1)), missed),
    );
  }
  /** Offset of the set's entry among the keys used last. */
  #lastOf(index: Value): Value {
    return mul(this.#set(index), this.#keySize);
  }
  #note(f: FunctionWriter, index: Value, key: Value): void {
    f.store(this.key, this.#lastOf(index), key, this.#last);
  }

  get places(): number {
    return this.#sets * this.#stride;
  }
  get #keySize(): number {
    return this.key === "i32" ? 4 : 8;
  }
  keyAt(place: Value): Value {
    return load(this.key, mul(place, this.#keySize), this.#keys);
  }
  /** Whether a key is one. */
  isUsed(key: Value): Value {
    return ltU(key, PADDING);
  }
  /** Empty a place. */
  clear(f: FunctionWriter, place: Value): void {
    const none = this.key === "i32" ? i32(NONE) : i64(NONE);
    f.store(this.key, mul(place, this.#keySize), none, this.#keys);
    f.store(this.key, mul(this.#setOf(f, place), this.#keySize), none, this.#last);
    // What is empty is older than anything.
    if (this.#used >= 0) f.store("i64", mul(place, 8), i64(0), this.#used);
  }
  /** `body` for the key of each entry in use. */
  each(f: FunctionWriter, body: (place: Local, key: Local) => void): void {
    f.for(i32(0), i32(this.places), 1, (place) => {
      const key = f.keep(this.keyAt(place));
      f.if(this.isUsed(key), () => body(place, key));
    });
  }

  /** Number of the set. */
  #set(index: Value): Value {
    const sets = this.#sets;
    if (sets === 1) return i32(0);
    if ((sets & (sets - 1)) === 0) return and(low(index), sets - 1);
    return low(remU(index, sets));
  }

  /** `found` with each place from `first` on, a local, that holds `wanted`. */
  #scan(
    f: FunctionWriter,
    first: Value,
    wanted: Value,
    tag: Value,
    found: (place: Value, way?: Value) => void,
  ): void {
    if (this.#tags >= 0 || this.#ways === 1) {
      for (let way = 0; way < this.#ways; way++) {
        const place = add(first, way);
        f.if(eq(this.keyAt(place), wanted), () => {
          if (this.#tags < 0) found(place, i32(way));
          else {
            f.if(eq(load("i32", mul(place, 4), this.#tags), tag), () => found(place, i32(way)));
          }
        });
      }
      return;
    }
    const opcodes = VECTOR[this.key];
    const size = this.#keySize;
    const lanes = 16 / size;
    const all = f.keep(simd(opcodes[SPLAT], [wanted]));
    const mask = f.local("i32");
    const compare = (address: Value, at: number): Value =>
      simd(opcodes[BITMASK], [simd(opcodes[EQUAL], [all, loadVector(address, at)])], [], "i32");
    const address = f.keep(mul(first, size));
    if (this.#ways <= UNROLLED) {
      // Up to some ways one branch for all, since which way it is cannot be predicted.
      const together = this.#stride / lanes <= AT_ONCE ? this.#stride : lanes;
      for (let way = 0; way < this.#stride; way += together) {
        f.set(mask, compare(address, this.#keys + way * size));
        for (let more = lanes; more < together; more += lanes) {
          f.set(mask, or(mask, shl(compare(address, this.#keys + (way + more) * size), more)));
        }
        f.if(mask, () => {
          const at = f.keep(add(ctz(mask), way));
          found(add(first, at), at);
        });
      }
      return;
    }
    f.for(i32(0), i32(this.#stride), lanes, (way) => {
      f.set(mask, compare(add(address, mul(way, size)), this.#keys));
      f.if(mask, () => found(add(add(first, way), ctz(mask))));
    });
  }

  /** Note a use of `place`, a hit or a fill; its way may be known. */
  #use(f: FunctionWriter, place: Value, way: Value | undefined, hit: boolean): void {
    switch (this.#policy) {
      case "fifo":
        if (hit) return;
        /* falls through */
      case "lru":
        f.count(this.#time);
        return f.store("i64", mul(place, 8), this.#time.value, this.#used);
      case "random":
        return;
    }
    const set = this.#setOf(f, place);
    const at = f.keep(shl(set, 3));
    const its = f.keep(way ?? sub(place, mul(set, this.#stride)));
    const bits = f.keep(load("i64", at, this.#bits));
    if (this.#policy === "nru") {
      const own = f.keep(shl(i64(1), extend(its)));
      f.set(bits, or(bits, own));
      const full = (1n << BigInt(this.#ways)) - 1n;
      f.store("i64", at, select(eq(bits, i64(BigInt.asIntN(64, full))), own, bits), this.#bits);
      return;
    }
    const node = f.keep(i32(0));
    for (let half = this.#ways / 2; half >= 1; half /= 2) {
      const one = f.keep(shl(i64(1), extend(node)));
      f.if(and(its, half), () => {
        f.set(bits, and(bits, xor(one, i64(-1))));
        f.set(node, add(shl(node, 1), 2));
      }, () => {
        f.set(bits, or(bits, one));
        f.set(node, add(shl(node, 1), 1));
      });
    }
    f.store("i64", at, bits, this.#bits);
  }
  #setOf(f: FunctionWriter, place: Value): Local {
    // A division by a constant is a multiplication.
    return f.keep({
      type: "i32",
      emit: (c) => {
        place.emit(c);
        c.i32(this.#stride).op(0x6e);
      },
    });
  }

  #victim(f: FunctionWriter, index: Value): void {
    const set = f.keep(this.#set(index));
    const first = f.keep(mul(set, this.#stride));
    const ways = this.#ways;
    if (this.#policy === "lru" || this.#policy === "fifo") {
      // Empty places have the time 0, so the first of them is the oldest.
      if (ways === 1) return f.return(first);
      const best = f.keep(first);
      const oldest = f.keep(load("i64", mul(first, 8), this.#used));
      const used = f.local("i64");
      const older = f.local("i32");
      // Selections: a branch could not be predicted.
      const look = (place: Value, offset: number): void => {
        f.set(used, load("i64", mul(place, 8), this.#used + 8 * offset));
        f.set(older, ltU(used, oldest));
        f.set(best, select(older, add(place, offset), best));
        f.set(oldest, select(older, used, oldest));
      };
      if (ways <= UNROLLED) { for (let way = 1; way < ways; way++) look(first, way); }
      else f.for(add(first, 1), f.keep(add(first, ways)), 1, (place) => look(place, 0));
      return f.return(best);
    }
    const empty = f.keep(this.peek(index, this.key === "i32" ? i32(NONE) : i64(NONE)));
    f.if(geS(empty, 0), () => f.return(empty));
    if (ways === 1) return f.return(first);
    const bits = () => load("i64", shl(set, 3), this.#bits);
    if (this.#policy === "nru") {
      const clear: Value = {
        type: "i64",
        emit: (c) => {
          xor(bits(), i64(-1)).emit(c);
          c.op(0x7a);
        },
      };
      return f.return(add(first, wrap(clear)));
    }
    if (this.#policy === "tree-plru") {
      const [node, way] = [f.keep(i32(0)), f.keep(i32(0))];
      const all = f.keep(bits());
      for (let half = ways / 2; half >= 1; half /= 2) {
        const right = f.keep(wrap(and(shrU(all, extend(node)), 1)));
        f.set(way, add(way, mul(right, half)));
        f.set(node, add(add(shl(node, 1), 1), right));
      }
      return f.return(add(first, way));
    }
    const x = f.keep(this.#random.value);
    f.set(x, xor(x, shl(x, 13)));
    f.set(x, xor(x, shrU(x, 17)));
    f.set(x, xor(x, shl(x, 5)));
    f.set(this.#random, x);
    f.return(add(first, remU(x, ways)));
  }
}

/** The low 32 bits. */
const low = (v: Value): Value => v.type === "i64" ? wrap(v) : v;
