/**
 * Physical memory of the simulated machine: one 32-bit WebAssembly memory at its full size. The host
 * commits it page by page as it is touched, so an untouched gigabyte costs nothing.
 */

import { RESERVED } from "../cpu/layout.ts";

const WASM_PAGE = 65536;
const MAX_BYTES = 2 ** 32;

/** Host misuse of simulated memory: a bad size, a pool larger than memory. */
export class MemoryError extends Error {
  override readonly name = "MemoryError";
}

export class PhysicalMemory {
  /** The memory that generated code imports. */
  readonly memory: WebAssembly.Memory;
  /** First address of the guest's frames; what lies below is the CPU's. */
  readonly base: number;
  /** Address past the last frame, at most 4 GiB. */
  readonly size: number;
  readonly u8: Uint8Array;
  /** Indexed by physical address / 4. */
  readonly u32: Uint32Array;
  readonly view: DataView;

  /** @param bytes of the guest, a multiple of 2 MiB between 8 MiB and 3 GiB */
  constructor(bytes: number = MAX_BYTES - RESERVED) {
    if (!(bytes >= 0x80_0000 && bytes <= MAX_BYTES - RESERVED) || bytes % 0x20_0000 !== 0) {
      throw new MemoryError(
        `physical memory must be a multiple of 2 MiB from 8 MiB to 3 GiB, not ${bytes} bytes`,
      );
    }
    const pages = (RESERVED + bytes) / WASM_PAGE;
    this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    this.base = RESERVED;
    this.size = RESERVED + bytes;
    this.u8 = new Uint8Array(this.memory.buffer);
    this.u32 = new Uint32Array(this.memory.buffer);
    this.view = new DataView(this.memory.buffer);
  }

  /** The `length` bytes at `physical`, as a view. */
  bytes(physical: number, length: number): Uint8Array {
    return this.u8.subarray(physical, physical + length);
  }

  /** Write a u64 given as two halves at an address that is a multiple of 8. */
  setU64(physical: number, low: number, high: number): void {
    this.u32[physical / 4] = low;
    this.u32[physical / 4 + 1] = high;
  }

  /** Low half of the u64 at an address that is a multiple of 8. */
  lowAt(physical: number): number {
    return this.u32[physical / 4];
  }

  /** High half of the u64 at an address that is a multiple of 8. */
  highAt(physical: number): number {
    return this.u32[physical / 4 + 1];
  }
}
