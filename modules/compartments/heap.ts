import type { HostCall, LinkContext } from "../../lib/linker/mod.ts";

/** Bytes of address space for one compartment's heap, which it is aligned to. */
export const HEAP = 2 ** 28;
const GRAIN = 16;
const EINVAL = 22, ENOMEM = 12;

/** Blocks of memory in a compartment's own pages; what is known of them is kept on the host. */
export class Heap {
  #next: number;
  /** Capacities of the blocks in use. */
  readonly #used = new Map<number, number>();
  /** Free blocks by capacity. */
  readonly #free = new Map<number, number[]>();

  constructor(readonly area: number) {
    this.#next = area;
  }

  copy(): Heap {
    const copy = new Heap(this.area);
    copy.#next = this.#next;
    for (const [at, size] of this.#used) copy.#used.set(at, size);
    for (const [size, blocks] of this.#free) copy.#free.set(size, [...blocks]);
    return copy;
  }

  /** A block of at least `size` bytes at a multiple of `align`, a power of two; 0 if there is no room. */
  take(size: number, align: number = GRAIN): { readonly at: number; readonly isNew: boolean } {
    const capacity = capacityFor(size);
    const free = align <= GRAIN ? this.#free.get(capacity)?.pop() : undefined;
    if (free !== undefined) {
      this.#used.set(free, capacity);
      return { at: free, isNew: false };
    }
    const at = Math.ceil(this.#next / align) * align;
    if (!(at + capacity <= this.area + HEAP)) return { at: 0, isNew: false };
    this.#next = at + capacity;
    this.#used.set(at, capacity);
    return { at, isNew: true };
  }

  /** Frees a block; an address that is none is left alone. */
  give(at: number): void {
    const capacity = this.#used.get(at);
    if (capacity === undefined) return;
    this.#used.delete(at);
    const blocks = this.#free.get(capacity) ?? [];
    blocks.push(at);
    this.#free.set(capacity, blocks);
  }

  /** Bytes that a block has room for; 0 if it is none. */
  capacity(at: number): number {
    return this.#used.get(at) ?? 0;
  }
}

/** Sizes in four steps from one power of two to the next, so that freed blocks fit again. */
function capacityFor(size: number): number {
  const step = Math.max(GRAIN, 2 ** (Math.floor(Math.log2(Math.max(size, 1))) - 2));
  return Math.max(1, Math.ceil(size / step)) * step;
}

type HeapFunction = (heap: Heap, call: HostCall, link: LinkContext) => number;

function zeroed(heap: Heap, link: LinkContext, size: number): number {
  const { at, isNew } = heap.take(size);
  if (at !== 0 && !isNew) link.patch(at, new Uint8Array(size), "compartment heap");
  return at;
}

function resized(heap: Heap, link: LinkContext, at: number, size: number): number {
  if (at === 0) return heap.take(size).at;
  const old = heap.capacity(at);
  if (old === 0) return 0;
  if (size <= old && size > old / 2) return at;
  const moved = heap.take(size).at;
  if (moved === 0) return 0;
  link.patch(moved, link.read(at, Math.min(old, size)), "compartment heap");
  heap.give(at);
  return moved;
}

function aligned(heap: Heap, align: number, size: number): number {
  return Number.isInteger(Math.log2(align)) ? heap.take(size, Math.max(align, GRAIN)).at : 0;
}

/** The C library's functions that give out memory, for libraries of a compartment. */
export const TAKES: Readonly<Record<string, HeapFunction>> = {
  malloc: (heap, call) => heap.take(call.argument(0)).at,
  calloc: (heap, call, link) => zeroed(heap, link, call.argument(0) * call.argument(1)),
  aligned_alloc: (heap, call) => aligned(heap, call.argument(0), call.argument(1)),
  memalign: (heap, call) => aligned(heap, call.argument(0), call.argument(1)),
  posix_memalign: (heap, call, link) => {
    const align = call.argument(1);
    if (align < 8 || !Number.isInteger(Math.log2(align))) return EINVAL;
    const at = aligned(heap, align, call.argument(2));
    if (at === 0) return ENOMEM;
    const word = new DataView(new ArrayBuffer(8));
    word.setBigUint64(0, BigInt(at), true);
    link.patch(call.argument(0), new Uint8Array(word.buffer), "compartment heap");
    return 0;
  },
};

/** Those that are given a block first: one of the compartment's, or one that another heap gave out. */
export const RETURNS: Readonly<Record<string, HeapFunction>> = {
  free: (heap, call) => {
    heap.give(call.argument(0));
    return 0;
  },
  realloc: (heap, call, link) => resized(heap, link, call.argument(0), call.argument(1)),
  reallocarray: (heap, call, link) =>
    resized(heap, link, call.argument(0), call.argument(1) * call.argument(2)),
  malloc_usable_size: (heap, call) => heap.capacity(call.argument(0)),
};
