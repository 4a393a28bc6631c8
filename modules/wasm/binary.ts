/** What the linker reads in a WebAssembly module (core specification, 5.5), and changes in it. */
import type { Signature, Type } from "../runner/types.ts";

/** A function's type, as value types of the specification: `i32`, `funcref`, …. */
export interface FunctionType {
  readonly parameters: readonly string[];
  readonly results: readonly string[];
}

export interface WasmImport {
  readonly module: string;
  readonly name: string;
  readonly kind: Kind;
  /** Of a function. */
  readonly type?: FunctionType;
}

export interface WasmExport {
  readonly name: string;
  readonly kind: Kind;
  readonly index: number;
  readonly type?: FunctionType;
}

type Kind = "function" | "table" | "memory" | "global" | "tag";
const KINDS: readonly Kind[] = ["function", "table", "memory", "global", "tag"];

/** A module whose structure is not what the linker can work with. */
export class WasmError extends Error {
  override readonly name = "WasmError";
}

const VALUE_TYPES: Readonly<Record<number, string>> = {
  0x7f: "i32",
  0x7e: "i64",
  0x7d: "f32",
  0x7c: "f64",
  0x7b: "v128",
  0x70: "funcref",
  0x6f: "externref",
};

const enum Id {
  Custom = 0,
  Type = 1,
  Import = 2,
  Function = 3,
  Table = 4,
  Memory = 5,
  Global = 6,
  Export = 7,
  Start = 8,
  /** Stands before the globals. */
  Tag = 13,
}

interface Section {
  readonly id: number;
  readonly content: Uint8Array;
}

/** A module that WebAssembly has validated, in parts. */
export class WasmBinary {
  readonly imports: readonly WasmImport[];
  readonly exports: readonly WasmExport[];
  readonly hasStart: boolean;
  /** Indices of globals that are variables. */
  readonly #variables: readonly number[];
  readonly #sections: readonly Section[];
  /** How many of each there are, imported ones included. */
  readonly #counts: Record<Kind, number>;

  constructor(bytes: Uint8Array) {
    this.#sections = sectionsOf(bytes);
    const types = this.#vector(Id.Type, readFunctionType);
    const imported = this.#vector(Id.Import, (reader) => readImport(reader, types));
    this.imports = imported;
    const functions = [
      ...imported.filter(({ kind }) => kind === "function").map(({ type }) => type!),
      ...this.#vector(Id.Function, (reader) => types[reader.number()]),
    ];
    const count = (kind: Kind, own: number) =>
      imported.filter((item) => item.kind === kind).length + own;
    const globals = this.#vector(Id.Global, readGlobal);
    this.#counts = {
      function: functions.length,
      table: count("table", this.#vector(Id.Table, readTable).length),
      memory: count("memory", this.#vector(Id.Memory, readLimits).length),
      global: count("global", globals.length),
      tag: 0,
    };
    const first = count("global", 0);
    this.#variables = globals.flatMap((isVariable, i) => isVariable ? [first + i] : []);
    this.exports = this.#vector(Id.Export, (reader) => {
      const name = reader.string();
      const kind = KINDS[reader.byte()];
      const index = reader.number();
      return { name, kind, index, type: kind === "function" ? functions[index] : undefined };
    });
    this.hasStart = this.#sections.some(({ id }) => id === Id.Start);
  }

  /**
   * The module with its memories, tables and variables exported under names of the linker's own, its memory
   * bounded, and its table free to grow.
   */
  opened(mostPages: number): Uint8Array<ArrayBuffer> {
    const added: { name: string; kind: Kind; index: number }[] = [];
    for (let index = 0; index < this.#counts.memory; index++) {
      added.push({ name: openedName("memory", index), kind: "memory", index });
    }
    for (let index = 0; index < this.#counts.table; index++) {
      added.push({ name: openedName("table", index), kind: "table", index });
    }
    for (const index of this.#variables) {
      added.push({ name: openedName("global", index), kind: "global", index });
    }
    const exports = new Writer().number(this.exports.length + added.length);
    for (const { name, kind, index } of [...this.exports, ...added]) {
      exports.string(name).number(KINDS.indexOf(kind)).number(index);
    }
    const out = new Writer().raw(MAGIC);
    const put = (id: number, content: Uint8Array) =>
      out.number(id).number(content.length).raw(content);
    let isPut = false;
    for (const { id, content } of this.#sections) {
      if (!isPut && id >= Id.Export && id !== Id.Tag) {
        put(Id.Export, exports.finish());
        isPut = true;
      }
      if (id === Id.Export) continue;
      if (id === Id.Memory) put(id, boundedMemories(content, mostPages));
      else if (id === Id.Table) put(id, growingTables(content));
      else put(id, content);
    }
    if (!isPut) put(Id.Export, exports.finish());
    return out.finish();
  }

  #vector<T>(id: number, read: (reader: Reader) => T): T[] {
    const section = this.#sections.find((section) => section.id === id);
    if (section === undefined) return [];
    const reader = new Reader(section.content);
    return Array.from({ length: reader.number() }, () => read(reader));
  }
}

