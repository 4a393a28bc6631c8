import type { ValueClass } from "../../lib/linker/mod.ts";

/** Types of values between the guest and what a runner runs; see docs/modules/runners.md. */
export type Type =
  | "i32"
  | "i64"
  | "f32"
  | "f64"
  /** Address of bytes that a NUL ends; C's `const char *`. */
  | "cstring"
  /** Address and length of bytes to read; C's `const void *, size_t`. */
  | "bytes"
  /** The same, which the function may change; C's `void *, size_t`. */
  | "buffer"
  | Signature;

/** A function's types; as a parameter's type, a function pointer. */
export interface Signature {
  readonly parameters: readonly Type[];
  readonly result?: Type;
}

/** What an object gives and wants, by symbol. */
export interface Interface {
  readonly exports: ReadonlyMap<string, Signature>;
  readonly imports: ReadonlyMap<string, Signature>;
}

/** An interface that cannot be read: `line` counts from 1. */
export class InterfaceError extends Error {
  override readonly name = "InterfaceError";
  constructor(readonly line: number, problem: string) {
    super(`line ${line}: ${problem}`);
  }
}

const WORDS = ["i32", "i64", "f32", "f64", "cstring", "bytes", "buffer"] as const;

/**
 * Reads declarations, one a line: `export name(types) -> type` or `import name(types) -> type`. Empty lines and
 * those that begin with `#` are passed over.
 *
 * ```ts
 * import { parseInterface } from "./types.ts";
 * const { exports } = parseInterface("export apply(callback(i32) -> i32, cstring) -> f64");
 * console.log(exports.get("apply")!.parameters.length); // 2
 * ```
 */
export function parseInterface(text: string): Interface {
  const found = { exports: new Map<string, Signature>(), imports: new Map<string, Signature>() };
  text.split("\n").forEach((line, index) => {
    if (/^\s*(#|$)/.test(line)) return;
    const [, kind, name, rest] = /^\s*(export|import)\s+([\w.$@]+)\s*(\(.*)$/.exec(line) ?? [];
    if (kind === undefined) {
      throw new InterfaceError(index + 1, "neither `export NAME(TYPES) -> TYPE` nor `import …`");
    }
    const into = kind === "export" ? found.exports : found.imports;
    if (into.has(name)) throw new InterfaceError(index + 1, `${name} is declared twice`);
    into.set(name, new Reader(rest, index + 1).all());
  });
  return found;
}

/** A reader of one signature. */
class Reader {
  #at = 0;
  constructor(private readonly text: string, private readonly line: number) {}

  all(): Signature {
    const signature = this.#signature();
    if (!this.#took(/\s*$/y)) this.#fail();
    return signature;
  }

  #signature(): Signature {
    if (!this.#took(/\s*\(\s*/y)) this.#fail();
    const parameters: Type[] = [];
    if (!this.#took(/\)\s*/y)) {
      do parameters.push(this.#type()); while (this.#took(/\s*,\s*/y));
      if (!this.#took(/\s*\)\s*/y)) this.#fail();
    }
    if (!this.#took(/->\s*/y)) return { parameters };
    const result = this.#type();
    if (result === "bytes" || result === "buffer") {
      throw new InterfaceError(this.line, `${result} cannot be a result`);
    }
    return { parameters, result };
  }

  #type(): Type {
    if (this.#took(/callback\b/y)) return this.#signature();
    const word = WORDS.find((word) => this.#took(new RegExp(`${word}\\b`, "y")));
    return word ?? this.#fail();
  }

  #took(pattern: RegExp): boolean {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.text);
    if (match === null) return false;
    this.#at += match[0].length;
    return true;
  }

  #fail(): never {
    const rest = JSON.stringify(this.text.slice(this.#at));
    throw new InterfaceError(
      this.line,
      `no signature at ${rest}; types are ${WORDS.join(", ")}, callback(…)`,
    );
  }
}

/** An interface as `parseInterface` reads it. */
export function formatInterface({ exports, imports }: Interface): string {
  const lines = (kind: string, map: ReadonlyMap<string, Signature>) =>
    [...map].map(([name, signature]) => `${kind} ${name}${formatSignature(signature)}\n`);
  return [...lines("export", exports), ...lines("import", imports)].join("");
}

export function formatSignature({ parameters, result }: Signature): string {
  const text = `(${parameters.map(formatType).join(", ")})`;
  return result === undefined ? text : `${text} -> ${formatType(result)}`;
}

function formatType(type: Type): string {
  return typeof type === "string" ? type : `callback${formatSignature(type)}`;
}

export function sameSignature(a: Signature, b: Signature): boolean {
  return formatSignature(a) === formatSignature(b);
}

/** How parameters travel in C: what is bytes takes an address and a length. */
export function classesOf(types: readonly Type[]): ValueClass[] {
  return types.flatMap((type): ValueClass[] => {
    if (type === "bytes" || type === "buffer") return ["integer", "integer"];
    return [classOf(type)];
  });
}

export function classOf(type: Type): ValueClass {
  return type === "f32" || type === "f64" ? "float" : "integer";
}
