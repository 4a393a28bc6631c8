/** Structures as strace prints them: the `struct:X` and `out:X` argument types. */
import type { AddressSpace } from "../../memory/address_space.ts";
import type { Arch } from "../../arch.ts";
import { infoCode, infoSigno, SI_MESGQ, SI_QUEUE, SIGINFO_SIZE } from "../abi/siginfo.ts";
import { getSigned64, getUnsigned64 } from "../abi/struct.ts";
import {
  CloneArgs,
  Itimerspec,
  Itimerval,
  Rlimit,
  Rusage,
  Sigaction,
  StackT,
  Sysinfo,
  Timespec,
  Timeval,
  UTSNAME_FIELD,
} from "../abi/structs.ts";
import { readStruct } from "../user_struct.ts";
import { SIGCHLD, signalName } from "../signal_numbers.ts";
import { SigSet } from "../signal_state.ts";
import { enumName } from "./enums.ts";
import { flagNames } from "./flags.ts";
import { AIO_PRINTERS } from "./aio_structs.ts";
import { SETTING_PRINTERS } from "./setting_structs.ts";
import { IPC_PRINTERS } from "./ipc_structs.ts";
import { socketAddress } from "./socket_addresses.ts";
import { pointer, quote, quoteShort } from "./strings.ts";

/** What a printer may look at beside the address: the argument after it, the architecture. */
export interface StructContext {
  readonly space: AddressSpace;
  readonly arch: Arch;
  /** The following argument, often a count. */
  readonly next: number;
  /** The argument before it, and the call's result once there is one. */
  readonly before: number;
  readonly result: number;
}

/** Text of the structure at `va`, or null if it cannot be read. */
export type Printer = (at: number, context: StructContext) => string | null;

export function bytesAt(space: AddressSpace, at: number, length: number): DataView | null {
  const bytes = space.readBytes(at, length);
  return typeof bytes === "number" ? null : new DataView(bytes.buffer);
}

/** `{tv_sec=1, tv_nsec=0}` */
const timespec: Printer = (at, { space }) => {
  const time = readStruct(space, Timespec, at);
  return time && `{tv_sec=${time.sec}, tv_nsec=${time.nsec}}`;
};

const timeval: Printer = (at, { space }) => {
  const time = readStruct(space, Timeval, at);
  return time && `{tv_sec=${time.sec}, tv_usec=${time.usec}}`;
};

const pair = (one: Printer): Printer => (at, context) => {
  const first = one(at, context);
  const second = one(at + 16, context);
  return first && second && `[${first}, ${second}]`;
};

/** `[INT CHLD]`, or `~[…]` when most are set. */
export function signalSet(set: SigSet): string {
  const members: number[] = [];
  for (let signo = 1; signo <= 64; signo++) if (set.has(signo)) members.push(signo);
  const inverted = members.length > 32;
  const listed = inverted
    ? Array.from({ length: 64 }, (_, i) => i + 1).filter((signo) => !set.has(signo))
    : members;
  const names = listed.map((signo) => signalName(signo).replace(/^SIG/, "")).join(" ");
  return inverted ? `~[${names}]` : `[${names}]`;
}

const sigset: Printer = (at, { space }) => {
  const view = bytesAt(space, at, 8);
  return view && signalSet(new SigSet(view.getInt32(0, true), view.getInt32(4, true)));
};

const sigaction: Printer = (at, { space }) => {
  const action = readStruct(space, Sigaction, at);
  if (action === null) return null;
  const handler = ["SIG_DFL", "SIG_IGN"][action.handler] ?? pointer(action.handler);
  const flags = flagNames("sigaction", action.flags, "x86_64");
  const restorer = action.flags & 0x4000000 ? `, sa_restorer=${pointer(action.restorer)}` : "";
  const mask = signalSet(new SigSet(action.maskLow, action.maskHigh));
  return `{sa_handler=${handler}, sa_mask=${mask}, sa_flags=${flags}${restorer}}`;
};

const stack: Printer = (at, { space }) => {
  const value = readStruct(space, StackT, at);
  return value &&
    `{ss_sp=${pointer(value.sp)}, ss_flags=${flagNames("signal_stack", value.flags, "x86_64")}, ` +
      `ss_size=${value.size}}`;
};

