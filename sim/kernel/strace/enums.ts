/** Constants that strace prints by name: the `enum:X` argument types. */
import type { Names } from "./flags.ts";

/** Consecutive names from 0 with a common prefix; an empty name is no constant. */
function counted(prefix: string, names: string): Names {
  return names.split(" ").map((name, i) => [prefix + name, i] as const);
}

const IPC_COMMANDS = counted("IPC_", "RMID SET STAT INFO");

const ENUMS: { readonly [set: string]: { readonly names: Names; readonly comment: string } } = {
  seccomp: {
    names: counted(
      "SECCOMP_",
      "SET_MODE_STRICT SET_MODE_FILTER GET_ACTION_AVAIL GET_NOTIF_SIZES",
    ),
    comment: "SECCOMP_SET_MODE_???",
  },
  seccomp_mode: {
    names: counted("SECCOMP_MODE_", "DISABLED STRICT FILTER"),
    comment: "SECCOMP_MODE_???",
  },
  seek: {
    names: counted("SEEK_", "SET CUR END DATA HOLE"),
    comment: "SEEK_???",
  },
  sigmask: { names: counted("SIG_", "BLOCK UNBLOCK SETMASK"), comment: "SIG_???" },
  clock: {
    names: counted(
      "CLOCK_",
      "REALTIME MONOTONIC PROCESS_CPUTIME_ID THREAD_CPUTIME_ID MONOTONIC_RAW REALTIME_COARSE " +
        "MONOTONIC_COARSE BOOTTIME REALTIME_ALARM BOOTTIME_ALARM SGI_CYCLE TAI",
    ),
    comment: "CLOCK_???",
  },
  rlimit: {
    names: counted(
      "RLIMIT_",
      "CPU FSIZE DATA STACK CORE RSS NPROC NOFILE MEMLOCK AS LOCKS SIGPENDING MSGQUEUE NICE " +
        "RTPRIO RTTIME",
    ),
    comment: "RLIMIT_???",
  },
  rusage_who: {
    names: [["RUSAGE_SELF", 0], ["RUSAGE_CHILDREN", -1], ["RUSAGE_BOTH", -2], ["RUSAGE_THREAD", 1]],
    comment: "RUSAGE_???",
  },
  idtype: { names: counted("P_", "ALL PID PGID PIDFD"), comment: "P_???" },
  itimer: { names: counted("ITIMER_", "REAL VIRTUAL PROF"), comment: "ITIMER_???" },
  sched: {
    names: [
      ["SCHED_OTHER", 0],
      ["SCHED_FIFO", 1],
      ["SCHED_RR", 2],
      ["SCHED_BATCH", 3],
      ["SCHED_IDLE", 5],
      ["SCHED_DEADLINE", 6],
    ],
    comment: "SCHED_???",
  },
  madvise: {
    names: [
      ["MADV_NORMAL", 0],
      ["MADV_RANDOM", 1],
      ["MADV_SEQUENTIAL", 2],
      ["MADV_WILLNEED", 3],
      ["MADV_DONTNEED", 4],
      ["MADV_FREE", 8],
      ["MADV_REMOVE", 9],
      ["MADV_DONTFORK", 10],
      ["MADV_DOFORK", 11],
      ["MADV_MERGEABLE", 12],
      ["MADV_UNMERGEABLE", 13],
      ["MADV_HUGEPAGE", 14],
      ["MADV_NOHUGEPAGE", 15],
      ["MADV_DONTDUMP", 16],
      ["MADV_DODUMP", 17],
      ["MADV_WIPEONFORK", 18],
      ["MADV_KEEPONFORK", 19],
      ["MADV_COLD", 20],
      ["MADV_PAGEOUT", 21],
      ["MADV_POPULATE_READ", 22],
      ["MADV_POPULATE_WRITE", 23],
      ["MADV_COLLAPSE", 25],
    ],
    comment: "MADV_???",
  },
  arch_prctl: {
    names: [
      ["ARCH_SET_GS", 0x1001],
      ["ARCH_SET_FS", 0x1002],
      ["ARCH_GET_FS", 0x1003],
      ["ARCH_GET_GS", 0x1004],
      ["ARCH_GET_CPUID", 0x1011],
      ["ARCH_SET_CPUID", 0x1012],
    ],
    comment: "ARCH_???",
  },
  prctl: {
    names: [
      ["PR_SET_PDEATHSIG", 1],
      ["PR_GET_PDEATHSIG", 2],
      ["PR_GET_DUMPABLE", 3],
      ["PR_SET_DUMPABLE", 4],
      ["PR_GET_KEEPCAPS", 7],
      ["PR_SET_KEEPCAPS", 8],
      ["PR_SET_NAME", 15],
      ["PR_GET_NAME", 16],
      ["PR_GET_SECCOMP", 21],
      ["PR_SET_SECCOMP", 22],
      ["PR_CAPBSET_READ", 23],
      ["PR_CAPBSET_DROP", 24],
      ["PR_SET_TIMERSLACK", 29],
      ["PR_GET_TIMERSLACK", 30],
      ["PR_SET_CHILD_SUBREAPER", 36],
      ["PR_GET_CHILD_SUBREAPER", 37],
      ["PR_SET_NO_NEW_PRIVS", 38],
      ["PR_GET_NO_NEW_PRIVS", 39],
      ["PR_SET_THP_DISABLE", 41],
      ["PR_GET_THP_DISABLE", 42],
      ["PR_SET_VMA", 0x53564d41],
      ["PR_SET_PTRACER", 0x59616d61],
    ],
    comment: "PR_???",
  },
  fadvise: {
    names: counted("POSIX_FADV_", "NORMAL RANDOM SEQUENTIAL WILLNEED DONTNEED NOREUSE"),
    comment: "POSIX_FADV_???",
  },
  fcntl: {
    names: [
      ...counted(
        "F_",
        "DUPFD GETFD SETFD GETFL SETFL GETLK SETLK SETLKW SETOWN GETOWN SETSIG GETSIG",
      ),
      ["F_OFD_GETLK", 36],
      ["F_OFD_SETLK", 37],
      ["F_OFD_SETLKW", 38],
      ["F_SETLEASE", 1024],
      ["F_GETLEASE", 1025],
      ["F_NOTIFY", 1026],
      ["F_DUPFD_CLOEXEC", 1030],
      ["F_SETPIPE_SZ", 1031],
      ["F_GETPIPE_SZ", 1032],
      ["F_ADD_SEALS", 1033],
      ["F_GET_SEALS", 1034],
    ],
    comment: "F_???",
  },
  ioctl: {
    names: [
      ["TCGETS", 0x5401],
      ["TCSETS", 0x5402],
      ["TCSETSW", 0x5403],
      ["TCSETSF", 0x5404],
      ["TCGETA", 0x5405],
      ["TCSETA", 0x5406],
      ["TCSETAW", 0x5407],
      ["TCSETAF", 0x5408],
      ["TCSBRK", 0x5409],
      ["TCXONC", 0x540a],
      ["TCFLSH", 0x540b],
      ["TIOCEXCL", 0x540c],
      ["TIOCNXCL", 0x540d],
      ["TIOCSCTTY", 0x540e],
      ["TIOCGPGRP", 0x540f],
      ["TIOCSPGRP", 0x5410],
      ["TIOCOUTQ", 0x5411],
      ["TIOCGWINSZ", 0x5413],
      ["TIOCSWINSZ", 0x5414],
      ["TIOCGSOFTCAR", 0x5419],
      ["TIOCSSOFTCAR", 0x541a],
      ["FIONREAD", 0x541b],
      ["FIONBIO", 0x5421],
      ["TIOCNOTTY", 0x5422],
      ["TIOCSETD", 0x5423],
      ["TIOCGETD", 0x5424],
      ["TCSBRKP", 0x5425],
      ["TIOCGSID", 0x5429],
      ["TIOCGPTPEER", 0x5441],
      ["FIONCLEX", 0x5450],
      ["FIOCLEX", 0x5451],
      ["SIOCGIFNAME", 0x8910],
      ["SIOCGIFCONF", 0x8912],
      ["SIOCGIFFLAGS", 0x8913],
      ["SIOCGIFADDR", 0x8915],
      ["SIOCGIFBRDADDR", 0x8919],
      ["SIOCGIFNETMASK", 0x891b],
      ["SIOCGIFMTU", 0x8921],
      ["SIOCGIFHWADDR", 0x8927],
      ["SIOCGIFINDEX", 0x8933],
      ["SIOCGIFTXQLEN", 0x8942],
    ],
    comment: "",
  },
  iocb: {
    names: counted("IOCB_CMD_", "PREAD PWRITE FSYNC FDSYNC PREADX POLL NOOP PREADV PWRITEV"),
    comment: "IOCB_CMD_???",
  },
  sigev: {
    names: [
      ["SIGEV_SIGNAL", 0],
      ["SIGEV_NONE", 1],
      ["SIGEV_THREAD", 2],
      ["SIGEV_THREAD_ID", 4],
    ],
    comment: "SIGEV_???",
  },
  ipc_key: { names: [["IPC_PRIVATE", 0]], comment: "" },
  semctl: {
    names: [
      ...IPC_COMMANDS,
      ["GETPID", 11],
      ["GETVAL", 12],
      ["GETALL", 13],
      ["GETNCNT", 14],
      ["GETZCNT", 15],
      ["SETVAL", 16],
      ["SETALL", 17],
      ["SEM_STAT", 18],
      ["SEM_INFO", 19],
      ["SEM_STAT_ANY", 20],
    ],
    comment: "SEM_???",
  },
  msgctl: {
    names: [...IPC_COMMANDS, ["MSG_STAT", 11], ["MSG_INFO", 12], ["MSG_STAT_ANY", 13]],
    comment: "MSG_???",
  },
  shmctl: {
    names: [
      ...IPC_COMMANDS,
      ["SHM_LOCK", 11],
      ["SHM_UNLOCK", 12],
      ["SHM_STAT", 13],
      ["SHM_INFO", 14],
      ["SHM_STAT_ANY", 15],
    ],
    comment: "SHM_???",
  },
  family: {
    names: [["AF_UNSPEC", 0], ["AF_UNIX", 1], ["AF_INET", 2], ["AF_INET6", 10], ["AF_NETLINK", 16]],
    comment: "AF_???",
  },
  ip_protocol: {
    names: [["IPPROTO_IP", 0], ["IPPROTO_TCP", 6], ["IPPROTO_UDP", 17]],
    comment: "IPPROTO_???",
  },
  netlink: {
    names: [["NETLINK_ROUTE", 0], ["NETLINK_SOCK_DIAG", 4], ["NETLINK_KOBJECT_UEVENT", 15]],
    comment: "NETLINK_???",
  },
  epoll_ctl: {
    names: [["EPOLL_CTL_ADD", 1], ["EPOLL_CTL_DEL", 2], ["EPOLL_CTL_MOD", 3]],
    comment: "EPOLL_CTL_???",
  },
  membarrier: {
    names: [
      ["MEMBARRIER_CMD_QUERY", 0],
      ["MEMBARRIER_CMD_GLOBAL", 1],
      ["MEMBARRIER_CMD_GLOBAL_EXPEDITED", 2],
      ["MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED", 4],
      ["MEMBARRIER_CMD_PRIVATE_EXPEDITED", 8],
      ["MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED", 16],
    ],
    comment: "MEMBARRIER_CMD_???",
  },
  priority: { names: counted("PRIO_", "PROCESS PGRP USER"), comment: "PRIO_???" },
  dumpable: { names: counted("SUID_DUMP_", "DISABLE USER ROOT"), comment: "SUID_DUMP_???" },
  lock: { names: counted("F_", "RDLCK WRLCK UNLCK"), comment: "F_???" },
  shutdown: { names: counted("SHUT_", "RD WR RDWR"), comment: "SHUT_???" },
};

/** FUTEX_ operations, with their two modifier bits. */
const FUTEX = counted(
  "FUTEX_",
  "WAIT WAKE FD REQUEUE CMP_REQUEUE WAKE_OP LOCK_PI UNLOCK_PI TRYLOCK_PI WAIT_BITSET " +
    "WAKE_BITSET WAIT_REQUEUE_PI CMP_REQUEUE_PI LOCK_PI2",
);

function futexName(value: number): string {
  const found = FUTEX.find(([, number]) => number === (value & 127));
  const name = found ? found[0] : `0x${(value & 127).toString(16)} /* FUTEX_??? */`;
  return name + (value & 128 ? "_PRIVATE" : "") + (value & 256 ? "|FUTEX_CLOCK_REALTIME" : "");
}

/** Name of a constant; `0x7 /* SEEK_??? *\/` for one that has none. */
export function enumName(set: string, value: number): string {
  if (set === "futex") return futexName(value);
  const known = ENUMS[set];
  if (known === undefined) return String(value);
  const found = known.names.find(([, number]) => number === value);
  if (found) return found[0];
  const hex = `0x${(value >>> 0).toString(16)}`;
  return known.comment === "" ? hex : `${hex} /* ${known.comment} */`;
}
