/** signalfd(2): the reader's pending signals as records. */
import { EAGAIN, EINVAL } from "../errno.ts";
import type { SigSet } from "../signal_state.ts";
import type { Thread } from "../thread.ts";
import type { WaitQueue } from "../wait_queue.ts";
import { POLLIN, POLLRDNORM } from "./constants.ts";
import type { Location } from "./dentry.ts";
import type { Inode } from "./inode.ts";
import { OpenFile } from "./open_file.ts";
import { SIGCHLD, SIGRTMIN } from "../signal_numbers.ts";

/** sizeof(struct signalfd_siginfo) */
const RECORD = 128;

export class SignalFile extends OpenFile {
  constructor(
    inode: Inode,
    location: Location,
    flags: number,
    /** Signals it reports. */
    public mask: SigSet,
    /** The thread whose call is under way: signals are its own and its process's. */
    readonly caller: () => Thread,
  ) {
    super(inode, location, flags);
  }

  override read(into: Uint8Array): number {
    if (into.length < RECORD) return -EINVAL;
    const thread = this.caller();
    let done = 0;
    while (done + RECORD <= into.length) {
      const info = thread.pending.takeOf(this.mask) ?? thread.process.pending.takeOf(this.mask);
      if (info === null) break;
      putRecord(into.subarray(done, done + RECORD), info);
      done += RECORD;
    }
    return done > 0 ? done : -EAGAIN;
  }

  override poll(): number {
    const thread = this.caller();
    const wanted = (set: SigSet): boolean =>
      ((set.low & this.mask.low) | (set.high & this.mask.high)) !== 0;
    return wanted(thread.pending.set) || wanted(thread.process.pending.set)
      ? POLLIN | POLLRDNORM
      : 0;
  }
  override get pollable(): boolean {
    return true;
  }
  override waitQueues(): readonly WaitQueue[] {
    return [this.caller().process.signalArrived];
  }
}

/** struct signalfd_siginfo from a siginfo_t (fs/signalfd.c, signalfd_copyinfo). */
function putRecord(into: Uint8Array, info: Uint8Array): void {
  const from = new DataView(info.buffer, info.byteOffset, info.byteLength);
  const to = new DataView(into.buffer, into.byteOffset, RECORD);
  into.fill(0);
  const signo = from.getInt32(0, true);
  to.setUint32(0, signo, true);
  to.setInt32(4, from.getInt32(4, true), true);
  to.setInt32(8, from.getInt32(8, true), true);
  to.setUint32(12, from.getUint32(16, true), true); // pid
  to.setUint32(16, from.getUint32(20, true), true); // uid
  if (signo === SIGCHLD) {
    to.setInt32(40, from.getInt32(24, true), true); // status
    to.setBigUint64(56, from.getBigUint64(32, true), true);
    to.setBigUint64(64, from.getBigUint64(40, true), true);
  } else if (signo >= SIGRTMIN || from.getInt32(8, true) < 0) {
    to.setInt32(44, from.getInt32(24, true), true); // value as an int
    to.setBigUint64(48, from.getBigUint64(24, true), true); // and as a pointer
  }
}
