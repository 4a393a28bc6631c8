/** How far long work is, on standard error: a bar on a terminal, a line a step, or nothing, otherwise. */

const WIDTH = 24;

/** `1:05`, `2:03:09`. */
export function formatDuration(seconds: number): string {
  const whole = Math.round(seconds);
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const shown = parts[0] === 0 ? parts.slice(1) : parts;
  return shown.map((part, i) => i === 0 ? `${part}` : `${part}`.padStart(2, "0")).join(":");
}

/** What is shown. */
export interface ProgressOptions {
  /** Steps that were done when the work began. */
  readonly before?: number;
  /** Nothing but the bar, which goes when the work is done: its result follows. */
  readonly passing?: boolean;
}

export class Progress implements Disposable {
  readonly #started = performance.now();
  readonly #terminal = Deno.stderr.isTerminal();
  readonly #before: number;
  readonly #passing: boolean;
  #done: number;
  #failed = 0;

  constructor(readonly total: number, { before = 0, passing = false }: ProgressOptions = {}) {
    this.#before = this.#done = before;
    this.#passing = passing;
    if (this.#terminal) this.#draw();
  }

  /** A step is done. */
  step(name: string, problem?: string): void {
    this.#done++;
    if (problem !== undefined) this.#failed++;
    const line = problem === undefined ? name : `${name}: ${problem}`;
    if (!this.#terminal) {
      if (!this.#passing) console.error(`${this.#done}/${this.total} ${line}`);
    } else {
      if (problem !== undefined) console.error(`\r\x1b[K${line}`);
      this.#draw();
    }
  }

  /** Take the bar away until the next step: a line of output comes. */
  hide(): void {
    if (this.#terminal) this.#write("\r\x1b[K");
  }

  /** No step follows. */
  [Symbol.dispose](): void {
    if (this.#passing) this.hide();
    else if (this.#terminal) console.error();
  }

  #draw(): void {
    const part = this.total === 0 ? 1 : this.#done / this.total;
    const full = Math.floor(part * WIDTH);
    const steps = this.#done - this.#before;
    const seconds = (performance.now() - this.#started) / 1000;
    const left = this.#done === this.total
      ? `in ${formatDuration(seconds)}`
      : steps === 0
      ? ""
      : `${formatDuration(seconds / steps * (this.total - this.#done))} left`;
    const failed = this.#failed === 0 ? "" : `, ${this.#failed} failed`;
    const bar = `[${"=".repeat(full)}${" ".repeat(WIDTH - full)}]`;
    this.#write(`\r\x1b[K${bar} ${this.#done}/${this.total}${failed} ${left}`);
  }

  #write(text: string): void {
    Deno.stderr.writeSync(new TextEncoder().encode(text));
  }
}
