/**
 * Names of flags and constants as strace prints them: sets of bits (`flags:X`) and enumerations
 * (`enum:X`) by the name of the argument type.
 */
import type { Arch } from "../../arch.ts";
import { octal } from "./strings.ts";

/** Names in order; a name whose bits are a subset of a later one must come after it. */
export type Names = readonly (readonly [name: string, value: number])[];

interface FlagSet {
  readonly names: Names;
  /** Printed when no bit is set; `0` by default. */
  readonly none?: string;
  /** What strace appends to unknown bits. */
  readonly comment: string;
  /** The low nine bits are permissions, which come last, in octal. */
  readonly mode?: boolean;
  /** Bits that hold one of several values rather than flags. */
  readonly choice?: { readonly mask: number; readonly names: Names };
}

const AT: Names = [
  ["AT_SYMLINK_NOFOLLOW", 0x100],
  ["AT_REMOVEDIR", 0x200],
  ["AT_SYMLINK_FOLLOW", 0x400],
  ["AT_NO_AUTOMOUNT", 0x800],
  ["AT_EMPTY_PATH", 0x1000],
  ["AT_STATX_FORCE_SYNC", 0x2000],
  ["AT_STATX_DONT_SYNC", 0x4000],
];

const OPEN_COMMON: Names = [
  ["O_CREAT", 0o100],
  ["O_EXCL", 0o200],
  ["O_NOCTTY", 0o400],
  ["O_TRUNC", 0o1000],
  ["O_APPEND", 0o2000],
  ["O_NONBLOCK", 0o4000],
  ["O_SYNC", 0o4010000],
  ["O_DSYNC", 0o10000],
  ["FASYNC", 0o20000],
  ["O_NOATIME", 0o1000000],
  ["O_CLOEXEC", 0o2000000],
  ["O_PATH", 0o10000000],
];
const ACCESS_MODE = {
  mask: 3,
  names: [["O_RDONLY", 0], ["O_WRONLY", 1], ["O_RDWR", 2]] as Names,
};
/** The four open flags whose numbers the architectures chose differently. */
const OPEN: Record<Arch, Names> = {
  x86_64: [
    ...OPEN_COMMON,
    ["O_DIRECT", 0o40000],
    ["O_LARGEFILE", 0o100000],
    ["O_TMPFILE", 0o20200000],
    ["O_DIRECTORY", 0o200000],
    ["O_NOFOLLOW", 0o400000],
  ],
  aarch64: [
    ...OPEN_COMMON,
    ["O_TMPFILE", 0o20040000],
    ["O_DIRECTORY", 0o40000],
    ["O_NOFOLLOW", 0o100000],
    ["O_DIRECT", 0o200000],
    ["O_LARGEFILE", 0o400000],
  ],
};

const IPC_GET: Names = [["IPC_CREAT", 0o1000], ["IPC_EXCL", 0o2000]];

