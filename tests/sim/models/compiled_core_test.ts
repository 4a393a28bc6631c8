/**
 * Cores in WebAssembly count what the readable models count, and tell where it happened, on random
 * streams: for every replacement, prefetcher and predictor, through switches of spaces and changes of mappings.
 */
import { assert, assertEquals } from "@std/assert";
import type { CodeBlock, StreamContext } from "../../../sim/cpu/event_buffer.ts";
import { Flow } from "../../../sim/cpu/ir/decoded.ts";
import {
  ARGUMENT_SHIFT,
  EVENT_WORDS,
  EventKind,
  INDEX_SHIFT,
  KIND_SHIFT,
} from "../../../sim/cpu/wasm/event_stream.ts";
import { type Replacement, replacements } from "../../../sim/models/associative.ts";
import { CompiledCore } from "../../../sim/models/compiled_core.ts";
import { CoreModel, type CoreParts, type SiteObserver } from "../../../sim/models/core_model.ts";
import { Site, siteNames } from "../../../sim/cpu/site_kinds.ts";
import type { SiteKeeper } from "../../../sim/models/site_memory.ts";
import type { DirectionShape } from "../../../sim/models/direction.ts";
import { namedDirections } from "../../../sim/models/direction.ts";
import { Side } from "../../../sim/models/hierarchy.ts";
import { detailed, type Preset, preset, presets, withGranule } from "../../../sim/models/preset.ts";
import type { PrefetcherKind } from "../../../sim/models/prefetcher.ts";
import { xorshift32 } from "../../oracles/replacement.ts";

const U32 = 2 ** 32;
const BLOCKS = 300;

/** Programs, and what a machine would tell of them. */
class Stream implements StreamContext {
  readonly quietStraddles = 0;
  readonly memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
  readonly #words = new Uint32Array(this.memory.buffer);
  readonly #draw: () => number;
  readonly #blocks: CodeBlock[] = [];
  readonly #last: number[] = [];
  /** Whether instructions of the last block may yet be executed. */
  isInBlock = false;
  hasLargePages = false;
  largePages = 0;
  space = 1;
  running = null;

