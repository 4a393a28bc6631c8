/** An address space as the reference evaluator sees it: page by page, through the page fault handler. */
import { Access, type CpuSpace } from "../cpu.ts";
import { GuestFault, type GuestMemory } from "./evaluator.ts";

const PAGE = 4096n;
/** Addresses between are not canonical. */
const USER_END_X86 = 1n << 47n;
const KERNEL_START_X86 = (1n << 64n) - (1n << 47n);
const USER_END_ARM = 1n << 48n;
const SIGBUS = 7;
const SIGSEGV = 11;
const BUS_ADRALN = 1;
const SEGV_MAPERR = 1;
const SI_KERNEL = 0x80;

export class SpaceMemory implements GuestMemory {
  readonly #arch: "x86_64" | "aarch64";
  readonly #space: CpuSpace;
  readonly #physical: Uint8Array;

  /** @param physical all memory, by physical address */
  constructor(arch: "x86_64" | "aarch64", space: CpuSpace, physical: Uint8Array) {
    this.#arch = arch;
    this.#space = space;
    this.#physical = physical;
  }

  fetch(address: bigint, size: number): Uint8Array {
    if (this.#arch === "aarch64" && address % 4n !== 0n) {
      throw new GuestFault(SIGBUS, BUS_ADRALN, address);
    }
    const [at] = this.#parts(address, size, Access.Execute);
    return this.#physical.slice(at.physical, at.physical + at.size);
  }

  read(address: bigint, size: number): Uint8Array {
    const parts = this.#parts(address, size, Access.Read);
    return Uint8Array.from(
      parts.flatMap((p) => [...this.#physical.subarray(p.physical, p.physical + p.size)]),
    );
  }

  write(address: bigint, bytes: Uint8Array): void {
    let from = 0;
    for (const { physical, size } of this.#parts(address, bytes.length, Access.Write)) {
      this.#physical.set(bytes.subarray(from, from + size), physical);
      from += size;
    }
  }

  /** Where the bytes of an access lie, page by page; of a fetch, those on the first page. */
  #parts(address: bigint, size: number, access: Access): { physical: number; size: number }[] {
    // On aarch64 the top byte of data addresses is ignored.
    const mask = this.#arch === "aarch64" && access !== Access.Execute ? 56 : 64;
    const first = BigInt.asUintN(mask, address);
    const parts = [];
    for (let at = first; at < first + BigInt(size);) {
      const length = Number(min(first + BigInt(size), (at / PAGE + 1n) * PAGE) - at);
      parts.push({ physical: this.#resolve(at, access), size: length });
      if (access === Access.Execute) break;
      at += BigInt(length);
    }
    return parts;
  }

  #resolve(address: bigint, access: Access): number {
    if (this.#arch === "x86_64" && address >= USER_END_X86 && address < KERNEL_START_X86) {
      throw new GuestFault(SIGSEGV, SI_KERNEL, 0n);
    }
    if (address >= (this.#arch === "x86_64" ? USER_END_X86 : USER_END_ARM)) {
      // Bit 55 stands for an ignored top byte.
      const shown = this.#arch === "aarch64" ? BigInt.asIntN(56, address) : address;
      throw new GuestFault(SIGSEGV, SEGV_MAPERR, BigInt.asUintN(64, shown));
    }
    const fault = this.#space.resolve(Number(address), access);
    if (fault !== 0) throw new GuestFault(fault >> 8, fault & 0xff, address);
    return this.#space.resolved.physical;
  }
}

const min = (a: bigint, b: bigint): bigint => a < b ? a : b;
