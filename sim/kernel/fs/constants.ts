/**
 * File constants of the Linux user interface (include/uapi/asm-generic/fcntl.h, linux/stat.h,
 * linux/fs.h). Open flags inside the kernel have their x86_64 values; `flagsFromGuest` and
 * `flagsToGuest` translate the four that aarch64 numbers otherwise.
 */
import type { Arch } from "../../arch.ts";

export const S_IFMT = 0o170000;
export const S_IFSOCK = 0o140000;
export const S_IFLNK = 0o120000;
export const S_IFREG = 0o100000;
export const S_IFBLK = 0o060000;
export const S_IFDIR = 0o040000;
export const S_IFCHR = 0o020000;
export const S_IFIFO = 0o010000;
export const S_ISUID = 0o4000;
export const S_ISGID = 0o2000;
export const S_ISVTX = 0o1000;

export const O_ACCMODE = 3;
export const O_RDONLY = 0;
export const O_WRONLY = 1;
export const O_RDWR = 2;
export const O_CREAT = 0o100;
export const O_EXCL = 0o200;
export const O_NOCTTY = 0o400;
export const O_TRUNC = 0o1000;
export const O_APPEND = 0o2000;
export const O_NONBLOCK = 0o4000;
export const O_DSYNC = 0o10000;
export const O_ASYNC = 0o20000;
export const O_DIRECT = 0o40000;
export const O_LARGEFILE = 0o100000;
export const O_DIRECTORY = 0o200000;
export const O_NOFOLLOW = 0o400000;
export const O_NOATIME = 0o1000000;
export const O_CLOEXEC = 0o2000000;
export const O_PATH = 0o10000000;
/** `O_TMPFILE` without the `O_DIRECTORY` bit that its user value carries. */
export const O_TMPFILE_BIT = 0o20000000;

export const AT_FDCWD = -100;
export const AT_SYMLINK_NOFOLLOW = 0x100;
export const AT_REMOVEDIR = 0x200;
export const AT_EACCESS = 0x200;
export const AT_SYMLINK_FOLLOW = 0x400;
export const AT_NO_AUTOMOUNT = 0x800;
export const AT_EMPTY_PATH = 0x1000;
export const AT_STATX_SYNC_TYPE = 0x6000;

export const R_OK = 4;
export const W_OK = 2;
export const X_OK = 1;

export const SEEK_SET = 0;
export const SEEK_CUR = 1;
export const SEEK_END = 2;
export const SEEK_DATA = 3;
export const SEEK_HOLE = 4;

export const RENAME_NOREPLACE = 1;
export const RENAME_EXCHANGE = 2;
export const RENAME_WHITEOUT = 4;

export const POLLIN = 0x001;
export const POLLPRI = 0x002;
export const POLLOUT = 0x004;
export const POLLERR = 0x008;
export const POLLHUP = 0x010;
export const POLLNVAL = 0x020;
export const POLLRDNORM = 0x040;
export const POLLRDBAND = 0x080;
export const POLLWRNORM = 0x100;
export const POLLWRBAND = 0x200;
export const POLLRDHUP = 0x2000;

/** Longest path, with its NUL, and longest name, in bytes. */
export const PATH_MAX = 4096;
export const NAME_MAX = 255;
/** Symbolic links one walk may follow. */
export const MAX_SYMLINKS = 40;
/** Largest count of one read or write. */
export const MAX_RW_COUNT = 0x7ffff000;
export const PIPE_BUF = 4096;
/** Largest file size: what a page index of the page cache and an exact number can hold. */
export const MAX_FILE_SIZE = Number.MAX_SAFE_INTEGER;

/** The flags aarch64 numbers otherwise (arch/arm64/include/uapi/asm/fcntl.h), canonical value first. */
const AARCH64_FLAGS: readonly (readonly [canonical: number, aarch64: number])[] = [
  [O_DIRECTORY, 0o40000],
  [O_NOFOLLOW, 0o100000],
  [O_DIRECT, 0o200000],
  [O_LARGEFILE, 0o400000],
];
const SWAPPED = O_DIRECTORY | O_NOFOLLOW | O_DIRECT | O_LARGEFILE;

/** Open flags of a guest of `arch` in the kernel's own (x86_64) values. */
export function flagsFromGuest(arch: Arch, flags: number): number {
  if (arch === "x86_64" || (flags & SWAPPED) === 0) return flags;
  let result = flags & ~SWAPPED;
  for (const [canonical, aarch64] of AARCH64_FLAGS) if (flags & aarch64) result |= canonical;
  return result;
}

/** The kernel's open flags as a guest of `arch` numbers them. */
export function flagsToGuest(arch: Arch, flags: number): number {
  if (arch === "x86_64" || (flags & SWAPPED) === 0) return flags;
  let result = flags & ~SWAPPED;
  for (const [canonical, aarch64] of AARCH64_FLAGS) if (flags & canonical) result |= aarch64;
  return result;
}

/** Device number as `st_rdev` and `mknod` encode it (new_encode_dev). */
export function makeDevice(major: number, minor: number): number {
  return (minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12);
}

/** Major number of an encoded device. */
export function majorOf(device: number): number {
  return (device >>> 8) & 0xfff;
}

/** Minor number of an encoded device. */
export function minorOf(device: number): number {
  return (device & 0xff) | ((device >>> 12) & 0xfff00);
}
