/** sysfs: the part of `/sys` that programs ask about. */
import type { Kernel } from "../kernel.ts";
import { IFF_RUNNING, LO } from "../net/interfaces.ts";
import { SYSFS_MAGIC } from "./file_system.ts";
import type { Inode } from "./inode.ts";
import { TextLink, type TextTree, textTree } from "./proc_system.ts";
import { SyntheticDirectory, SyntheticFs } from "./synthetic.ts";
import type { Vfs } from "./vfs.ts";

/** Processors `first` to `last` as a list of ranges. */
const range = (first: number, last: number): string =>
  first === last ? `${first}\n` : `${first}-${last}\n`;
/** The same as a mask of bits. */
const mask = (first: number, last: number): string =>
  `${(2 ** (last + 1) - 2 ** first).toString(16)}\n`;

/** One package of single-threaded cores (Documentation/ABI/stable/sysfs-devices-system-cpu). */
function processorFiles(count: number): TextTree {
  const last = count - 1;
  const files: Record<string, string | TextTree> = {
    isolated: "\n",
    kernel_max: "8191\n",
    offline: "\n",
    online: range(0, last),
    possible: range(0, last),
    present: range(0, last),
    smt: { active: "0\n", control: "notsupported\n" },
  };
  for (let i = 0; i < count; i++) {
    const topology: Record<string, string> = {
      core_id: `${i}\n`,
      die_id: "0\n",
      physical_package_id: "0\n",
    };
    for (const group of ["thread_siblings", "core_cpus"]) {
      topology[group] = mask(i, i);
      topology[`${group}_list`] = range(i, i);
    }
    for (const group of ["core_siblings", "die_cpus", "package_cpus"]) {
      topology[group] = mask(0, last);
      topology[`${group}_list`] = range(0, last);
    }
    files[`cpu${i}`] = { online: "1\n", topology };
  }
  return files;
}

/** The one memory node (Documentation/ABI/stable/sysfs-devices-node). */
function nodeFiles(kernel: Kernel): TextTree {
  const last = kernel.cpus - 1;
  const memory = (): string => {
    const { frames, granule } = kernel.memory;
    const page = granule.size / 1024;
    const rows: [string, number][] = [
      ["MemTotal:", frames.count],
      ["MemFree:", frames.count - frames.inUse],
      ["MemUsed:", frames.inUse],
    ];
    return rows.map(([name, count]) =>
      `Node 0 ${name.padEnd(10)}${String(count * page).padStart(13)} kB\n`
    ).join("");
  };
  return {
    has_cpu: "0\n",
    has_memory: "0\n",
    has_normal_memory: "0\n",
    online: "0\n",
    possible: "0\n",
    node0: {
      cpulist: range(0, last),
      cpumap: mask(0, last),
      distance: "10\n",
      meminfo: memory,
      ...Object.fromEntries(
        Array.from(
          { length: kernel.cpus },
          (_, i) => [`cpu${i}`, new TextLink(`../../cpu/cpu${i}`)],
        ),
      ),
    },
  };
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
    const policy = (): string =>
      ["always", "madvise", "never"]
        .map((name) => name === kernel.memory.thp ? `[${name}]` : name).join(" ") + "\n";
    this.root = new SyntheticDirectory(
      this,
      textTree(this, {
        devices: {
          virtual: { net: { [LO.name]: interfaceFiles() } },
          system: {
            cpu: processorFiles(kernel.cpus),
            node: nodeFiles(kernel),
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
