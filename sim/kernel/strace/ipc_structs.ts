/** Structures of System V IPC and of POSIX message queues as strace prints them. */
import type { Arch } from "../../arch.ts";
import { Sigevent } from "../abi/structs.ts";
import { getSigned64, type Struct } from "../abi/struct.ts";
import { Msginfo, MsqidDs } from "../syscalls/ipc/message_queues.ts";
import { SemidDs, Seminfo } from "../syscalls/ipc/semaphore_control.ts";
import { Sembuf } from "../syscalls/ipc/semaphores.ts";
import { ShmidDs, ShmInfo, Shminfo } from "../syscalls/ipc/shared_memory.ts";
import { MqAttr } from "../syscalls/ipc/posix_queues.ts";
import { readStruct } from "../user_struct.ts";
import { signalName } from "../signal_numbers.ts";
import { enumName } from "./enums.ts";
import { flagNames } from "./flags.ts";
import { octal, pointer, quoteShort } from "./strings.ts";
import { bytesAt, type Printer } from "./structs.ts";

/** strace's name of a field, and ours. */
type Fields = readonly (readonly [shown: string, field: string])[];

/** `{semmap=1, …}`: fields as numbers; structures that begin with a struct ipc64_perm show it first. */
function printer(
  type: Struct<string> | Record<Arch, Struct<string>>,
  fields: Fields,
  permissions?: { name: string; given: boolean },
): Printer {
  return (at, { space, arch }) => {
    const values = readStruct(space, arch in type ? type[arch as never] : type as never, at) as
      | Record<string, number>
      | null;
    if (values === null) return null;
    const parts = fields.map(([shown, field]) => `${shown}=${values[field]}`);
    if (permissions) {
      const { uid, gid, mode, key, cuid, cgid } = values;
      const rest = permissions.given ? "" : `, key=${key >>> 0}, cuid=${cuid}, cgid=${cgid}`;
      parts.unshift(`${permissions.name}={uid=${uid}, gid=${gid}, mode=${octal(mode)}${rest}}`);
    }
    return `{${parts.join(", ")}}`;
  };
}

const sembuf: Printer = (at, { space, arch, next }) => {
  const view = bytesAt(space, at, Sembuf.size * Math.min(next, 32));
  if (view === null) return null;
  const parts: string[] = [];
  for (let i = 0; i < view.byteLength; i += Sembuf.size) {
    const { semaphore, change, flags } = Sembuf.decode(view, i);
    const names = flagNames("semop", flags, arch);
    parts.push(`{sem_num=${semaphore}, sem_op=${change}, sem_flg=${names}}`);
  }
  return `[${parts.join(", ")}]`;
};

const msgbuf: Printer = (at, { space, next }) => {
  const view = bytesAt(space, at, 8);
  const text = space.readBytes(at + 8, Math.min(next, 64));
  if (view === null || typeof text === "number") return null;
  return `{mtype=${getSigned64(view, 0)}, mtext=${quoteShort(text, next)}}`;
};

const SEMID: Fields = [
  ["sem_otime", "operationTime"],
  ["sem_ctime", "changeTime"],
  ["sem_nsems", "count"],
];
const MSQID: Fields = [
  ["msg_stime", "sendTime"],
  ["msg_rtime", "receiveTime"],
  ["msg_ctime", "changeTime"],
  ["msg_qnum", "messages"],
  ["msg_qbytes", "maxBytes"],
  ["msg_lspid", "lastSender"],
  ["msg_lrpid", "lastReceiver"],
];
const SHMID: Fields = [
  ["shm_segsz", "size"],
  ["shm_cpid", "creatorPid"],
  ["shm_lpid", "lastPid"],
  ["shm_nattch", "attached"],
  ["shm_atime", "accessTime"],
  ["shm_dtime", "detachTime"],
  ["shm_ctime", "changeTime"],
];
/** Fields whose names differ by a prefix only. */
const prefixed = (prefix: string, fields: string): Fields =>
  fields.split(" ").map((field) => [prefix + field, field]);

const mqAttr: Printer = (at, { space, arch }) => {
  const values = readStruct(space, MqAttr, at);
  if (values === null) return null;
  const { flags, maxMessages, messageSize, messages } = values;
  return `{mq_flags=${flagNames("mq", flags, arch)}, mq_maxmsg=${maxMessages}, ` +
    `mq_msgsize=${messageSize}, mq_curmsgs=${messages}}`;
};

const sigevent: Printer = (at, { space }) => {
  const values = readStruct(space, Sigevent, at);
  if (values === null) return null;
  const { valueLow, valueHigh, signo, notify } = values;
  const value = valueHigh * 2 ** 32 + valueLow;
  const shown = value === 0
    ? ""
    : `sigev_value={sival_int=${valueLow | 0}, sival_ptr=${pointer(value)}}, `;
  const signal = notify === 0 ? signalName(signo).replace("SIG0", "0") : signo;
  return `{${shown}sigev_signo=${signal}, sigev_notify=${enumName("sigev", notify)}}`;
};

/** Printers by the names that rows and operations use. */
export const IPC_PRINTERS: { readonly [name: string]: Printer } = {
  sembuf,
  msgbuf,
  mq_attr: mqAttr,
  sigevent,
  semid_ds: printer(SemidDs, SEMID, { name: "sem_perm", given: false }),
  semid_ds_set: printer(SemidDs, [], { name: "sem_perm", given: true }),
  seminfo: printer(
    Seminfo,
    prefixed("", "semmap semmni semmns semmnu semmsl semopm semume semusz semvmx semaem"),
  ),
  msqid_ds: printer(MsqidDs, MSQID, { name: "msg_perm", given: false }),
  msqid_ds_set: printer(MsqidDs, [["msg_qbytes", "maxBytes"]], { name: "msg_perm", given: true }),
  msginfo: printer(Msginfo, prefixed("msg", "pool map max mnb mni ssz tql seg")),
  shmid_ds: printer(ShmidDs, SHMID, { name: "shm_perm", given: false }),
  shmid_ds_set: printer(ShmidDs, [], { name: "shm_perm", given: true }),
  shminfo: printer(Shminfo, [
    ["shmmax", "max"],
    ["shmmin", "min"],
    ["shmmni", "segments"],
    ["shmseg", "perProcess"],
    ["shmall", "all"],
  ]),
  shm_info: printer(ShmInfo, [
    ["used_ids", "used"],
    ["shm_tot", "total"],
    ["shm_rss", "resident"],
    ["shm_swp", "swapped"],
    ["swap_attempts", "attempts"],
    ["swap_successes", "successes"],
  ]),
};
