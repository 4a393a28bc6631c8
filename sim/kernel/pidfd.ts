/** Process file descriptors (pidfd_open(2)): readable once the process has ended. */
import { POLLIN, POLLRDNORM } from "./fs/constants.ts";
import type { Location } from "./fs/dentry.ts";
import type { Inode } from "./fs/inode.ts";
import { OpenFile } from "./fs/open_file.ts";
import type { Process } from "./process.ts";
import type { WaitQueue } from "./wait_queue.ts";

export class ProcessFile extends OpenFile {
  constructor(inode: Inode, location: Location, flags: number, readonly process: Process) {
    super(inode, location, flags);
  }

  override poll(): number {
    return this.process.exitStatus === null ? 0 : POLLIN | POLLRDNORM;
  }
  override get pollable(): boolean {
    return true;
  }
  override waitQueues(): readonly WaitQueue[] {
    return [this.process.exited];
  }
  override get information(): string {
    return `Pid:\t${this.process.pid}\n`;
  }
}
