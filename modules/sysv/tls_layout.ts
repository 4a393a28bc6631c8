import { type Architecture, LinkError, type LinkObject } from "../../lib/linker/mod.ts";

/** What the thread pointer is aligned to at least, so that later objects with vectors find it so. */
const LEAST_ALIGNMENT = 64;
/** Bytes after the thread pointer that AAPCS64 keeps for the implementation (the TCB). */
const AARCH64_TCB_SIZE = 16;

/**
 * The static TLS block: where each object's block is, relative to the thread pointer. Variant I (aarch64) puts
 * blocks above the thread pointer and a TCB of two words, variant II (x86_64) below it, as "ELF
 * Handling For Thread-Local Storage" (Drepper) defines them.
 */
export class TlsLayout {
  readonly #offsets = new Map<LinkObject, number>();
  /** Bytes used on the side of the thread pointer where blocks are, the TCB of variant I included. */
  #used: number;
  #align = LEAST_ALIGNMENT;
  /** Once the block exists, how large it is and can no longer outgrow. */
  #capacity = Infinity;

  constructor(readonly arch: Architecture) {
    this.#used = arch === "aarch64" ? AARCH64_TCB_SIZE : 0;
  }

  /** Objects with a block, in the order they were added. */
  get objects(): readonly LinkObject[] {
    return [...this.#offsets.keys()];
  }

  /** Alignment the thread pointer needs, in bytes. */
  get align(): number {
    return this.#align;
  }

  /** Bytes from the thread pointer to the far end of the blocks. */
  get size(): number {
    return this.#used;
  }

  /** Offset of an object's block from the thread pointer; undefined if it has none. */
  offsetOf(object: LinkObject): number | undefined {
    return this.#offsets.get(object);
  }

  /** Gives an object with PT_TLS its place. The first one gets the offset its code was linked for. */
  add(object: LinkObject): void {
    const tls = object.elf.tls;
    if (tls === undefined || this.#offsets.has(object)) return;
    const { vaddr, memsz, align } = tls;
    if (align > this.#align && this.#capacity !== Infinity) {
      throw new LinkError(`the thread pointer is not aligned to ${align} bytes`);
    }
    this.#align = Math.max(this.#align, align);
    let end: number;
    let offset: number;
    if (this.arch === "x86_64") {
      const distance = this.#used + memsz;
      end = distance + modulo(-(vaddr + distance), align);
      offset = -end;
    } else {
      offset = this.#used + modulo(vaddr - this.#used, align);
      end = offset + memsz;
    }
    if (end > this.#capacity) {
      throw new LinkError(`the static TLS block has no room for ${memsz} bytes`);
    }
    this.#used = end;
    this.#offsets.set(object, offset);
  }

  /** Fixes the size of the block, in bytes from the thread pointer. */
  seal(capacity: number): void {
    this.#capacity = capacity;
  }
}

function modulo(value: number, align: number): number {
  return ((value % align) + align) % align;
}