/** Name of an export that `opened` adds. */
export function openedName(kind: "memory" | "table" | "global", index: number): string {
  return `isthmus.${kind}.${index}`;
}

/** A function's type as a signature, if all its values can cross to C. */
export function signatureOf({ parameters, results }: FunctionType): Signature | undefined {
  const isPlain = (type: string) => ["i32", "i64", "f32", "f64"].includes(type);
  if (results.length > 1 || ![...parameters, ...results].every(isPlain)) return undefined;
  return { parameters: parameters as Type[], result: results[0] as Type | undefined };
}

/** The WebAssembly type of a function with a signature: strings, bytes and functions are 32-bit words. */
export function loweredType({ parameters, result }: Signature): FunctionType {
  const lower = (type: Type): string[] => {
    if (type === "bytes" || type === "buffer") return ["i32", "i32"];
    return typeof type === "string" && type !== "cstring" ? [type] : ["i32"];
  };
  return {
    parameters: parameters.flatMap(lower),
    results: result === undefined ? [] : lower(result),
  };
}

export function sameType(a: FunctionType, b: FunctionType): boolean {
  return formatType(a) === formatType(b);
}

export function formatType({ parameters, results }: FunctionType): string {
  return `(${parameters.join(", ")}) -> (${results.join(", ")})`;
}

/** A module that imports a function of a type and exports it: what makes a host's function fit for a table. */
export function adapter({ parameters, results }: FunctionType): Uint8Array<ArrayBuffer> {
  const out = new Writer().raw(MAGIC);
  const put = (id: number, content: Writer) => {
    const bytes = content.finish();
    out.number(id).number(bytes.length).raw(bytes);
  };
  const codes = (types: readonly string[]) =>
    types.map((type) =>
      Number(Object.keys(VALUE_TYPES).find((code) => VALUE_TYPES[+code] === type))
    );
  put(
    Id.Type,
    new Writer().raw([1, 0x60, parameters.length, ...codes(parameters)]).raw([
      results.length,
      ...codes(results),
    ]),
  );
  put(Id.Import, new Writer().raw([1]).string("").string("f").raw([0, 0]));
  put(Id.Export, new Writer().raw([1]).string("f").raw([0, 0]));
  return out.finish();
}

const MAGIC = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];

function sectionsOf(bytes: Uint8Array): Section[] {
  const reader = new Reader(bytes);
  if (!MAGIC.every((byte) => reader.byte() === byte)) throw new WasmError("no WebAssembly module");
  const sections: Section[] = [];
  while (!reader.done) {
    const id = reader.byte();
    sections.push({ id, content: reader.take(reader.number()) });
  }
  return sections;
}

function readFunctionType(reader: Reader): FunctionType {
  const form = reader.byte();
  if (form !== 0x60) {
    throw new WasmError(
      `a type of form 0x${form.toString(16)}, of which the runner knows only functions`,
    );
  }
  const types = () => Array.from({ length: reader.number() }, () => readValueType(reader));
  return { parameters: types(), results: types() };
}

function readValueType(reader: Reader): string {
  const code = reader.byte();
  const type = VALUE_TYPES[code];
  if (type === undefined) throw new WasmError(`a value type 0x${code.toString(16)}`);
  return type;
}