/** RLIM_INFINITY, or a number of KiB where strace says so. */
function limit(value: number): string {
  if (value >= 2 ** 63) return "RLIM64_INFINITY";
  return value > 1024 && value % 1024 === 0 ? `${value / 1024}*1024` : String(value);
}

const rlimit: Printer = (at, { space }) => {
  const value = readStruct(space, Rlimit, at);
  return value && `{rlim_cur=${limit(value.cur)}, rlim_max=${limit(value.max)}}`;
};

const rusage: Printer = (at, { space }) => {
  const value = readStruct(space, Rusage, at);
  return value &&
    `{ru_utime={tv_sec=${value.utimeSec}, tv_usec=${value.utimeUsec}}, ` +
      `ru_stime={tv_sec=${value.stimeSec}, tv_usec=${value.stimeUsec}}, ...}`;
};

const itimerval: Printer = (at, { space }) => {
  const v = readStruct(space, Itimerval, at);
  return v &&
    `{it_interval={tv_sec=${v.intervalSec}, tv_usec=${v.intervalUsec}}, ` +
      `it_value={tv_sec=${v.sec}, tv_usec=${v.usec}}}`;
};

const itimerspec: Printer = (at, { space }) => {
  const v = readStruct(space, Itimerspec, at);
  return v &&
    `{it_interval={tv_sec=${v.intervalSec}, tv_nsec=${v.intervalNsec}}, ` +
      `it_value={tv_sec=${v.sec}, tv_nsec=${v.nsec}}}`;
};

const waitStatus: Printer = (at, { space }) => {
  const view = bytesAt(space, at, 4);
  if (view === null) return null;
  const status = view.getInt32(0, true);
  const signal = status & 0x7f;
  if (status === 0xffff) return "[{WIFCONTINUED(s)}]";
  if ((status & 0xff) === 0x7f) {
    return `[{WIFSTOPPED(s) && WSTOPSIG(s) == ${signalName(status >> 8)}}]`;
  }
  if (signal === 0) return `[{WIFEXITED(s) && WEXITSTATUS(s) == ${status >> 8}}]`;
  const core = status & 0x80 ? " && WCOREDUMP(s)" : "";
  return `[{WIFSIGNALED(s) && WTERMSIG(s) == ${signalName(signal)}${core}}]`;
};

const CODES: { readonly [code: number]: string } = {
  0: "SI_USER",
  [0x80]: "SI_KERNEL",
  [-1]: "SI_QUEUE",
  [-2]: "SI_TIMER",
  [-3]: "SI_MESGQ",
  [-4]: "SI_ASYNCIO",
  [-6]: "SI_TKILL",
};
const FAULT_CODES: { readonly [signo: number]: readonly string[] } = {
  4: ["", "ILL_ILLOPC", "ILL_ILLOPN", "ILL_ILLADR", "ILL_ILLTRP", "ILL_PRVOPC", "ILL_PRVREG"],
  5: ["", "TRAP_BRKPT", "TRAP_TRACE"],
  7: ["", "BUS_ADRALN", "BUS_ADRERR", "BUS_OBJERR"],
  8: ["", "FPE_INTDIV", "FPE_INTOVF", "FPE_FLTDIV", "FPE_FLTOVF", "FPE_FLTUND", "FPE_FLTRES"],
  11: ["", "SEGV_MAPERR", "SEGV_ACCERR", "SEGV_BNDERR", "SEGV_PKUERR"],
  17: ["", "CLD_EXITED", "CLD_KILLED", "CLD_DUMPED", "CLD_TRAPPED", "CLD_STOPPED", "CLD_CONTINUED"],
};

