/** Code begins at the same place within units of this size wherever it lies. */
const UNIT = 16;

/** What of an area is taken, in units. */
export class Room {
  readonly #taken: Uint8Array;

  constructor(readonly size: number) {
    this.#taken = new Uint8Array(Math.ceil(size / UNIT));
  }

  copy(): Room {
    const copy = new Room(this.size);
    copy.#taken.set(this.#taken);
    return copy;
  }

  /** Takes `size` bytes at a random offset that is `like` within its unit; most of the area has to be free. */
  take(size: number, like: number, random: (limit: number) => number): number {
    const units = this.#units(like % UNIT, size);
    for (;;) {
      const unit = random(this.#taken.length - units);
      if (this.#taken.subarray(unit, unit + units).some((taken) => taken !== 0)) continue;
      this.#taken.fill(1, unit, unit + units);
      return unit * UNIT + like % UNIT;
    }
  }

  occupy(offset: number, size: number): void {
    const unit = Math.floor(offset / UNIT);
    this.#taken.fill(1, unit, unit + this.#units(offset % UNIT, size));
  }

  release(offset: number, size: number): void {
    const unit = Math.floor(offset / UNIT);
    this.#taken.fill(0, unit, unit + this.#units(offset % UNIT, size));
  }

  #units(within: number, size: number): number {
    return Math.ceil((within + size) / UNIT);
  }
}
