/** The type section of a module (core specification 3.0, section 5.5.4): each signature once. */
import type { Type } from "../ir/types.ts";
import { Code, typeCode } from "./code.ts";

export class FunctionTypes {
  readonly #keys: string[] = [];
  readonly #entries: Uint8Array[] = [];

  /** Index of a function type; a new one is the last. */
  index(params: readonly Type[], results: readonly Type[]): number {
    const key = `${params}>${results}`;
    const found = this.#keys.indexOf(key);
    if (found >= 0) return found;
    const code = new Code().op(0x60).u32(params.length);
    for (const p of params) code.op(typeCode[p]);
    code.u32(results.length);
    for (const r of results) code.op(typeCode[r]);
    this.#keys.push(key);
    this.#entries.push(code.take());
    return this.#keys.length - 1;
  }

  /** What the section holds. */
  get section(): Code {
    const types = new Code().u32(this.#entries.length);
    for (const entry of this.#entries) types.raw(entry);
    return types;
  }
}
