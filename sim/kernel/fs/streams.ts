/**
 * The guest's standard streams: where bytes come from and go to outside the machine. The defaults
 * are this process's own; a script gives its own objects to feed bytes in and capture output.
 */
import type { Seat } from "./tty/seat.ts";

/** A source of bytes for the guest's standard input. */
export interface InputStream {
  /** Read into `into`, waiting if need be: the count, 0 at the end. */
  read(into: Uint8Array): number;
}

/** A sink for the guest's output. */
export interface OutputStream {
  /** Take all of `bytes`; the array is only valid during the call. */
  write(bytes: Uint8Array): void;
}

/** What the guest has as descriptors 0, 1 and 2. */
export interface StandardStreams {
  /** Where the guest reads. */
  readonly stdin: InputStream;
  /** Where its output goes. */
  readonly stdout: OutputStream;
  /** Where its errors go, also those of the linker. */
  readonly stderr: OutputStream;
  /** If the program is to be on a terminal: who sits there, in the place of the three. */
  readonly terminal?: Seat;
}

/** The streams of this process; what the host refuses, the guest's call fails with. */
export function hostStreams(): StandardStreams {
  const output = (stream: { writeSync(bytes: Uint8Array): number }): OutputStream => ({
    write(bytes) {
      for (let done = 0; done < bytes.length;) done += stream.writeSync(bytes.subarray(done));
    },
  });
  return {
    stdin: { read: (into) => Deno.stdin.readSync(into) ?? 0 },
    stdout: output(Deno.stdout),
    stderr: output(Deno.stderr),
  };
}

/** An input of fixed bytes. */
export class BytesInput implements InputStream {
  #position = 0;

  /** An input that ends after `bytes`. */
  constructor(readonly bytes: Uint8Array = new Uint8Array()) {}

  read(into: Uint8Array): number {
    const part = this.bytes.subarray(this.#position, this.#position + into.length);
    into.set(part);
    this.#position += part.length;
    return part.length;
  }
}

/** An output that is kept. */
export class CapturedOutput implements OutputStream {
  #buffer: Uint8Array<ArrayBuffer> = new Uint8Array(1024);
  #length = 0;

  write(bytes: Uint8Array): void {
    const length = this.#length + bytes.length;
    if (length > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(length, this.#buffer.length * 2));
      larger.set(this.#buffer.subarray(0, this.#length));
      this.#buffer = larger;
    }
    this.#buffer.set(bytes, this.#length);
    this.#length = length;
  }

  /** Everything written so far. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#buffer.slice(0, this.#length);
  }
  /** Everything written so far, as UTF-8. */
  get text(): string {
    return new TextDecoder().decode(this.#buffer.subarray(0, this.#length));
  }
}
