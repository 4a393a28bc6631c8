/** `/proc/sysvipc` and the limits of System V IPC in `/proc/sys/kernel` (proc(5), sysvipc(7)). */
import type { SystemVIpc } from "../ipc/mod.ts";
import { MSGMAX, MSGMNB, MSGMNI } from "../ipc/message_queues.ts";
import type { IpcObject } from "../ipc/objects.ts";
import {
  MSG_DEFAULT,
  MSG_MAX,
  MSGSIZE_DEFAULT,
  MSGSIZE_MAX,
  QUEUES_MAX,
} from "../ipc/posix_queue.ts";
import { SEMMNI, SEMMNS, SEMMSL, SEMOPM } from "../ipc/semaphores.ts";
import { SHMMNI } from "../ipc/shared_memory.ts";
import type { TextTree } from "./proc_system.ts";

/** Files of `/proc/sys/fs/mqueue` (mq_overview(7)). */
export const QUEUE_LIMITS: TextTree = {
  msg_default: `${MSG_DEFAULT}\n`,
  msg_max: `${MSG_MAX}\n`,
  msgsize_default: `${MSGSIZE_DEFAULT}\n`,
  msgsize_max: `${MSGSIZE_MAX}\n`,
  queues_max: `${QUEUES_MAX}\n`,
};

/** A number right-aligned in a column. */
const column = (value: number, width: number): string => String(value).padStart(width);

/** Key, identifier and mode, with which all rows begin. */
const start = ({ key, identifier, mode }: IpcObject): string =>
  `${column(key, 10)} ${column(identifier, 10)}  ${mode.toString(8).padStart(4)} `;

const owners = ({ uid, gid, creator }: IpcObject): string =>
  [uid, gid, creator.euid, creator.egid].map((id) => column(id, 5)).join(" ");

const times = (...seconds: number[]): string => seconds.map((time) => column(time, 10)).join(" ");

function semaphores({ semaphores }: SystemVIpc): string {
  let text =
    "       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime\n";
  for (const set of semaphores.objects) {
    text += `${start(set)}${column(set.count, 10)} ${owners(set)} ` +
      `${times(set.operationTime, set.changeTime)}\n`;
  }
  return text;
}

function messageQueues({ messageQueues }: SystemVIpc): string {
  let text =
    "       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid" +
    "      stime      rtime      ctime\n";
  for (const queue of messageQueues.objects) {
    text += `${start(queue)} ${column(queue.bytes, 10)} ${column(queue.messages.length, 10)} ` +
      `${column(queue.lastSender, 5)} ${column(queue.lastReceiver, 5)} ${owners(queue)} ` +
      `${times(queue.sendTime, queue.receiveTime, queue.changeTime)}\n`;
  }
  return text;
}

function segments({ segments }: SystemVIpc, pageSize: number): string {
  let text =
    "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid" +
    "      atime      dtime      ctime                   rss                  swap\n";
  for (const segment of segments.objects) {
    const { size, creatorPid, lastPid, attached, accessTime, detachTime, changeTime } = segment;
    text +=
      `${start(segment)}${column(size, 21)} ${column(creatorPid, 5)} ${column(lastPid, 5)}  ` +
      `${column(attached, 5)} ${owners(segment)} ${times(accessTime, detachTime, changeTime)} ` +
      `${column(segment.resident * pageSize, 21)} ${column(0, 21)}\n`;
  }
  return text;
}

/** The files of `/proc/sysvipc`. */
export function ipcTexts(ipc: SystemVIpc, pageSize: number): TextTree {
  return {
    msg: () => messageQueues(ipc),
    sem: () => semaphores(ipc),
    shm: () => segments(ipc, pageSize),
  };
}

const limit = (value: number): string => `${value}\n`;
/** ULONG_MAX less 2^24, which is no exact number. */
const LARGEST = "18446744073692774399\n";

/** Files of `/proc/sys/kernel`. */
export const IPC_LIMITS: TextTree = {
  msgmax: limit(MSGMAX),
  msgmnb: limit(MSGMNB),
  msgmni: limit(MSGMNI),
  sem: [SEMMSL, SEMMNS, SEMOPM, SEMMNI].join("\t") + "\n",
  shmall: LARGEST,
  shmmax: LARGEST,
  shmmni: limit(SHMMNI),
};
