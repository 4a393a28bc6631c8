/** `/proc` beyond the processes: the machine's facts and `/proc/sys` (proc(5)). */
import type { Arch } from "../../arch.ts";
import { CORE_PATTERN } from "../core_pattern.ts";
import { ENOENT } from "../errno.ts";
import type { Kernel } from "../kernel.ts";
import { FIRST_EPHEMERAL, LAST_EPHEMERAL } from "../net/port_table.ts";
import type { Inode } from "./inode.ts";
import { IPC_LIMITS, ipcTexts, QUEUE_LIMITS } from "./proc_ipc.ts";
import { SyntheticDirectory, SyntheticFile, type SyntheticFs, SyntheticLink } from "./synthetic.ts";

/** A symbolic link in a tree of text files. */
export class TextLink {
  constructor(readonly target: string) {}
}

/** A tree of text files: a function is a file, an object a directory. */
export interface TextTree {
  readonly [name: string]: string | (() => string) | TextLink | TextTree;
}

/** Inodes of a tree of texts. */
export function textTree(fs: SyntheticFs, tree: TextTree): Record<string, () => Inode> {
  const entries: Record<string, () => Inode> = {};
  for (const [name, node] of Object.entries(tree)) {
    if (node instanceof TextLink) {
      entries[name] = () => new SyntheticLink(fs, () => node.target);
      continue;
    }
    entries[name] = typeof node === "object"
      ? () => new SyntheticDirectory(fs, textTree(fs, node))
      : () => new SyntheticFile(fs, typeof node === "string" ? () => node : node);
  }
  return entries;
}

/** Names of the HWCAP bits of aarch64, from bit 0 (arch/arm64/kernel/cpuinfo.c). */
const AARCH64_FEATURES =
  ("fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm jscvt fcma " +
    "lrcpc dcpop sha3 sm3 sm4 asimddp sha512 sve asimdfhm dit uscat ilrcpc flagm ssbs sb paca pacg")
    .split(" ");
/** The same of HWCAP2. */
const AARCH64_FEATURES2 =
  ("dcpodp sve2 sveaes svepmull svebitperm svesha3 svesm4 flagm2 frint svei8mm svef32mm svef64mm " +
    "svebf16 i8mm bf16 dgh rng bti").split(" ");

function cpuInfo(kernel: Kernel, arch: Arch): string {
  let text = "";
  const { identity } = kernel;
  for (let cpu = 0; cpu < kernel.cpus; cpu++) {
    const rows: [string, string | number][] = arch === "x86_64"
      ? [
        ["processor\t", cpu],
        ["vendor_id\t", "GenuineIntel"],
        ["cpu family\t", identity?.family ?? 6],
        ["model\t\t", identity?.model ?? 0],
        ["model name\t", identity?.name ?? "Isthmus"],
        ["stepping\t", identity?.stepping ?? 0],
        ["cpu MHz\t\t", "1000.000"],
        ["cache size\t", "8192 KB"], // the last level that CPUID leaf 4 tells of
        ["physical id\t", 0],
        ["siblings\t", kernel.cpus],
        ["core id\t\t", cpu],
        ["cpu cores\t", kernel.cpus],
        ["fpu\t\t", "yes"],
        ["flags\t\t", identity?.flags ?? ""],
        ["bogomips\t", "2000.00"],
        ["clflush size\t", 64],
        ["cache_alignment\t", 64],
        ["address sizes\t", "40 bits physical, 48 bits virtual"],
      ]
      : [
        ["processor\t", cpu],
        ["BogoMIPS\t", "2000.00"],
        ["Features\t", featureNames(kernel)],
        ["CPU implementer\t", hexadecimal(kernel.midr >>> 24, 2)],
        ["CPU architecture", 8],
        ["CPU variant\t", hexadecimal((kernel.midr >>> 20) & 15, 1)],
        ["CPU part\t", hexadecimal((kernel.midr >>> 4) & 0xfff, 3)],
        ["CPU revision\t", kernel.midr & 15],
      ];
    text += rows.map(([name, value]) => `${name}: ${value}\n`).join("") + "\n";
  }
  return text;
}

