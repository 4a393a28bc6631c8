/** procfs: `/proc` and, beside it, the part of `/sys` that programs ask about. */
import { ENOENT } from "../errno.ts";
import type { Kernel } from "../kernel.ts";
import { PROC_MAGIC, SYSFS_MAGIC } from "./file_system.ts";
import type { Inode } from "./inode.ts";
import { ProcessDirectories } from "./proc_process.ts";
import { systemEntries, textTree } from "./proc_system.ts";
import { SyntheticDirectory, SyntheticFs } from "./synthetic.ts";
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
    this.root = new SyntheticDirectory(this, systemEntries(this, kernel, vfs.network, VERSION), {
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

export class SysFs extends SyntheticFs {
  override readonly type: string = "sysfs";
  override readonly magic: number = SYSFS_MAGIC;
  override readonly root: Inode;

  constructor(kernel: Kernel, vfs: Vfs) {
    super(vfs.now);
    const { granule, pools } = kernel.memory;
    const cpus = kernel.cpus === 1 ? "0\n" : `0-${kernel.cpus - 1}\n`;
    const policy = (): string =>
      ["always", "madvise", "never"]
        .map((name) => name === kernel.memory.thp ? `[${name}]` : name).join(" ") + "\n";
    const cpu: Record<string, string> = {};
    for (let i = 0; i < kernel.cpus; i++) cpu[`cpu${i}`] = "1\n";
    this.root = new SyntheticDirectory(
      this,
      textTree(this, {
        devices: {
          system: {
            cpu: {
              online: cpus,
              possible: cpus,
              present: cpus,
              offline: "\n",
              kernel_max: "8191\n",
              ...Object.fromEntries(
                Object.entries(cpu).map(([name, online]) => [name, {
                  online,
                  topology: {
                    core_id: name.slice(3) + "\n",
                    physical_package_id: "0\n",
                    thread_siblings_list: name.slice(3) + "\n",
                  },
                }]),
              ),
            },
            node: { online: "0\n", possible: "0\n", node0: { cpulist: cpus } },
          },
        },
        kernel: {
          mm: {
            transparent_hugepage: {
              enabled: policy,
              defrag: "always defer defer+madvise [madvise] never\n",
              hpage_pmd_size: `${granule.hugeSize}\n`,
              shmem_enabled: "always within_size advise [never] deny force\n",
              use_zero_page: "1\n",
            },
            hugepages: Object.fromEntries(
              [...pools.values()].sort((a, b) => a.shift - b.shift).map((pool) => [
                `hugepages-${2 ** pool.shift / 1024}kB`,
                {
                  nr_hugepages: () => `${pool.total}\n`,
                  free_hugepages: () => `${pool.available}\n`,
                },
              ]),
            ),
          },
        },
        class: { net: {} },
        fs: { cgroup: {} },
      }),
    );
  }
}

/** Mount what shows the kernel's state, and let terminals reach it; after the kernel is made. */
export function mountKernelFiles(vfs: Vfs, kernel: Kernel): void {
  vfs.kernelLink.kernel = kernel;
  vfs.mount(new ProcFs(kernel, vfs), "/proc", { source: "proc" });
  vfs.mount(new SysFs(kernel, vfs), "/sys", { source: "sysfs" });
  vfs.mount(vfs.pseudoTerminals, "/dev/pts", { source: "devpts" });
}