function readImport(reader: Reader, types: readonly FunctionType[]): WasmImport {
  const module = reader.string();
  const name = reader.string();
  const kind = KINDS[reader.byte()];
  if (kind === "function") return { module, name, kind, type: types[reader.number()] };
  if (kind === "table") readTable(reader);
  else if (kind === "memory") readLimits(reader);
  else if (kind === "global") reader.take(2);
  else reader.take(1), reader.number();
  return { module, name, kind };
}

interface Limits {
  readonly flags: number;
  readonly minimum: number;
  readonly maximum?: number;
}

function readLimits(reader: Reader): Limits {
  const flags = reader.byte();
  const minimum = reader.number();
  return { flags, minimum, maximum: flags & 1 ? reader.number() : undefined };
}

interface Table {
  readonly type: number;
  readonly limits: Limits;
}

function readTable(reader: Reader): Table {
  const type = reader.byte();
  if (type === 0x40) throw new WasmError("a table with an initial value");
  return { type, limits: readLimits(reader) };
}

/** Whether a global is a variable; its initial value is passed over. */
function readGlobal(reader: Reader): boolean {
  readValueType(reader);
  const isVariable = reader.byte() === 1;
  for (;;) {
    const opcode = reader.byte();
    if (opcode === 0x0b) return isVariable;
    if (opcode === 0x43) reader.take(4);
    else if (opcode === 0x44) reader.take(8);
    else if (opcode === 0xd0) reader.byte();
    else if ([0x41, 0x42, 0x23, 0xd2].includes(opcode)) reader.leb();
    else if (![0x6a, 0x6b, 0x6c, 0x7c, 0x7d, 0x7e].includes(opcode)) {
      throw new WasmError(`a global's initial value with instruction 0x${opcode.toString(16)}`);
    }
  }
}

function boundedMemories(content: Uint8Array, mostPages: number): Uint8Array {
  const reader = new Reader(content);
  const count = reader.number();
  const out = new Writer().number(count);
  for (let i = 0; i < count; i++) {
    const { flags, minimum, maximum = mostPages } = readLimits(reader);
    if ((flags & ~1) !== 0) throw new WasmError("a shared memory, or one of 64 bits");
    if (minimum > mostPages) {
      throw new WasmError(`its memory has ${minimum} pages, more than the ${mostPages} permitted`);
    }
    out.raw([1]).number(minimum).number(Math.min(maximum, mostPages));
  }
  return out.finish();
}

function growingTables(content: Uint8Array): Uint8Array {
  const reader = new Reader(content);
  const count = reader.number();
  const out = new Writer().number(count);
  for (let i = 0; i < count; i++) {
    const { type, limits } = readTable(reader);
    out.raw([type, 0]).number(limits.minimum);
  }
  return out.finish();
}

class Reader {
  #at = 0;
  constructor(private readonly bytes: Uint8Array) {}

  get done(): boolean {
    return this.#at >= this.bytes.length;
  }

  byte(): number {
    if (this.done) throw new WasmError(`it ends at byte ${this.#at}, in the middle of something`);
    return this.bytes[this.#at++];
  }

  take(length: number): Uint8Array {
    if (length > this.bytes.length - this.#at) {
      throw new WasmError(`it ends ${this.#at + length - this.bytes.length} bytes early`);
    }
    return this.bytes.subarray(this.#at, this.#at += length);
  }

  /** An unsigned LEB128 number of at most 32 bits. */
  number(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new WasmError("a number of more than 32 bits");
  }

  /** Passes over a LEB128 number. */
  leb(): void {
    while (this.byte() >= 0x80);
  }

  string(): string {
    return new TextDecoder().decode(this.take(this.number()));
  }
}

class Writer {
  readonly #parts: Uint8Array[] = [];

  raw(bytes: Uint8Array | readonly number[]): this {
    this.#parts.push(bytes instanceof Uint8Array ? bytes : Uint8Array.from(bytes));
    return this;
  }

  number(value: number): this {
    const bytes: number[] = [];
    for (; value >= 0x80; value = Math.floor(value / 128)) bytes.push(value % 128 | 0x80);
    return this.raw([...bytes, value]);
  }

  string(text: string): this {
    const bytes = new TextEncoder().encode(text);
    return this.number(bytes.length).raw(bytes);
  }

  finish(): Uint8Array<ArrayBuffer> {
    const all = new Uint8Array(this.#parts.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const part of this.#parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  }
}
