/** The user of this process's terminal, at the terminal of a machine (`run --tty`). */
import type { Seat } from "../../sim/kernel/fs/tty/seat.ts";
import { UsageError } from "./command.ts";

/** Milliseconds that a machine computes before the host may take in what was typed. */
const ATTENTION = 30;
/** Ctrl-], which hangs up if it is typed this often within a second, as in other programs that give a terminal away. */
const ESCAPE = 0x1d;
const ESCAPES = 3;
const ESCAPE_WINDOW = 1000;
const NOTHING = new Uint8Array();
/** setTimeout takes no more. */
const LONGEST_WAIT = 2 ** 31 - 1;
const NEWLINE = 10;
const RETURN = 13;
/** ESC D: a line down in the same column (IND of ECMA-48). */
const DOWN = [0x1b, 0x44];

/**
 * Sits at a machine's terminal for the user: the host's terminal is raw, so that every key is the machine's, and
 * shows what programs show.
 *
 * @example
 * ```ts ignore
 * using seat = new TerminalSeat();
 * const machine = await Machine.create({ streams: { ...hostStreams(), terminal: seat } });
 * ```
 */
export class TerminalSeat implements Seat, Disposable {
  #typed: Uint8Array[] = [];
  #gone = false;
  #lastPause = performance.now();
  #arrived: () => void = () => {};
  #escapes: number[] = [];
  readonly #resized = () => void (this.#size = consoleSize());
  #size = consoleSize();
  #shownLast = 0;

  /** Throws a `UsageError` if standard input and output are no terminal. */
  constructor() {
    if (!Deno.stdin.isTerminal() || !Deno.stdout.isTerminal()) {
      throw new UsageError("--tty: standard input and output are no terminal");
    }
    Deno.stdin.setRaw(true);
    if (Deno.build.os !== "windows") Deno.addSignalListener("SIGWINCH", this.#resized);
    this.#listen();
  }

  /** Give the host's terminal back. */
  [Symbol.dispose](): void {
    this.#gone = true;
    Deno.stdin.setRaw(false);
    if (Deno.build.os !== "windows") Deno.removeSignalListener("SIGWINCH", this.#resized);
  }

  get columns(): number {
    return this.#size.columns;
  }
  get rows(): number {
    return this.#size.rows;
  }

  /** The host's terminal still returns at each newline, which programs that switched that off do not mean. */
  show(bytes: Uint8Array): void {
    const shown: number[] = [];
    for (const byte of bytes) {
      if (byte === NEWLINE && this.#shownLast !== RETURN) shown.push(...DOWN);
      else shown.push(byte);
      this.#shownLast = byte;
    }
    const all = Uint8Array.from(shown);
    for (let done = 0; done < all.length;) done += Deno.stdout.writeSync(all.subarray(done));
  }

  take(): Uint8Array | null {
    const next = this.#typed.shift();
    if (next !== undefined) return next;
    return this.#gone ? null : NOTHING;
  }

  pause(): Promise<void> | null {
    const now = performance.now();
    if (now - this.#lastPause < ATTENTION) return null;
    return new Promise((resolve) =>
      setTimeout(() => {
        this.#lastPause = performance.now();
        resolve();
      })
    );
  }

  async wait(nanoseconds: number): Promise<number> {
    const start = performance.now();
    if (this.#typed.length === 0 && !this.#gone) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#arrived = resolve;
      const timeout = Math.min(Math.ceil(nanoseconds / 1e6), LONGEST_WAIT);
      const timer = setTimeout(resolve, timeout);
      await promise;
      clearTimeout(timer);
    }
    this.#lastPause = performance.now();
    return (this.#lastPause - start) * 1e6;
  }

  async #listen(): Promise<void> {
    const buffer = new Uint8Array(4096);
    while (!this.#gone) {
      const count = await Deno.stdin.read(buffer).catch(() => null);
      if (count === null || this.#hangsUp(buffer.subarray(0, count))) this.#gone = true;
      else this.#typed.push(buffer.slice(0, count));
      this.#arrived();
    }
  }

  #hangsUp(bytes: Uint8Array): boolean {
    const now = performance.now();
    for (const byte of bytes) {
      if (byte === ESCAPE) this.#escapes.push(now);
      else this.#escapes.length = 0;
    }
    this.#escapes = this.#escapes.slice(-ESCAPES);
    return this.#escapes.length === ESCAPES && now - this.#escapes[0] < ESCAPE_WINDOW;
  }
}

function consoleSize(): { readonly columns: number; readonly rows: number } {
  try {
    return Deno.consoleSize();
  } catch {
    return { columns: 80, rows: 24 };
  }
}
