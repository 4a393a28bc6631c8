/** Bytes that were sent to a stream socket, and the files that came with some of them. */
import { EAGAIN } from "../errno.ts";
import type { OpenFile } from "../fs/open_file.ts";
import { Pipe } from "../fs/pipe.ts";
import { EMPTY, type PeerIdentity, type Received } from "./message.ts";

/** Bytes it holds before senders wait. */
const CAPACITY = 262144;

/** Files sent along, with the bytes `[start, end)`. */
interface Attached {
  readonly start: number;
  readonly end: number;
  readonly files: readonly OpenFile[];
}

export class StreamInbox extends Pipe {
  readonly #attached: Attached[] = [];
  #sent = 0;
  #taken = 0;

  constructor() {
    super();
    this.resize(CAPACITY);
  }

  /** Put as many bytes as there is room for, and with the first the files: the count or -errno. */
  put(bytes: Uint8Array, files: readonly OpenFile[]): number {
    const { room } = this;
    if (room === 0) return -EAGAIN;
    const count = this.write(bytes.subarray(0, room));
    if (count < 0) return count;
    if (files.length > 0) {
      const retained = files.map((file) => file.retain());
      this.#attached.push({ start: this.#sent, end: this.#sent + count, files: retained });
    }
    this.#sent += count;
    return count;
  }

  /** Take bytes from `sender`, or only look: what there is, or -EAGAIN. */
  take(into: Uint8Array, peek: boolean, sender: PeerIdentity | null): Received | number {
    // A receive goes on through what came before, but ends with the bytes that files came with.
    const [next] = this.#attached;
    const buffer = into.subarray(0, next ? next.end - this.#taken : Infinity);
    if (peek) {
      if (this.length === 0) return this.writers === 0 ? EMPTY : -EAGAIN;
      const count = this.peek(buffer);
      return { ...EMPTY, count, total: count, sender };
    }
    const count = this.read(buffer);
    if (count < 0) return count;
    this.#taken += count;
    const files = next && next.start < this.#taken ? this.#attached.shift()!.files : [];
    return { ...EMPTY, count, total: count, files, sender };
  }

  /** Nobody will receive any more. */
  discard(): void {
    for (const { files } of this.#attached) for (const file of files) file.release();
    this.#attached.length = 0;
  }
}
