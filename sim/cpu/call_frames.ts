/** Calls of each thread that have not returned (`wasm/site_nodes.ts`). */
import type { ContextNodes, Place } from "./context_nodes.ts";
import * as L from "./layout.ts";
import type { SiteHeap } from "./site_heap.ts";
import type { StateMemory } from "./state_memory.ts";
import { NO_RETURN } from "./wasm/return_stack.ts";
import { FRAME_NODE, FRAME_SIZE, NO_FUNCTION } from "./wasm/site_nodes.ts";

/** Frames that there is room for at first, and most: of more, the older half is forgotten. */
const FRAMES = 255;
const MOST = 2 ** 21;
const ROOT: Place = { context: 0, function_: NO_FUNCTION };

/** What a thread's cells hold while another runs. */
interface Cells {
  node: number;
  top: number;
  base: number;
  limit: number;
}
const CELLS = {
  node: L.SITE_NODE,
  top: L.SITE_TOP,
  base: L.SITE_BASE,
  limit: L.SITE_LIMIT,
} as const;
const names = Object.keys(CELLS) as (keyof Cells)[];

interface Thread extends Cells {
  space: number;
}

/** A thread without addresses. */
interface Kept {
  readonly place: Place;
  readonly frames: readonly (Place & { readonly low: number; readonly high: number })[];
}

export class CallFrames {
  readonly #state: StateMemory;
  readonly #heap: SiteHeap;
  readonly #nodes: ContextNodes;
  readonly #threads = new Map<number, Thread>();
  /** The running thread; its cells are in state memory. */
  #thread: Thread;

  constructor(state: StateMemory, heap: SiteHeap, nodes: ContextNodes) {
    this.#state = state;
    this.#heap = heap;
    this.#nodes = nodes;
    this.#thread = { ...this.#make(0, ROOT), space: -1 };
    this.#show();
  }

  /** Room for `frames` frames. */
  #make(frames: number, place: Place): Cells {
    const base = this.#heap.allocate((frames + 1) * FRAME_SIZE);
    const node = this.#nodes.at(place);
    this.#state.view.setBigUint64(base, NO_RETURN, true);
    this.#state.u32[(base + FRAME_NODE) >> 2] = node;
    return { node, base, top: base, limit: base + frames * FRAME_SIZE };
  }
  #show(): void {
    for (const name of names) this.#state.u32[CELLS[name] >> 2] = this.#thread[name];
  }
  #save(): void {
    for (const name of names) this.#thread[name] = this.#state.u32[CELLS[name] >> 2];
  }

  /** There is no room for another frame. */
  grow(): void {
    this.#save();
    const { node, base, top } = this.#thread;
    const count = (top - base) / FRAME_SIZE;
    const kept = count < MOST ? count : count / 2;
    const cells = count < MOST
      ? this.#make(Math.max(FRAMES, Math.min(MOST, 2 * count)), ROOT)
      : this.#thread;
    const first = top - kept * FRAME_SIZE;
    this.#state.u8.copyWithin(cells.base + FRAME_SIZE, first + FRAME_SIZE, top + FRAME_SIZE);
    Object.assign(this.#thread, cells, { node, top: cells.base + kept * FRAME_SIZE });
    this.#show();
  }

  enterThread(thread: number): void {
    this.#save();
    let entered = this.#threads.get(thread);
    if (entered === undefined) {
      entered = { ...this.#make(0, ROOT), space: this.#thread.space };
      this.#threads.set(thread, entered);
    }
    this.#thread = entered;
    this.#show();
  }
  enterSpace(space: number): void {
    if (this.#thread.space === space) return;
    // Another program, or the child of a fork.
    this.#thread.space = space;
    const { u32 } = this.#state;
    u32[L.SITE_TOP >> 2] = u32[L.SITE_BASE >> 2];
    u32[L.SITE_NODE >> 2] = this.#nodes.at(ROOT);
  }

  /** A return to `NO_RETURN` took what lies below the first frame. */
  settle(): void {
    const { u32 } = this.#state;
    if (u32[L.SITE_TOP >> 2] < u32[L.SITE_BASE >> 2]) u32[L.SITE_TOP >> 2] = u32[L.SITE_BASE >> 2];
  }

  /** Run `clear`, after which no address holds any more. */
  across(clear: () => void): void {
    this.#save();
    const threads = new Set(this.#threads.values()).add(this.#thread);
    const kept = [...threads].map((thread) => [thread, this.#keep(thread)] as const);
    clear();
    for (const [thread, { place, frames }] of kept) {
      const cells = this.#make(frames.length, place);
      frames.forEach(({ low, high, ...of }, i) => {
        const at = cells.base + (i + 1) * FRAME_SIZE;
        this.#state.u32[at >> 2] = low;
        this.#state.u32[(at >> 2) + 1] = high;
        this.#state.u32[(at + FRAME_NODE) >> 2] = this.#nodes.at(of);
      });
      Object.assign(thread, cells, { top: cells.limit });
    }
    this.#show();
  }
  #keep({ node, base, top }: Thread): Kept {
    const { u32 } = this.#state;
    const frames = [];
    for (let at = base + FRAME_SIZE; at <= top; at += FRAME_SIZE) {
      const of = this.#nodes.placeOf(u32[(at + FRAME_NODE) >> 2]);
      frames.push({ ...of, low: u32[at >> 2], high: u32[(at >> 2) + 1] });
    }
    return { place: this.#nodes.placeOf(node), frames };
  }
}
