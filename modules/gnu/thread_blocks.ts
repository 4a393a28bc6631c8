import type { Architecture, LinkContext, LinkObject } from "../../lib/linker/mod.ts";
import { stateOf } from "../sysv/state.ts";
import { patchWords } from "./guest_memory.ts";
import { gnuStateOf } from "./state.ts";

/** Bytes from the thread pointer to the word that holds the address of the dynamic thread vector. */
const VECTOR_WORD: Record<Architecture, number> = { x86_64: 8, aarch64: 0 };
/** Bytes of a vector's entry: the block's address, and one that free takes (never used here). */
const ENTRY = 16;
/** Marks a block that does not exist yet. */
const ABSENT = -1;
/** Entries to spare in a new vector. */
const SPARE = 16;
const REASON = "thread-local storage";

/** One thread's vector and the blocks that were made for it. */
interface Vector {
  /** Address of entry 0; the two words before it are the capacity. */
  at: number;
  capacity: number;
  /** The allocation. */
  memory: number;
  /** Blocks of its own, by module number. */
  readonly blocks: Map<number, number>;
  /** Modules whose entry has been written. */
  readonly written: Set<number>;
}

/**
 * Thread-local storage of a running process. The blocks of the objects of the start, and of late ones
 * that insist, are at fixed offsets from the thread pointer; every other block is made when a thread
 * first asks for it. Each thread has a vector of its blocks by module number, in the form that glibc
 * gives it: `dtv_t` pairs, their number before them.
 */
export class ThreadBlocks {
  /** Objects by module number; 0 is none. */
  #modules: (LinkObject | undefined)[] = [undefined];
  /** Bytes at fixed offsets that late objects may still have without insisting. */
  optional = 512;
  #numbers = new Map<LinkObject, number>();
  #vectors = new Map<number, Vector>();

