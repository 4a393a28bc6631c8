/** Room in state memory for what attribution counts in; it is given back all at once. */
import { SPACES } from "./space_links.ts";
import type { StateMemory } from "./state_memory.ts";
import { HEAP, MORE_EDGES } from "./wasm/site_nodes.ts";

/** What generated code may ask for until the host can clear the heap. */
const RESERVE = 1 << 26;
/** Nodes do not share lines of the host's caches. */
const ALIGNMENT = 64;

export class SiteHeap {
  readonly #state: StateMemory;
  #next = HEAP;

  constructor(state: StateMemory) {
    this.#state = state;
  }

  /** Address of `bytes` bytes of zeros. */
  allocate(bytes: number): number {
    const at = this.#next;
    this.#next += Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
    if (this.#next > SPACES) {
      throw new RangeError(
        "a turn of a thread has too many calling contexts: a shorter quantum has fewer",
      );
    }
    return at;
  }
  /** Whether it should be cleared. */
  get crowded(): boolean {
    return this.#next > SPACES - RESERVE;
  }
  /** Give all back, and forget what the tables have. */
  clear(): void {
    this.#state.u8.fill(0, MORE_EDGES, this.#next);
    this.#next = HEAP;
  }
}
