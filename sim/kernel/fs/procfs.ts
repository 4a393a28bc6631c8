/** procfs: `/proc`, and the mounting of all that shows the kernel's state. */
import { ENOENT } from "../errno.ts";
import type { Kernel } from "../kernel.ts";
import { PROC_MAGIC } from "./file_system.ts";
import type { Inode } from "./inode.ts";
import { ProcessDirectories } from "./proc_process.ts";
import { systemEntries } from "./proc_system.ts";
import { SyntheticDirectory, SyntheticFs } from "./synthetic.ts";
import { SysFs } from "./sysfs.ts";
import type { Vfs } from "./vfs.ts";

/** `uname -v` as `/proc/version` repeats it. */
const VERSION = "#1 SMP PREEMPT_DYNAMIC Isthmus";

export class ProcFs extends SyntheticFs {
  override readonly type: string = "proc";
  override readonly magic: number = PROC_MAGIC;
  override readonly root: Inode;

  constructor(kernel: Kernel, vfs: Vfs) {
    super(vfs.now);
    const directories = new ProcessDirectories(this, kernel, vfs);
    this.root = new SyntheticDirectory(this, systemEntries(this, kernel, VERSION), {
      dynamic: {
        names: () => [...kernel.processes.keys()].map(String),
        find: (name) => {
          if (!/^[1-9]\d*$/.test(name)) return -ENOENT;
          // A thread's id finds its process too, though listings do not show it.
          const id = Number(name);
          const process = kernel.processes.get(id) ?? kernel.threads.get(id)?.process;
          return process === undefined ? -ENOENT : directories.of(process);
        },
      },
    });
  }
}

/** Mount what shows the kernel's state, and let terminals reach it; after the kernel is made. */
export function mountKernelFiles(vfs: Vfs, kernel: Kernel): void {
  vfs.kernelLink.kernel = kernel;
  vfs.mount(new ProcFs(kernel, vfs), "/proc", { source: "proc" });
  vfs.mount(new SysFs(kernel, vfs), "/sys", { source: "sysfs" });
  vfs.mount(vfs.pseudoTerminals, "/dev/pts", { source: "devpts" });
}