  /** Gives an object with PT_TLS its module number. */
  add(object: LinkObject): void {
    if (object.elf.tls === undefined || this.#numbers.has(object)) return;
    const free = this.#modules.indexOf(undefined, 1);
    const number = free < 0 ? this.#modules.length : free;
    this.#modules[number] = object;
    this.#numbers.set(object, number);
  }

  /** Forgets an object and every thread's block of it. */
  remove(link: LinkContext, object: LinkObject): void {
    const number = this.#numbers.get(object);
    if (number === undefined) return;
    for (const vector of this.#vectors.values()) {
      this.#release(link, vector, number);
      if (number <= vector.capacity) {
        patchWords(link, vector.at + ENTRY * number, [ABSENT], REASON);
      }
    }
    this.#numbers.delete(object);
    this.#modules[number] = undefined;
  }

  /** Module number of an object; undefined if it has no thread-local storage. */
  numberOf(object: LinkObject): number | undefined {
    return this.#numbers.get(object);
  }

  /** Whether some thread has a block of its own for the object, so that it has no fixed place any more. */
  isDynamic(object: LinkObject): boolean {
    const number = this.#numbers.get(object);
    return number !== undefined &&
      [...this.#vectors.values()].some(({ blocks }) => blocks.has(number));
  }

  /** Gives a thread a vector with the blocks at fixed offsets in it, in place of any it had. */
  start(link: LinkContext, thread: number): void {
    this.end(link, thread);
    const vector = this.#allocate(link, this.#modules.length - 1 + SPARE);
    this.#vectors.set(thread, vector);
    this.#fill(link, thread, vector);
  }

  /** A thread is gone, or its memory is about to serve another. */
  end(link: LinkContext, thread: number): void {
    const vector = this.#vectors.get(thread);
    if (vector === undefined) return;
    for (const number of [...vector.blocks.keys()]) this.#release(link, vector, number);
    gnuStateOf(link).heap.release(link, vector.memory);
    this.#vectors.delete(thread);
  }

  /** Address of a module's block for a thread, which is made if need be. */
  blockOf(link: LinkContext, thread: number, number: number): number {
    const object = this.#modules[number];
    if (object === undefined) throw new RangeError(`no object has thread-local module ${number}`);
    const vector = this.#vectorOf(link, thread, number);
    const offset = stateOf(link).tls.offsetOf(object);
    let block = vector.blocks.get(number);
    if (block === undefined) {
      block = offset === undefined ? this.#make(link, object) : thread + offset;
      if (offset === undefined) vector.blocks.set(number, block);
      patchWords(link, vector.at + ENTRY * number, [block], REASON);
      vector.written.add(number);
    }
    return block;
  }

  /** Address of an object's block for a thread; undefined if its vector has none. */
  existing(link: LinkContext, thread: number, object: LinkObject): number | undefined {
    const number = this.#numbers.get(object);
    if (number === undefined || !this.#vectors.get(thread)?.written.has(number)) return undefined;
    const offset = stateOf(link).tls.offsetOf(object);
    return offset === undefined ? this.#vectors.get(thread)?.blocks.get(number) : thread + offset;
  }

  copy(link: LinkContext): ThreadBlocks {
    const copy = new ThreadBlocks();
    copy.#modules = [...this.#modules];
    copy.#numbers = new Map(this.#numbers);
    copy.optional = this.optional;
    // Only the thread that forked goes on; the others' memory is lost, as under glibc.
    const alive = new Set(link.threadPointers);
    for (const [thread, vector] of this.#vectors) {
      if (alive.size > 0 && !alive.has(thread)) continue;
      const [blocks, written] = [new Map(vector.blocks), new Set(vector.written)];
      copy.#vectors.set(thread, { ...vector, blocks, written });
    }
    return copy;
  }

  #vectorOf(link: LinkContext, thread: number, number: number): Vector {
    const vector = this.#vectors.get(thread);
    if (vector === undefined) {
      this.start(link, thread);
      return this.#vectors.get(thread)!;
    }
    if (number <= vector.capacity) return vector;
    const { memory, blocks, written } = vector;
    const larger = this.#allocate(link, this.#modules.length - 1 + SPARE);
    Object.assign(vector, larger, { blocks, written });
    this.#fill(link, thread, vector);
    gnuStateOf(link).heap.release(link, memory);
    return vector;
  }

  #allocate(link: LinkContext, capacity: number): Vector {
    const memory = gnuStateOf(link).heap.allocate(link, ENTRY * (capacity + 2));
    return { at: memory + ENTRY, capacity, memory, blocks: new Map(), written: new Set() };
  }

  #fill(link: LinkContext, thread: number, { at, capacity, blocks, written }: Vector): void {
    const { tls } = stateOf(link);
    const words = [capacity, 0, 0, 0];
    for (let number = 1; number <= capacity; number++) {
      const object = this.#modules[number];
      const offset = object && tls.offsetOf(object);
      if (offset !== undefined) written.add(number);
      words.push(offset === undefined ? blocks.get(number) ?? ABSENT : thread + offset, 0);
    }
    patchWords(link, at - ENTRY, words, REASON);
    patchWords(link, thread + VECTOR_WORD[link.arch], [at], REASON);
  }

  /** A new block, with the object's initial image in it. */
  #make(link: LinkContext, object: LinkObject): number {
    const { vaddr, filesz, memsz, align } = object.elf.tls!;
    const lead = vaddr % align;
    const first = lead + gnuStateOf(link).heap.allocate(link, lead + memsz, align);
    link.patch(first, link.read(link.base(object) + vaddr, filesz), REASON);
    return first;
  }

  #release(link: LinkContext, vector: Vector, number: number): void {
    const block = vector.blocks.get(number);
    if (block === undefined) return;
    const { vaddr, align } = this.#modules[number]!.elf.tls!;
    gnuStateOf(link).heap.release(link, block - vaddr % align);
    vector.blocks.delete(number);
    vector.written.delete(number);
  }
}
