/**
 * A context of Linux AIO (fs/aio.c): a ring of completed requests, in memory that the program sees. Its
 * address is the context's name, and libaio looks into it before it calls the kernel.
 */
import { setNumber64, Struct } from "../abi/struct.ts";
import type { AddressSpace } from "../../memory/address_space.ts";
import type { CachedFile, MappedFile } from "../../memory/page_cache.ts";
import { WaitQueue } from "../wait_queue.ts";
import type { PollRequest } from "./poll_request.ts";

/** struct aio_ring, before its events */
const Ring = new Struct("aio_ring", {
  id: "u32",
  slots: "u32",
  head: "u32",
  tail: "u32",
  magic: "u32",
  compatible: "u32",
  incompatible: "u32",
  headerLength: "u32",
});
const MAGIC = 0xa10a10a1, COMPATIBLE_FEATURES = 1;
/** sizeof(struct io_event) */
export const EVENT_SIZE = 32;
/** Slots that Linux adds for a request that is under way while others are reaped. */
const SPARE_SLOTS = 2;
/** Least slots for each processor (ioctx_alloc). */
const SLOTS_A_CPU = 4;

/** What has become of a request. */
export interface Completion {
  /** The program's own 64 bits. */
  readonly dataLow: number;
  readonly dataHigh: number;
  /** Address of its iocb. */
  readonly iocb: number;
  /** A value, or -errno. */
  readonly result: number;
}

/** All contexts of a machine, as far as they share a limit. */
export class AioLimit {
  /** Requests that contexts have room for. */
  used = 0;
  /** Contexts so far. */
  made = 0;
  /** /proc/sys/fs/aio-max-nr */
  readonly most = 65536;
}

export class AioContext implements MappedFile {
  readonly id: string;
  readonly path = "/[aio] (deleted)";
  readonly inMemory = true;
  readonly deviceMinor = 14;
  readonly size: number;
  /** Events that the ring has places for; one is always empty. */
  readonly slots: number;
  /** Woken when a request has completed. */
  readonly completed: WaitQueue = new WaitQueue("AIO");
  /** Requests that wait for their file, by the address of their iocb. */
  readonly waiting: Map<number, PollRequest> = new Map();
  /** io_destroy has ended it. */
  destroyed = false;
  readonly #ring: CachedFile;

  constructor(
    readonly space: AddressSpace,
    readonly requests: number,
    cpus: number,
    readonly limit: AioLimit,
  ) {
    this.id = `aio ring ${limit.made++}`;
    limit.used += requests;
    const { size } = space.granule;
    const wanted = 2 * Math.max(requests, SLOTS_A_CPU * cpus) + SPARE_SLOTS;
    this.size = Math.ceil((Ring.size + EVENT_SIZE * wanted) / size) * size;
    this.slots = Math.floor((this.size - Ring.size) / EVENT_SIZE);
    this.#ring = space.memory.cache.open(this);
    this.#write({
      slots: this.slots,
      magic: MAGIC,
      compatible: COMPATIBLE_FEATURES,
      headerLength: Ring.size,
    });
  }

  readPage(): void {}

  /** Nobody has the ring mapped any more: it can have no name, so the context ends. */
  unmapped(): void {
    for (const request of [...this.waiting.values()]) request.drop();
    this.limit.used -= this.requests;
    this.#ring.drop();
  }

  #header(): ReturnType<typeof Ring.decode> {
    const bytes = new Uint8Array(Ring.size);
    this.#ring.read(0, bytes);
    return Ring.decode(bytes);
  }

  #write(values: Partial<ReturnType<typeof Ring.decode>>): void {
    const bytes = new Uint8Array(Ring.size);
    this.#ring.read(0, bytes);
    Ring.write(new DataView(bytes.buffer), 0, values);
    this.#ring.write(0, bytes);
  }

  /** Where the ring begins and ends, whatever the program has written there. */
  get #bounds(): { head: number; tail: number; count: number } {
    const header = this.#header();
    const head = header.head % this.slots, tail = header.tail % this.slots;
    return { head, tail, count: (tail - head + this.slots) % this.slots };
  }

  /** Whether there is a place for one more request's completion. */
  get hasRoom(): boolean {
    return this.#bounds.count + this.waiting.size < this.slots - 1;
  }

  complete({ dataLow, dataHigh, iocb, result }: Completion): void {
    const { tail } = this.#bounds;
    const bytes = new Uint8Array(EVENT_SIZE);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, dataLow, true);
    view.setUint32(4, dataHigh, true);
    setNumber64(view, 8, iocb);
    setNumber64(view, 16, result);
    this.#ring.write(Ring.size + EVENT_SIZE * tail, bytes);
    this.#write({ tail: (tail + 1) % this.slots });
    this.completed.wake();
  }

  /** Take up to `most` events: their bytes, which `take` stores; false if it could not. */
  reap(most: number, take: (events: Uint8Array) => boolean): boolean {
    const { head, count } = this.#bounds;
    const taken = Math.min(most, count);
    const events = new Uint8Array(taken * EVENT_SIZE);
    for (let i = 0; i < taken; i++) {
      const at = Ring.size + EVENT_SIZE * ((head + i) % this.slots);
      this.#ring.read(at, events.subarray(i * EVENT_SIZE, (i + 1) * EVENT_SIZE));
    }
    if (taken > 0 && !take(events)) return false;
    this.#write({ head: (head + taken) % this.slots });
    return true;
  }
}

/** The context that a program names by the address of its ring. */
export function contextAt(space: AddressSpace, address: number): AioContext | undefined {
  const area = space.areas.lookup(address);
  const context = area?.file?.file;
  if (!(context instanceof AioContext) || context.space !== space) return undefined;
  return area!.start === address && area!.pageOffset === 0 ? context : undefined;
}
