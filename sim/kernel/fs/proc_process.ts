/** `/proc/PID`: what a process shows of itself (proc(5)). */
import { mapsText, smapsText } from "../../memory/proc_maps.ts";
import { EACCES, ENOENT } from "../errno.ts";
import type { Kernel } from "../kernel.ts";
import type { Limit, Process } from "../process.ts";
import { priorityOf } from "../scheduling.ts";
import type { SigSet } from "../signal_state.ts";
import { SIG_DFL, SIG_IGN } from "../signal_numbers.ts";
import type { Thread } from "../thread.ts";
import { AT_FDCWD } from "./constants.ts";
import type { Location } from "./dentry.ts";
import type { DescriptorTable } from "./descriptor_table.ts";
import { failed, type Inode } from "./inode.ts";
import { netFiles } from "../net/proc_net.ts";
import { textTree } from "./proc_system.ts";
import { mountInfo, mountTable } from "./proc_mounts.ts";
import {
  type Contents,
  type DynamicEntries,
  type Owner,
  SyntheticDirectory,
  SyntheticFile,
  type SyntheticFs,
  SyntheticLink,
} from "./synthetic.ts";
import { FsContext } from "./task.ts";
import type { Vfs } from "./vfs.ts";

type Entries = Record<string, () => Inode>;

/** Makes the directories of processes and threads. */
export class ProcessDirectories {
  readonly #directories: WeakMap<Process | Thread, SyntheticDirectory> = new WeakMap();

  constructor(readonly fs: SyntheticFs, readonly kernel: Kernel, readonly vfs: Vfs) {}

  /** The directory of `process`, the same one each time. */
  of(process: Process): SyntheticDirectory {
    return this.#once(process, () => {
      const owner = ownerOf(process);
      const task = (): Inode =>
        new SyntheticDirectory(this.fs, {}, { owner, dynamic: this.#threads(process) });
      const leader = () => process.leader ?? null;
      return new SyntheticDirectory(
        this.fs,
        { ...this.#entries(process, leader, owner), task },
        { owner },
      );
    });
  }

  #once(key: Process | Thread, make: () => SyntheticDirectory): SyntheticDirectory {
    let directory = this.#directories.get(key);
    if (directory === undefined) this.#directories.set(key, directory = make());
    return directory;
  }

