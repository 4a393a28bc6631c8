/** Descriptor tables: small numbers for open file descriptions (close(2), dup(2), fcntl(2)). */
import { EACCES, EBADF, EMFILE, ENODEV, EPERM } from "../errno.ts";
import type { MapSource } from "../../memory/vma.ts";
import { O_PATH } from "./constants.ts";
import { F_SEAL_FUTURE_WRITE, F_SEAL_WRITE } from "./memory_fs.ts";
import type { OpenFile } from "./open_file.ts";
import type { Vfs } from "./vfs.ts";

/** RLIMIT_NOFILE of a table until a process sets another. */
export const DEFAULT_LIMIT = 1024;

export class DescriptorTable {
  readonly #files: (OpenFile | null)[] = [];
  readonly #closeOnExec: Set<number> = new Set();
  /** No free number below this. */
  #lowest = 0;
  /** Soft RLIMIT_NOFILE: numbers are below it. */
  limit: number = DEFAULT_LIMIT;
  /**
   * Slots, as Linux sizes its table: 64, then the powers of two that the numbers in use have needed;
   * fork sizes the copy anew. Programs see it: select(2) ignores numbers from here on, `FDSize` of
   * /proc/PID/status says it.
   */
  capacity: number = 64;

  constructor(readonly vfs: Vfs) {}

  /** The file behind `fd`, or null. */
  get(fd: number): OpenFile | null {
    return this.#files[fd] ?? null;
  }

  /** Whether execve closes `fd`. */
  closesOnExec(fd: number): boolean {
    return this.#closeOnExec.has(fd);
  }
  setCloseOnExec(fd: number, close: boolean): void {
    if (close) this.#closeOnExec.add(fd);
    else this.#closeOnExec.delete(fd);
  }

  /** Give `file` the lowest free number from `minimum` on; -EMFILE. The table holds a reference. */
  install(file: OpenFile, minimum: number, closeOnExec: boolean): number {
    let fd = Math.max(minimum, this.#lowest);
    while (this.#files[fd]) fd++;
    if (fd >= this.limit) {
      // Closes what only this descriptor would have kept open.
      file.retain().release();
      return -EMFILE;
    }
    if (minimum <= this.#lowest) this.#lowest = fd + 1;
    this.#put(fd, file, closeOnExec);
    return fd;
  }

  /** Give `file` the number `fd`, closing what has it (dup2); -EBADF beyond the limit. */
  replace(fd: number, file: OpenFile, closeOnExec: boolean): number {
    if (fd < 0 || fd >= this.limit) return -EBADF;
    file.retain();
    this.close(fd);
    this.#put(fd, file, closeOnExec);
    file.release();
    return fd;
  }

  #put(fd: number, file: OpenFile, closeOnExec: boolean): void {
    while (this.#files.length < fd) this.#files.push(null);
    while (this.capacity <= fd) this.capacity *= 2;
    this.#files[fd] = file.retain();
    this.setCloseOnExec(fd, closeOnExec);
  }

  /** Free the number; -EBADF. */
  close(fd: number): number {
    const file = this.#files[fd];
    if (!file) return -EBADF;
    this.#files[fd] = null;
    this.#closeOnExec.delete(fd);
    this.#lowest = Math.min(this.#lowest, fd);
    file.flush(this);
    file.release();
    return 0;
  }

  /** Open descriptors in ascending order. */
  *entries(): Iterable<[fd: number, file: OpenFile]> {
    for (let fd = 0; fd < this.#files.length; fd++) {
      const file = this.#files[fd];
      if (file) yield [fd, file];
    }
  }

  /** A copy whose descriptors share open file descriptions with this one (fork). */
  fork(): DescriptorTable {
    const copy = new DescriptorTable(this.vfs);
    copy.limit = this.limit;
    for (const [fd, file] of this.entries()) copy.#put(fd, file, this.#closeOnExec.has(fd));
    copy.#lowest = this.#lowest;
    return copy;
  }

  /** Close what is marked close-on-exec. */
  closeOnExec(): void {
    for (const fd of [...this.#closeOnExec]) this.close(fd);
  }

  /** Close everything: the last user of the table has exited. */
  release(): void {
    for (let fd = 0; fd < this.#files.length; fd++) this.close(fd);
  }

  /** The file behind `fd` for mmap: -EBADF, -ENODEV, -EACCES as mmap(2) says. */
  mappable(fd: number, shared: boolean, write: boolean): MapSource | number {
    const file = this.get(fd);
    if (file === null || (file.flags & O_PATH) !== 0) return -EBADF;
    if (!file.readable || (shared && write && !file.writable)) return -EACCES;
    if (!file.mappable) return -ENODEV;
    const sealed = ((file.inode.seals ?? 0) & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) !== 0;
    if (sealed && shared && write) return -EPERM;
    file.mapSource ??= this.vfs.mapSource(file.inode, file.location, file);
    return file.mapSource ?? -ENODEV;
  }
}
