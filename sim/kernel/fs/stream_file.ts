/** Standard streams as open files: a pipe to the world, or a terminal. */
import { EBADF, ENOTTY } from "../errno.ts";
import { SIGTTIN } from "../signal_numbers.ts";
import { S_IFCHR, S_IFIFO } from "./constants.ts";
import type { Location } from "./dentry.ts";
import type { FileSystem } from "./file_system.ts";
import { EPOCH } from "./file_system.ts";
import { hostErrno } from "./host_errno.ts";
import { type AttributeChange, Inode, type Opener } from "./inode.ts";
import type { OpenFile, UserMemory } from "./open_file.ts";
import type { StandardStreams } from "./streams.ts";
import type { HostTerminal } from "./tty/host_terminal.ts";
import { TerminalFile } from "./tty/tty.ts";

export type StreamName = "stdin" | "stdout" | "stderr";

/** One standard stream. Opening it again (`/dev/stdin`) gives another description of the same. */
export class StreamInode extends Inode {
  constructor(
    fileSystem: FileSystem,
    ino: number,
    readonly streams: StandardStreams,
    readonly stream: StreamName,
    owner: { uid: number; gid: number },
    readonly terminal: HostTerminal | null,
  ) {
    const mode = terminal ? S_IFCHR | 0o620 : S_IFIFO | 0o600;
    super(fileSystem, ino, { mode, ...owner, rdev: terminal?.device ?? 0 }, EPOCH);
  }

  override setAttributes(change: AttributeChange): number {
    if (change.mode !== undefined) this.mode = this.type | (change.mode & 0o7777);
    return 0;
  }

  override open(flags: number, location: Location, _opener: Opener): OpenFile | number {
    return new StreamFile(this, location, flags);
  }
}

export class StreamFile extends TerminalFile {
  constructor(readonly source: StreamInode, location: Location, flags: number) {
    super(source, location, flags);
  }

  override get terminal(): HostTerminal | null {
    return this.source.terminal;
  }

  override read(into: Uint8Array): number {
    const { streams, stream, terminal } = this.source;
    if (!this.readable) return -EBADF;
    // Every stream of a terminal reads the terminal; an output pipe has nothing to read.
    if (stream !== "stdin" && terminal === null) return -EBADF;
    const refused = terminal?.check(SIGTTIN) ?? 0;
    if (refused < 0) return refused;
    try {
      return streams.stdin.read(into);
    } catch (error) {
      return hostErrno(error);
    }
  }

  override write(from: Uint8Array): number {
    const { streams, stream, terminal } = this.source;
    if (!this.writable) return -EBADF;
    if (stream === "stdin" && terminal === null) return -EBADF;
    const refused = terminal?.checkWrite() ?? 0;
    if (refused < 0) return refused;
    try {
      streams[stream === "stderr" ? "stderr" : "stdout"].write(from);
      return from.length;
    } catch (error) {
      return hostErrno(error);
    }
  }

  override get pollable(): boolean {
    return true;
  }

  override ioctl(request: number, argument: number, memory: UserMemory): number {
    return this.source.terminal?.ioctl(request, argument, memory) ?? -ENOTTY;
  }
}
