/**
 * What changes how instructions execute: protection keys, and the flags TF and AC of x86_64's RFLAGS. Generated code
 * leaves (`R.Exit.Mode`) where an instruction may have changed one.
 */
import type { CpuExit, CpuSpace } from "./cpu.ts";
import type { Isa } from "./ir/decoded.ts";
import * as L from "./layout.ts";
import type { Misses } from "./misses.ts";
import type { SoftTlb } from "./soft_tlb.ts";
import type { StateMemory } from "./state_memory.ts";

export class Modes {
  readonly #isa: Isa;
  readonly #memory: StateMemory;
  readonly #soft: SoftTlb;
  readonly #misses: Misses;
  /** PKRU under which the soft TLB was filled. */
  #keys = 0;

  constructor(isa: Isa, memory: StateMemory, soft: SoftTlb, misses: Misses) {
    this.#isa = isa;
    this.#memory = memory;
    this.#soft = soft;
    this.#misses = misses;
  }

  /** Heed the running thread's in `space`; whether its protection keys are others than before. */
  heed(space: CpuSpace): boolean {
    this.#useAlignment();
    return this.#useKeys(space);
  }

  /** Whether RFLAGS.TF asks for a trap after every instruction. */
  get traces(): boolean {
    return this.#isa.singleStep !== undefined &&
      (this.#memory.u32[L.RFLAGS_OTHER >> 2] & L.RFLAGS_TF) !== 0;
  }

  /**
   * With RFLAGS.TF, what comes of the instruction at `from`, of the given bytes, that retired and left by `exit`: the
   * trap, if the instruction does not hold it back.
   */
  trap(bytes: Uint8Array, from: number, exit: CpuExit): CpuExit {
    const trap = this.#isa.singleStep!(bytes, from, this.#memory.unsigned(L.PC));
    if (trap === undefined) return exit;
    return { kind: "fault", address: this.#memory.view.getBigUint64(L.PC, true), ...trap };
  }

  /** Let accesses be checked, or no longer, as RFLAGS.AC says: each goes to the host while they are. */
  #useAlignment(): void {
    const checks = this.#isa.alignment !== undefined &&
      (this.#memory.u32[L.RFLAGS_OTHER >> 2] & L.RFLAGS_AC) !== 0;
    if (checks && !this.#misses.checksAlignment) this.#soft.flush();
    this.#misses.checksAlignment = checks;
  }

  /** Let translations obey the protection keys. */
  #useKeys(space: CpuSpace): boolean {
    const { u32 } = this.#memory;
    if (u32[L.XCR0 >> 2] === 0) return false;
    const keys = this.#isa.arch === "x86_64" ? u32[L.PKRU >> 2] : this.#overlay(space);
    space.pkru = keys;
    if (keys === this.#keys) return false;
    this.#keys = keys;
    this.#soft.flush();
    return true;
  }

  /**
   * aarch64: POR_EL0 in the form of PKRU, the keys of which nothing may be fetched aside. Each field holds R,
   * X and W in bits 0, 1 and 2 (DDI 0487, D8.4.3).
   */
  #overlay(space: CpuSpace): number {
    let keys = 0;
    let noFetch = 0;
    for (let key = 0; key < 8; key++) {
      const field = this.#memory.u32[L.POR >> 2] >>> (4 * key);
      if ((field & 1) === 0) keys |= 1 << (2 * key);
      if ((field & 4) === 0) keys |= 2 << (2 * key);
      if ((field & 2) === 0) noFetch |= 1 << key;
    }
    if (space.noFetch !== noFetch) this.#keys = -1;
    space.noFetch = noFetch;
    return keys;
  }
}