/** `{si_signo=SIGSEGV, si_code=SEGV_MAPERR, si_addr=NULL}` */
export function siginfoText(info: Uint8Array): string {
  const view = new DataView(info.buffer, info.byteOffset);
  const signo = infoSigno(info);
  const code = infoCode(info);
  const name = (code > 0 && FAULT_CODES[signo]?.[code]) || CODES[code] || String(code);
  const parts = [`si_signo=${signalName(signo)}`, `si_code=${name}`];
  const sender = (): void => {
    parts.push(`si_pid=${view.getInt32(16, true)}`, `si_uid=${view.getUint32(20, true)}`);
  };
  const value = (): void => {
    parts.push(`si_int=${view.getInt32(24, true)}`);
    parts.push(`si_ptr=${pointer(getUnsigned64(view, 24))}`);
  };
  if (code > 0 && signo === SIGCHLD) {
    sender();
    const status = view.getInt32(24, true);
    parts.push(`si_status=${code === 1 ? status : signalName(status)}`);
    parts.push(`si_utime=${getSigned64(view, 32)}`, `si_stime=${getSigned64(view, 40)}`);
  } else if (code > 0 && FAULT_CODES[signo] && code !== 0x80) {
    parts.push(`si_addr=${pointer(getUnsigned64(view, 16))}`);
  } else if (code === -2) {
    parts.push(`si_timerid=${view.getInt32(16, true)}`, `si_overrun=${view.getInt32(20, true)}`);
    value();
  } else if (code <= 0) {
    sender();
    if (code === SI_QUEUE || code === SI_MESGQ) value();
  }
  return `{${parts.join(", ")}}`;
}

const siginfo: Printer = (at, { space }) => {
  const bytes = space.readBytes(at, SIGINFO_SIZE);
  return typeof bytes === "number" ? null : siginfoText(bytes);
};

const utsname: Printer = (at, { space }) => {
  const bytes = space.readBytes(at, UTSNAME_FIELD * 6);
  if (typeof bytes === "number") return null;
  const field = (i: number): string => {
    const text = bytes.subarray(i * UTSNAME_FIELD, (i + 1) * UTSNAME_FIELD);
    return quote(text.subarray(0, text.indexOf(0)));
  };
  return `{sysname=${field(0)}, nodename=${field(1)}, ...}`;
};

const sysinfo: Printer = (at, { space }) => {
  const v = readStruct(space, Sysinfo, at);
  return v &&
    `{uptime=${v.uptime}, loads=[${v.load1}, ${v.load5}, ${v.load15}], totalram=${v.totalram}, ` +
      `freeram=${v.freeram}, sharedram=${v.sharedram}, bufferram=${v.bufferram}, ` +
      `totalswap=${v.totalswap}, freeswap=${v.freeswap}, procs=${v.procs}, ` +
      `totalhigh=${v.totalhigh}, freehigh=${v.freehigh}, mem_unit=${v.unit}}`;
};

const cloneArgs: Printer = (at, { space }) => {
  const v = readStruct(space, CloneArgs, at);
  if (v === null) return null;
  const parts = [`flags=${flagNames("clone", v.flags | 0, "x86_64")}`];
  if (v.childTid !== 0) parts.push(`child_tid=${pointer(v.childTid)}`);
  if (v.parentTid !== 0) parts.push(`parent_tid=${pointer(v.parentTid)}`);
  parts.push(`exit_signal=${v.exitSignal === 0 ? "0" : signalName(v.exitSignal)}`);
  parts.push(`stack=${pointer(v.stack)}`, `stack_size=${pointerSize(v.stackSize)}`);
  if (v.tls !== 0) parts.push(`tls=${pointer(v.tls)}`);
  return `{${parts.join(", ")}}`;
};

const pointerSize = (size: number): string => size === 0 ? "0" : `0x${size.toString(16)}`;

/** `[{iov_base="text", iov_len=4}, …]` */
const iovec: Printer = (at, { space, next }) => {
  const view = bytesAt(space, at, 16 * Math.min(Math.max(next, 0), 32));
  if (view === null) return null;
  const parts: string[] = [];
  for (let i = 0; i < view.byteLength; i += 16) {
    const base = getUnsigned64(view, i);
    const length = getUnsigned64(view, i + 8);
    const bytes = space.readBytes(base, Math.min(length, 64));
    const text = typeof bytes === "number" ? pointer(base) : quoteShort(bytes, length);
    parts.push(`{iov_base=${text}, iov_len=${length}}`);
  }
  return `[${parts.join(", ")}]`;
};

const FILE_TYPES: { readonly [type: number]: string } = {
  1: "S_IFIFO",
  2: "S_IFCHR",
  4: "S_IFDIR",
  6: "S_IFBLK",
  8: "S_IFREG",
  10: "S_IFLNK",
  12: "S_IFSOCK",
};

/** `S_IFREG|0644` */
export function modeText(mode: number): string {
  const type = FILE_TYPES[mode >> 12];
  const bits = `0${(mode & 0o7777).toString(8).padStart(3, "0")}`;
  return type ? `${type}|${bits}` : bits;
}

const DEVICE_TYPES = [2, 6];

