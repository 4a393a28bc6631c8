/** File structures of the user interface, by architecture where the two differ. */
import type { Arch } from "../../arch.ts";
import { setNumber64, Struct } from "../abi/struct.ts";
import type { Stat } from "./attributes.ts";
import { majorOf, minorOf } from "./constants.ts";
import { encodeName } from "./file_name.ts";

/** struct stat of x86_64 (arch/x86/include/uapi/asm/stat.h): 144 bytes. */
const StatX86 = new Struct("stat", {
  device: "u64",
  ino: "u64",
  nlink: "u64",
  mode: "u32",
  uid: "u32",
  gid: "u32",
  padding: { zero: 4 },
  rdev: "u64",
  size: "i64",
  blockSize: "i64",
  blocks: "i64",
  atime: "i64",
  atimeNsec: "i64",
  mtime: "i64",
  mtimeNsec: "i64",
  ctime: "i64",
  ctimeNsec: "i64",
  tail: { zero: 24 },
});

/** struct stat of aarch64 (include/uapi/asm-generic/stat.h): 128 bytes. */
const StatGeneric = new Struct("stat", {
  device: "u64",
  ino: "u64",
  mode: "u32",
  nlink: "u32",
  uid: "u32",
  gid: "u32",
  rdev: "u64",
  padding: { zero: 8 },
  size: "i64",
  blockSize: "i32",
  padding2: { zero: 4 },
  blocks: "i64",
  atime: "i64",
  atimeNsec: "i64",
  mtime: "i64",
  mtimeNsec: "i64",
  ctime: "i64",
  ctimeNsec: "i64",
  tail: { zero: 8 },
});

/** struct stat as `arch` has it. */
export function encodeStat(arch: Arch, stat: Stat): Uint8Array {
  const layout = arch === "x86_64" ? StatX86 : StatGeneric;
  const { device, ino, mode, nlink, uid, gid, rdev, size, blockSize, blocks } = stat;
  return layout.encode({
    ...{ device, ino, mode, nlink, uid, gid, rdev, size, blockSize, blocks },
    atime: stat.atime.seconds,
    atimeNsec: stat.atime.nanoseconds,
    mtime: stat.mtime.seconds,
    mtimeNsec: stat.mtime.nanoseconds,
    ctime: stat.ctime.seconds,
    ctimeNsec: stat.ctime.nanoseconds,
  });
}

/** STATX_BASIC_STATS | STATX_BTIME: everything we fill in, asked for or not. */
const STATX_FILLED = 0xfff;
const STATX_MNT_ID = 0x1000;

/** struct statx, 256 bytes. */
const Statx = new Struct("statx", {
  mask: "u32",
  blockSize: "u32",
  attributes: "u64",
  nlink: "u32",
  uid: "u32",
  gid: "u32",
  mode: "u16",
  padding: { zero: 2 },
  ino: "u64",
  size: "u64",
  blocks: "u64",
  attributesMask: "u64",
  atime: "i64",
  atimeNsec: "u32",
  padding1: { zero: 4 },
  btime: "i64",
  btimeNsec: "u32",
  padding2: { zero: 4 },
  ctime: "i64",
  ctimeNsec: "u32",
  padding3: { zero: 4 },
  mtime: "i64",
  mtimeNsec: "u32",
  padding4: { zero: 4 },
  rdevMajor: "u32",
  rdevMinor: "u32",
  deviceMajor: "u32",
  deviceMinor: "u32",
  mountId: "u64",
}, { size: 256 });

export function encodeStatx(stat: Stat, mountId: number): Uint8Array {
  const { ino, mode, nlink, uid, gid, size, blockSize, blocks } = stat;
  return Statx.encode({
    mask: STATX_FILLED | STATX_MNT_ID,
    ...{ ino, mode, nlink, uid, gid, size, blockSize, blocks },
    atime: stat.atime.seconds,
    atimeNsec: stat.atime.nanoseconds,
    btime: stat.btime.seconds,
    btimeNsec: stat.btime.nanoseconds,
    ctime: stat.ctime.seconds,
    ctimeNsec: stat.ctime.nanoseconds,
    mtime: stat.mtime.seconds,
    mtimeNsec: stat.mtime.nanoseconds,
    rdevMajor: majorOf(stat.rdev),
    rdevMinor: minorOf(stat.rdev),
    deviceMajor: majorOf(stat.device),
    deviceMinor: minorOf(stat.device),
    mountId,
  });
}

/** struct statfs of LP64: 120 bytes. */
export const Statfs = new Struct("statfs", {
  type: "i64",
  blockSize: "i64",
  blocks: "u64",
  free: "u64",
  available: "u64",
  files: "u64",
  freeFiles: "u64",
  fsidLow: "i32",
  fsidHigh: "i32",
  nameLength: "i64",
  fragmentSize: "i64",
  flags: "i64",
  spare: { zero: 32 },
});

/** struct flock of LP64: 32 bytes. */
export const Flock = new Struct("flock", {
  type: "i16",
  whence: "i16",
  start: "i64",
  length: "i64",
  pid: "i32",
});

const EpollEventPacked = new Struct(
  "epoll_event",
  { events: "u32", dataLow: "u32", dataHigh: "u32" },
  { packed: true },
);
const EpollEventAligned = new Struct("epoll_event", {
  events: "u32",
  padding: { zero: 4 },
  dataLow: "u32",
  dataHigh: "u32",
});

/** struct epoll_event: packed to 12 bytes on x86_64, 16 bytes elsewhere. */
export function epollEvent(arch: Arch): Struct<"events" | "dataLow" | "dataHigh"> {
  return arch === "x86_64" ? EpollEventPacked : EpollEventAligned;
}

/** struct pollfd, 8 bytes. */
export const Pollfd = new Struct("pollfd", { fd: "i32", events: "i16", revents: "i16" });

/** Bytes of a `linux_dirent64` with this name: a multiple of 8. */
export function direntSize(nameBytes: number): number {
  return Math.ceil((19 + nameBytes + 1) / 8) * 8;
}

/**
 * Append a `linux_dirent64` at `at`; returns the offset after it, or -1 if it does not fit.
 * `next` is the position of the entry that follows, `type` the file type bits of a mode.
 */
export function putDirent64(
  into: Uint8Array,
  at: number,
  entry: { name: string; ino: number; type: number },
  next: number,
): number {
  const name = encodeName(entry.name);
  const size = direntSize(name.length);
  if (at + size > into.length) return -1;
  const view = new DataView(into.buffer, into.byteOffset + at, size);
  setNumber64(view, 0, entry.ino);
  setNumber64(view, 8, next);
  view.setUint16(16, size, true);
  into[at + 18] = entry.type >> 12;
  into.set(name, at + 19);
  into.fill(0, at + 19 + name.length, at + size);
  return at + size;
}

/** Append an old `linux_dirent` (getdents, x86_64 only): the type is its last byte. */
export function putDirent(
  into: Uint8Array,
  at: number,
  entry: { name: string; ino: number; type: number },
  next: number,
): number {
  const name = encodeName(entry.name);
  const size = Math.ceil((18 + name.length + 2) / 8) * 8;
  if (at + size > into.length) return -1;
  const view = new DataView(into.buffer, into.byteOffset + at, size);
  setNumber64(view, 0, entry.ino);
  setNumber64(view, 8, next);
  view.setUint16(16, size, true);
  into.set(name, at + 18);
  into.fill(0, at + 18 + name.length, at + size);
  into[at + size - 1] = entry.type >> 12;
  return at + size;
}
