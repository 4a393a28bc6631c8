import { ElfError } from "../../lib/elf/mod.ts";
import {
  type Found,
  type LinkContext,
  type LinkObject,
  type Module,
  type StateKey,
  type SymbolSearch,
  type SymbolUse,
  weak,
} from "../../lib/linker/mod.ts";
import { VERSION } from "../../lib/version.ts";
import {
  type Bindings,
  type Cache,
  decodeCache,
  encodeCache,
  type Outcome,
  packOutcome,
  unpackOutcome,
} from "./cache_file.ts";

/** Where caches are kept, by name: a folder, or a `Map` for one script's runs. */
export interface BindingStore {
  /** What was kept under a name; undefined if nothing was. */
  get(name: string): Uint8Array | undefined;
  /** Keeps bytes under a name, in the place of earlier ones. */
  set(name: string, bytes: Uint8Array): void;
}

/** Options of `stableLinking`. */
export interface StableLinkingOptions {
  /**
   * Keeps bindings from one start of a program to the next: a Map in a script, a folder on the
   * command line.
   */
  readonly store: BindingStore;
  /**
   * What tells that an object is the same: SHA-256 of its whole content (the default), or its build id, which is
   * quicker but stays as it was when a file is edited after it was linked. Without one, the content.
   */
  readonly identity?: "content" | "build-id";
  /** Told why a cache is not used; default: a line on standard error. */
  readonly report?: (message: string) => void;
}

/** A cache in use by a process. */
interface State {
  readonly name: string;
  readonly cache: Cache;
  readonly hashes: Map<LinkObject, string>;
  /** The object that uses the bindings of a hash. */
  readonly users: Map<string, LinkObject>;
  readonly uses: Map<LinkObject, { [S in Scope]?: Use }>;
  isChanged: boolean;
}

/** What holds of an object's bindings in the scope that it has now. */
interface Use {
  readonly scope: readonly LinkObject[];
  /** Outcomes in the scope that it had before, if that was another one. */
  readonly before: ReadonlyMap<number, number>;
  /** By place in the scope, where the same object stood before; Infinity if it did not. */
  readonly places: readonly number[];
}

/** References of use `copy` search other objects than the rest. */
type Scope = "usual" | "copy";

const USES: readonly SymbolUse[] = ["call", "address", "tls", "copy"];
/** Raised when the rules of resolution change. */
const RULES = 1;

const digests = new WeakMap<Uint8Array, Promise<string>>();

/**
 * Stable linking: what the references of all objects were bound to is written down, and the next start uses it
 * instead of searching, as long as the object with the reference is the same by its hash. If other objects are in
 * its scope than before, or in another order, those alone are asked of which it is not known that they do not
 * define the symbol.
 * See docs/modules/stable-linking.md.
 *
 * ```ts
 * import { linux, stableLinking } from "../mod.ts";
 *
 * const store = new Map<string, Uint8Array>();
 * const modules = [...linux(), stableLinking({ store })];
 * console.assert(modules.at(-1)!.name === "stable-linking");
 * ```
 */
export function stableLinking(options: StableLinkingOptions): Module {
  const { store, identity = "content" } = options;
  const report = options.report ?? ((message) => console.error(`isthmus: ${message}`));
  const key: StateKey<{ opened?: State }> = {
    create: () => ({}),
    fork: ({ opened }) => ({ opened: opened && copyOf(opened) }),
  };

  const begin = weak(async (link, object) => {
    if (link.batch[0] !== object) return;
    const own = link.state(key);
    const state = own.opened ??= await open(link, store, identity, report);
    const { bindings } = state.cache;
    for (const [i, hash] of (await hashesOf(link.batch, identity)).entries()) {
      state.hashes.set(link.batch[i], hash);
      link.counters.count(`stable.objects.${bindings.has(hash) ? "known" : "new"}`);
      if (bindings.has(hash)) continue;
      bindings.set(hash, { scopes: { usual: [], copy: [] }, outcomes: new Map() });
      state.isChanged = true;
    }
  });

  const end = weak(async (link, object) => {
    const state = link.state(key).opened;
    if (state === undefined || !state.isChanged || link.batch.at(-1) !== object) return;
    state.isChanged = false;
    try {
      store.set(state.name, await encodeCache(state.cache));
    } catch (error) {
      report(`stable-linking: ${state.name} is not written: ${(error as Error).message}`);
    }
  });

  return {
    name: "stable-linking",
    register: () => ({ "post-collect": begin, "post-protect": end }),
    search: (search, next) => {
      const { link, reference, scope } = search;
      const { symbol, from, use } = reference;
      const state = link.state(key).opened;
      const bindings = symbol === undefined ? undefined : state && bindingsOf(state, from);
      if (bindings === undefined) return next(search);
      const isCopy = use === "copy";
      const { before, places } = useOf(state!, from, bindings, scope, isCopy ? "copy" : "usual");
      const number = symbol! * USES.length + USES.indexOf(use);
      const packed = bindings.outcomes.get(number);
      if (packed !== undefined) {
        link.counters.count("stable.reused");
        const outcome = unpackOutcome(packed);
        if (outcome === undefined) return undefined;
        const definition = search.ask(scope[outcome.position], outcome.symbol);
        if (definition !== undefined) return { position: outcome.position, definition };
      }
      const former = before.get(number);
      const found = former === undefined
        ? next(search)
        : searchChanged(search, places, unpackOutcome(former));
      link.counters.count(former === undefined ? "stable.searched" : "stable.updated");
      // What stands for another object's definition has no index in this one's table.
      const isOwn = found !== undefined && found.definition.object === scope[found.position];
      const outcome = found && {
        position: found.position,
        symbol: isOwn ? found.definition.symbol : undefined,
      };
      bindings.outcomes.set(number, packOutcome(outcome));
      state!.isChanged = true;
      return found;
    },
  };
}

