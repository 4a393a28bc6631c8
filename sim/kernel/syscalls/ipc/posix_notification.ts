/** mq_notify(2): a signal, or a message to a netlink socket, when a message comes into an empty queue. */
import { queueInfo } from "../../abi/siginfo.ts";
import { Sigevent } from "../../abi/structs.ts";
import type { Values } from "../../abi/struct.ts";
import { EBADF, EFAULT, EINVAL, ENOTSOCK } from "../../errno.ts";
import { QueueFile } from "../../fs/mqueue_fs.ts";
import { fileOf } from "../../fs/user_io.ts";
import type { Registration } from "../../ipc/posix_queue.ts";
import { Socket } from "../../net/socket.ts";
import { AF_NETLINK } from "../../net/socket_address.ts";
import { NSIG } from "../../signal_numbers.ts";
import { signalProcess } from "../../signals.ts";
import type { Call } from "../../syscall.ts";
import { readStruct } from "../../user_struct.ts";

const SIGEV_SIGNAL = 0, SIGEV_NONE = 1, SIGEV_THREAD = 2;
/**
 * SIGEV_THREAD (include/uapi/linux/mqueue.h): the socket gets the cookie, whose last byte says why. The C
 * library's thread that reads the socket starts the program's function.
 */
const NOTIFY_COOKIE_LEN = 32, NOTIFY_WOKENUP = 1, NOTIFY_REMOVED = 2;

type Event = Values<Parameters<typeof Sigevent.offset>[0]>;
/** How somebody is told of a message, and of the end of the registration. */
type Way = Pick<Registration, "tell" | "ended">;

const IN_NO_WAY: Way = { tell() {}, ended() {} };

export function mqNotify(call: Call, fd: number, event: number): number {
  const wanted = event === 0 ? undefined : readStruct(call.space, Sigevent, event);
  if (wanted === null) return -EFAULT;
  const way = wanted ? wayOf(call, wanted) : IN_NO_WAY;
  if (typeof way === "number") return way;
  const file = fileOf(call, fd);
  if (!(file instanceof QueueFile)) return -EBADF;
  const { queue } = file;
  if (wanted) {
    const { pid } = call.process;
    const { notify, signo } = wanted;
    return queue.register({ pid, owner: call.descriptors, notify, signo, ...way });
  }
  if (queue.registration?.pid === call.process.pid) queue.unregister();
  return 0;
}

function wayOf(call: Call, event: Event): Way | number {
  switch (event.notify) {
    case SIGEV_NONE:
      return IN_NO_WAY;
    case SIGEV_SIGNAL:
      return event.signo < 0 || event.signo > NSIG ? -EINVAL : bySignal(call, event);
    case SIGEV_THREAD:
      return bySocket(call, event);
    default:
      return -EINVAL;
  }
}

function bySignal({ kernel, process }: Call, { signo, valueLow, valueHigh }: Event): Way {
  if (signo === 0) return IN_NO_WAY;
  return {
    ...IN_NO_WAY,
    tell: (sender) => signalProcess(kernel, process, queueInfo(signo, sender, valueLow, valueHigh)),
  };
}

/** The event's value is the address of the cookie, its signal the socket's descriptor. */
function bySocket(call: Call, { signo, valueLow, valueHigh }: Event): Way | number {
  const cookie = new Uint8Array(NOTIFY_COOKIE_LEN);
  if (call.space.copyIn(valueHigh * 2 ** 32 + valueLow, cookie) < 0) return -EFAULT;
  const socket = fileOf(call, signo);
  if (socket === null) return -EBADF;
  if (!(socket instanceof Socket)) return -ENOTSOCK;
  if (socket.family !== AF_NETLINK) return -EINVAL;
  const send = (why: number): void => {
    cookie[NOTIFY_COOKIE_LEN - 1] = why;
    const from = { family: AF_NETLINK, port: 0, groups: 0 } as const;
    socket.deliver({ bytes: cookie, from, files: [], sender: { pid: 0, uid: 0, gid: 0 } });
  };
  return { tell: () => send(NOTIFY_WOKENUP), ended: () => send(NOTIFY_REMOVED) };
}