const FLAGS: { readonly [set: string]: FlagSet } = {
  at: { names: AT, comment: "AT_???" },
  access: {
    names: [["R_OK", 4], ["W_OK", 2], ["X_OK", 1]],
    none: "F_OK",
    comment: "?_OK",
  },
  seccomp: {
    names: [
      ["SECCOMP_FILTER_FLAG_TSYNC", 1],
      ["SECCOMP_FILTER_FLAG_LOG", 2],
      ["SECCOMP_FILTER_FLAG_SPEC_ALLOW", 4],
      ["SECCOMP_FILTER_FLAG_NEW_LISTENER", 8],
      ["SECCOMP_FILTER_FLAG_TSYNC_ESRCH", 16],
    ],
    comment: "SECCOMP_FILTER_FLAG_???",
  },
  prot: {
    names: [
      ["PROT_READ", 1],
      ["PROT_WRITE", 2],
      ["PROT_EXEC", 4],
      ["PROT_SEM", 8],
      ["PROT_GROWSDOWN", 0x1000000],
      ["PROT_GROWSUP", 0x2000000],
    ],
    none: "PROT_NONE",
    comment: "PROT_???",
  },
  mmap: {
    choice: {
      mask: 0xf,
      names: [["MAP_FILE", 0], ["MAP_SHARED", 1], ["MAP_PRIVATE", 2], ["MAP_SHARED_VALIDATE", 3]],
    },
    names: [
      ["MAP_FIXED", 0x10],
      ["MAP_ANONYMOUS", 0x20],
      ["MAP_32BIT", 0x40],
      ["MAP_NORESERVE", 0x4000],
      ["MAP_POPULATE", 0x8000],
      ["MAP_NONBLOCK", 0x10000],
      ["MAP_GROWSDOWN", 0x100],
      ["MAP_DENYWRITE", 0x800],
      ["MAP_EXECUTABLE", 0x1000],
      ["MAP_LOCKED", 0x2000],
      ["MAP_STACK", 0x20000],
      ["MAP_HUGETLB", 0x40000],
      ["MAP_SYNC", 0x80000],
      ["MAP_FIXED_NOREPLACE", 0x100000],
    ],
    comment: "MAP_???",
  },
  mremap: {
    names: [["MREMAP_MAYMOVE", 1], ["MREMAP_FIXED", 2], ["MREMAP_DONTUNMAP", 4]],
    comment: "MREMAP_???",
  },
  msync: {
    names: [["MS_SYNC", 4], ["MS_ASYNC", 1], ["MS_INVALIDATE", 2]],
    comment: "MS_???",
  },
  clone: {
    names: [
      ["CLONE_VM", 0x100],
      ["CLONE_FS", 0x200],
      ["CLONE_FILES", 0x400],
      ["CLONE_SIGHAND", 0x800],
      ["CLONE_PIDFD", 0x1000],
      ["CLONE_PTRACE", 0x2000],
      ["CLONE_VFORK", 0x4000],
      ["CLONE_PARENT", 0x8000],
      ["CLONE_THREAD", 0x10000],
      ["CLONE_NEWNS", 0x20000],
      ["CLONE_SYSVSEM", 0x40000],
      ["CLONE_SETTLS", 0x80000],
      ["CLONE_PARENT_SETTID", 0x100000],
      ["CLONE_CHILD_CLEARTID", 0x200000],
      ["CLONE_DETACHED", 0x400000],
      ["CLONE_UNTRACED", 0x800000],
      ["CLONE_CHILD_SETTID", 0x1000000],
      ["CLONE_NEWCGROUP", 0x2000000],
      ["CLONE_NEWUTS", 0x4000000],
      ["CLONE_NEWIPC", 0x8000000],
      ["CLONE_NEWUSER", 0x10000000],
      ["CLONE_NEWPID", 0x20000000],
      ["CLONE_NEWNET", 0x40000000],
      ["CLONE_IO", 0x80000000 | 0],
    ],
    comment: "CLONE_???",
  },
  wait: {
    names: [
      ["WNOHANG", 1],
      ["WSTOPPED", 2],
      ["WEXITED", 4],
      ["WCONTINUED", 8],
      ["WNOWAIT", 0x1000000],
      ["__WCLONE", 0x80000000 | 0],
      ["__WALL", 0x40000000],
      ["__WNOTHREAD", 0x20000000],
    ],
    comment: "W???",
  },
  sigaction: {
    names: [
      ["SA_RESTORER", 0x4000000],
      ["SA_ONSTACK", 0x8000000],
      ["SA_RESTART", 0x10000000],
      ["SA_NODEFER", 0x40000000],
      ["SA_RESETHAND", 0x80000000 | 0],
      ["SA_NOCLDSTOP", 1],
      ["SA_NOCLDWAIT", 2],
      ["SA_SIGINFO", 4],
    ],
    comment: "SA_???",
  },
  signal_stack: {
    names: [["SS_ONSTACK", 1], ["SS_DISABLE", 2], ["SS_AUTODISARM", 0x80000000 | 0]],
    comment: "SS_???",
  },
  getrandom: {
    names: [["GRND_NONBLOCK", 1], ["GRND_RANDOM", 2], ["GRND_INSECURE", 4]],
    comment: "GRND_???",
  },
  timer: { names: [["TIMER_ABSTIME", 1]], comment: "TIMER_???" },
  fallocate: {
    names: [
      ["FALLOC_FL_KEEP_SIZE", 1],
      ["FALLOC_FL_PUNCH_HOLE", 2],
      ["FALLOC_FL_NO_HIDE_STALE", 4],
      ["FALLOC_FL_COLLAPSE_RANGE", 8],
      ["FALLOC_FL_ZERO_RANGE", 16],
      ["FALLOC_FL_INSERT_RANGE", 32],
    ],
    comment: "FALLOC_FL_???",
  },
  rwf: {
    names: [
      ["RWF_HIPRI", 1],
      ["RWF_DSYNC", 2],
      ["RWF_SYNC", 4],
      ["RWF_NOWAIT", 8],
      ["RWF_APPEND", 16],
    ],
    comment: "RWF_???",
  },
  splice: {
    names: [
      ["SPLICE_F_MOVE", 1],
      ["SPLICE_F_NONBLOCK", 2],
      ["SPLICE_F_MORE", 4],
      ["SPLICE_F_GIFT", 8],
    ],
    comment: "SPLICE_F_???",
  },
  ipc_get: { names: IPC_GET, mode: true, comment: "" },
  shmget: { names: [...IPC_GET, ["SHM_HUGETLB", 0o4000]], mode: true, comment: "" },
  shmat: {
    names: [
      ["SHM_RDONLY", 0o10000],
      ["SHM_RND", 0o20000],
      ["SHM_REMAP", 0o40000],
      ["SHM_EXEC", 0o100000],
    ],
    comment: "SHM_???",
  },
  sched_attr: {
    names: [
      ["SCHED_FLAG_RESET_ON_FORK", 1],
      ["SCHED_FLAG_RECLAIM", 2],
      ["SCHED_FLAG_DL_OVERRUN", 4],
      ["SCHED_FLAG_KEEP_POLICY", 8],
      ["SCHED_FLAG_KEEP_PARAMS", 0x10],
      ["SCHED_FLAG_UTIL_CLAMP_MIN", 0x20],
      ["SCHED_FLAG_UTIL_CLAMP_MAX", 0x40],
    ],
    comment: "SCHED_FLAG_???",
  },
  futex_waitv: {
    names: [["FUTEX_32", 2], ["FUTEX_PRIVATE_FLAG", 128]],
    comment: "FUTEX_???",
  },
  timex_status: { names: [["STA_UNSYNC", 0x40]], comment: "STA_???" },
  mq: { names: [["O_NONBLOCK", 0o4000]], comment: "O_???" },
  semop: { names: [["SEM_UNDO", 0x1000], ["IPC_NOWAIT", 0o4000]], comment: "SEM_???" },
  ipc_message: {
    names: [
      ["MSG_NOERROR", 0o10000],
      ["MSG_EXCEPT", 0o20000],
      ["MSG_COPY", 0o40000],
      ["IPC_NOWAIT", 0o4000],
    ],
    comment: "MSG_???",
  },
  fd: { names: [["FD_CLOEXEC", 1]], comment: "FD_???" },
  seals: {
    names: [
      ["F_SEAL_SEAL", 1],
      ["F_SEAL_SHRINK", 2],
      ["F_SEAL_GROW", 4],
      ["F_SEAL_WRITE", 8],
      ["F_SEAL_FUTURE_WRITE", 16],
    ],
    comment: "F_SEAL_???",
  },
  flock: {
    names: [["LOCK_SH", 1], ["LOCK_EX", 2], ["LOCK_NB", 4], ["LOCK_UN", 8]],
    comment: "LOCK_???",
  },
  close_range: {
    names: [["CLOSE_RANGE_UNSHARE", 2], ["CLOSE_RANGE_CLOEXEC", 4]],
    comment: "CLOSE_RANGE_???",
  },
  poll: {
    names: [
      ["POLLIN", 1],
      ["POLLPRI", 2],
      ["POLLOUT", 4],
      ["POLLRDNORM", 0x40],
      ["POLLRDBAND", 0x80],
      ["POLLWRNORM", 0x100],
      ["POLLWRBAND", 0x200],
      ["POLLERR", 8],
      ["POLLHUP", 0x10],
      ["POLLNVAL", 0x20],
      ["POLLRDHUP", 0x2000],
    ],
    comment: "POLL???",
  },
  epoll: {
    names: [
      ["EPOLLIN", 1],
      ["EPOLLPRI", 2],
      ["EPOLLOUT", 4],
      ["EPOLLRDNORM", 0x40],
      ["EPOLLRDBAND", 0x80],
      ["EPOLLWRNORM", 0x100],
      ["EPOLLWRBAND", 0x200],
      ["EPOLLMSG", 0x400],
      ["EPOLLERR", 8],
      ["EPOLLHUP", 0x10],
      ["EPOLLRDHUP", 0x2000],
      ["EPOLLEXCLUSIVE", 0x10000000],
      ["EPOLLWAKEUP", 0x20000000],
      ["EPOLLONESHOT", 0x40000000],
      ["EPOLLET", 0x80000000 | 0],
    ],
    comment: "EPOLL???",
  },
  pipe: { names: [["O_NONBLOCK", 0o4000], ["O_CLOEXEC", 0o2000000]], comment: "O_???" },
  dup: { names: [["O_CLOEXEC", 0o2000000]], comment: "O_???" },
  epoll_create: { names: [["EPOLL_CLOEXEC", 0o2000000]], comment: "EPOLL_???" },
  eventfd: {
    names: [["EFD_SEMAPHORE", 1], ["EFD_CLOEXEC", 0o2000000], ["EFD_NONBLOCK", 0o4000]],
    comment: "EFD_???",
  },
  timerfd: {
    names: [["TFD_CLOEXEC", 0o2000000], ["TFD_NONBLOCK", 0o4000]],
    comment: "TFD_???",
  },
  signalfd: {
    names: [["SFD_CLOEXEC", 0o2000000], ["SFD_NONBLOCK", 0o4000]],
    comment: "SFD_???",
  },
  inotify: {
    names: [["IN_CLOEXEC", 0o2000000], ["IN_NONBLOCK", 0o4000]],
    comment: "IN_???",
  },
  memfd: {
    names: [["MFD_CLOEXEC", 1], ["MFD_ALLOW_SEALING", 2], ["MFD_HUGETLB", 4]],
    comment: "MFD_???",
  },
  pidfd: { names: [["PIDFD_NONBLOCK", 0o4000]], comment: "PIDFD_???" },
  rename: {
    names: [["RENAME_NOREPLACE", 1], ["RENAME_EXCHANGE", 2], ["RENAME_WHITEOUT", 4]],
    comment: "RENAME_??",
  },
  socket: {
    choice: {
      mask: 0xf,
      names: [
        ["SOCK_STREAM", 1],
        ["SOCK_DGRAM", 2],
        ["SOCK_RAW", 3],
        ["SOCK_SEQPACKET", 5],
      ],
    },
    names: [["SOCK_CLOEXEC", 0o2000000], ["SOCK_NONBLOCK", 0o4000]],
    comment: "SOCK_???",
  },
  accept: {
    names: [["SOCK_CLOEXEC", 0o2000000], ["SOCK_NONBLOCK", 0o4000]],
    comment: "SOCK_???",
  },
  msg: {
    names: [
      ["MSG_OOB", 1],
      ["MSG_PEEK", 2],
      ["MSG_DONTROUTE", 4],
      ["MSG_CTRUNC", 8],
      ["MSG_TRUNC", 0x20],
      ["MSG_DONTWAIT", 0x40],
      ["MSG_EOR", 0x80],
      ["MSG_WAITALL", 0x100],
      ["MSG_NOSIGNAL", 0x4000],
      ["MSG_MORE", 0x8000],
      ["MSG_CMSG_CLOEXEC", 0x40000000],
    ],
    comment: "MSG_???",
  },
};

/** `PROT_READ|PROT_WRITE`, unknown bits in hexadecimal. */
export function flagNames(set: string, value: number, arch: Arch): string {
  const flags = set === "open"
    ? { names: OPEN[arch], choice: ACCESS_MODE, comment: "O_???" }
    : FLAGS[set];
  if (flags === undefined) return `0x${(value >>> 0).toString(16)}`;
  const parts: string[] = [];
  let rest = flags.mode ? value & ~0o777 : value | 0;
  if (flags.choice) {
    const { mask, names } = flags.choice;
    const chosen = names.find(([, number]) => number === (value & mask));
    if (chosen) {
      parts.push(chosen[0]);
      rest &= ~mask;
    }
  }
  for (const [name, bits] of flags.names) {
    if (bits !== 0 && (rest & bits) === bits) {
      parts.push(name);
      rest &= ~bits;
    }
  }
  if (rest !== 0) {
    const hex = `0x${(rest >>> 0).toString(16)}`;
    parts.push(parts.length > 0 ? hex : `${hex} /* ${flags.comment} */`);
  }
  if (flags.mode) parts.push(octal(value & 0o777));
  return parts.length > 0 ? parts.join("|") : flags.none ?? "0";
}