const hexadecimal = (n: number, digits: number): string =>
  `0x${n.toString(16).padStart(digits, "0")}`;

function featureNames({ hwcap, hwcap2 }: Kernel): string {
  const named = (names: readonly string[], word: number): string[] =>
    names.filter((_, bit) => Math.floor(word / 2 ** bit) % 2 === 1);
  return [...named(AARCH64_FEATURES, hwcap), ...named(AARCH64_FEATURES2, hwcap2)].join(" ");
}

function memInfo(kernel: Kernel): string {
  const { frames, granule, pools } = kernel.memory;
  const free = frames.count - frames.inUse;
  const page = granule.size / 1024;
  const huge = pools.get(granule.hugeShift);
  const rows: [string, number][] = [
    ["MemTotal", frames.count * page],
    ["MemFree", free * page],
    ["MemAvailable", free * page],
    ["Buffers", 0],
    ["Cached", 0],
    ["SwapCached", 0],
    ["Active", frames.inUse * page],
    ["Inactive", 0],
    ["SwapTotal", 0],
    ["SwapFree", 0],
    ["Dirty", 0],
    ["Writeback", 0],
    ["AnonPages", frames.inUse * page],
    ["Mapped", 0],
    ["Shmem", 0],
    ["CommitLimit", frames.count * page / 2],
    ["Committed_AS", frames.inUse * page],
    ["VmallocTotal", 34359738367],
    ["VmallocUsed", 0],
  ];
  return rows.map(([name, value]) => `${name}:`.padEnd(16) + `${String(value).padStart(8)} kB\n`)
    .join("") +
    `HugePages_Total: ${String(huge?.total ?? 0).padStart(7)}\n` +
    `HugePages_Free:  ${String(huge?.available ?? 0).padStart(7)}\n` +
    `HugePages_Rsvd:  ${String(huge?.reserved ?? 0).padStart(7)}\n` +
    `HugePages_Surp:  ${"0".padStart(7)}\n` +
    `Hugepagesize:    ${String(granule.hugeSize / 1024).padStart(7)} kB\n`;
}

function statText(kernel: Kernel): string {
  const ticks = Math.floor(kernel.nanoseconds(kernel.instructions) / 1e7);
  const uptime = Math.floor(kernel.clock.now / 1e7);
  const line = `${ticks} 0 0 ${Math.max(0, uptime - ticks)} 0 0 0 0 0 0\n`;
  const running = [...kernel.threads.values()].filter((t) => t.status === "runnable").length;
  return `cpu  ${line}cpu0 ${line}intr 0\nctxt ${kernel.counters.contextSwitches}\n` +
    `btime ${kernel.clock.epochSeconds}\nprocesses ${kernel.counters.processes}\n` +
    `procs_running ${running}\nprocs_blocked 0\n`;
}

function uptime(kernel: Kernel): string {
  const seconds = (kernel.clock.now / 1e9).toFixed(2);
  return `${seconds} ${seconds}\n`;
}

function loadAverage(kernel: Kernel): string {
  const last = Math.max(0, ...kernel.threads.keys());
  return `0.00 0.00 0.00 1/${kernel.threads.size} ${last}\n`;
}

const FILE_SYSTEMS = ["sysfs", "tmpfs", "proc", "devtmpfs", "pipefs", "sockfs", "overlay", "mqueue"]
  .map((name) => `nodev\t${name}\n`).join("") + "\text4\n";

/** A random UUID from the machine's seed. */
function uuid(kernel: Kernel): string {
  const bytes = new Uint8Array(16);
  kernel.random.fill(bytes);
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  return bytes.toHex().replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-") + "\n";
}

/** `/proc/sys/net/ipv6/conf`: of each interface. */
const IPV6: TextTree = { disable_ipv6: "0\n" };

