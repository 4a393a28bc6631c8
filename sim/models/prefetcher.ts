/**
 * Prefetchers of a cache level. `next-line` fetches the line that follows one that missed, or that was
 * prefetched and is used for the first time (tagged prefetching, Smith 1982). `stride` has a table by the
 * address of the instruction (Chen and Baer 1995): once the same stride was seen three times, the address
 * one stride ahead is fetched. Neither leaves the 4 KiB page.
 */
export type PrefetcherKind = "off" | "next-line" | "stride";
export const prefetcherKinds: readonly PrefetcherKind[] = ["off", "next-line", "stride"];

/** Entries of the stride table, direct-mapped by pc. */
export const STRIDES = 64;
/** Confidence from which a stride is believed, and its most. */
export const BELIEVED = 2;
export const MOST = 3;

export class StrideTable {
  readonly #pc = new Float64Array(STRIDES).fill(-1);
  readonly #last = new Float64Array(STRIDES);
  readonly #stride = new Float64Array(STRIDES);
  readonly #confidence = new Uint8Array(STRIDES);

  /** The instruction at `pc` accesses `address`: what to fetch ahead, or -1. */
  train(pc: number, address: number): number {
    const i = pc % STRIDES;
    if (this.#pc[i] !== pc) {
      this.#pc[i] = pc;
      this.#last[i] = address;
      this.#stride[i] = 0;
      this.#confidence[i] = 0;
      return -1;
    }
    const stride = address - this.#last[i];
    this.#last[i] = address;
    if (stride === this.#stride[i]) {
      if (this.#confidence[i] < MOST) this.#confidence[i]++;
    } else if (this.#confidence[i] > 0) this.#confidence[i]--;
    else this.#stride[i] = stride;
    if (stride === 0 || stride !== this.#stride[i] || this.#confidence[i] < BELIEVED) return -1;
    const ahead = address + stride;
    return Math.floor(ahead / 4096) === Math.floor(address / 4096) ? ahead : -1;
  }
}
