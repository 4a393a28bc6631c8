/** The machine and the process's standing in it: uname, sysinfo, getrandom, prctl, capabilities. */
import { segmentBase, setSegmentBase } from "../abi/x86_64.ts";
import { Sysinfo, UTSNAME_FIELD } from "../abi/structs.ts";
import { EFAULT, EINVAL, ENODEV, EPERM, ESRCH } from "../errno.ts";
import { encodeName } from "../fs/file_name.ts";
import { decodeName } from "../fs/file_name.ts";
import type { Call, SyscallRow } from "../syscall.ts";
import { setSeccomp } from "./seccomp.ts";
import { writeInt, writeStruct } from "../user_struct.ts";

/** `uname -v`: the build date of the modelled kernel is the machine's epoch. */
const VERSION = "#1 SMP PREEMPT_DYNAMIC Isthmus";

function uname(call: Call, to: number): number {
  const { kernel } = call;
  const fields = [
    "Linux",
    kernel.hostname,
    kernel.release,
    VERSION,
    kernel.abi.machine,
    "(none)",
  ];
  const bytes = new Uint8Array(UTSNAME_FIELD * fields.length);
  fields.forEach((text, i) => {
    bytes.set(encodeName(text).subarray(0, UTSNAME_FIELD - 1), i * UTSNAME_FIELD);
  });
  return call.space.copyOut(to, bytes) < 0 ? -EFAULT : 0;
}

function sysinfo(call: Call, to: number): number {
  const { kernel, space } = call;
  const { frames, granule } = kernel.memory;
  return writeStruct(space, Sysinfo, to, {
    uptime: Math.floor(kernel.clock.now / 1e9),
    totalram: frames.count * granule.size,
    freeram: (frames.count - frames.inUse) * granule.size,
    procs: kernel.threads.size,
    unit: 1,
  });
}

const GRND_INSECURE = 4, GRND_RANDOM = 2, GRND_ALL = 7;

function getrandom(call: Call, to: number, size: number, flags: number): number {
  if (flags & ~GRND_ALL) return -EINVAL;
  if ((flags & GRND_RANDOM) && (flags & GRND_INSECURE)) return -EINVAL;
  const bytes = new Uint8Array(Math.min(size, 0x2000000));
  call.kernel.random.fill(bytes);
  return call.space.copyOut(to, bytes) < 0 ? -EFAULT : bytes.length;
}

const ARCH_SET_GS = 0x1001, ARCH_SET_FS = 0x1002, ARCH_GET_FS = 0x1003, ARCH_GET_GS = 0x1004;

function archPrctl(call: Call, code: number, address: number): number {
  const { cpu, abi } = call.kernel;
  switch (code) {
    case ARCH_SET_FS:
    case ARCH_SET_GS:
      if (address >= abi.taskSize) return -EPERM;
      setSegmentBase(cpu, code === ARCH_SET_FS ? "fs" : "gs", address);
      return 0;
    case ARCH_GET_FS:
    case ARCH_GET_GS: {
      const base = segmentBase(cpu, code === ARCH_GET_FS ? "fs" : "gs");
      return call.space.writeU64(address, base) < 0 ? -EFAULT : 0;
    }
    default:
      // ARCH_CPUID, ARCH_CET_STATUS, ARCH_GET_XCOMP_SUPP…: not on this CPU.
      return -EINVAL;
  }
}

const PR_SET_PDEATHSIG = 1, PR_GET_PDEATHSIG = 2, PR_GET_DUMPABLE = 3, PR_SET_DUMPABLE = 4;
const PR_GET_KEEPCAPS = 7, PR_SET_KEEPCAPS = 8, PR_SET_NAME = 15, PR_GET_NAME = 16;
const PR_GET_SECCOMP = 21, PR_SET_SECCOMP = 22, PR_CAPBSET_READ = 23;
const PR_SET_TIMERSLACK = 29, PR_GET_TIMERSLACK = 30;
const PR_SET_CHILD_SUBREAPER = 36, PR_GET_CHILD_SUBREAPER = 37;
const PR_SET_NO_NEW_PRIVS = 38, PR_GET_NO_NEW_PRIVS = 39, PR_SET_THP_DISABLE = 41;
const PR_GET_THP_DISABLE = 42, PR_SET_VMA = 0x53564d41, PR_SET_PTRACER = 0x59616d61;
const LAST_CAPABILITY = 40;
const DEFAULT_SLACK = 50_000;