const stat: Printer = (at, { space, arch }) => {
  const view = bytesAt(space, at, arch === "x86_64" ? 144 : 128);
  if (view === null) return null;
  const mode = view.getUint32(arch === "x86_64" ? 24 : 16, true);
  if (!DEVICE_TYPES.includes(mode >> 12)) {
    return `{st_mode=${modeText(mode)}, st_size=${getSigned64(view, 48)}, ...}`;
  }
  const device = view.getUint32(arch === "x86_64" ? 40 : 32, true);
  const minor = (device & 0xff) | ((device >>> 12) & 0xfff00);
  return `{st_mode=${modeText(mode)}, st_rdev=makedev(0x${
    ((device >>> 8) & 0xfff).toString(16)
  }, 0x${minor.toString(16)}), ...}`;
};

/** Two descriptors, as pipe and socketpair answer them. */
const fds: Printer = (at, { space }) => {
  const view = bytesAt(space, at, 8);
  return view && `[${view.getInt32(0, true)}, ${view.getInt32(4, true)}]`;
};

const int: Printer = (at, { space }) => {
  const view = bytesAt(space, at, 4);
  return view && `[${view.getInt32(0, true)}]`;
};

const signal: Printer = (at, { space }) => {
  const view = bytesAt(space, at, 4);
  return view && `[${signalName(view.getInt32(0, true)).replace("SIG0", "0")}]`;
};

/** Bytes of a thread's name that count. */
const TASK_NAME = 15;

/** A thread's name, as prctl takes it. */
const taskName: Printer = (at, { space }) => {
  const bytes = space.readCBytes(at);
  if (typeof bytes === "number") return null;
  return bytes.length > TASK_NAME ? `${quote(bytes.subarray(0, TASK_NAME))}...` : quote(bytes);
};

/** struct flock of 64 bits; the owner is an answer only. */
const flock = (owner: boolean): Printer => (at, { space }) => {
  const view = bytesAt(space, at, 32);
  if (view === null) return null;
  const whence = enumName("seek", view.getInt16(2, true));
  const range = `l_start=${getSigned64(view, 8)}, l_len=${getSigned64(view, 16)}`;
  const pid = owner ? `, l_pid=${view.getInt32(24, true)}` : "";
  return `{l_type=${enumName("lock", view.getInt16(0, true))}, l_whence=${whence}, ${range}${pid}}`;
};

const winsize: Printer = (at, { space }) => {
  const view = bytesAt(space, at, 8);
  if (view === null) return null;
  const [row, column, x, y] = [0, 2, 4, 6].map((offset) => view.getUint16(offset, true));
  return `{ws_row=${row}, ws_col=${column}, ws_xpixel=${x}, ws_ypixel=${y}}`;
};

const epollEvent: Printer = (at, { space, arch }) => {
  // Packed on x86_64.
  const data = arch === "x86_64" ? 4 : 8;
  const view = bytesAt(space, at, data + 8);
  if (view === null) return null;
  const events = flagNames("epoll", view.getInt32(0, true), arch);
  const [low, high] = [view.getUint32(data, true), view.getUint32(data + 4, true)];
  const value = high === 0 ? String(low) : String(getUnsigned64(view, data));
  return `{events=${events}, data={u32=${low}, u64=${value}}}`;
};

const PRINTERS: { readonly [name: string]: Printer } = {
  timespec,
  timespec2: pair(timespec),
  timeval,
  timeval2: pair(timeval),
  sigset,
  sigaction,
  stack,
  rlimit,
  rusage,
  itimerval,
  itimerspec,
  wait_status: waitStatus,
  siginfo,
  utsname,
  sysinfo,
  clone_args: cloneArgs,
  iovec,
  stat,
  fds,
  int,
  signal,
  task_name: taskName,
  flock: flock(false),
  flock_owner: flock(true),
  winsize,
  epoll_event: epollEvent,
  ...IPC_PRINTERS,
  ...AIO_PRINTERS,
  ...SETTING_PRINTERS,
  sockaddr: (at, { space, next }) => socketAddress(at, space, next),
};

/** Text of the structure `name` at `at`; its address if it has no printer or cannot be read. */
export function structText(name: string, at: number, context: StructContext): string {
  if (at === 0) return "NULL";
  return PRINTERS[name]?.(at, context) ?? pointer(at);
}
