/**
 * The part of WASI's first preview that programs without files need. What it does are system calls of the guest
 * thread that runs the module: the guest's descriptors, its modelled clock, its seeded randomness, and whatever
 * filters the process has.
 */
import type { Caller } from "../runner/caller.ts";
import type { HostImport, WasmValue } from "./module_code.ts";

/** Name of WASI's module. */
export const WASI = "wasi_snapshot_preview1";

/** What the functions are about. */
export interface WasiHost {
  /** The thread that runs the module. */
  readonly caller: Caller;
  readonly memory: Uint8Array<ArrayBuffer>;
  readonly args: readonly Uint8Array[];
}

/** Error numbers of WASI by those of Linux that these calls have. */
const ERRORS: Readonly<Record<number, number>> = {
  4: 27,
  5: 29,
  9: 8,
  11: 6,
  14: 21,
  22: 28,
  32: 64,
};
const EBADF = 8, EFAULT = 21, EINVAL = 28, ENOSYS = 52, EIO = 29;
/** Bytes of one transfer at most. */
const MOST = 2 ** 20;

type Call = (host: WasiHost, ...args: number[]) => Promise<number> | number;

const CALLS: Readonly<Record<string, Call>> = {
  args_sizes_get: (host, count, size) => putSizes(host, host.args, count, size),
  args_get: (host, list, text) => putStrings(host, host.args, list, text),
  environ_sizes_get: (host, count, size) => putSizes(host, environment(host), count, size),
  environ_get: (host, list, text) => putStrings(host, environment(host), list, text),
  async clock_time_get(host, clock, _precision, at) {
    if (clock > 1) return EINVAL;
    return await host.caller.borrow(new Uint8Array(16), async (time) => {
      const error = await host.caller.syscall("clock_gettime", clock, time);
      if (error < 0) return errorOf(error);
      const bytes = viewOf(host.caller.readBytes(time, 16));
      const nanoseconds = bytes.getBigInt64(0, true) * 1_000_000_000n + bytes.getBigInt64(8, true);
      viewOf(host.memory).setBigInt64(at, nanoseconds, true);
      return 0;
    });
  },
  async fd_write(host, descriptor, vectors, count, at) {
    const places = vectorsOf(host.memory, vectors, count);
    if (places === undefined) return EFAULT;
    const bytes = gather(host.memory, places);
    const written = await host.caller.borrow(
      bytes,
      (from) => host.caller.syscall("write", descriptor, from, bytes.length),
    );
    if (written < 0) return errorOf(written);
    viewOf(host.memory).setUint32(at, written, true);
    return 0;
  },
  async fd_read(host, descriptor, vectors, count, at) {
    const places = vectorsOf(host.memory, vectors, count);
    if (places === undefined) return EFAULT;
    const size = Math.min(MOST, places.reduce((sum, { length }) => sum + length, 0));
    return await host.caller.borrow(new Uint8Array(size), async (into) => {
      const got = await host.caller.syscall("read", descriptor, into, size);
      if (got < 0) return errorOf(got);
      let bytes = host.caller.readBytes(into, got);
      for (const { start, length } of places) {
        host.memory.set(bytes.subarray(0, length), start);
        bytes = bytes.subarray(length);
      }
      viewOf(host.memory).setUint32(at, got, true);
      return 0;
    });
  },
  fd_close: () => ENOSYS,
  fd_seek: () => ENOSYS,
  fd_prestat_get: () => EBADF,
  fd_prestat_dir_name: () => EBADF,
  fd_fdstat_get(host, descriptor, at) {
    if (descriptor > 2) return EBADF;
    const CHARACTER_DEVICE = 2;
    host.memory.fill(0, at, at + 24);
    host.memory[at] = CHARACTER_DEVICE;
    viewOf(host.memory).setBigUint64(at + 8, (1n << 1n) | (1n << 6n), true);
    return 0;
  },
  fd_fdstat_set_flags: () => ENOSYS,
  async random_get(host, at, size) {
    return await host.caller.borrow(new Uint8Array(size), async (into) => {
      const got = await host.caller.syscall("getrandom", into, size, 0);
      if (got < 0) return errorOf(got);
      host.memory.set(host.caller.readBytes(into, got), at);
      return got === size ? 0 : EIO;
    });
  },
  sched_yield: () => 0,
  async proc_exit(host, status) {
    return await host.caller.exit(status);
  },
};

export function isServed(name: string): boolean {
  return Object.hasOwn(CALLS, name);
}

/** The import of WASI under a name that is served. */
export function wasiImport(name: string, host: () => WasiHost): HostImport {
  const call = CALLS[name];
  return (...args: WasmValue[]) =>
    call(host(), ...args.map((value) => typeof value === "bigint" ? Number(value) : value >>> 0));
}

function environment({ caller }: WasiHost): Uint8Array[] {
  return [...caller.link.environment].map(([name, value]) =>
    new TextEncoder().encode(`${name}=${value}`)
  );
}

function putSizes(
  { memory }: WasiHost,
  strings: readonly Uint8Array[],
  count: number,
  size: number,
): number {
  const view = viewOf(memory);
  view.setUint32(count, strings.length, true);
  view.setUint32(size, strings.reduce((sum, { length }) => sum + length + 1, 0), true);
  return 0;
}

function putStrings(
  { memory }: WasiHost,
  strings: readonly Uint8Array[],
  list: number,
  text: number,
): number {
  const view = viewOf(memory);
  for (const bytes of strings) {
    view.setUint32(list, text, true);
    memory.set(bytes, text);
    memory[text + bytes.length] = 0;
    list += 4;
    text += bytes.length + 1;
  }
  return 0;
}

interface Place {
  readonly start: number;
  readonly length: number;
}

/** Where vectors point to; undefined if that is not all in memory. */
function vectorsOf(memory: Uint8Array, at: number, count: number): Place[] | undefined {
  const view = viewOf(memory);
  const places = Array.from({ length: count }, (_, i) => ({
    start: view.getUint32(at + 8 * i, true),
    length: view.getUint32(at + 8 * i + 4, true),
  }));
  return places.every(({ start, length }) => start + length <= memory.length) ? places : undefined;
}

/** What is at some places, as much of it as one transfer takes. */
function gather(memory: Uint8Array, places: readonly Place[]): Uint8Array {
  const bytes = new Uint8Array(Math.min(MOST, places.reduce((sum, { length }) => sum + length, 0)));
  let end = 0;
  for (const { start, length } of places) {
    const part = memory.subarray(start, start + Math.min(length, bytes.length - end));
    bytes.set(part, end);
    end += part.length;
  }
  return bytes;
}

function errorOf(errno: number): number {
  return ERRORS[-errno] ?? EIO;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
