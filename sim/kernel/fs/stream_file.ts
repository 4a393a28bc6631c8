/** Standard streams as open files: pipes to the world. */
import { EBADF } from "../errno.ts";
import { S_IFIFO } from "./constants.ts";
import type { Location } from "./dentry.ts";
import type { FileSystem } from "./file_system.ts";
import { EPOCH } from "./file_system.ts";
import { hostErrno } from "./host_errno.ts";
import { type AttributeChange, Inode, type Opener } from "./inode.ts";
import { OpenFile } from "./open_file.ts";
import type { StandardStreams } from "./streams.ts";

export type StreamName = "stdin" | "stdout" | "stderr";

/** One standard stream. Opening it again (`/dev/stdin`) gives another description of the same. */
export class StreamInode extends Inode {
  constructor(
    fileSystem: FileSystem,
    ino: number,
    readonly streams: StandardStreams,
    readonly stream: StreamName,
    owner: { uid: number; gid: number },
  ) {
    super(fileSystem, ino, { mode: S_IFIFO | 0o600, ...owner }, EPOCH);
  }

  override setAttributes(change: AttributeChange): number {
    if (change.mode !== undefined) this.mode = this.type | (change.mode & 0o7777);
    return 0;
  }

  override open(flags: number, location: Location, _opener: Opener): StreamFile {
    return new StreamFile(this, location, flags);
  }
}

export class StreamFile extends OpenFile {
  constructor(readonly source: StreamInode, location: Location, flags: number) {
    super(source, location, flags);
  }

  override read(into: Uint8Array): number {
    const { streams, stream } = this.source;
    if (!this.readable || stream !== "stdin") return -EBADF;
    try {
      return streams.stdin.read(into);
    } catch (error) {
      return hostErrno(error);
    }
  }

  override write(from: Uint8Array): number {
    const { streams, stream } = this.source;
    if (!this.writable || stream === "stdin") return -EBADF;
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
}
