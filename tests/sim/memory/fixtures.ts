/** What the memory tests share: a small machine, and files in memory. */
import type { Arch } from "../../../sim/arch.ts";
import { AddressSpace } from "../../../sim/memory/address_space.ts";
import { Memory, type MemoryObserver, type MemoryOptions } from "../../../sim/memory/memory.ts";
import type { MappedFile } from "../../../sim/memory/page_cache.ts";

export const PAGE = 4096;
export const MIB = 1 << 20;
export const ARCHES: readonly Arch[] = ["x86_64", "aarch64"];

/** A machine of 64 MiB unless told otherwise, and a space on it. */
export function machine(options: Partial<MemoryOptions> = {}): [Memory, AddressSpace] {
  const memory = new Memory({ arch: "x86_64", bytes: 64 * MIB, ...options });
  return [memory, new AddressSpace(memory)];
}

/** A file whose page `i` holds bytes that depend on `i`; counts how often it is read. */
export class PatternFile implements MappedFile {
  readonly path = "/usr/lib/pattern.so";
  reads = 0;
  readonly written = new Map<number, Uint8Array>();
  constructor(readonly id: string, public size: number) {}
  byteAt(offset: number): number {
    return (offset ^ offset >> 12) & 0xff;
  }
  readPage(index: number, into: Uint8Array): void {
    this.reads++;
    const end = Math.min(into.length, this.size - index * into.length);
    for (let i = 0; i < end; i++) into[i] = this.byteAt(index * into.length + i);
  }
  writePage(index: number, from: Uint8Array): void {
    this.written.set(index, from.slice());
  }
}

/** Records what an observer is told, one string each. */
export function record(memory: Memory): string[] {
  const events: string[] = [];
  const hex = (n: number): string => n.toString(16);
  const observer: MemoryObserver = {
    pageFault: (space, va) => events.push(`fault ${space.id} ${hex(va)}`),
    shootdown: (space, va, size, code) =>
      events.push(`shootdown ${space.id} ${hex(va)} ${hex(size)}${code ? " code" : ""}`),
    frameWritten: (physical, size) => events.push(`written ${hex(physical)} ${hex(size)}`),
    frameFreed: (physical) => events.push(`freed ${hex(physical)}`),
    spaceFreed: (space) => events.push(`space ${space.id}`),
  };
  memory.observer = observer;
  return events;
}

/** Reproducible numbers below `n`. */
export function numbers(seed: number): (n: number) => number {
  let state = seed;
  return (n) => {
    state = Math.imul(state, 1664525) + 1013904223 | 0;
    return Math.floor((state >>> 0) / 2 ** 32 * n);
  };
}
