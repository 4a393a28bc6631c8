/** System V message queues (ipc/msg.c). */
import { E2BIG, EAGAIN, EIDRM, EINVAL, ENOMSG } from "../errno.ts";
import { WaitQueue } from "../wait_queue.ts";
import { type Creation, IpcObject } from "./objects.ts";

/** Limits (include/uapi/linux/msg.h): queues, bytes of a message, bytes of a queue. */
export const MSGMNI = 32000;
export const MSGMAX = 8192;
export const MSGMNB = 16384;

export const MSG_NOERROR = 0o10000;
export const MSG_EXCEPT = 0o20000;
export const MSG_COPY = 0o40000;

export interface Message {
  readonly type: number;
  readonly text: Uint8Array;
}

/** Which message msgrcv(2) wants. */
export interface Selection {
  /** 0 any, below 0 the lowest type up to its magnitude; with MSG_COPY a place in the queue. */
  readonly type: number;
  /** Room for text. */
  readonly size: number;
  readonly flags: number;
}

/** A thread that waits for a message. */
export class Receiver {
  readonly queue: WaitQueue = new WaitQueue("message");
  /** The message, or -errno; -EAGAIN to look again. */
  result: Message | number | null = null;

  constructor(readonly selection: Selection, readonly pid: number) {}

  finish(result: Message | number): void {
    this.result = result;
    this.queue.wake();
  }
}

const tooLarge = ({ text }: Message, { size, flags }: Selection): boolean =>
  size < text.length && (flags & MSG_NOERROR) === 0;

function matches(message: Message, { type, flags }: Selection): boolean {
  if (type === 0) return true;
  if (type < 0) return message.type <= -type;
  return (message.type === type) !== ((flags & MSG_EXCEPT) !== 0);
}

export class MessageQueue extends IpcObject {
  sendTime = 0;
  receiveTime = 0;
  lastSender = 0;
  lastReceiver = 0;
  /** Bytes of text in the queue, and how many there may be. */
  bytes = 0;
  maxBytes = MSGMNB;
  readonly messages: Message[] = [];
  /** Woken when there may be room. */
  readonly room: WaitQueue = new WaitQueue("message queue");
  #receivers: Receiver[] = [];
  gone = false;

  constructor(creation: Creation, readonly now: () => number) {
    super(creation);
  }

  /** Whether so many bytes of text fit in. */
  fits(length: number): boolean {
    return this.bytes + length <= this.maxBytes && this.messages.length < this.maxBytes;
  }

  /** Give a message that fits to the first receiver that waits for it, or keep it. */
  send(message: Message, pid: number): void {
    this.lastSender = pid;
    this.sendTime = this.now();
    for (const receiver of [...this.#receivers]) {
      if (!matches(message, receiver.selection)) continue;
      this.forget(receiver);
      if (tooLarge(message, receiver.selection)) {
        receiver.finish(-E2BIG);
        continue;
      }
      this.#received(receiver.pid);
      receiver.finish(message);
      return;
    }
    this.messages.push(message);
    this.bytes += message.text.length;
  }

  /** Take the message that `selection` wants: -ENOMSG if there is none, -E2BIG. */
  receive(selection: Selection, pid: number): Message | number {
    const at = this.#find(selection);
    if (at < 0) return -ENOMSG;
    const message = this.messages[at];
    if (tooLarge(message, selection)) return -E2BIG;
    this.messages.splice(at, 1);
    this.bytes -= message.text.length;
    this.#received(pid);
    this.room.wake();
    return message;
  }

  /** MSG_COPY: the message at a place of the queue, which keeps it. */
  copy(selection: Selection): Message | number {
    const message = this.messages[selection.type];
    if (message === undefined) return -ENOMSG;
    if (tooLarge(message, selection)) return -E2BIG;
    // A copy is never cut short.
    return message.text.length > Math.min(selection.size, MSGMAX) ? -EINVAL : message;
  }

  #find(selection: Selection): number {
    let found = -1;
    for (const [i, message] of this.messages.entries()) {
      if (!matches(message, selection)) continue;
      if (selection.type >= 0) return i;
      if (found < 0 || message.type < this.messages[found].type) found = i;
    }
    return found;
  }

  #received(pid: number): void {
    this.lastReceiver = pid;
    this.receiveTime = this.now();
  }

  wait(receiver: Receiver): void {
    this.#receivers.push(receiver);
  }
  forget(receiver: Receiver): void {
    this.#receivers = this.#receivers.filter((other) => other !== receiver);
  }

  /** Rights or room have changed: whoever waits looks again. */
  changed(): void {
    this.#dismiss(-EAGAIN);
  }
  /** IPC_RMID: nobody waits any more. */
  removed(): void {
    this.gone = true;
    this.#dismiss(-EIDRM);
  }
  #dismiss(result: number): void {
    const receivers = this.#receivers;
    this.#receivers = [];
    for (const receiver of receivers) receiver.finish(result);
    this.room.wake();
  }
}
