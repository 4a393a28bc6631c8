/**
 * The machine's clock. It is virtual: it starts at a stated date and advances with modelled time
 * (retired instructions × a stated rate), never with the host's.
 *
 * Monotonic time is a number of nanoseconds since the machine started (exact for 104 days); the
 * date is `EPOCH_SECONDS` later.
 */

/** Date at which every machine starts unless told otherwise: 2024-01-01T00:00:00Z. */
export const DEFAULT_EPOCH_SECONDS = 1704067200;
/** Modelled nanoseconds per retired instruction unless told otherwise: one a nanosecond. */
export const DEFAULT_NANOSECONDS_PER_INSTRUCTION = 1;

export class Clock {
  /** Monotonic nanoseconds since the machine started. */
  #now = 0;
  /** Fraction of a nanosecond not yet in `#now`. */
  #rest = 0;
  /** Seconds between the Unix epoch and monotonic time 0 (clock_settime moves it). */
  epochSeconds: number;
  readonly nanosecondsPerInstruction: number;

  constructor(options: { epochSeconds?: number; nanosecondsPerInstruction?: number } = {}) {
    this.epochSeconds = options.epochSeconds ?? DEFAULT_EPOCH_SECONDS;
    this.nanosecondsPerInstruction = options.nanosecondsPerInstruction ??
      DEFAULT_NANOSECONDS_PER_INSTRUCTION;
  }

  /** Monotonic time in nanoseconds. */
  get now(): number {
    return this.#now;
  }

  /** Date: whole seconds since 1970. */
  get realSeconds(): number {
    return this.epochSeconds + Math.floor(this.#now / 1e9);
  }

  /** Date: nanoseconds within the second. */
  get realNanoseconds(): number {
    return this.#now % 1e9;
  }

  /** `instructions` have retired. */
  advance(instructions: number): void {
    const time = this.#rest + instructions * this.nanosecondsPerInstruction;
    const whole = Math.floor(time);
    this.#rest = time - whole;
    this.#now += whole;
  }

  /** Everybody sleeps: go to `time` (monotonic), the next deadline. Never backwards. */
  jumpTo(time: number): void {
    if (time > this.#now) {
      this.#now = time;
      this.#rest = 0;
    }
  }
}
