import {
  type LinkContext,
  LinkError,
  type LinkObject,
  type Module,
  type StateKey,
  type SymbolReference,
} from "../lib/linker/mod.ts";

/** Where a search ended that had these particulars beside its name. */
interface Outcome {
  readonly scope: number;
  readonly version: string | undefined;
  readonly versionHidden: boolean;
  readonly newest: boolean;
  readonly isAddress: boolean;
  /** Place in the scope, -1 if nothing defines it. */
  readonly position: number;
  /** Index of the definition in that object's dynamic symbol table, if it stands there. */
  readonly symbol: number | undefined;
}

class Cache {
  readonly byName = new Map<string, Outcome[]>();
  readonly #scopes = new Map<string, number>();
  readonly #known = new WeakMap<readonly LinkObject[], number>();

  /** The same number for scopes of the same objects in the same order. */
  numberOf(scope: readonly LinkObject[]): number {
    let number = this.#known.get(scope);
    if (number === undefined) {
      const objects = scope.map(({ index }) => index).join(" ");
      number = this.#scopes.get(objects) ?? this.#scopes.size;
      this.#scopes.set(objects, number);
      this.#known.set(scope, number);
    }
    return number;
  }
}

const key: StateKey<Cache> = {
  create: () => new Cache(),
  fork: () => new Cache(),
};

function particulars({ version, versionHidden = false, newest = false, use }: SymbolReference) {
  return { version, versionHidden, newest, isAddress: use === "address" };
}

/**
 * Remembers, for the time of a process, at which object of a scope the search for a name and version ended: the
 * next one, from whichever object, asks that object alone and does not look the symbol up there.
 *
 * ```ts
 * import { linux, lookupCache } from "./mod.ts";
 *
 * const machine = { root: "./roots/x86_64", modules: [...linux(), lookupCache()] };
 * console.assert(machine.modules.at(-1)!.name === "lookup-cache");
 * ```
 */
export function lookupCache(): Module {
  return {
    name: "lookup-cache",
    register: (object, pipeline) => {
      // There it depends on who asks whether an object answers.
      const other = pipeline.preceding.find(({ name }) => name === "gnu-on-musl");
      if (object.isProgram && other !== undefined) {
        throw new LinkError(
          `lookup-cache and ${other.name} conflict: its answers depend on who asks`,
        );
      }
      return {};
    },
    search: (search, next) => {
      const { link, reference, scope } = search;
      const cache = link.state(key);
      const number = cache.numberOf(scope);
      const asked = particulars(reference);
      let outcomes = cache.byName.get(reference.name);
      if (outcomes === undefined) cache.byName.set(reference.name, outcomes = []);
      const known = outcomes.find((one) =>
        one.scope === number && one.version === asked.version && one.newest === asked.newest &&
        one.versionHidden === asked.versionHidden && one.isAddress === asked.isAddress
      );
      if (known !== undefined) {
        count(link, "hits");
        const { position, symbol } = known;
        if (position < 0) return undefined;
        return { position, definition: search.ask(scope[position], symbol)! };
      }
      count(link, "misses");
      const found = next(search);
      const definition = found?.definition;
      // What stands for another object's definition has no index in this one's table.
      const isOwn = found !== undefined && definition!.object === scope[found.position];
      outcomes.push({
        scope: number,
        ...asked,
        position: found?.position ?? -1,
        symbol: isOwn ? definition!.symbol : undefined,
      });
      return found;
    },
  };
}

function count({ counters }: LinkContext, what: "hits" | "misses"): void {
  counters.count(`lookup.cache.${what}`);
}