  constructor(seed: number, readonly isLarge: boolean, readonly basePageBits = 12) {
    this.#draw = xorshift32(seed);
    this.#draw();
    this.newBlocks();
  }
  #below(n: number): number {
    return this.#draw() % n;
  }
  newBlocks(): void {
    for (let number = 0; number < BLOCKS; number++) {
      const straddles = this.#below(20) === 0;
      const count = straddles ? 1 : 1 + this.#below(number % 9 === 0 ? 64 : 12);
      const offsets = new Uint16Array(count + 1);
      for (let i = 0; i < count; i++) offsets[i + 1] = offsets[i] + 2 + this.#below(9);
      const bytes = offsets[count];
      const page = 0x5555_5555_0000 + this.#below(40) * 4096;
      const pc = page + (straddles ? 4095 : this.#below(4096 - bytes));
      const frame = 0x4000_0000 + this.#below(64) * 4096;
      const physical2 = straddles ? 0xf000_0000 + this.#below(64) * 4096 : -1;
      const physical = frame + pc % 4096;
      const target = page + this.#below(4000);
      this.#blocks[number] = {
        ...{ number, pc, count, bytes, flow: Flow.Next, target, physical, physical2, offsets },
      };
    }
  }
  block(number: number): CodeBlock {
    return this.#blocks[number];
  }
  pageBits(va: number): number {
    const base = this.basePageBits;
    if (!this.isLarge || this.space === 2) return base;
    const large = 2 * base - 3;
    const part = Math.floor(va / 2 ** large) % 4;
    return part === 1 ? large : part === 2 && base === 12 ? 16 : base;
  }
  entryAddress(va: number, index: number): number {
    return index === 3 && va % 7 === 0
      ? -1
      : 0x9000_0000 + (Math.floor(va / 4096) % 500) * 8 + index * 4096;
  }

  /** Events of about `count` blocks; the words they take. */
  events(count: number): [Uint32Array, number] {
    let at = 0;
    const put = (
      kind: EventKind,
      address: number,
      argument: number,
      index: number,
      word: number,
    ) => {
      this.#words[at] = address >>> 0;
      this.#words[at + 1] = Math.floor(address / U32) | (kind << KIND_SHIFT) |
        ((argument & 63) << ARGUMENT_SHIFT) | (index << INDEX_SHIFT);
      this.#words[at + 2] = word;
      at += EVENT_WORDS;
    };
    for (let n = 0; n < count; n++) {
      // Code has habits.
      const number = this.#below(3) === 0 ? this.#below(BLOCKS) : this.#below(30);
      const block = this.#blocks[number];
      put(EventKind.Block, block.pc, block.count, 0, number);
      const cut = this.#below(40) === 0 ? this.#below(block.count) : -1;
      for (let i = 0; i < block.count; i++) {
        if (i === cut || this.#below(3) !== 0) continue;
        this.#data(put, i);
      }
      const end = at;
      if (cut >= 0) put(EventKind.Cut, 0, cut, 0, 0);
      else this.#branch(put, block);
      this.isInBlock = at === end;
    }
    return [this.#words, at];
  }
  #data(
    put: (kind: EventKind, address: number, size: number, index: number, word: number) => void,
    index: number,
  ): void {
    const size = [1, 2, 4, 8, 16, 32][this.#below(6)];
    const slot = this.#below(8);
    let address: number;
    if (slot < 3) address = (this.#last[index] ?? 0x7fff_0000_0000) + 8 * slot;
    else if (slot < 6) address = 0x7fff_ffff_0000 + this.#below(3000) * 4;
    else address = 0x5555_5560_0000 + this.#below(2 ** 23);
    this.#last[index] = address;
    const physical = 0x1000_0000 + (address % 2 ** 24);
    if (4096 - address % 4096 < size) {
      put(EventKind.Straddle, 0, 0, index, 0xe000_0000 + this.#below(9) * 4096);
    }
    put(this.#below(3) === 0 ? EventKind.Store : EventKind.Load, address, size, index, physical);
  }
  #branch(
    put: (kind: EventKind, address: number, size: number, index: number, word: number) => void,
    block: CodeBlock,
  ): void {
    const kind = EventKind.NotTaken + this.#below(8);
    if (kind > EventKind.Return) return;
    const to = this.#blocks[(block.number * 7 + this.#below(3)) % BLOCKS].pc;
    put(kind, kind <= EventKind.Call ? 0 : to, 0, block.count - 1, block.number);
  }
}

/** Counts under names of their places. */
class Places {
  readonly counts = new Map<string, number>();
  add(place: string, count = 1): void {
    if (count !== 0) this.counts.set(place, (this.counts.get(place) ?? 0) + count);
  }
}
const nameOf = ({ pc, physical, count }: CodeBlock): string => `${pc} ${physical} ${count}`;

/** Calling contexts, numbered as they appear. */
class Contexts {
  readonly #known = new Map<string, number>();
  callee(context: number, to: number): number {
    const key = `${context} ${to}`;
    const known = this.#known.get(key) ?? this.#known.size + 1;
    this.#known.set(key, known);
    return known;
  }
}
const functionOf = (block: CodeBlock): number => block.number % 5;
const DEEPEST = 400;

/** A place in the run. */
const stretchOf = (instructions: number): number => Math.floor(instructions / 100);

/** What the readable model tells, event by event. */
class Told implements SiteObserver {
  readonly places = new Places();
  #context!: StreamContext;
  readonly #contexts = new Contexts();
  #here = 0;
  #retired = 0;
  #stack: { next: number; here: number }[] = [];
  #space = -1;
  attach(context: StreamContext): void {
    this.#context = context;
  }
  at(site: number, block: CodeBlock, index: number, address: number): void {
    this.places.add(`block ${nameOf(block)} ${index} ${site}`);
    this.places.add(`stretch ${stretchOf(this.#retired)} ${site}`);
    this.places.add(`context ${this.#here} ${functionOf(block)} ${site}`);
    if (address < 0) return;
    this.places.add(`page ${this.#context.space} ${Math.floor(address / 4096)} ${site}`);
  }
  retired(block: CodeBlock, count: number): void {
    const number = nameOf(block);
    this.#retired += count;
    for (let i = 0; i < count; i++) this.places.add(`block ${number} ${i} 0`);
    this.places.add(`context ${this.#here} ${functionOf(block)} 0`, count);
  }
  branch(kind: number, next: number, to: number): void {
    if (kind === EventKind.Return) {
      const at = this.#stack.findLastIndex((call) => call.next === to);
      if (at < 0 || at < this.#stack.length - 64) return;
      this.#here = this.#stack[at].here;
      this.#stack.length = at;
    } else if (kind !== EventKind.IndirectJump) {
      this.#stack.push({ next, here: this.#here });
      if (this.#stack.length > DEEPEST) return;
      this.#here = this.#contexts.callee(this.#here, to);
    }
  }
  enterSpace(space: number): void {
    if (space === this.#space) return;
    this.#space = space;
    this.#here = 0;
    this.#stack = [];
  }
  enterThread(): void {}
}

/** What a core in WebAssembly hands over. */
class Kept implements SiteKeeper {
  readonly places = new Places();
  #context!: StreamContext;
  readonly #contexts = new Contexts();
  readonly #pages: string[] = [];
  #retired = 0;
  collect!: () => void;
  attach(context: StreamContext, collect: () => void): void {
    this.#context = context;
    this.collect = collect;
  }
  symbolOf(block: CodeBlock): number {
    return functionOf(block);
  }
  callee(context: number, to: number): number {
    return this.#contexts.callee(context, to);
  }
  enter(): void {}
  stretch(events: Float64Array, instructions: number): number {
    events.forEach((n, site) => this.places.add(`stretch ${stretchOf(this.#retired)} ${site}`, n));
    this.#retired += instructions;
    return 100 * (stretchOf(this.#retired) + 1) - this.#retired;
  }
  page(address: number): number {
    const page = `${this.#context.space} ${Math.floor(address / 4096)}`;
    const known = this.#pages.indexOf(page);
    return known >= 0 ? known : this.#pages.push(page) - 1;
  }
  cut(block: CodeBlock, count: number): void {
    for (let i = 0; i < count; i++) this.places.add(`block ${nameOf(block)} ${i} 0`);
  }
  addBlock(block: CodeBlock, whole: number, events: Float64Array | null): void {
    const number = nameOf(block);
    for (let i = 0; i < block.count; i++) this.places.add(`block ${number} ${i} 0`, whole);
    events?.forEach((n, i) =>
      this.places.add(
        `block ${number} ${Math.floor(i / siteNames.length)} ${i % siteNames.length}`,
        n,
      )
    );
  }
  addMispredicted(block: CodeBlock, count: number): void {
    this.places.add(`block ${nameOf(block)} ${block.count - 1} ${Site.Mispredicted}`, count);
  }
  addContext(context: number, symbol: number, events: Float64Array): void {
    events.forEach((n, site) => this.places.add(`context ${context} ${symbol} ${site}`, n));
  }
  addPage(page: number, events: Float64Array): void {
    events.forEach((n, site) => this.places.add(`page ${this.#pages[page]} ${site}`, n));
  }
}

function check(
  core: Preset,
  arch: "x86_64" | "aarch64",
  parts: CoreParts,
  seed: number,
  { isLarge = false, isObserved = false } = {},
): Record<string, number> {
  const told = isObserved ? new Told() : null;
  const kept = isObserved ? new Kept() : null;
  const stream = new Stream(seed, isLarge, core.tlb.granule);
  const models = [
    new CoreModel(core, arch, parts, undefined, told),
    new CompiledCore(core, arch, parts, undefined, kept),
  ];
  for (const model of models) model.attach(stream);
  const draw = xorshift32(seed + 99);
  const enter = (space: number) => {
    stream.space = space;
    stream.hasLargePages = isLarge && space !== 2;
    stream.largePages++;
    for (const model of models) model.enterSpace(space);
  };
  enter(1);
  for (let round = 0; round < 60; round++) {
    const [words, to] = stream.events(40);
    for (const model of models) model.read(words, 0, to);
    const va = 0x5555_5555_0000 + (draw() % 512) * 4096;
    const size = 4096 * (draw() % 40 === 0 ? 1 << 20 : 1 + draw() % 8);
    switch (draw() % 8) {
      case 0:
        for (const model of models) model.finish();
        enter(1 + draw() % 4);
        break;
      case 1:
        for (const model of models) {
          if (stream.isInBlock) model.executing(0);
          model.pageFault(Side.Data, va);
          model.invalidate(stream.space, va, va + size);
        }
        break;
      case 2:
        for (const model of models) model.pageFault(Side.Instruction, va);
        break;
      case 3:
        for (const model of models) model.finish();
        (models[1] as CompiledCore).forgetBlocks();
        stream.newBlocks();
        break;
    }
  }
  for (const model of models) model.finish();
  const expected = models[0].report();
  assertEquals(models[1].report(), expected, core.name);
  kept?.collect();
  if (told !== null) {
    assertEquals(diff(kept!.places.counts, told.places.counts), "");
    assert(told.places.counts.size > 1000);
  }
  return expected;
}

const ALL: CoreParts = { tlb: true, branches: true, caches: true };

/** A small core with a replacement, a prefetcher and a predictor everywhere. */
function small(
  replacement: Replacement,
  prefetcher: PrefetcherKind,
  direction: DirectionShape,
): Preset {
  const ways = replacement === "tree-plru" ? 4 : 3;
  const tlb = (sets: number, ...pageBits: number[]) => ({
    entries: sets * ways,
    ways,
    pageBits,
    replacement,
  });
  const cache = (sets: number, inclusive: boolean) => ({
    ...{ size: sets * ways * 32, ways, replacement, prefetcher, inclusive },
  });
  return {
    ...preset("reference"),
    name: `${replacement}, ${prefetcher}, ${direction.kind}`,
    tlb: {
      itlb: [tlb(2, 12), tlb(1, 21)],
      dtlb: [tlb(4, 12, 16), tlb(1, 21)],
      stlb: [tlb(6, 12, 21)],
      ...replacement === "fifo" ? { istlb: [tlb(3, 12)] } : {},
      walkCaches: [1, 2, 3].map((level) => ({ level, entries: ways, ways, replacement })),
      ...replacement === "nru" ? { asids: 2 } : {},
    },
    direction,
    targetBuffer: { entries: 24, ways: 3, ...prefetcher === "off" ? {} : { historyBits: 9 } },
    btb: [{ entries: 8, ways: 8 }, { entries: 60, ways: 20 }],
    returnStack: 5,
    caches: {
      line: 32,
      indexed: prefetcher === "stride" ? "virtual" : "physical",
      l1i: cache(4, false),
      l1d: cache(8, false),
      l2: cache(16, replacement !== "lru"),
      llc: cache(48, replacement !== "random"),
      walks: replacement === "fifo" ? "l2" : "l1d",
    },
  };
}

Deno.test("cores in WebAssembly equal the readable models: replacements, prefetchers", () => {
  let seed = 1;
  for (const replacement of replacements) {
    for (const prefetcher of ["off", "next-line", "stride"] as const) {
      const core = small(replacement, prefetcher, namedDirections.bimodal);
      const counters = check(core, "x86_64", ALL, seed++, { isLarge: true });
      assert(counters["llc.misses"] > 100 && counters["walks.faulted"] > 3);
      check(core, "aarch64", ALL, seed++, { isObserved: true });
      for (const part of ["tlb", "branches", "caches"] as const) {
        const only = { tlb: false, branches: false, caches: false, [part]: true };
        check(core, "x86_64", only, seed++, { isObserved: seed % 2 === 0 });
      }
    }
  }
});

Deno.test("cores in WebAssembly equal the readable models: predictors", () => {
  const shapes: DirectionShape[] = [
    ...Object.values(namedDirections),
    { kind: "perceptron", entries: 7, history: 3 },
    {
      kind: "tage",
      ...{ baseBits: 4, tableBits: 3, tagBits: 5 },
      histories: [2, 5, 11, 23, 64],
    },
  ];
  shapes.forEach((direction, i) => {
    for (const arch of ["x86_64", "aarch64"] as const) {
      check(small("lru", "off", direction), arch, ALL, 500 + i);
    }
  });
});

Deno.test("cores in WebAssembly equal the readable models: presets", () => {
  for (const core of presets) {
    check(detailed(core), "x86_64", { ...ALL, caches: detailed(core).caches !== undefined }, 900, {
      isLarge: true,
    });
  }
  for (const [name, granule] of [["neoverse-n1", 14], ["cortex-a72", 16]] as const) {
    const core = withGranule(detailed(preset(name)), granule);
    const counters = check(core, "aarch64", ALL, 901, { isLarge: true });
    assert(counters["walks.references"] > counters.walks);
    check(core, "aarch64", { ...ALL, caches: false }, 902);
  }
});

function diff(actual: Map<string, number>, expected: Map<string, number>): string {
  const places = new Set([...actual.keys(), ...expected.keys()]);
  const wrong = [...places].filter((place) => actual.get(place) !== expected.get(place));
  return wrong.slice(0, 10).map((place) =>
    `${place}: ${actual.get(place)}, not ${expected.get(place)}`
  ).join("\n");
}
