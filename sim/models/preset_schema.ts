/** Reads a preset from data, as JSON has it, and says of what is wrong where it is. */
import { replacements } from "./associative.ts";
import { prefetcherKinds } from "./prefetcher.ts";
import { type Preset, preset } from "./preset.ts";

/** A preset's data are not a preset; the message names the field. */
export class PresetError extends Error {
  /** Tells this error from others, also across realms. */
  override readonly name = "PresetError";
}

/** log2 of the page sizes that a TLB may be said to hold. */
const PAGE_BITS = [12, 14, 16, 20, 21, 25, 29, 30];

/** log2 of the sizes that base pages may have. */
const GRANULES = [12, 14, 16];

type Check = (value: unknown, at: string) => void;

function fail(at: string, wanted: string, value: unknown): never {
  throw new PresetError(`${at}: must be ${wanted}, not ${JSON.stringify(value)}`);
}

const whole = (least: number, most: number): Check => (value, at) => {
  if (!Number.isInteger(value) || (value as number) < least || (value as number) > most) {
    fail(at, `a whole number from ${least} to ${most}`, value);
  }
};
const cycles: Check = (value, at) => {
  if (typeof value !== "number" || !(value >= 0 && value < Infinity)) {
    fail(at, "a number of cycles", value);
  }
};
const text: Check = (value, at) => {
  if (typeof value !== "string" || value === "") fail(at, "a text", value);
};
const flag: Check = (value, at) => {
  if (typeof value !== "boolean") fail(at, "true or false", value);
};
const oneOf = (values: readonly unknown[]): Check => (value, at) => {
  if (!values.includes(value)) fail(at, `one of ${values.join(", ")}`, value);
};
const list = (each: Check, least = 0): Check => (value, at) => {
  if (!Array.isArray(value)) fail(at, "a list", value);
  if (value.length < least) fail(at, `a list of at least ${least}`, value);
  value.forEach((one, i) => each(one, `${at}[${i}]`));
};

/** Fields of an object; those whose names end in `?` may be missing. Others are an error. */
const object = (fields: Readonly<Record<string, Check>>, more?: Check): Check => (value, at) => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    fail(at === "" ? "preset" : at, "an object", value);
  }
  const given = value as Record<string, unknown>;
  const path = (name: string) => at === "" ? name : `${at}.${name}`;
  const known = new Map(
    Object.entries(fields).map(([name, check]) => {
      const optional = name.endsWith("?");
      return [optional ? name.slice(0, -1) : name, { optional, check }];
    }),
  );
  for (const name of Object.keys(given)) {
    if (!known.has(name)) {
      throw new PresetError(
        `${path(name)}: there is no such field; there are ${[...known.keys()].join(", ")}`,
      );
    }
  }
  for (const [name, { optional, check }] of known) {
    if (given[name] !== undefined) check(given[name], path(name));
    else if (!optional) throw new PresetError(`${path(name)}: is missing`);
  }
  more?.(value, at);
};

/** Sets are whole, and ways are such as the replacement can do. */
const geometry = (entriesOf: (v: Record<string, number>) => number): Check => (value, at) => {
  const given = value as Record<string, number> & { replacement?: string };
  const entries = entriesOf(given);
  if (!Number.isInteger(entries / given.ways)) {
    throw new PresetError(`${at}.ways: ${given.ways} ways do not divide ${entries} entries`);
  }
  const { replacement, ways } = given;
  if (replacement === "tree-plru" && (ways & (ways - 1)) !== 0) {
    throw new PresetError(`${at}.ways: tree-plru is for a power of two, not ${ways}`);
  }
  if ((replacement === "tree-plru" || replacement === "nru") && ways > 64) {
    throw new PresetError(`${at}.ways: ${replacement} is for at most 64, not ${ways}`);
  }
};
const entriesOf = (v: Record<string, number>): number => v.entries;
const MOST_ENTRIES = 1 << 20;
const sized = { "entries": whole(1, MOST_ENTRIES), "ways": whole(1, MOST_ENTRIES) };

const tlb = object({
  ...sized,
  "pageBits": list(oneOf(PAGE_BITS), 1),
  "replacement?": oneOf(replacements),
}, geometry(entriesOf));
const walkCache = object({
  "level": whole(1, 3),
  ...sized,
  "replacement?": oneOf(replacements),
}, geometry(entriesOf));
/** What every page can be entered in. */
const level: Check = (value, at) => {
  list(tlb, 1)(value, at);
  if (!(value as { pageBits: number[] }[]).some(({ pageBits }) => pageBits.includes(12))) {
    throw new PresetError(`${at}: no structure holds pages of 4 KiB (pageBits 12)`);
  }
};
const hierarchy = (optional: string) =>
  object({
    [`itlb${optional}`]: level,
    [`dtlb${optional}`]: level,
    [`stlb${optional}`]: level,
    "istlb?": level,
    "walkCaches?": list(walkCache),
    "asids?": whole(0, 65536),
  });

