/** A file system: its root inode and what `statfs` and `/proc/mounts` say of it. */
import type { FilePages } from "./mapped_pages.ts";
import type { Inode, Timestamp } from "./inode.ts";

/** `f_type` numbers (include/uapi/linux/magic.h). */
export const TMPFS_MAGIC = 0x01021994;
export const PROC_MAGIC = 0x9fa0;
export const SYSFS_MAGIC = 0x62656572;
export const OVERLAYFS_MAGIC = 0x794c7630;
export const EXT4_MAGIC = 0xef53;
export const PIPEFS_MAGIC = 0x50495045;
export const SOCKFS_MAGIC = 0x534f434b;
export const ANON_INODE_MAGIC = 0x09041934;

/** The file system's clock, for time stamps. */
export type TimeSource = () => Timestamp;

/** A fixed moment, for files that have no time of their own. */
export const EPOCH: Timestamp = { seconds: 0, nanoseconds: 0 };

export abstract class FileSystem {
  /** Name of its type, as in /proc/filesystems. */
  abstract readonly type: string;
  /** `f_type` of statfs. */
  abstract readonly magic: number;
  abstract readonly root: Inode;
  /** `st_dev`, with major 0 as of file systems without a device; numbered by `Vfs.mount`. */
  device = 0;
  /** Nothing in it can be changed. */
  readonly readOnly: boolean = false;
  /** Names come and go without the VFS: a cached name must be looked up again. */
  readonly volatile: boolean = false;
  /** Renames so far: the cookie by which inotify pairs their two events. */
  renames = 0;
  /** The page cache's side; null where nothing is ever mapped. Set by `Vfs.mount`. */
  pages: FilePages | null = null;

  /** The last name and the last open description of `inode` are gone. */
  discard(inode: Inode): void {
    inode.evict();
    if (inode.pages !== null) this.pages?.abandon(inode.pages);
  }

  /** The machine has ended: let go of what the host lent. */
  close(): void {}

  /** Total and free 4 KiB blocks and files, as statfs reports them. */
  capacity(): { blocks: number; free: number; files: number; freeFiles: number } {
    return { blocks: 1 << 20, free: 1 << 19, files: 1 << 20, freeFiles: 1 << 19 };
  }
}
