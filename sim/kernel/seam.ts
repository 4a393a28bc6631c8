/**
 * What the process side of the kernel asks of the file side (`fs/` implements these; its own
 * classes have more).
 */
import type { MapSource } from "../memory/vma.ts";
import type { ControllingTerminal } from "./job_control.ts";

/** A descriptor table: shared by CLONE_FILES, copied by fork, pruned by execve. */
export interface Descriptors {
  /** A copy whose descriptors share open file descriptions with this one (fork). */
  fork(): Descriptors;
  /** Close what is marked close-on-exec. */
  closeOnExec(): void;
  /** Close everything: the last user of the table has exited. */
  release(): void;
  /**
   * The file behind `fd` as mmap wants it, or -errno (-EBADF, -ENODEV for what cannot be mapped,
   * -EACCES when `write` shared mapping of a file not open for writing, or not open for reading).
   */
  mappable(fd: number, shared: boolean, write: boolean): MapSource | number;
}

/** Current directory, root directory and umask: shared by CLONE_FS, copied by fork. */
export interface FsContext {
  fork(): FsContext;
  umask: number;
}

/** A file opened for execution. */
export interface Executable {
  /** Absolute guest path with symbolic links followed: what `/proc/self/exe` shows. */
  readonly path: string;
  readonly size: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Backing for mmap of its segments; shares the page cache with every other opening. */
  readonly backing: MapSource;
  /** Read up to `into.length` bytes at `offset`; returns how many were there. */
  read(offset: number, into: Uint8Array): number;
  /** Close it again: a script, once its first line is known. */
  close(): void;
}

/** The ids that file access is checked against. */
export interface AccessCredentials {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
}

/** A terminal at which somebody outside the machine sits. */
export interface AttendedTerminal extends ControllingTerminal {
  /** Between turns: take in what was typed. Answers null, or what the machine stands still for. */
  attend(): Promise<void> | null;
  /**
   * Every thread sleeps, for `nanoseconds` if nothing is typed (Infinity if nothing else can wake one). Answers
   * how many have passed when the machine is to look again; null if nobody sits there.
   */
  idle(nanoseconds: number): Promise<number> | null;
}

/** The file systems as execve and the kernel's start-up use them. */
export interface Vfs {
  /**
   * Resolve and check `path` for execution, relative to `directory` (a descriptor of
   * `descriptors`, or AT_FDCWD = -100). `flags` are execveat's (AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW).
   * -ENOENT, -EACCES (not a regular file, no x bit), -ELOOP…
   */
  openExecutable(
    fs: FsContext,
    descriptors: Descriptors,
    directory: number,
    path: string,
    flags: number,
    credentials: AccessCredentials,
  ): Executable | number;
  /** A context at `cwd` (absolute guest path), root at `/`, umask 022; or -errno. */
  context(cwd: string): FsContext | number;
  /** A table with 0, 1, 2 open on the machine's standard streams. */
  standardDescriptors(): Descriptors;
  /** The terminal of the first session; null if the standard streams are none. */
  readonly terminal: AttendedTerminal | null;
}