  #threads(process: Process): DynamicEntries {
    return {
      names: () => [...process.threads].map((thread) => String(thread.tid)),
      find: (name) => {
        for (const thread of process.threads) {
          if (String(thread.tid) !== name) continue;
          const owner = ownerOf(process);
          return this.#once(
            thread,
            () =>
              new SyntheticDirectory(this.fs, this.#entries(process, () => thread, owner), {
                owner,
              }),
          );
        }
        return -ENOENT;
      },
    };
  }

  /** What a process's and a thread's directory have alike. */
  #entries(process: Process, thread: () => Thread | null, owner: Owner): Entries {
    const { fs, kernel, vfs } = this;
    const text = (contents: Contents, mode = 0o444) => () =>
      new SyntheticFile(fs, contents, { mode, owner });
    const link = (where: () => Location | number) => () =>
      new SyntheticLink(fs, () => this.#name(where()), { where, owner });
    const space = () => process.space.value;
    const context = () => process.fs.value as FsContext;
    const table = () => process.descriptors.value as DescriptorTable;
    const alive = (contents: Contents): Contents => () =>
      process.exitStatus === null ? contents() : "";
    const areas = (range: () => { start: number; end: number }): Contents =>
      alive(() => {
        const { start, end } = range();
        const bytes = new Uint8Array(Math.max(0, end - start));
        return space().copyIn(start, bytes) < 0 ? "" : bytes;
      });
    return {
      auxv: text(alive(() => process.auxv), 0o400),
      cgroup: text(() => "0::/\n"),
      cmdline: text(areas(() => process.arguments)),
      comm: () =>
        new SyntheticFile(fs, () => (thread()?.name ?? process.name) + "\n", {
          mode: 0o644,
          owner,
          store: (name) => {
            const target = thread();
            if (target) target.name = name.replace(/\n$/, "").slice(0, 15);
            return 0;
          },
        }),
      coredump_filter: text(() => "00000033\n", 0o644),
      cwd: link(() => context().cwd),
      environ: text(areas(() => process.environment), 0o400),
      exe: link(() => this.#executable(process)),
      fd: () =>
        new SyntheticDirectory(fs, {}, {
          owner,
          mode: 0o500,
          dynamic: this.#descriptors(table, owner),
        }),
      fdinfo: () =>
        new SyntheticDirectory(fs, {}, {
          owner,
          mode: 0o500,
          dynamic: this.#descriptorInformation(table, owner),
        }),
      gid_map: text(() => IDENTITY_MAP),
      io: text(() => IO_TEXT, 0o400),
      net: () => new SyntheticDirectory(fs, textTree(fs, netFiles(vfs.network))),
      limits: text(() => limitsText(process.limits)),
      loginuid: text(() => "4294967295"),
      maps: text(alive(() => mapsText(space()))),
      mem: text(() => -EACCES, 0o600),
      mountinfo: text(() => mountInfo(vfs, context().root)),
      mounts: text(() => mountTable(vfs, context().root)),
      oom_score: text(() => "0\n"),
      oom_score_adj: () =>
        new SyntheticFile(fs, () => "0\n", { mode: 0o644, owner, store: () => 0 }),
      personality: text(() => process.personality.toString(16).padStart(8, "0") + "\n", 0o400),
      root: link(() => context().root),
      sessionid: text(() => "4294967295"),
      setgroups: text(() => "allow\n"),
      smaps: text(alive(() => smapsText(space()))),
      smaps_rollup: text(alive(() => rollUp(smapsText(space())))),
      stat: text(() => statText(kernel, process, thread())),
      statm: text(() => statmText(process)),
      status: text(() => statusText(process, thread())),
      uid_map: text(() => IDENTITY_MAP),
      wchan: text(() => "0"),
    };
  }

  #name(where: Location | number): string | number {
    return failed(where) ? where : this.vfs.pathName(where);
  }

  /** The program's file, found by the path it was run by. */
  #executable(process: Process): Location | number {
    if (process.executable === "" || process.exitStatus !== null) return -ENOENT;
    const root = this.vfs.root;
    const task = this.vfs.task(new FsContext(root, root), { uid: 0, gid: 0 });
    return this.vfs.resolve(task, root, process.executable, true);
  }

  #descriptors(table: () => DescriptorTable, owner: Owner): DynamicEntries {
    return {
      names: () => [...table().entries()].map(([fd]) => String(fd)),
      find: (name) => {
        const file = table().get(descriptorNumber(name));
        if (file === null) return -ENOENT;
        const mode = (file.readable ? 0o500 : 0) | (file.writable ? 0o300 : 0) | 0o100;
        return new SyntheticLink(this.fs, () => this.vfs.pathName(file.location), {
          where: () => file.location,
          mode,
          owner,
        });
      },
    };
  }

  #descriptorInformation(table: () => DescriptorTable, owner: Owner): DynamicEntries {
    return {
      names: () => [...table().entries()].map(([fd]) => String(fd)),
      find: (name) => {
        const fd = descriptorNumber(name);
        const file = table().get(fd);
        if (file === null) return -ENOENT;
        const closes = table().closesOnExec(fd) ? 0o2000000 : 0;
        const contents = () =>
          `pos:\t${file.offset}\nflags:\t0${(file.flags | closes).toString(8)}\n` +
          `mnt_id:\t${Math.max(0, file.location.mount.id)}\nino:\t${file.inode.ino}\n` +
          file.information;
        return new SyntheticFile(this.fs, contents, { mode: 0o400, owner });
      },
    };
  }
}

/** A descriptor's number from its name, AT_FDCWD (nobody's) for anything else. */
function descriptorNumber(name: string): number {
  return /^(0|[1-9]\d*)$/.test(name) ? Number(name) : AT_FDCWD;
}

function ownerOf(process: Process): Owner {
  return () => ({ uid: process.credentials.euid, gid: process.credentials.egid });
}

const IDENTITY_MAP = `${"0".padStart(10)} ${"0".padStart(10)} ${"4294967295".padStart(10)}\n`;
const IO_TEXT = ["rchar", "wchar", "syscr", "syscw", "read_bytes", "write_bytes"]
  .map((name) => `${name}: 0\n`).join("") + "cancelled_write_bytes: 0\n";

