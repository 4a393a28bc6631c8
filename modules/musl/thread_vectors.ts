import { type LinkContext, LinkError, type LinkObject } from "../../lib/linker/mod.ts";
import { patchWords } from "../gnu/guest_memory.ts";
import { stateOf } from "../sysv/state.ts";
import { muslStateOf } from "./state.ts";

const WORD = 8;
/** Entries to spare in a new vector. */
const SPARE = 8;
/** Bytes around the thread pointer in which the thread's structure is. */
const STRUCTURE = 1024;
const REASON = "thread-local storage";

/** One thread's vector and the blocks that were made for it. */
interface Vector {
  readonly at: number;
  readonly capacity: number;
  readonly blocks: Map<number, number>;
}

/**
 * Thread-local storage of a running process of musl. A thread's structure has a pointer to a vector: how
 * many entries it has, then the address of each module's block. musl makes one for each thread, with one
 * entry: the block of the stand-in, which holds those of all objects of the start. At a thread's first question for
 * anything else it gets a longer one; the blocks of libraries opened later are made when asked for. (musl
 * makes them in every thread at once; no program can tell.)
 */
export class ThreadVectors {
  /** Objects by the number that `__tls_get_addr` is given; 0 is none, 1 the stand-in. */
  #modules: (LinkObject | undefined)[] = [undefined, undefined];
  #vectors = new Map<number, Vector>();
  /** Where the vector's address is, in bytes from the thread pointer. */
  #place = 0;

  /** Finds the vector's place in a thread's structure: it leads to the one block there is, at `block`. */
  discover(link: LinkContext, thread: number, block: number): number {
    const { capacity, align } = stateOf(link).tls;
    const reach = STRUCTURE + capacity + 2 * align;
    for (let distance = WORD; distance <= STRUCTURE; distance += WORD) {
      const place = link.arch === "x86_64" ? distance : -distance;
      const vector = link.readI64(thread + place);
      if (vector % WORD !== 0 || Math.abs(vector - thread) > reach) continue;
      if (link.readI64(vector) === 1 && link.readI64(vector + WORD) === block) {
        return this.#place = place;
      }
    }
    throw new LinkError(
      "musl's libc.so keeps no vector of thread-local storage where it was sought",
    );
  }

  /** The number of an object's block, the same in every thread; undefined if it has none. */
  numberOf(object: LinkObject): number | undefined {
    if (object.elf.tls === undefined) return undefined;
    const known = this.#modules.indexOf(object, 2);
    return known > 0 ? known : this.#modules.push(object) - 1;
  }

  /** Forgets the last objects that were given numbers, as far as they are not in `there`. */
  forgetLost(there: readonly LinkObject[]): void {
    while (this.#modules.length > 2 && !there.includes(this.#modules.at(-1)!)) this.#modules.pop();
  }

  /** Address of a block for a thread, which is made if need be. */
  blockOf(link: LinkContext, thread: number, number: number): number {
    const object = this.#modules[number];
    if (object === undefined) throw new RangeError(`no object has thread-local module ${number}`);
    const { at, blocks } = this.#vectorOf(link, thread, number);
    const offset = stateOf(link).tls.offsetOf(object);
    if (offset !== undefined) return thread + offset;
    let block = blocks.get(number);
    if (block === undefined) {
      blocks.set(number, block = this.#make(link, object));
      patchWords(link, at + WORD * number, [block], REASON);
    }
    return block;
  }

  /** The vectors of a process that has forked: only the thread that did goes on. */
  copy(link: LinkContext): ThreadVectors {
    const copy = new ThreadVectors();
    copy.#modules = [...this.#modules];
    copy.#place = this.#place;
    const alive = new Set(link.threadPointers);
    for (const [thread, vector] of this.#vectors) {
      if (alive.size > 0 && !alive.has(thread)) continue;
      copy.#vectors.set(thread, { ...vector, blocks: new Map(vector.blocks) });
    }
    return copy;
  }

  #vectorOf(link: LinkContext, thread: number, number: number): Vector {
    const { heap } = muslStateOf(link);
    const current = link.readI64(thread + this.#place);
    let known = this.#vectors.get(thread);
    // Another thread has been given the memory of one that is gone.
    if (known !== undefined && known.at !== current) known = this.#release(link, thread);
    if (known !== undefined && number <= known.capacity) return known;
    if (known === undefined) this.#releaseDead(link);
    const capacity = this.#modules.length - 1 + SPARE;
    const blocks = known?.blocks ?? new Map<number, number>();
    const words = [capacity, link.readI64(current + WORD)];
    for (let other = 2; other <= capacity; other++) {
      const object = this.#modules[other];
      const offset = object && stateOf(link).tls.offsetOf(object);
      words.push(offset === undefined ? blocks.get(other) ?? 0 : thread + offset);
    }
    const vector: Vector = { at: heap.words(link, words), capacity, blocks };
    patchWords(link, thread + this.#place, [vector.at], REASON);
    if (known !== undefined) heap.release(link, known.at);
    this.#vectors.set(thread, vector);
    return vector;
  }

  /** musl says nothing when a thread ends. */
  #releaseDead(link: LinkContext): void {
    const alive = new Set(link.threadPointers);
    for (const thread of this.#vectors.keys()) {
      if (!alive.has(thread)) this.#release(link, thread);
    }
  }

  #release(link: LinkContext, thread: number): undefined {
    const { heap } = muslStateOf(link);
    const { at, blocks } = this.#vectors.get(thread)!;
    for (const [number, block] of blocks) {
      const { vaddr, align } = this.#modules[number]!.elf.tls!;
      heap.release(link, block - vaddr % align);
    }
    heap.release(link, at);
    this.#vectors.delete(thread);
  }

  /** A new block, with the object's initial image in it. */
  #make(link: LinkContext, object: LinkObject): number {
    const { vaddr, filesz, memsz, align } = object.elf.tls!;
    const lead = vaddr % align;
    const first = lead + muslStateOf(link).heap.allocate(link, lead + memsz, align);
    link.patch(first, link.read(link.base(object) + vaddr, filesz), REASON);
    return first;
  }
}
