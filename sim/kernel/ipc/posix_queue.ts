/** POSIX message queues (ipc/mqueue.c): messages by priority, who waits for them, who is told. */
import { EAGAIN, EBUSY } from "../errno.ts";
import { WaitQueue } from "../wait_queue.ts";

/** Limits of mq_overview(7), which /proc/sys/fs/mqueue shows. */
export const QUEUES_MAX = 256;
export const MSG_MAX = 10;
export const MSGSIZE_MAX = 8192;
export const MSG_DEFAULT = 10;
export const MSGSIZE_DEFAULT = 8192;
/** What even user 0 cannot have more of. */
export const HARD_MSG_MAX = 65536;
export const HARD_MSGSIZE_MAX = 16 * 1024 * 1024;
/** Priorities are below this (include/uapi/linux/mqueue.h). */
export const MQ_PRIO_MAX = 32768;
/** Bytes of Linux's struct msg_msg and struct posix_msg_tree_node, which count towards RLIMIT_MSGQUEUE. */
const MESSAGE_OVERHEAD = 48, PRIORITY_OVERHEAD = 48;

/** How many messages a queue holds, and how long they may be. */
export interface QueueSize {
  readonly maxMessages: number;
  readonly messageSize: number;
}

/** Bytes that a queue takes of its owner's RLIMIT_MSGQUEUE. */
export function bytesOf({ maxMessages, messageSize }: QueueSize): number {
  return maxMessages * (messageSize + MESSAGE_OVERHEAD) +
    Math.min(maxMessages, MQ_PRIO_MAX) * PRIORITY_OVERHEAD;
}

export interface PriorityMessage {
  readonly priority: number;
  readonly text: Uint8Array;
}

/** A thread that waits for a message, or with one for room. */
export class QueueWaiter {
  readonly wakeUp: WaitQueue = new WaitQueue("POSIX message queue");
  done = false;

  /** @param message what it sends; null until it has received */
  constructor(public message: PriorityMessage | null) {}

  finish(): void {
    this.done = true;
    this.wakeUp.wake();
  }
}

/** Who wants to know of a message in an empty queue (mq_notify). */
export interface Registration {
  readonly pid: number;
  /** Descriptor table of the process: that it closes the queue ends the registration. */
  readonly owner: object;
  /** SIGEV_ constant, and the signal's number, as a read of the queue's file shows them. */
  readonly notify: number;
  readonly signo: number;
  /** A message has come. */
  tell(sender: Sender): void;
  /** It ends without a message. */
  ended(): void;
}

/** Whose message it is that a notification tells of. */
export interface Sender {
  readonly pid: number;
  readonly uid: number;
}

export class PosixQueue {
  /** The first to be received first. */
  readonly messages: PriorityMessage[] = [];
  /** Woken when messages or room may be there. */
  readonly changed: WaitQueue = new WaitQueue("POSIX message queue");
  registration: Registration | null = null;
  #receivers: QueueWaiter[] = [];
  #senders: QueueWaiter[] = [];

  constructor(readonly size: QueueSize) {}

  get full(): boolean {
    return this.messages.length >= this.size.maxMessages;
  }
  /** Bytes of all messages. */
  get bytes(): number {
    return this.messages.reduce((sum, { text }) => sum + text.length, 0);
  }

  /** Give a message to whoever waits for one, or keep it; -EAGAIN if there is no room. */
  send(message: PriorityMessage, sender: Sender): number {
    if (this.full) return -EAGAIN;
    const receiver = this.#receivers.shift();
    if (receiver !== undefined) {
      receiver.message = message;
      receiver.finish();
      return 0;
    }
    this.#insert(message);
    const { registration } = this;
    if (registration !== null && this.messages.length === 1) {
      this.registration = null;
      registration.tell(sender);
    }
    this.changed.wake();
    return 0;
  }

  /** Behind all of its priority and above. */
  #insert(message: PriorityMessage): void {
    const at = this.messages.findIndex(({ priority }) => priority < message.priority);
    this.messages.splice(at < 0 ? this.messages.length : at, 0, message);
  }

  /** Take the first message, to whose place the first sender that waits puts its own; or -EAGAIN. */
  receive(): PriorityMessage | number {
    const message = this.messages.shift();
    if (message === undefined) return -EAGAIN;
    const sender = this.#senders.shift();
    if (sender === undefined) this.changed.wake();
    else {
      this.#insert(sender.message!);
      sender.finish();
    }
    return message;
  }

  waitToSend(waiter: QueueWaiter): void {
    this.#senders.push(waiter);
  }
  waitToReceive(waiter: QueueWaiter): void {
    this.#receivers.push(waiter);
  }
  forget(waiter: QueueWaiter): void {
    const others = (other: QueueWaiter): boolean => other !== waiter;
    this.#senders = this.#senders.filter(others);
    this.#receivers = this.#receivers.filter(others);
  }

  /** Nobody is to be told any more. */
  unregister(): void {
    const { registration } = this;
    this.registration = null;
    registration?.ended();
  }

  /** mq_notify: -EBUSY if somebody else is to be told. */
  register(registration: Registration): number {
    if (this.registration !== null) return -EBUSY;
    this.registration = registration;
    return 0;
  }
}
