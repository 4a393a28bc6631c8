/** mq_notify(2): a signal when a message comes into an empty queue. */
import { queueInfo } from "../../abi/siginfo.ts";
import { Sigevent } from "../../abi/structs.ts";
import { EBADF, EFAULT, EINVAL } from "../../errno.ts";
import { QueueFile } from "../../fs/mqueue_fs.ts";
import { fileOf } from "../../fs/user_io.ts";
import type { Registration } from "../../ipc/posix_queue.ts";
import { NSIG } from "../../signal_numbers.ts";
import { signalProcess } from "../../signals.ts";
import type { Call } from "../../syscall.ts";
import { readStruct } from "../../user_struct.ts";

const SIGEV_SIGNAL = 0, SIGEV_NONE = 1;

export function mqNotify(call: Call, fd: number, event: number): number {
  const wanted = event === 0 ? undefined : readStruct(call.space, Sigevent, event);
  if (wanted === null) return -EFAULT;
  if (wanted) {
    const { notify, signo } = wanted;
    if (notify !== SIGEV_SIGNAL && notify !== SIGEV_NONE) return -EINVAL;
    if (notify === SIGEV_SIGNAL && (signo < 0 || signo > NSIG)) return -EINVAL;
  }
  const file = fileOf(call, fd);
  if (!(file instanceof QueueFile)) return -EBADF;
  const { queue } = file;
  if (wanted) return queue.register(registration(call, wanted));
  if (queue.registration?.pid === call.process.pid) queue.registration = null;
  return 0;
}

function registration(
  { kernel, process, descriptors }: Call,
  { notify, signo, valueLow, valueHigh }: {
    notify: number;
    signo: number;
    valueLow: number;
    valueHigh: number;
  },
): Registration {
  return {
    pid: process.pid,
    owner: descriptors,
    notify,
    signo,
    tell: ({ pid, uid }) => {
      if (notify !== SIGEV_SIGNAL || signo === 0) return;
      signalProcess(kernel, process, queueInfo(signo, { pid, uid }, valueLow, valueHigh));
    },
  };
}
