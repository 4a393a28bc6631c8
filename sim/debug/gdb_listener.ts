/** The socket at which a machine waits for gdb. */
import type { Vfs } from "../kernel/fs/vfs.ts";
import { packet, PacketReader, toBytes } from "./gdb_packets.ts";
import { GdbSession } from "./gdb_session.ts";
import type { DebugTarget } from "./target.ts";

/** Where to wait for gdb. */
export interface GdbAddress {
  /** TCP port; 0 takes one that is free. */
  readonly port: number;
  /** Address of this host to listen at; default 127.0.0.1. */
  readonly hostname?: string;
  /** Told where gdb is waited for, before the program runs. */
  readonly listening?: (address: { readonly hostname: string; readonly port: number }) => void;
}

/** Serves one gdb. */
export class GdbListener {
  readonly #listener: Deno.TcpListener;
  readonly #served: Promise<void>;
  #connection: Deno.TcpConn | undefined;
  /** What has been sent goes out in order, through one buffer. */
  #sent: Promise<unknown> = Promise.resolve();
  readonly #out = new Uint8Array(BUFFER);
  #last = "";

  /** Throws what `Deno.listen` throws. */
  constructor(target: DebugTarget, vfs: Vfs, { port, hostname, listening }: GdbAddress) {
    this.#listener = Deno.listen({ port, hostname: hostname ?? "127.0.0.1" });
    const session = new GdbSession(target, vfs, (data) => this.#send(packet(data)));
    this.#served = this.#serve(session);
    listening?.(this.#listener.addr);
  }

  async #serve(session: GdbSession): Promise<void> {
    try {
      this.#connection = await this.#listener.accept();
      this.#connection.setNoDelay();
      const reader = new PacketReader();
      // A buffer for each piece would be garbage that a machine's great memory makes dear to collect.
      const buffer = new Uint8Array(BUFFER);
      for (;;) {
        const count = await this.#connection.read(buffer);
        if (count === null) break;
        for (const received of reader.read(buffer.subarray(0, count))) {
          switch (received.kind) {
            case "interrupt":
              session.target.interrupt();
              break;
            case "garbled":
              this.#send(NACK);
              break;
            case "nack":
              this.#send(this.#last);
              break;
            case "packet":
              if (session.acknowledges) this.#send(ACK);
              session.receive(received.data);
          }
        }
        if (session.over) {
          await this.#sent;
          break;
        }
      }
    } catch (error) {
      if (!isGone(error)) throw error;
    } finally {
      session.lost();
    }
  }

  #send(text: string): void {
    if (text.length > 1) this.#last = text;
    const connection = this.#connection;
    if (connection === undefined) return;
    this.#sent = this.#sent.then(() => writeAll(connection, toBytes(text, this.#out)))
      .catch((error) => {
        if (!isGone(error)) throw error;
      });
  }

  /** The program has ended: tell gdb, and listen no more. */
  async close(): Promise<void> {
    await this.#sent;
    try {
      this.#listener.close();
      this.#connection?.close();
    } catch (error) {
      if (!isGone(error)) throw error;
    }
    await this.#served;
  }
}

const ACK = "+";
const NACK = "-";
/** Bytes of a buffer: an escaped packet of the usual size. */
const BUFFER = 0x10000;

async function writeAll(connection: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += await connection.write(bytes.subarray(done));
}

/** Whether an error says that gdb, or the socket, is gone. */
function isGone(error: unknown): boolean {
  return error instanceof Deno.errors.BadResource || error instanceof Deno.errors.ConnectionReset ||
    error instanceof Deno.errors.BrokenPipe || error instanceof Deno.errors.Interrupted ||
    error instanceof Deno.errors.ConnectionAborted;
}
