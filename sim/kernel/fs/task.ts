/** On whose behalf a file operation happens. */
import type { Location } from "./dentry.ts";
import type { Opener } from "./inode.ts";
import type { Credentials } from "./permission.ts";

/** Current directory, root directory and umask: shared by CLONE_FS, copied by fork. */
export class FsContext {
  constructor(public root: Location, public cwd: Location, public umask: number = 0o022) {}

  fork(): FsContext {
    return new FsContext(this.root, this.cwd, this.umask);
  }
}

export interface Task {
  readonly fs: FsContext;
  readonly credentials: Credentials;
  /** Process and thread, for files that look different to each (procfs, /dev/tty). */
  readonly opener: Opener;
}
