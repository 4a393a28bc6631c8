/** Messages that were sent to a socket, whole, in their order. */
import type { Message, Received } from "./message.ts";

export class MessageQueue {
  #messages: Message[] = [];
  /** Bytes in all of them. */
  held = 0;

  /** The first message. */
  get first(): Message | undefined {
    return this.#messages[0];
  }

  push(message: Message): void {
    this.#messages.push(message);
    this.held += message.bytes.length;
  }

  /** Copy the first message, as far as it fits, and take it, unless `peek`; undefined for none. */
  take(into: Uint8Array, peek: boolean): Received | undefined {
    const { first } = this;
    if (first === undefined) return undefined;
    const { bytes, from, files, sender } = first;
    const part = bytes.subarray(0, into.length);
    into.set(part);
    if (!peek) {
      this.#messages.shift();
      this.held -= bytes.length;
    }
    return { count: part.length, total: bytes.length, from, files: peek ? [] : files, sender };
  }

  /** Nobody will receive any more. */
  discard(): void {
    for (const { files } of this.#messages) for (const file of files) file.release();
    this.#messages = [];
  }
}
