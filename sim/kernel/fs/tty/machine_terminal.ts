/** The terminal that the machine's first session is on: /dev/pts/0, at which somebody outside sits. */
import { Pty } from "./pty.ts";
import type { Seat } from "./seat.ts";
import { Input } from "./termios.ts";
import type { KernelLink } from "./tty.ts";

/** Its number in /dev/pts. */
const INDEX = 0;

export class MachineTerminal extends Pty {
  readonly #seat: Seat;
  /** Typed, and without room in the line discipline so far. */
  #waiting: Uint8Array = new Uint8Array();

  constructor(link: KernelLink, seat: Seat) {
    super(link, INDEX);
    this.#seat = seat;
    this.locked = false;
    this.size = seat;
    this.termios.setInput(Input.IUTF8);
  }

  override write(from: Uint8Array): number {
    const count = super.write(from);
    this.#show();
    return count;
  }

  /**
   * Between turns: take in what was typed, and a new size of the window. Answers null, or what the machine
   * stands still for.
   */
  attend(): Promise<void> | null {
    if (this.masterClosed) return null;
    const typed = this.#seat.take();
    if (typed === null) {
      this.closeMaster();
      return null;
    }
    if (typed.length > 0) this.#waiting = joined(this.#waiting, typed);
    if (this.#waiting.length > 0) {
      this.#waiting = this.#waiting.subarray(Math.max(0, this.type(this.#waiting)));
    }
    this.#show();
    this.resize(this.#seat);
    return this.#seat.pause();
  }

  /** Every thread sleeps: who is awaited for `nanoseconds`, and how many have passed then; null if nobody is. */
  idle(nanoseconds: number): Promise<number> | null {
    return this.masterClosed ? null : this.#seat.wait(nanoseconds);
  }

  protected override flow(action: number): number {
    const result = super.flow(action);
    this.#show();
    return result;
  }

  #show(): void {
    const { length } = this.output;
    if (length === 0) return;
    const bytes = new Uint8Array(length);
    this.output.take(bytes);
    this.#seat.show(bytes);
    this.drained.wake();
  }
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  if (first.length === 0) return second;
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}
