/** procfs: `/proc` and, beside it, the part of `/sys` that programs ask about. */
import { ENOENT } from "../errno.ts";
import type { Kernel } from "../kernel.ts";
import { IFF_RUNNING, LO } from "../net/interfaces.ts";
import { PROC_MAGIC, SYSFS_MAGIC } from "./file_system.ts";
import type { Inode } from "./inode.ts";
import { ProcessDirectories } from "./proc_process.ts";
import { systemEntries, TextLink, type TextTree, textTree } from "./proc_system.ts";
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

/** Files of a network interface (Documentation/ABI/testing/sysfs-class-net). */
function interfaceFiles(): TextTree {
  const address = [...LO.hardware].map((byte) => byte.toString(16).padStart(2, "0")).join(":");
  const counts =
    ("collisions multicast rx_bytes rx_compressed rx_crc_errors rx_dropped rx_errors " +
      "rx_fifo_errors rx_frame_errors rx_length_errors rx_missed_errors rx_nohandler " +
      "rx_over_errors rx_packets tx_aborted_errors tx_bytes tx_carrier_errors tx_compressed " +
      "tx_dropped tx_errors tx_fifo_errors tx_heartbeat_errors tx_packets tx_window_errors")
      .split(" ");
  return {
    addr_assign_type: "0\n",
    addr_len: `${LO.hardware.length}\n`,
    address: `${address}\n`,
    broadcast: `${address}\n`,
    carrier: "1\n",
    dev_id: "0x0\n",
    dev_port: "0\n",
    dormant: "0\n",
    flags: `0x${(LO.flags & ~IFF_RUNNING).toString(16)}\n`, // that it runs is its state, not kept
    ifindex: `${LO.index}\n`,
    iflink: `${LO.index}\n`,
    link_mode: "0\n",
    mtu: `${LO.mtu}\n`,
    name_assign_type: "2\n",
    netdev_group: "0\n",
    operstate: "unknown\n",
    proto_down: "0\n",
    statistics: Object.fromEntries(counts.map((name) => [name, "0\n"])),
    tx_queue_len: `${LO.queueLength}\n`,
    type: `${LO.type}\n`,
    uevent: `INTERFACE=${LO.name}\nIFINDEX=${LO.index}\n`,
  };
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
          virtual: { net: { [LO.name]: interfaceFiles() } },
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
        class: { net: { [LO.name]: new TextLink(`../../devices/virtual/net/${LO.name}`) } },
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
