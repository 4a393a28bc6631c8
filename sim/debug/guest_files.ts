/**
 * The guest's files for gdb, which reads programs and libraries through its own protocol (GDB manual, "Host
 * I/O Packets"). Nothing can be written.
 */
import { EBADF, EINVAL, EROFS } from "../kernel/errno.ts";
import { stat } from "../kernel/fs/attributes.ts";
import { O_ACCMODE, O_NOATIME, O_RDONLY } from "../kernel/fs/constants.ts";
import { inodeAt, type Location } from "../kernel/fs/dentry.ts";
import { failed } from "../kernel/fs/inode.ts";
import type { OpenFile } from "../kernel/fs/open_file.ts";
import { FsContext } from "../kernel/fs/task.ts";
import type { Vfs } from "../kernel/fs/vfs.ts";
import type { Process } from "../kernel/process.ts";
import { fromHex, hexToText, toText } from "./gdb_packets.ts";
import { decodeName } from "../kernel/fs/file_name.ts";

/** Errors that the protocol has numbers for ("Errno Values"); the others are one. */
const KNOWN_ERRORS = [1, 2, 4, 9, 13, 14, 16, 17, 19, 20, 21, 22, 23, 24, 27, 28, 29, 30, 91];
const UNKNOWN_ERROR = 9999;
/** Bytes of the protocol's `struct stat`, whose words are big-endian. */
const STAT_SIZE = 64;
/** Most bytes of one answer. */
const MOST = 0x8000;

export class GuestFiles {
  readonly #open: (OpenFile | null)[] = [];
  readonly #buffer = new Uint8Array(MOST);

  constructor(readonly vfs: Vfs, readonly process: () => Process) {}

  /** The answer to `vFile:` and `request`; undefined for one that is not known. */
  answer(request: string): string | undefined {
    const at = request.indexOf(":");
    const parameters = request.slice(at + 1).split(",");
    const numbers = parameters.map((text) => parseInt(text, 16));
    switch (request.slice(0, at)) {
      case "setfs":
        return "F0";
      case "open":
        return this.#opened(decodeName(fromHex(parameters[0])), numbers[1]);
      case "close":
        return this.#with(numbers[0], (file) => {
          file.release();
          this.#open[numbers[0]] = null;
          return "F0";
        });
      case "pread":
        return this.#with(numbers[0], (file) => {
          const into = this.#buffer.subarray(0, numbers[1]);
          const count = file.readAt(numbers[2], into);
          return count < 0 ? failure(count) : data(into.subarray(0, count));
        });
      case "fstat":
        return this.#with(numbers[0], ({ location }) => data(encodeStat(location)));
      case "readlink": {
        const found = this.#resolve(hexToText(parameters[0]), false);
        if (failed(found)) return failure(found);
        const target = inodeAt(found).readlink();
        return failed(target) ? failure(target) : data(new TextEncoder().encode(target));
      }
      case "pwrite":
      case "unlink":
        return failure(-EROFS);
    }
  }

  #opened(path: string, flags: number): string {
    if ((flags & O_ACCMODE) !== O_RDONLY) return failure(-EROFS);
    const found = this.#resolve(path, true);
    if (failed(found)) return failure(found);
    const inode = inodeAt(found);
    inode.refresh();
    if (!inode.isRegular) return failure(-EINVAL);
    const file = inode.open(O_RDONLY | O_NOATIME, found, { privileged: true });
    if (failed(file)) return failure(file);
    return `F${(this.#open.push(file) - 1).toString(16)}`;
  }

  #resolve(path: string, follow: boolean): Location | number {
    const { root } = this.process().fs.value as FsContext;
    const task = this.vfs.task(new FsContext(root, root), { uid: 0, gid: 0 });
    return this.vfs.resolve(task, root, path, follow);
  }

  #with(fd: number, work: (file: OpenFile) => string): string {
    const file = this.#open[fd];
    return file ? work(file) : failure(-EBADF);
  }
}

function failure(error: number): string {
  const number = KNOWN_ERRORS.includes(-error) ? -error : UNKNOWN_ERROR;
  return `F-1,${number.toString(16)}`;
}

function data(bytes: Uint8Array): string {
  return `F${bytes.length.toString(16)};${toText(bytes)}`;
}

function encodeStat(location: Location): Uint8Array {
  const s = stat(inodeAt(location));
  const bytes = new Uint8Array(STAT_SIZE);
  const view = new DataView(bytes.buffer);
  [s.device, s.ino, s.mode, s.nlink, s.uid, s.gid, s.rdev].forEach((value, i) =>
    view.setUint32(4 * i, value)
  );
  [s.size, s.blockSize, s.blocks].forEach((value, i) =>
    view.setBigUint64(28 + 8 * i, BigInt(value))
  );
  [s.atime, s.mtime, s.ctime].forEach(({ seconds }, i) => view.setUint32(52 + 4 * i, seconds));
  return bytes;
}
