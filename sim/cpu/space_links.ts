/**
 * What leads from block to block, an address space's own: link slots and a dispatch hash in state memory, and the
 * pages from which instructions were fetched.
 */
import { BRANCH_TYPES } from "./branch_types.ts";
import type { CpuSpace } from "./cpu.ts";
import * as L from "./layout.ts";
import type { StateMemory } from "./state_memory.ts";
import { DISPATCH_AREA, DispatchHash } from "./wasm/dispatch.ts";

/** Bytes of link slots reserved for each address space. */
export const LINK_AREA: number = 1 << 22;
/** Where the per-space areas begin; records lie below. */
export const SPACES: number = 2 ** 29;
/** As many links or addresses are cleared one by one. */
const FEW = 1000;

/** A dispatch hash: where it is, and the addresses put into it since it was cleared, while they are `FEW`. */
interface Hash {
  readonly at: number;
  readonly entered: number[];
}

/** One space's areas in state memory. */
class Areas {
  /** Pages from which instructions were fetched, with their places (`placeOf`); forgotten at code shootdowns. */
  readonly pages = new Map<number, number>();
  /** Links made since they were cleared, while they are `FEW`. */
  readonly made: number[] = [];
  readonly #hashes: readonly Hash[];
  /** By type of branch: one hash serves all until a page is guarded. */
  hashes: readonly Hash[];

  constructor(readonly links: number) {
    const at = (type: number): number => links + LINK_AREA + type * DISPATCH_AREA;
    this.#hashes = Array.from({ length: BRANCH_TYPES }, (_, i) => ({ at: at(i), entered: [] }));
    this.hashes = this.#hashes.map(() => this.#hashes[0]);
  }

  get guarded(): boolean {
    return this.hashes === this.#hashes;
  }
  /** Let each type of branch have a hash of its own, or none. */
  guard(guarded: boolean): void {
    this.hashes = guarded ? this.#hashes : this.#hashes.map(() => this.#hashes[0]);
  }
}
/** Bytes of one space's areas. */
const AREAS = LINK_AREA + BRANCH_TYPES * DISPATCH_AREA;

/** Links of all spaces, of which one is the current one. */
export class SpaceLinks {
  /** The space that runs. */
  current: CpuSpace | null = null;
  /** Whether links may lead to blocks that are gone; they are all cleared before another is made. */
  stale = false;
  readonly #memory: StateMemory;
  readonly #dispatch: DispatchHash;
  readonly #bytesInUse: () => number;
  readonly #spaces = new Map<CpuSpace, Areas>();
  readonly #free: Areas[] = [];
  #next = SPACES;
  #areas = new Areas(0);

  /** @param bytesInUse bytes of link slots given out so far */
  constructor(physical: WebAssembly.Memory, memory: StateMemory, bytesInUse: () => number) {
    this.#memory = memory;
    this.#dispatch = new DispatchHash(physical);
    this.#bytesInUse = bytesInUse;
  }

  /** Make `space` the current one. */
  enter(space: CpuSpace): void {
    let areas = this.#spaces.get(space);
    if (areas === undefined) {
      areas = this.#free.pop() ?? this.#newAreas();
      this.#spaces.set(space, areas);
    }
    this.current = space;
    this.#areas = areas;
    this.#use();
  }
  /** Let generated code use the current areas. */
  #use(): void {
    const { links, hashes } = this.#areas;
    this.#memory.u32[L.LINKS >> 2] = links;
    hashes.forEach(({ at }, type) => this.#memory.u32[(L.DISPATCH >> 2) + type] = at);
  }

  /** The current space has guarded pages, so that types of branches matter. */
  guard(): void {
    if (this.#areas.guarded) return;
    this.#areas.guard(true);
    for (const { at } of this.#areas.hashes.slice(1)) this.#dispatch.clear(at);
    this.#use();
  }

  /** Head record of the block at `pc` if the hash of branches of `type` knows it, or 0. */
  find(pc: number, type: number): number {
    return this.#dispatch.find(this.#areas.hashes[type].at, pc);
  }
  /** The block at `pc`, which branches of `type` may go to, has its head at `head`. */
  insert(pc: number, head: number, type: number): void {
    const { at, entered } = this.#areas.hashes[type];
    this.#dispatch.insert(at, pc, head);
    if (entered.length < FEW) entered.push(pc);
  }
  /** The link at byte offset `slot` leads to the block whose head is at `head`. */
  link(slot: number, head: number): void {
    if (this.stale) this.clearAll();
    const { links, made } = this.#areas;
    this.#memory.u32[(links + slot) >> 2] = head;
    if (made.length < FEW) made.push(slot);
  }

  /** The place that `page` (va / 4096) was fetched from (`blocks.ts`, `placeOf`). */
  placeOf(page: number): number | undefined {
    return this.#areas.pages.get(page);
  }
  fetched(page: number, place: number): void {
    this.#areas.pages.set(page, place);
  }

  /** Nothing leads anywhere in `space` any more. */
  clear(space: CpuSpace): void {
    const areas = this.#spaces.get(space);
    if (areas !== undefined) this.#clear(areas);
  }
  clearOthers(): void {
    for (const [space, areas] of this.#spaces) {
      if (space !== this.current) this.#clear(areas);
    }
  }
  clearAll(): void {
    for (const areas of this.#spaces.values()) this.#clear(areas);
    this.stale = false;
  }

  /** `space` is gone. */
  free(space: CpuSpace): void {
    const areas = this.#spaces.get(space);
    if (areas === undefined) return;
    this.#clear(areas);
    areas.guard(false);
    this.#spaces.delete(space);
    this.#free.push(areas);
    if (space === this.current) this.current = null;
  }

  #clear({ links, hashes, pages, made }: Areas): void {
    const { u8, u32 } = this.#memory;
    if (made.length === FEW) u8.fill(0, links, links + this.#bytesInUse());
    else made.forEach((slot) => u32[(links + slot) >> 2] = 0);
    for (const { at, entered } of hashes) {
      if (entered.length === FEW) this.#dispatch.clear(at);
      else this.#dispatch.forget(at, entered);
      entered.length = 0;
    }
    made.length = 0;
    pages.clear();
  }

  #newAreas(): Areas {
    const links = this.#next;
    if (links + AREAS > L.RESERVED) return this.#takeAreas();
    this.#next += AREAS;
    const areas = new Areas(links);
    this.#dispatch.clear(areas.hashes[0].at);
    return areas;
  }

  /** The areas of the space that was entered first and is not in use; it links anew when it returns. */
  #takeAreas(): Areas {
    for (const [space, areas] of this.#spaces) {
      if (space === this.current) continue;
      this.#spaces.delete(space);
      this.#clear(areas);
      areas.guard(false);
      return areas;
    }
    throw new RangeError("no room for a second address space");
  }
}
