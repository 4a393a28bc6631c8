/**
 * Where the parts of a process go: Linux's layout (arch/x86/mm/mmap.c, arch/arm64/mm/mmap.c,
 * mm/util.c) with its randomness taken from a seed, so that a run repeats.
 */
import type { Arch } from "../arch.ts";
import { type Granule, granuleOf } from "./granule.ts";
import { STACK_GUARD_PAGES } from "./vma.ts";

export interface AddressLayout {
  /** First address beyond user space. */
  readonly taskSize: number;
  /** End of the stack area; the stack grows down from here. */
  readonly stackTop: number;
  /** mmap without a hint goes below this. */
  readonly mmapBase: number;
  /** Where a position-independent program goes (ET_DYN with an interpreter). */
  readonly programBase: number;
  /** Bytes to leave between the program's end and its heap, a whole number of pages. */
  readonly brkGap: number;
}

/** A reproducible stream of 32-bit numbers (xorshift32, Marsaglia 2003). */
export class SeededBits {
  private state: number;
  constructor(seed: number) {
    // Spread small seeds over all bits (the finaliser of MurmurHash3); the state may not be 0.
    let h = seed >>> 0;
    h = Math.imul(h ^ h >>> 16, 0x85eb_ca6b);
    h = Math.imul(h ^ h >>> 13, 0xc2b2_ae35);
    this.state = (h ^ h >>> 16) || 0x9e37_79b9;
  }
  /** A number below 2^count, `count` at most 32. */
  bits(count: number): number {
    let x = this.state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.state = x;
    return (x >>> 0) % 2 ** count;
  }
}

/**
 * Bits of randomness: vm.mmap_rnd_bits and STACK_RND_MASK, in pages of 4 KiB (larger pages have as many
 * fewer bits as they have more below), and the heap's in bytes.
 */
const RANDOM = {
  x86_64: { mmap: 28, stack: 22, brk: 25 },
  aarch64: { mmap: 18, stack: 18, brk: 30 },
};

const MIN_GAP = 128 * 2 ** 20;

/**
 * The layout of a new process.
 * @param seed equal seeds give equal layouts; `null` turns randomisation off, as `setarch -R` does
 * @param stackLimit RLIMIT_STACK in bytes
 */
export function addressLayout(
  arch: Arch,
  seed: number | null,
  stackLimit = 8 << 20,
  granule: Granule = granuleOf(arch),
): AddressLayout {
  const taskSize = arch === "x86_64" ? 2 ** 47 - granule.size : 2 ** 48;
  const fewer = granule.shift - 12;
  const random = RANDOM[arch];
  const bits = seed === null ? null : new SeededBits(seed);
  const pages = (count: number): number =>
    bits === null ? 0 : bits.bits(count - fewer) * granule.size;
  const stackTop = taskSize - pages(random.stack);
  const mmapRandom = pages(random.mmap);
  const programRandom = pages(random.mmap);
  const brkGap = bits === null ? 0 : granule.pageDown(bits.bits(random.brk));
  const stackRandom = bits === null ? 0 : 2 ** (random.stack - fewer) * granule.size;
  const gap = Math.min(
    Math.max(stackLimit + STACK_GUARD_PAGES * granule.size + stackRandom, MIN_GAP),
    granule.pageDown(taskSize / 6 * 5),
  );
  return {
    taskSize,
    stackTop,
    mmapBase: granule.pageDown(taskSize - gap - mmapRandom),
    programBase: granule.pageDown(taskSize / 3 * 2) + programRandom,
    brkGap,
  };
}