const LIMITS: readonly (readonly [index: number, name: string, unit: string])[] = [
  [0, "Max cpu time", "seconds"],
  [1, "Max file size", "bytes"],
  [2, "Max data size", "bytes"],
  [3, "Max stack size", "bytes"],
  [4, "Max core file size", "bytes"],
  [5, "Max resident set", "bytes"],
  [6, "Max processes", "processes"],
  [7, "Max open files", "files"],
  [8, "Max locked memory", "bytes"],
  [9, "Max address space", "bytes"],
  [10, "Max file locks", "locks"],
  [11, "Max pending signals", "signals"],
  [12, "Max msgqueue size", "bytes"],
  [13, "Max nice priority", ""],
  [14, "Max realtime priority", ""],
  [15, "Max realtime timeout", "us"],
];

function limitsText(limits: readonly Limit[]): string {
  const value = (limit: number): string => limit === Infinity ? "unlimited" : String(limit);
  const row = (name: string, soft: string, hard: string, unit: string): string =>
    `${name.padEnd(25)} ${soft.padEnd(20)} ${hard.padEnd(20)} ${unit.padEnd(10)}\n`;
  return row("Limit", "Soft Limit", "Hard Limit", "Units") +
    LIMITS.map(([index, name, unit]) => {
      const { soft, hard } = limits[index];
      return row(name, value(soft), value(hard), unit);
    }).join("");
}

/** State letter of a thread, and its word. */
function stateOf(process: Process, thread: Thread | null): readonly [string, string] {
  if (process.exitStatus !== null || thread === null) return ["Z", "zombie"];
  if (process.stopped) return ["T", "stopped"];
  return thread.status === "runnable" ? ["R", "running"] : ["S", "sleeping"];
}

function statText(kernel: Kernel, process: Process, thread: Thread | null): string {
  const [letter] = stateOf(process, thread);
  const alive = process.exitStatus === null;
  const ticks = (time: number): number => Math.floor(time / 1e7);
  const space = process.space.value;
  const name = thread?.name ?? process.name;
  const { usage, childrenUsage } = process;
  const fields: (number | string)[] = [
    thread?.tid ?? process.pid,
    `(${name})`,
    letter,
    process.parent?.pid ?? 0,
    process.pgid,
    process.sid,
    process.terminal?.device ?? 0, // tty_nr
    process.terminal?.foreground || -1, // tpgid
    0x400000, // flags: PF_RANDOMIZE
    usage.minorFaults,
    childrenUsage.minorFaults,
    usage.majorFaults,
    childrenUsage.majorFaults,
    ticks(kernel.nanoseconds(process.instructions)),
    0,
    ticks(kernel.nanoseconds(childrenUsage.instructions)),
    0,
    thread ? priorityOf(thread.scheduling, thread.nice) : 20,
    thread?.nice ?? 0, // nice
    process.threads.size,
    0, // itrealvalue
    ticks(process.startTime),
    alive ? space.totalPages * space.granule.size : 0,
    alive ? space.resident : 0,
    "18446744073709551615", // rsslim
    0, // startcode, endcode, startstack, kstkesp, kstkeip: hidden from other users
    0,
    alive ? space.stackStart : 0,
    0,
    0,
    0, // signal, blocked, sigignore, sigcatch: use status
    0,
    0,
    0,
    0, // wchan
    0,
    0,
    process.exitSignal,
    0, // processor
    thread?.scheduling.priority ?? 0, // rt_priority
    thread?.scheduling.policy ?? 0,
    0,
    0,
    0,
    0,
    0,
    alive ? space.heapStart : 0,
    process.arguments.start,
    process.arguments.end,
    process.environment.start,
    process.environment.end,
    process.exitStatus ?? 0,
  ];
  return fields.join(" ") + "\n";
}

function statmText(process: Process): string {
  if (process.exitStatus !== null) return "0 0 0 0 0 0 0\n";
  const { totalPages, resident } = process.space.value;
  return `${totalPages} ${resident} 0 0 0 ${totalPages} 0\n`;
}

function setText(set: SigSet): string {
  const word = (value: number): string => (value >>> 0).toString(16).padStart(8, "0");
  return word(set.high) + word(set.low);
}

