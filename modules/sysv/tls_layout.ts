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

  /** What `size` may become: the fixed size of the block, or `size` itself. */
  get capacity(): number {
    return this.#capacity === Infinity ? this.#used : this.#capacity;
  }

  /** Offset of an object's block from the thread pointer; undefined if it has none. */
  offsetOf(object: LinkObject): number | undefined {
    return this.#offsets.get(object);
  }

  /** Gives an object with PT_TLS its place. The first one gets the offset its code was linked for. */
  add(object: LinkObject): void {
    const tls = object.elf.tls;
    if (tls === undefined || this.#offsets.has(object)) return;
    const { memsz, align } = tls;
    if (align > this.#align && this.#capacity !== Infinity) {
      throw new LinkError(`the thread pointer is not aligned to ${align} bytes`);
    }
    this.#align = Math.max(this.#align, align);
    const { offset, end } = this.#place(object);
    if (end > this.#capacity) {
      throw new LinkError(`the static TLS block has no room for ${memsz} bytes`);
    }
    this.#used = end;
    this.#offsets.set(object, offset);
  }

  /** Where an object's block would be: its offset, and the bytes then used. */
  #place(object: LinkObject): { readonly offset: number; readonly end: number } {
    const { vaddr, memsz, align } = object.elf.tls!;
    if (this.arch === "x86_64") {
      const distance = this.#used + memsz;
      const end = distance + modulo(-(vaddr + distance), align);
      return { offset: -end, end };
    }
    const offset = this.#used + modulo(vaddr - this.#used, align);
    return { offset, end: offset + memsz };
  }

  /** Takes the place of an object back, if nothing lies beyond it. */
  remove(object: LinkObject): void {
    if (!this.#offsets.delete(object)) return;
    const isBelow = this.arch === "x86_64";
    let used = isBelow ? 0 : AARCH64_TCB_SIZE;
    for (const [other, offset] of this.#offsets) {
      used = Math.max(used, isBelow ? -offset : offset + other.elf.tls!.memsz);
    }
    this.#used = used;
  }

  copy(): TlsLayout {
    const copy = new TlsLayout(this.arch);
    for (const [object, offset] of this.#offsets) copy.#offsets.set(object, offset);
    copy.#used = this.#used;
    copy.#align = this.#align;
    copy.#capacity = this.#capacity;
    return copy;
  }

  /** Whether an object's block still fits a block of fixed size. */
  fits(object: LinkObject): boolean {
    const { tls } = object.elf;
    if (tls === undefined || this.#offsets.has(object)) return true;
    return tls.align <= this.#align && this.#place(object).end <= this.#capacity;
  }

  /** Fixes the size of the block, in bytes from the thread pointer. */
  seal(capacity: number): void {
    this.#capacity = capacity;
  }
}

function modulo(value: number, align: number): number {
  return ((value % align) + align) % align;
}