function prctl(
  call: Call,
  option: number,
  a: number,
  b: number,
  c: number,
  d: number,
): number {
  const { process, thread, space } = call;
  switch (option) {
    case PR_SET_NAME: {
      const bytes = new Uint8Array(16);
      if (space.copyIn(a, bytes.subarray(0, 1)) < 0) return -EFAULT;
      const name = space.readCBytes(a, 16);
      const text = typeof name === "number" ? readPrefix(call, a) : name;
      thread.name = decodeName(text.subarray(0, 15));
      if (thread.tid === process.pid) process.name = thread.name;
      return 0;
    }
    case PR_GET_NAME: {
      const bytes = new Uint8Array(16);
      bytes.set(encodeName(thread.name).subarray(0, 15));
      return space.copyOut(a, bytes) < 0 ? -EFAULT : 0;
    }
    case PR_GET_DUMPABLE:
      return process.dumpable;
    case PR_SET_DUMPABLE:
      if (a !== 0 && a !== 1) return -EINVAL;
      process.dumpable = a;
      return 0;
    case PR_SET_PDEATHSIG:
      if (a > 64) return -EINVAL;
      process.parentDeathSignal = a;
      return 0;
    case PR_GET_PDEATHSIG:
      return writeInt(space, a, process.parentDeathSignal);
    case PR_SET_CHILD_SUBREAPER:
      process.childSubreaper = a !== 0;
      return 0;
    case PR_GET_CHILD_SUBREAPER:
      return writeInt(space, a, Number(process.childSubreaper));
    case PR_SET_NO_NEW_PRIVS:
      if (a !== 1 || b !== 0 || c !== 0 || d !== 0) return -EINVAL;
      thread.noNewPrivileges = true;
      return 0;
    case PR_GET_NO_NEW_PRIVS:
      if (a !== 0 || b !== 0 || c !== 0 || d !== 0) return -EINVAL;
      return Number(thread.noNewPrivileges);
    case PR_GET_SECCOMP:
      return thread.seccomp.mode;
    case PR_SET_SECCOMP:
      return setSeccomp(call, a, b);
    case PR_GET_TIMERSLACK:
      return DEFAULT_SLACK;
    case PR_SET_TIMERSLACK:
    case PR_SET_KEEPCAPS:
    case PR_SET_PTRACER:
    case PR_SET_VMA:
    case PR_SET_THP_DISABLE:
    case PR_GET_KEEPCAPS:
    case PR_GET_THP_DISABLE:
      return 0;
    case PR_CAPBSET_READ:
      return a > LAST_CAPABILITY ? -EINVAL : 1;
    default:
      return -EINVAL;
  }
}

/** First 15 bytes of a name that is not NUL-ended within 16. */
function readPrefix(call: Call, at: number): Uint8Array {
  const bytes = new Uint8Array(15);
  call.space.copyIn(at, bytes);
  return bytes;
}

const CAPABILITY_VERSION_3 = 0x20080522;

