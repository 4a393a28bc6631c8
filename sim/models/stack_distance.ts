/**
 * Misses of fully associative LRU TLBs of every size from one pass over the accesses (Mattson et al. 1970):
 * an access misses in a TLB of `n` entries if more than `n - 1` other pages were used since the page's last
 * use. Depths are counted by a binary indexed tree over the times of last use (Bennett and Kruskal 1975).
 *
 * A page whose mapping changed leaves a hole: a way that is empty in all TLBs that held the page. The
 * topmost hole is filled by the next page that comes from below it, and moves to that page's old place, for
 * larger TLBs, which held the page, still have it empty.
 */

/** Times before they are numbered anew. */
const WINDOW = 1 << 17;
/** A hole's key. */
const HOLE = -1;

export class StackDistance {
  accesses = 0;
  /** Accesses to pages that no TLB of any size holds. */
  cold = 0;
  /** Accesses by depth, from 1 on; deeper than `deepest` is counted at `deepest + 1`. */
  readonly depths: Float64Array;
  readonly #deepest: number;
  /** Time of the last use by page. */
  readonly #times = new Map<number, number>();
  /** Page at each time, `HOLE`, or undefined for none. */
  #pages: (number | undefined)[] = [];
  #tree = new Int32Array(WINDOW + 1);
  #now = 0;
  /** Entries of the stack, holes included. */
  #size = 0;
  /** Times of holes, a heap with the latest on top. */
  #holes: number[] = [];
  #last = NaN;

  constructor(deepest: number) {
    this.#deepest = deepest;
    this.depths = new Float64Array(deepest + 2);
  }

  /** `count` accesses, one after the other, to `page`, which may be any number but -1. */
  access(page: number, count: number = 1): void {
    this.accesses += count;
    if (page === this.#last) {
      this.depths[1] += count;
      return;
    }
    this.#last = page;
    this.depths[1] += count - 1;
    if (this.#now === WINDOW) this.#renumber();
    const time = this.#times.get(page);
    const hole = this.#holes.length === 0 ? -1 : this.#holes[0];
    if (time === undefined) {
      this.cold++;
      if (hole >= 0) {
        this.#popHole();
        this.#remove(hole);
      }
    } else {
      const depth = this.#size - this.#before(time);
      this.depths[Math.min(depth, this.#deepest + 1)]++;
      if (hole > time) {
        this.#popHole();
        this.#remove(hole);
        this.#pages[time] = HOLE;
        this.#pushHole(time);
      } else this.#remove(time);
    }
    const now = this.#now++;
    this.#times.set(page, now);
    this.#pages[now] = page;
    this.#add(now, 1);
    this.#size++;
  }

  /** The pages that `unwanted` says are mapped no longer, or otherwise. */
  invalidate(unwanted: (page: number) => boolean): void {
    for (const [page, time] of this.#times) {
      if (unwanted(page)) this.#forget(page, time);
    }
  }
  /** The same of pages that are known by number. */
  forget(page: number): void {
    const time = this.#times.get(page);
    if (time !== undefined) this.#forget(page, time);
  }
  #forget(page: number, time: number): void {
    this.#times.delete(page);
    this.#pages[time] = HOLE;
    this.#pushHole(time);
    if (page === this.#last) this.#last = NaN;
  }

  /** Number of pages that are known. */
  get pages(): number {
    return this.#times.size;
  }

  /** Misses of a TLB of `entries`, at most `deepest`. */
  misses(entries: number): number {
    let hits = 0;
    for (let depth = 1; depth <= entries; depth++) hits += this.depths[depth];
    return this.accesses - hits;
  }

  // ---- the tree ----------------------------------------------------------------------------

  #add(time: number, by: number): void {
    for (let i = time + 1; i <= WINDOW; i += i & -i) this.#tree[i] += by;
  }
  /** Entries of the stack with times before `time`. */
  #before(time: number): number {
    let sum = 0;
    for (let i = time; i > 0; i -= i & -i) sum += this.#tree[i];
    return sum;
  }
  #remove(time: number): void {
    this.#pages[time] = undefined;
    this.#add(time, -1);
    this.#size--;
  }

  /** Give the entries of the stack the times from 0 on, without gaps. */
  #renumber(): void {
    const old = this.#pages;
    this.#pages = [];
    this.#holes = [];
    this.#tree = new Int32Array(WINDOW + 1);
    if (this.#size > WINDOW / 2) throw new RangeError(`more than ${WINDOW / 2} pages in use`);
    let now = 0;
    for (const page of old) {
      if (page === undefined) continue;
      this.#pages[now] = page;
      if (page === HOLE) this.#pushHole(now);
      else this.#times.set(page, now);
      this.#add(now, 1);
      now++;
    }
    this.#now = now;
  }

  // ---- the heap ----------------------------------------------------------------------------

  #pushHole(time: number): void {
    const heap = this.#holes;
    let i = heap.push(time) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (heap[parent] >= time) break;
      heap[i] = heap[parent];
      i = parent;
    }
    heap[i] = time;
  }
  #popHole(): void {
    const heap = this.#holes;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1] > heap[child]) child++;
      if (heap[child] <= last) break;
      heap[i] = heap[child];
      i = child;
    }
    heap[i] = last;
  }
}
