/** Attributed events in the formats of other tools' viewers. */
import type { AttributedStack, AttributionReport } from "./attribution.ts";

/** The last part of a path. */
const short = (path: string): string => path.slice(path.lastIndexOf("/") + 1);

/** `libc.so.6\`memcpy`: names alone are not unique. */
export function fullName({ object, symbol }: AttributedStack["frames"][number]): string {
  return `${short(object)}\`${symbol}`;
}

/**
 * Folded stacks (Brendan Gregg's flame graphs): a line for each calling context, its frames from the
 * outermost in, then the count of `event`.
 */
export function foldedStacks(report: AttributionReport, event: string): string {
  const lines = new Map<string, number>();
  for (const { frames, counts } of report.stacks) {
    const count = counts[event];
    if (count === undefined) continue;
    const line = frames.map((f) => fullName(f).replaceAll(/[; ]/g, "_")).join(";");
    lines.set(line, (lines.get(line) ?? 0) + count);
  }
  return [...lines].map(([line, count]) => `${line} ${count}\n`).join("");
}

/** Names of the events that some part of a report has. */
export function eventsOf(parts: readonly Pick<AttributedStack, "counts">[]): string[] {
  const names = new Set<string>();
  for (const { counts } of parts) for (const name of Object.keys(counts)) names.add(name);
  return [...names];
}

/** A file for speedscope (https://www.speedscope.app/file-format-schema.json), a profile for each event. */
export function speedscope(report: AttributionReport, name: string): unknown {
  const frames: { name: string; file: string }[] = [];
  const indices = new Map<string, number>();
  const indexOf = (object: string, symbol: string): number => {
    const key = `${object} ${symbol}`;
    let index = indices.get(key);
    if (index === undefined) {
      // A function without a name has its address, which means nothing without the object.
      const name = symbol.startsWith("0x") ? fullName({ object, symbol }) : symbol;
      indices.set(key, index = frames.push({ name, file: object }) - 1);
    }
    return index;
  };
  const profiles = eventsOf(report.stacks).map((event) => {
    const having = report.stacks.filter(({ counts }) => counts[event] !== undefined);
    const weights = having.map(({ counts }) => counts[event]);
    return {
      type: "sampled",
      name: event,
      unit: "none",
      startValue: 0,
      endValue: weights.reduce((a, b) => a + b, 0),
      samples: having.map(({ frames }) => frames.map((f) => indexOf(f.object, f.symbol))),
      weights,
    };
  });
  return {
    $schema: "https://www.speedscope.app/file-format-schema.json",
    name,
    exporter: "isthmus",
    activeProfileIndex: 0,
    shared: { frames },
    profiles,
  };
}

/** A message of protocol buffers being written. */
class Message {
  readonly bytes: number[] = [];
  #varint(value: number): void {
    let left = value;
    while (left >= 128) {
      this.bytes.push(left % 128 + 128);
      left = Math.floor(left / 128);
    }
    this.bytes.push(left);
  }
  number(field: number, value: number): this {
    if (value === 0) return this;
    this.#varint(field * 8);
    this.#varint(value);
    return this;
  }
  data(field: number, bytes: ArrayLike<number>): this {
    this.#varint(field * 8 + 2);
    this.#varint(bytes.length);
    for (let i = 0; i < bytes.length; i++) this.bytes.push(bytes[i]);
    return this;
  }
  packed(field: number, values: readonly number[]): this {
    const inner = new Message();
    for (const value of values) inner.#varint(value);
    return this.data(field, inner.bytes);
  }
}

/**
 * A profile for pprof, compressed as `.pb.gz` files are
 * (https://github.com/google/pprof/blob/main/proto/profile.proto): a sample type for each event. Functions have
 * their object in their name, for pprof adds up what has one name.
 */
export async function pprof(report: AttributionReport): Promise<Uint8Array<ArrayBuffer>> {
  const strings = new Map<string, number>([["", 0]]);
  const string = (text: string): number => {
    let index = strings.get(text);
    if (index === undefined) strings.set(text, index = strings.size);
    return index;
  };
  const profile = new Message();
  const events = eventsOf(report.stacks);
  for (const event of events) {
    const type = new Message().number(1, string(event)).number(2, string("count"));
    profile.data(1, type.bytes);
  }
  // A location is a function: addresses are not kept apart.
  const functions = new Map<string, number>();
  const functionBytes: number[][] = [];
  const locationBytes: number[][] = [];
  const location = (frame: AttributedStack["frames"][number]): number => {
    const { object, symbol } = frame;
    const key = `${object} ${symbol}`;
    let id = functions.get(key);
    if (id === undefined) {
      functions.set(key, id = functions.size + 1);
      functionBytes.push(
        new Message().number(1, id).number(2, string(fullName(frame))).number(3, string(symbol))
          .number(4, string(object)).bytes,
      );
      const line = new Message().number(1, id);
      locationBytes.push(new Message().number(1, id).data(4, line.bytes).bytes);
    }
    return id;
  };
  for (const { frames, counts } of report.stacks) {
    const ids = frames.map(location).reverse();
    const values = events.map((event) => counts[event] ?? 0);
    profile.data(2, new Message().packed(1, ids).packed(2, values).bytes);
  }
  for (const bytes of locationBytes) profile.data(4, bytes);
  for (const bytes of functionBytes) profile.data(5, bytes);
  const encoder = new TextEncoder();
  for (const text of strings.keys()) profile.data(6, encoder.encode(text));
  profile.number(14, string(events[0] ?? ""));
  const packed = new Blob([new Uint8Array(profile.bytes)]).stream()
    .pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(packed).arrayBuffer());
}