/** Signals that are ignored, or caught, as sets in text. */
function actionsText(process: Process, wanted: "ignored" | "caught"): string {
  let low = 0, high = 0;
  for (let signo = 1; signo <= 64; signo++) {
    const { handler } = process.actions.value.get(signo);
    const is = wanted === "ignored"
      ? handler === SIG_IGN
      : handler !== SIG_IGN && handler !== SIG_DFL;
    if (!is) continue;
    if (signo <= 32) low |= 1 << (signo - 1);
    else high |= 1 << (signo - 33);
  }
  const word = (value: number): string => (value >>> 0).toString(16).padStart(8, "0");
  return word(high) + word(low);
}

function statusText(process: Process, thread: Thread | null): string {
  const { uid, euid, suid, fsuid, gid, egid, sgid, fsgid, groups } = process.credentials;
  const [letter, word] = stateOf(process, thread);
  const alive = process.exitStatus === null;
  const page = process.space.value.granule.size / 1024;
  const kilobytes = (pages: number): string => `${String(pages * page).padStart(8)} kB`;
  const rows: [string, string | number][] = [
    ["Name", thread?.name ?? process.name],
    ["Umask", "0" + process.fs.value.umask.toString(8).padStart(3, "0")],
    ["State", `${letter} (${word})`],
    ["Tgid", process.pid],
    ["Ngid", 0],
    ["Pid", thread?.tid ?? process.pid],
    ["PPid", process.parent?.pid ?? 0],
    ["TracerPid", 0],
    ["Uid", [uid, euid, suid, fsuid].join("\t")],
    ["Gid", [gid, egid, sgid, fsgid].join("\t")],
    ["FDSize", (process.descriptors.value as DescriptorTable).capacity],
    ["Groups", groups.join(" ") + " "],
  ];
  if (alive) {
    const { totalPages, resident } = process.space.value;
    rows.push(
      ["VmPeak", kilobytes(totalPages)],
      ["VmSize", kilobytes(totalPages)],
      ["VmLck", kilobytes(0)],
      ["VmPin", kilobytes(0)],
      ["VmHWM", kilobytes(resident)],
      ["VmRSS", kilobytes(resident)],
      ["VmSwap", kilobytes(0)],
    );
  }
  const capabilities = euid === 0 ? "000001ffffffffff" : "0000000000000000";
  rows.push(
    ["Threads", process.threads.size],
    ["SigQ", `0/${process.limits[11].soft}`],
    ["SigPnd", thread ? setText(thread.pending.set) : "0".repeat(16)],
    ["ShdPnd", setText(process.pending.set)],
    ["SigBlk", thread ? setText(thread.mask) : "0".repeat(16)],
    ["SigIgn", actionsText(process, "ignored")],
    ["SigCgt", actionsText(process, "caught")],
    ["CapInh", "0".repeat(16)],
    ["CapPrm", capabilities],
    ["CapEff", capabilities],
    ["CapBnd", "000001ffffffffff"],
    ["CapAmb", "0".repeat(16)],
    ["NoNewPrivs", Number(thread?.noNewPrivileges ?? false)],
    ["Seccomp", thread?.seccomp.mode ?? 0],
    ["Seccomp_filters", thread?.seccomp.filter?.count ?? 0],
    ["Cpus_allowed", "1"],
    ["Cpus_allowed_list", "0"],
    ["Mems_allowed", "1"],
    ["Mems_allowed_list", "0"],
    ["voluntary_ctxt_switches", 0],
    ["nonvoluntary_ctxt_switches", 0],
  );
  return rows.map(([name, value]) => `${name}:\t${value}\n`).join("");
}

/** Sums of the `kB` fields of smaps, as one area. */
function rollUp(smaps: string): string {
  const sums = new Map<string, number>();
  let first: string | null = null;
  let last = "0";
  for (const line of smaps.split("\n")) {
    const range = /^([0-9a-f]+)-([0-9a-f]+) /.exec(line);
    if (range) {
      first ??= range[1];
      last = range[2];
      continue;
    }
    const field = /^(\w+): +(\d+) kB$/.exec(line);
    if (field && !/PageSize$|^Size$/.test(field[1])) {
      sums.set(field[1], (sums.get(field[1]) ?? 0) + Number(field[2]));
    }
  }
  const head = `${first ?? "00000000"}-${last} ---p 00000000 00:00 0`.padEnd(73) + "[rollup]\n";
  return head +
    [...sums].map(([name, value]) => `${name}:`.padEnd(16) + `${String(value).padStart(8)} kB\n`)
      .join("");
}
