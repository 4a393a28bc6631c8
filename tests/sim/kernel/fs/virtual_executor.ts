/** Runs the operations of `operations.ts` through our VFS; results as `real_executor.py` gives them. */
import {
  O_APPEND,
  O_DIRECTORY,
  O_NONBLOCK,
  O_RDONLY,
  O_WRONLY,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
} from "../../../../sim/kernel/fs/constants.ts";
import { chmod, setTimes, stat, truncate } from "../../../../sim/kernel/fs/attributes.ts";
import { inodeAt, type Location, pathOf } from "../../../../sim/kernel/fs/dentry.ts";
import { failed, type Inode } from "../../../../sim/kernel/fs/inode.ts";
import {
  link,
  mkdir,
  mknod,
  rename,
  rmdir,
  symlink,
  unlink,
} from "../../../../sim/kernel/fs/namespace.ts";
import { mayAccess, open } from "../../../../sim/kernel/fs/open.ts";
import { Directory } from "../../../../sim/kernel/fs/regular_file.ts";
import type { Task } from "../../../../sim/kernel/fs/task.ts";
import type { Vfs } from "../../../../sim/kernel/fs/vfs.ts";
import type { Operation } from "./operations.ts";

export type Result = number | string | number[] | (string | boolean)[][];

const ENOENT = 2;
const NOW = { seconds: 0, nanoseconds: 0 };

function described(inode: Inode): number[] {
  const s = stat(inode);
  const size = inode.isDirectory ? 0 : s.size;
  return [s.mode & S_IFMT, s.mode & 0o7777, s.nlink, size, s.uid];
}

export class VirtualExecutor {
  constructor(readonly vfs: Vfs, readonly task: Task, readonly work: string) {}

  attempt(operation: Operation): Result {
    const [name, ...args] = operation.map((argument) =>
      typeof argument === "string" ? argument.replace("{W}", this.work) : argument
    ) as [string, ...(string | number)[]];
    const result = this.#run(name, args);
    return typeof result === "string" ? result.replace(this.work, "{W}") : result;
  }

  #run(name: string, args: (string | number)[]): Result {
    const { task } = this;
    const { cwd } = task.fs;
    const path = String(args[0] ?? "");
    const second = String(args[1] ?? "");
    const number = Number(args[1] ?? 0);
    const third = Number(args[2] ?? 0);
    switch (name) {
      case "open":
        return this.#opened(path, number, (file) => described(file.inode), third);
      case "mkdir":
        return mkdir(task, cwd, path, number);
      case "mkfifo":
        return mknod(task, cwd, path, S_IFIFO | number, 0);
      case "rmdir":
        return rmdir(task, cwd, path);
      case "unlink":
        return unlink(task, cwd, path);
      case "rename":
        return rename(task, cwd, path, cwd, second, third);
      case "link":
        return this.#at(path, third === 1, (from) => link(task, from, cwd, second));
      case "symlink":
        return symlink(task, path, cwd, second);
      case "readlink":
        return this.#at(path, false, (at) => inodeAt(at).readlink());
      case "stat":
      case "lstat":
        return this.#at(path, name === "stat", (at) => described(inodeAt(at)));
      case "truncate":
        return number < 0 ? -22 : this.#at(path, true, (at) => truncate(task, at, number, () => 0));
      case "chmod":
        return this.#at(path, true, (at) => chmod(task, at, number));
      case "access":
        return this.#at(path, true, (at) => number === 0 ? 0 : mayAccess(task, at, number));
      case "list":
        return this.#list(path);
      case "chdir":
        return this.#at(path, true, (at) => {
          if (!inodeAt(at).isDirectory) return -20;
          const denied = mayAccess(task, at, 1);
          if (denied === 0) task.fs.cwd = at;
          return denied;
        });
      case "getcwd": {
        const found = pathOf(cwd, task.fs.root);
        return found === null || found.deleted ? -ENOENT : found.path;
      }
      case "write":
        return this.#opened(
          path,
          O_WRONLY,
          (file) => file.writeAt(number, Uint8Array.from({ length: third }, (_, i) => i * 7 % 251)),
        );
      case "append":
        return this.#opened(
          path,
          O_WRONLY | O_APPEND,
          (file) => file.write(Uint8Array.from({ length: number }, (_, i) => i * 5 % 251)),
        );
      case "read":
        return this.#opened(path, O_RDONLY, (file) => {
          const buffer = new Uint8Array(third);
          const count = file.readAt(number, buffer);
          return count < 0 ? count : buffer.subarray(0, count).toHex();
        });
      case "utime":
        return this.#at(path, true, (at) => {
          const atime = { seconds: number, nanoseconds: 0 };
          const mtime = { seconds: third, nanoseconds: 0 };
          const error = setTimes(task, at, atime, mtime, NOW);
          return error < 0 ? error : [stat(inodeAt(at)).mtime.seconds];
        });
      case "unlock":
        return this.#unlockAll();
      default:
        throw new TypeError(name);
    }
  }

  #at(path: string, follow: boolean, action: (at: Location) => Result): Result {
    const found = this.vfs.resolve(this.task, this.task.fs.cwd, path, follow);
    return failed(found) ? found : action(found);
  }

  #opened(
    path: string,
    flags: number,
    action: (file: import("../../../../sim/kernel/fs/open_file.ts").OpenFile) => Result,
    mode = 0o666,
  ): Result {
    const file = open(this.task, this.task.fs.cwd, path, flags | O_NONBLOCK, mode);
    if (failed(file)) return file;
    file.retain();
    try {
      return action(file);
    } finally {
      file.release();
    }
  }

  #list(path: string): Result {
    return this.#opened(path, O_RDONLY | O_DIRECTORY, (file) => {
      if (!(file instanceof Directory)) return -20;
      const entries = file.remaining();
      if (failed(entries)) return entries;
      return entries.slice(2)
        .map(({ name, type }) =>
          [name, type === S_IFLNK, type === S_IFDIR] as [string, ...boolean[]]
        )
        .sort((a, b) => a[0] < b[0] ? -1 : 1);
    });
  }

  #unlockAll(): Result {
    let path = "";
    for (const name of this.work.split("/").slice(1)) {
      path += "/" + name;
      if (name === "D") this.#at(path, true, (at) => chmod(this.task, at, 0o755));
    }
    const work = this.vfs.resolve(this.task, this.task.fs.cwd, this.work, true);
    return failed(work) ? 0 : this.#unlock(inodeAt(work));
  }

  /** As the script's `os.walk`: a folder it cannot list is passed over, its subfolders too. */
  #unlock(folder: Inode): number {
    if (!folder.isDirectory || (folder.mode & 0o500) !== 0o500) return 0;
    const entries = folder.list();
    if (failed(entries)) return entries;
    const folders = entries.map(({ name }) => folder.lookup(name))
      .filter((inode): inode is Inode => !failed(inode) && inode.isDirectory);
    for (const inode of folders) inode.setAttributes({ mode: 0o755 });
    for (const inode of folders) this.#unlock(inode);
    return 0;
  }
}
