/**
 * A trace as a file: 24 bytes an event, little endian: u64 address, u64 other, u32 size, u32 kind
 * (`eventKind` of textbook.ts; `other` and `size` as its `event` takes them). No address has bits
 * above 2^52.
 */
import type { Textbook } from "./textbook.ts";

const bytesPerEvent = 24;

/** Feeds a trace file to a textbook simulator and returns how many events there were. */
export async function feedTrace(path: string, textbook: Textbook): Promise<number> {
  let rest = new Uint8Array();
  let events = 0;
  using file = await Deno.open(path);
  for await (const chunk of file.readable) {
    const bytes = new Uint8Array(rest.length + chunk.length);
    bytes.set(rest);
    bytes.set(chunk, rest.length);
    const view = new DataView(bytes.buffer);
    let at = 0;
    for (; at + bytesPerEvent <= bytes.length; at += bytesPerEvent, events++) {
      const long = (offset: number) =>
        view.getUint32(at + offset, true) + view.getUint32(at + offset + 4, true) * 2 ** 32;
      const kind = view.getUint32(at + 20, true);
      textbook.event(kind, long(0), long(8), view.getUint32(at + 16, true));
    }
    rest = bytes.slice(at);
  }
  if (rest.length > 0) throw new RangeError(`${path}: ${rest.length} bytes after the last event`);
  return events;
}
