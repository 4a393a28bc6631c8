/**
 * What leads from block to block, an address space's own: link slots and a dispatch hash in state memory, and the
 * pages from which instructions were fetched.
 */
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

/** One space's areas in state memory. */
class Areas {
  /** Pages from which instructions were fetched, with their frames; forgotten at code shootdowns. */
  readonly pages = new Map<number, number>();
  /** Links made and addresses put into the hash since both were cleared, while they are `FEW`. */
  readonly made: number[] = [];
  readonly entered: number[] = [];

  constructor(readonly links: number, readonly dispatch: number) {}
}

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
  #areas = new Areas(0, 0);

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
    this.#memory.u32[L.LINKS >> 2] = areas.links;
    this.#memory.u32[L.DISPATCH >> 2] = areas.dispatch;
  }

  /** Head record of the block at `pc` if the hash knows it, or 0. */
  find(pc: number): number {
    return this.#dispatch.find(this.#areas.dispatch, pc);
  }
  /** The block at `pc` has its head at `head`. */
  insert(pc: number, head: number): void {
    const { dispatch, entered } = this.#areas;
    this.#dispatch.insert(dispatch, pc, head);
    if (entered.length < FEW) entered.push(pc);
  }
  /** The link at byte offset `slot` leads to the block whose head is at `head`. */
  link(slot: number, head: number): void {
    if (this.stale) this.clearAll();
    const { links, made } = this.#areas;
    this.#memory.u32[(links + slot) >> 2] = head;
    if (made.length < FEW) made.push(slot);
  }

  /** The frame that `page` (va / 4096) was fetched from. */
  frameOf(page: number): number | undefined {
    return this.#areas.pages.get(page);
  }
  fetched(page: number, frame: number): void {
    this.#areas.pages.set(page, frame);
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
    this.#spaces.delete(space);
    this.#free.push(areas);
    if (space === this.current) this.current = null;
  }

  #clear({ links, dispatch, pages, made, entered }: Areas): void {
    const { u8, u32 } = this.#memory;
    if (made.length === FEW) u8.fill(0, links, links + this.#bytesInUse());
    else made.forEach((slot) => u32[(links + slot) >> 2] = 0);
    if (entered.length === FEW) this.#dispatch.clear(dispatch);
    else this.#dispatch.forget(dispatch, entered);
    made.length = entered.length = 0;
    pages.clear();
  }

  #newAreas(): Areas {
    const links = this.#next;
    if (links + LINK_AREA + DISPATCH_AREA > L.RESERVED) return this.#takeAreas();
    this.#next += LINK_AREA + DISPATCH_AREA;
    const areas = new Areas(links, links + LINK_AREA);
    this.#dispatch.clear(areas.dispatch);
    return areas;
  }

  /** The areas of the space that was entered first and is not in use; it links anew when it returns. */
  #takeAreas(): Areas {
    for (const [space, areas] of this.#spaces) {
      if (space === this.current) continue;
      this.#spaces.delete(space);
      this.#clear(areas);
      return areas;
    }
    throw new RangeError("no room for a second address space");
  }
}