/** The cache of the program, or an empty one. */
async function open(
  link: LinkContext,
  store: BindingStore,
  identity: string,
  report: (message: string) => void,
): Promise<State> {
  const { program, arch, modules } = link;
  const maker = `isthmus ${VERSION}, rules ${RULES}, ${identity}, ${arch}: ${modules.join(" ")}`;
  const label = (await digestOf(new TextEncoder().encode(maker))).slice(0, 8);
  const name = `${encodeURIComponent(program.file?.realPath ?? program.path)}.${label}`;
  const bytes = store.get(name);
  let cache: Cache = { maker, bindings: new Map() };
  try {
    const found = bytes && await decodeCache(bytes, name);
    if (found?.maker === maker) cache = found;
  } catch (error) {
    if (!(error instanceof ElfError)) throw error;
    report(`stable-linking: ${error.message}; linking without it`);
    link.counters.count("stable.cache.corrupt");
  }
  return {
    name,
    cache,
    hashes: new Map(),
    users: new Map(),
    uses: new Map(),
    isChanged: false,
  };
}

function copyOf(state: State): State {
  const bindings = new Map<string, Bindings>();
  for (const [hash, { scopes, outcomes }] of state.cache.bindings) {
    bindings.set(hash, { scopes: { ...scopes }, outcomes: new Map(outcomes) });
  }
  return {
    ...state,
    cache: { ...state.cache, bindings },
    hashes: new Map(state.hashes),
    users: new Map(state.users),
    uses: new Map([...state.uses].map(([object, uses]) => [object, { ...uses }])),
  };
}

/** Hashes of objects in hexadecimal, in order. */
function hashesOf(
  objects: readonly LinkObject[],
  identity: "content" | "build-id",
): Promise<string[]> {
  return Promise.all(objects.map(({ elf, file }) => {
    const { buildId } = elf;
    if (identity === "build-id" && buildId !== undefined) {
      return digestOf(new TextEncoder().encode(buildId));
    }
    // What is made as it is needed has to be there.
    file?.made?.fill(0, file.bytes.length);
    return digestOf(file?.bytes ?? elf.bytes);
  }));
}

function digestOf(bytes: Uint8Array): Promise<string> {
  let digest = digests.get(bytes);
  if (digest === undefined) {
    digest = crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>)
      .then((digest) => new Uint8Array(digest).toHex());
    digests.set(bytes, digest);
  }
  return digest;
}

/** The bindings of an object; undefined for another object of the same content. */
function bindingsOf(state: State, object: LinkObject): Bindings | undefined {
  const hash = state.hashes.get(object);
  if (hash === undefined) return undefined;
  const user = state.users.get(hash);
  if (user === undefined) state.users.set(hash, object);
  else if (user !== object) return undefined;
  return state.cache.bindings.get(hash);
}

/** What holds of an object's bindings in a scope; after another one, it is what is known from there. */
function useOf(
  state: State,
  object: LinkObject,
  { scopes, outcomes }: Bindings,
  scope: readonly LinkObject[],
  which: Scope,
): Use {
  let uses = state.uses.get(object);
  if (uses === undefined) state.uses.set(object, uses = {});
  const known = uses[which];
  if (known?.scope === scope) return known;
  const now = scope.map((object) => state.hashes.get(object)!);
  const former = scopes[which];
  const before = new Map<number, number>();
  const places: number[] = [];
  if (now.length !== former.length || now.some((hash, i) => hash !== former[i])) {
    const place = new Map(former.map((hash, i) => [hash, i]));
    for (const hash of now) places.push(place.get(hash) ?? Infinity);
    for (const [number, outcome] of outcomes) {
      if ((number % USES.length === USES.indexOf("copy")) !== (which === "copy")) continue;
      before.set(number, outcome);
      outcomes.delete(number);
    }
    scopes[which] = now;
    state.isChanged = true;
  }
  return uses[which] = { scope, before, places };
}

/**
 * Goes through a scope in which objects have changed: those that stood before the definition do not define the
 * symbol, wherever they stand now.
 */
function searchChanged(
  { scope, ask }: SymbolSearch,
  places: readonly number[],
  former: Outcome | undefined,
): Found | undefined {
  const last = former?.position ?? Infinity;
  for (let position = 0; position < scope.length; position++) {
    const place = places[position];
    if (place < last) continue;
    const isFormer = former !== undefined && place === last;
    const definition = ask(scope[position], isFormer ? former.symbol : undefined);
    if (definition !== undefined) return { position, definition };
  }
  return undefined;
}