function capget(call: Call, header: number, data: number): number {
  const { space, process, kernel } = call;
  const version = space.readU32(header);
  const pid = space.readU32(header + 4);
  if (version < 0 || pid < 0) return -EFAULT;
  if (version !== CAPABILITY_VERSION_3) {
    if (space.writeU32(header, CAPABILITY_VERSION_3) < 0) return -EFAULT;
    return data === 0 ? 0 : -EINVAL;
  }
  const target = pid === 0 ? process : kernel.processes.get(pid | 0);
  if (!target) return -ESRCH;
  if (data === 0) return 0;
  const bytes = new Uint8Array(24);
  if (target.credentials.euid === 0) {
    const view = new DataView(bytes.buffer);
    for (const at of [0, 4]) {
      view.setUint32(at, 0xffffffff, true);
      view.setUint32(at + 12, 0x1ff, true);
    }
  }
  return space.copyOut(data, bytes) < 0 ? -EFAULT : 0;
}

/** Sets that take nothing away and give nothing more are the caller's own; user 0 keeps all it has. */
function capset(call: Call, header: number, data: number): number {
  const { space, process } = call;
  const version = space.readU32(header);
  const pid = space.readU32(header + 4);
  if (version < 0 || pid < 0) return -EFAULT;
  if (version !== CAPABILITY_VERSION_3) {
    return space.writeU32(header, CAPABILITY_VERSION_3) < 0 ? -EFAULT : -EINVAL;
  }
  if (pid !== 0 && pid !== call.thread.tid) return -EPERM;
  const sets = new Uint8Array(24);
  if (space.copyIn(data, sets) < 0) return -EFAULT;
  return process.credentials.euid === 0 || sets.every((byte) => byte === 0) ? 0 : -EPERM;
}

export const machineRows: readonly SyscallRow[] = [
  { name: "uname", x86_64: 63, aarch64: 160, args: ["out:utsname"], run: uname },
  { name: "sysinfo", x86_64: 99, aarch64: 179, args: ["out:sysinfo"], run: sysinfo },
  {
    name: "getrandom",
    x86_64: 318,
    aarch64: 278,
    args: ["out-buffer", "size", "flags:getrandom"],
    run: getrandom,
  },
  {
    name: "arch_prctl",
    x86_64: 158,
    aarch64: -1,
    args: ["enum:arch_prctl", "ptr"],
    run: archPrctl,
  },
  {
    name: "prctl",
    x86_64: 157,
    aarch64: 167,
    args: ["enum:prctl", "hex", "hex", "hex", "hex"],
    run: prctl,
    support: "partial: no capabilities, timer slack ignored",
  },
  {
    name: "personality",
    x86_64: 135,
    aarch64: 92,
    args: ["uint"],
    run: ({ process }, next) => {
      const before = process.personality;
      if (next !== 0xffffffff) process.personality = next;
      return before;
    },
  },
  { name: "capget", x86_64: 125, aarch64: 90, args: ["ptr", "ptr"], run: capget },
  {
    name: "capset",
    x86_64: 126,
    aarch64: 91,
    args: ["ptr", "ptr"],
    run: capset,
    support: "partial: only user 0 has capabilities, and keeps them",
  },
  {
    name: "sethostname",
    x86_64: 170,
    aarch64: 161,
    args: ["buffer", "size"],
    run: () => -EPERM,
  },
  { name: "setdomainname", x86_64: 171, aarch64: 162, args: ["buffer", "size"], run: () => -EPERM },
  { name: "syslog", x86_64: 103, aarch64: 116, args: ["int", "ptr", "int"], run: () => -EPERM },
  {
    name: "reboot",
    x86_64: 169,
    aarch64: 142,
    args: ["int", "int", "int", "ptr"],
    run: () => -EPERM,
  },
  {
    name: "ptrace",
    x86_64: 101,
    aarch64: 117,
    args: ["long", "int", "ptr", "ptr"],
    run: () => -EPERM,
  },
  {
    name: "perf_event_open",
    x86_64: 298,
    aarch64: 241,
    args: ["ptr", "int", "int", "int", "uint"],
    run: () => -ENODEV,
  },
  { name: "bpf", x86_64: 321, aarch64: 280, args: ["int", "ptr", "uint"], run: () => -EPERM },
  { name: "setns", x86_64: 308, aarch64: 268, args: ["fd", "int"], run: () => -EPERM },
];
