import { ByteView } from "../../lib/elf/byte_view.ts";
import { ByteWriter } from "../../lib/elf/byte_writer.ts";
import { LebReader } from "../../lib/elf/leb_reader.ts";

/** Bindings of one object, and the scopes in which they were found. */
export interface Bindings {
  /** Hashes of the objects that it searches, in order; for `copy` references it searches others. */
  readonly scopes: { usual: readonly string[]; copy: readonly string[] };
  /** Outcomes by reference, as `packReference` and `packOutcome` make them. */
  readonly outcomes: Map<number, number>;
}

/** What a cache holds: bindings by the hash of the object with the references. */
export interface Cache {
  /** What made it: linker, architecture, modules. */
  readonly maker: string;
  readonly bindings: Map<string, Bindings>;
}

/** Where a search ended: place in the scope, and the index in that object's dynamic symbol table, if known. */
export interface Outcome {
  readonly position: number;
  readonly symbol: number | undefined;
}

const SYMBOLS = 2 ** 32;

/** As a number; 0: nothing defines it. */
export function packOutcome(outcome: Outcome | undefined): number {
  if (outcome === undefined) return 0;
  return (outcome.position + 1) * SYMBOLS + (outcome.symbol ?? -1) + 1;
}

export function unpackOutcome(packed: number): Outcome | undefined {
  if (packed === 0) return undefined;
  const symbol = packed % SYMBOLS - 1;
  return {
    position: Math.floor(packed / SYMBOLS) - 1,
    symbol: symbol < 0 ? undefined : symbol,
  };
}

const MAGIC = "isthmus.bindings.1\n";
const HASH = 32;

/**
 * A cache as bytes: the magic, SHA-256 of the rest, then in LEB128 numbers the maker, the hashes of all objects,
 * and for each object with references its two scopes and its outcomes.
 */
export async function encodeCache({ maker, bindings }: Cache): Promise<Uint8Array> {
  const hashes = new Map<string, number>();
  const numberOf = (hash: string): number => {
    let number = hashes.get(hash);
    if (number === undefined) hashes.set(hash, number = hashes.size);
    return number;
  };
  const scopes = new Map<string, number>();
  const scopeOf = (scope: readonly string[]): number => {
    const text = scope.map(numberOf).join(" ");
    let number = scopes.get(text);
    if (number === undefined) scopes.set(text, number = scopes.size);
    return number;
  };
  const body = new ByteWriter();
  for (const [hash, { scopes, outcomes }] of bindings) {
    body.uleb(numberOf(hash)).uleb(scopeOf(scopes.usual)).uleb(scopeOf(scopes.copy));
    body.uleb(outcomes.size);
    let last = 0;
    for (const [reference, outcome] of [...outcomes].sort(([a], [b]) => a - b)) {
      body.uleb(reference - last).uleb(Math.floor(outcome / SYMBOLS)).uleb(outcome % SYMBOLS);
      last = reference;
    }
  }
  const out = new ByteWriter();
  const name = new TextEncoder().encode(maker);
  out.uleb(name.length).raw(name).uleb(hashes.size);
  for (const hash of hashes.keys()) out.raw(Uint8Array.fromHex(hash));
  out.uleb(scopes.size);
  for (const text of scopes.keys()) {
    const numbers = text === "" ? [] : text.split(" ").map(Number);
    out.uleb(numbers.length);
    for (const number of numbers) out.uleb(number);
  }
  const rest = new Uint8Array(out.uleb(bindings.size).raw(body.finish()).finish());
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", rest));
  return new ByteWriter().raw(new TextEncoder().encode(MAGIC)).raw(digest).raw(rest).finish();
}

/** Reads a cache; what is wrong with it is an `ElfError` that names `name`, offset and field. */
export async function decodeCache(bytes: Uint8Array, name: string): Promise<Cache> {
  const file = new ByteView(bytes, name);
  const start = MAGIC.length + HASH;
  if (new TextDecoder("latin1").decode(bytes.subarray(0, MAGIC.length)) !== MAGIC) {
    file.fail(0, "magic", "it is no cache of bindings of this version");
  }
  file.check(MAGIC.length, HASH, "SHA-256");
  const rest = new Uint8Array(bytes.subarray(start));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", rest)).toHex();
  if (digest !== bytes.subarray(MAGIC.length, start).toHex()) {
    file.fail(MAGIC.length, "SHA-256", "it is that of another content");
  }
  const reader = new LebReader(file, start, bytes.length);
  const take = (count: number, field: string): Uint8Array => {
    file.check(reader.at, count, field);
    reader.at += count;
    return bytes.subarray(reader.at - count, reader.at);
  };
  const many = <T>(field: string, make: () => T): T[] => {
    const count = reader.unsigned(field);
    if (count > bytes.length) file.fail(reader.at, field, `${count} of them do not fit`);
    return Array.from({ length: count }, make);
  };
  const of = <T>(list: readonly T[], field: string): T => {
    const index = reader.unsigned(field);
    return list[index] ?? file.fail(reader.at, field, `there is no number ${index}`);
  };
  const maker = new TextDecoder().decode(take(reader.unsigned("maker"), "maker"));
  const hashes = many("objects", () => take(HASH, "objects").toHex());
  const scopes = many("scopes", () => many("scopes", () => of(hashes, "scopes")));
  const bindings = new Map(many("bindings", () => {
    const hash = of(hashes, "object");
    const found: Bindings = {
      scopes: { usual: of(scopes, "scope"), copy: of(scopes, "scope") },
      outcomes: new Map(),
    };
    let reference = 0;
    many("references", () => {
      reference += reader.unsigned("reference");
      const position = reader.unsigned("position");
      found.outcomes.set(reference, position * SYMBOLS + reader.unsigned("symbol"));
    });
    return [hash, found];
  }));
  return { maker, bindings };
}