const buffer = object({ ...sized, "historyBits?": whole(1, 24) }, geometry(entriesOf));

const kinds: Readonly<Record<string, Check>> = {
  static: object({ "kind": text, "rule": oneOf(["taken", "not-taken", "btfn"]) }),
  bimodal: object({ "kind": text, "indexBits": whole(1, 24) }),
  gshare: object({ "kind": text, "historyBits": whole(1, 24) }),
  perceptron: object({ "kind": text, "entries": whole(1, 65536), "history": whole(1, 512) }),
  tage: object({
    "kind": text,
    "baseBits": whole(1, 24),
    "tableBits": whole(2, 20),
    "tagBits": whole(3, 20),
    "histories": list(whole(1, 4096), 1),
  }, (value, at) => {
    const { histories } = value as { histories: number[] };
    const wrong = histories.findIndex((length, i) => i > 0 && length <= histories[i - 1]);
    if (wrong > 0) throw new PresetError(`${at}.histories[${wrong}]: must be longer than the last`);
  }),
};
const direction: Check = (value, at) => {
  const kind = (value as { kind?: string } | null)?.kind;
  if (typeof value !== "object" || kind === undefined || !Object.hasOwn(kinds, kind)) {
    fail(`${at}.kind`, `one of ${Object.keys(kinds).join(", ")}`, kind);
  }
  kinds[kind](value, at);
};

const LINES = [16, 32, 64, 128, 256];
const cache = object({
  "size": whole(16, 2 ** 32),
  "ways": whole(1, MOST_ENTRIES),
  "replacement?": oneOf(replacements),
  "prefetcher?": oneOf(prefetcherKinds),
  "inclusive?": flag,
});
const caches = object({
  "line?": oneOf(LINES),
  "indexed?": oneOf(["physical", "virtual"]),
  "l1i": cache,
  "l1d": cache,
  "l2?": cache,
  "llc?": cache,
  "walks?": oneOf(["l1d", "l2"]),
}, (value, at) => {
  const { line = 64, ...levels } = value as { line?: number; [level: string]: unknown };
  for (const name of ["l1i", "l1d", "l2", "llc"]) {
    if (levels[name] === undefined) continue;
    geometry(({ size }) => size / line)(levels[name], `${at}.${name}`);
  }
});

const penalties = {
  "majorFault?": cycles,
  "syscall?": cycles,
  "contextSwitch?": cycles,
  "btbMiss?": cycles,
  "l2Hit?": cycles,
  "llcHit?": cycles,
  "memory?": cycles,
};
const cost = (optional: string) =>
  object({
    ...Object.fromEntries(
      ["base", "mispredict", "stlbHit", "walk", "minorFault"].map((n) => [n + optional, cycles]),
    ),
    ...penalties,
  });

const core = object({
  "name": text,
  "description": text,
  "sources": list(text),
  "tlb": hierarchy(""),
  "direction": direction,
  "targetBuffer": buffer,
  "btb?": list(buffer, 1),
  "returnStack": whole(1, 64),
  "caches?": caches,
  "cost": cost(""),
  "granules?": list(oneOf(GRANULES), 1),
  "detail?": object({
    "tlb?": hierarchy("?"),
    "direction?": direction,
    "targetBuffer?": buffer,
    "btb?": list(buffer, 1),
    "caches?": caches,
    "cost?": cost("?"),
  }),
});

/**
 * The preset that `data` describe. A field `extends` may name a preset, whose fields are taken where `data`
 * have none; `name`, `description` and `sources` have defaults. Throws a `PresetError` that names the field
 * that is wrong.
 *
 * @example
 * ```ts
 * import { parsePreset } from "./preset_schema.ts";
 * const big = parsePreset({ extends: "neoverse-n1", returnStack: 64 });
 * if (big.returnStack !== 64 || big.name !== "custom") throw new Error("unexpected");
 * ```
 */
export function parsePreset(data: unknown): Preset {
  if (typeof data !== "object" || data === null || Array.isArray(data)) {
    fail("preset", "an object", data);
  }
  const { extends: base, ...own } = data as Record<string, unknown>;
  let inherited: Partial<Preset> = {};
  if (base !== undefined) {
    text(base, "extends");
    try {
      inherited = preset(base as string);
    } catch (error) {
      throw new PresetError(`extends: ${(error as Error).message}`);
    }
  }
  const all = {
    ...inherited,
    name: "custom",
    description: base === undefined ? "of one's own" : `${base} with changes of one's own`,
    sources: [],
    ...own,
  };
  core(all, "");
  return all as unknown as Preset;
}
