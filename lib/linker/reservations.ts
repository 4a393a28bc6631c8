import type { LinkObject } from "./link_object.ts";

/** A range of address space, in bytes. */
export interface AddressRange {
  readonly at: number;
  readonly size: number;
}

interface Reservation extends AddressRange {
  /** Number of the load batch it was made for. */
  readonly batch: number;
  readonly objects: ReadonlySet<LinkObject>;
}

/** Address space set aside for objects: a range is needed until the last object in it is gone. */
export class Reservations {
  #all: readonly Reservation[] = [];

  /** Takes over what a process had when it forked. */
  copy(parent: Reservations): void {
    this.#all = parent.#all;
  }

  add(at: number, size: number, batch: number): void {
    this.#all = [...this.#all, { at, size, batch, objects: new Set() }];
  }

  /** Notes that an object's first byte lies at `address`. */
  occupy(object: LinkObject, address: number): void {
    this.#all = this.#all.map((range) =>
      address >= range.at && address < range.at + range.size
        ? { ...range, objects: new Set([...range.objects, object]) }
        : range
    );
  }

  /** The range that an object lies in, if it was reserved. */
  of(object: LinkObject): AddressRange | undefined {
    return this.#all.find(({ objects }) => objects.has(object));
  }

  /** Forgets objects; answers the ranges in which none is left. */
  leave(gone: ReadonlySet<LinkObject>): AddressRange[] {
    const empty: AddressRange[] = [];
    const left: Reservation[] = [];
    for (const range of this.#all) {
      const objects = range.objects.difference(gone);
      if (range.objects.size > 0 && objects.size === 0) empty.push(range);
      else left.push({ ...range, objects });
    }
    this.#all = left;
    return empty;
  }

  /** Forgets what was reserved for a batch in vain; answers those ranges. */
  abandon(batch: number): AddressRange[] {
    const vain = this.#all.filter((range) => range.batch === batch);
    this.#all = this.#all.filter((range) => range.batch !== batch);
    return vain;
  }
}