/** The fixed part of `/proc`. `version` is that of uname -v. */
export function systemEntries(
  fs: SyntheticFs,
  kernel: Kernel,
  version: string,
): Record<string, () => Inode> {
  const { arch } = kernel.abi;
  let bootId = "";
  const { granule, pools } = kernel.memory;
  const tree: TextTree = {
    cmdline: "isthmus\n",
    cpuinfo: () => cpuInfo(kernel, arch),
    devices: "Character devices:\n  1 mem\n  5 /dev/tty\n136 pts\n\nBlock devices:\n",
    filesystems: FILE_SYSTEMS,
    loadavg: () => loadAverage(kernel),
    meminfo: () => memInfo(kernel),
    stat: () => statText(kernel),
    swaps: "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n",
    uptime: () => uptime(kernel),
    version: () => `Linux version ${kernel.release} (isthmus@isthmus) ${version}\n`,
    vmstat: () => `nr_free_pages ${kernel.memory.frames.count - kernel.memory.frames.inUse}\n`,
    sysvipc: ipcTexts(kernel.ipc, granule.size),
    sys: {
      fs: {
        "aio-max-nr": `${kernel.aio.most}\n`,
        "aio-nr": () => `${kernel.aio.used}\n`,
        "file-max": "9223372036854775807\n",
        "file-nr": "64\t0\t9223372036854775807\n",
        "nr_open": "1048576\n",
        "pipe-max-size": "1048576\n",
        "protected_hardlinks": "1\n",
        "protected_symlinks": "1\n",
        mqueue: QUEUE_LIMITS,
        inotify: {
          max_queued_events: "16384\n",
          max_user_instances: "128\n",
          max_user_watches: "65536\n",
        },
      },
      kernel: {
        arch: () => `${kernel.abi.machine}\n`,
        cap_last_cap: "40\n",
        core_pattern: `${CORE_PATTERN}\n`,
        domainname: "(none)\n",
        hostname: () => `${kernel.hostname}\n`,
        ngroups_max: "65536\n",
        osrelease: () => `${kernel.release}\n`,
        ostype: "Linux\n",
        overflowgid: "65534\n",
        overflowuid: "65534\n",
        perf_event_paranoid: "3\n",
        pid_max: "4194304\n",
        randomize_va_space: "0\n",
        sched_child_runs_first: "0\n",
        ...IPC_LIMITS,
        "threads-max": "30000\n",
        version: () => `${version}\n`,
        random: {
          boot_id: () => bootId ||= uuid(kernel),
          entropy_avail: "256\n",
          poolsize: "256\n",
          uuid: () => uuid(kernel),
        },
      },
      net: {
        core: { somaxconn: "4096\n", rmem_default: "212992\n", wmem_default: "212992\n" },
        ipv4: {
          ip_local_port_range: `${FIRST_EPHEMERAL}\t${LAST_EPHEMERAL}\n`,
          ip_unprivileged_port_start: "0\n",
          tcp_fin_timeout: "60\n",
        },
        ipv6: { bindv6only: "0\n", conf: { all: IPV6, default: IPV6, lo: IPV6 } },
        unix: { max_dgram_qlen: "512\n" },
      },
      vm: {
        max_map_count: "65530\n",
        mmap_min_addr: "65536\n",
        nr_hugepages: () => `${pools.get(granule.hugeShift)?.total ?? 0}\n`,
        overcommit_memory: "0\n",
        overcommit_ratio: "50\n",
        swappiness: "60\n",
      },
    },
  };
  return {
    ...textTree(fs, tree),
    mounts: () => new SyntheticLink(fs, () => "self/mounts"),
    net: () => new SyntheticLink(fs, () => "self/net"),
    self: () => new SyntheticLink(fs, () => callerName(kernel)),
    "thread-self": () =>
      new SyntheticLink(fs, () => {
        const thread = kernel.current;
        return thread === null ? -ENOENT : `${thread.process.pid}/task/${thread.tid}`;
      }),
  };
}

/** Where `/proc/self` leads: the process whose call is under way. */
function callerName(kernel: Kernel): string | number {
  return kernel.current === null ? -ENOENT : String(kernel.current.process.pid);
}
