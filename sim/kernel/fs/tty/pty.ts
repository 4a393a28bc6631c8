/** Pseudo-terminals: a master that types and watches, a slave that programs take for a terminal (pty(7)). */
import { EAGAIN, EBADF, EINVAL, EIO, ENOTTY } from "../../errno.ts";
import { hangUp } from "../../job_control.ts";
import { SIGTTIN } from "../../signal_numbers.ts";
import { WaitQueue } from "../../wait_queue.ts";
import { ByteRing } from "../byte_ring.ts";
import {
  makeDevice,
  O_NONBLOCK,
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLOUT,
  POLLRDNORM,
  POLLWRNORM,
} from "../constants.ts";
import type { Location } from "../dentry.ts";
import type { Inode } from "../inode.ts";
import * as request from "../ioctl.ts";
import { OpenFile, type UserMemory } from "../open_file.ts";
import { LineDiscipline } from "./line_discipline.ts";
import { Control, Local } from "./termios.ts";
import { type KernelLink, Tty } from "./tty.ts";

/** Major number of slave ends (UNIX98_PTY_SLAVE_MAJOR). */
const PTY_MAJOR = 136;
/** Bytes that a slave may have written and nobody read. */
const OUTPUT_CAPACITY = 65536;
/** Bytes of output looked at in one go: with ONLCR each may become two, with XTABS eight. */
const LARGEST_EXPANSION = 8;
/** VTIME counts tenths of a second. */
const VTIME_NANOSECONDS = 100_000_000;

/** One pair. */
export class Pty extends Tty {
  override readonly device: number;
  /** TIOCSPTLCK: the slave cannot be opened yet. */
  locked = true;
  /** Open slave ends, and whether there has been one. */
  slaves = 0;
  wasOpened = false;
  masterClosed = false;
  readonly discipline: LineDiscipline;
  readonly output: ByteRing = new ByteRing(OUTPUT_CAPACITY);
  /** Slave: there is something to read. Also woken at hang-up. */
  readonly typed: WaitQueue = new WaitQueue("terminal input");
  /** Slave: there is room again, or output goes on. */
  readonly drained: WaitQueue = new WaitQueue("terminal output");
  /** Master: there is something to read; the last slave was closed. */
  readonly shown: WaitQueue = new WaitQueue("pseudo-terminal output");
  /** Master: there is room for what is typed. */
  readonly consumed: WaitQueue = new WaitQueue("pseudo-terminal input");

  constructor(link: KernelLink, readonly index: number) {
    super(link);
    this.device = makeDevice(PTY_MAJOR, index);
    this.discipline = new LineDiscipline(this.termios, {
      show: (bytes) => {
        this.output.put(bytes);
        this.shown.wake();
      },
      signal: (signo) => this.signalForeground(signo),
    });
  }

  /** What is typed at the master: how many bytes were taken, -EAGAIN for none. */
  type(from: Uint8Array): number {
    const { room } = this.discipline;
    if (from.length > 0 && room === 0) return -EAGAIN;
    const { stopped } = this.discipline;
    const count = Math.min(from.length, room);
    this.discipline.type(from.subarray(0, count));
    this.typed.wake();
    if (stopped && !this.discipline.stopped) this.drained.wake();
    return count;
  }

  /** The slave writes: how many bytes were taken, -EAGAIN for none, -EIO after a hang-up. */
  write(from: Uint8Array): number {
    if (this.masterClosed) return -EIO;
    const refused = this.checkWrite();
    if (refused < 0) return refused;
    if (this.discipline.stopped) return -EAGAIN;
    const count = Math.min(from.length, Math.floor(this.output.room / LARGEST_EXPANSION));
    if (count === 0) return from.length === 0 ? 0 : -EAGAIN;
    const shown: number[] = [];
    for (let i = 0; i < count; i++) this.discipline.output.process(from[i], shown);
    this.output.put(Uint8Array.from(shown));
    this.shown.wake();
    return count;
  }

  /** The slave reads; `expired`: VTIME has passed, what is there must do. */
  read(into: Uint8Array, nonblocking: boolean, expired: boolean): number {
    if (this.masterClosed) return 0;
    const refused = this.check(SIGTTIN);
    if (refused < 0) return refused;
    if (into.length === 0) return 0;
    const { termios, discipline } = this;
    if (termios.local(Local.ICANON)) {
      if (!discipline.readable(1)) return -EAGAIN;
    } else {
      const minimum = Math.min(termios.control(Control.MIN), into.length);
      const enough = nonblocking || expired ? 1 : minimum;
      if (discipline.available < enough) {
        const waits = !expired && (minimum > 0 || termios.control(Control.TIME) > 0);
        return waits || (nonblocking && minimum > 0) ? -EAGAIN : 0;
      }
      if (minimum === 0 && discipline.available === 0) {
        return termios.control(Control.TIME) > 0 && !expired ? -EAGAIN : 0;
      }
    }
    const count = discipline.read(into);
    this.consumed.wake();
    return count;
  }

  /** How long a raw read may wait: for the first byte if MIN is 0, else from one byte to the next; 0: for ever. */
  get readTimeout(): number {
    const { termios, discipline } = this;
    if (termios.local(Local.ICANON)) return 0;
    if (termios.control(Control.MIN) > 0 && discipline.available === 0) return 0;
    return termios.control(Control.TIME) * VTIME_NANOSECONDS;
  }

  /** Whether a poll says that the slave can be read. */
  get slaveReadable(): boolean {
    const { termios } = this;
    const minimum = termios.control(Control.TIME) > 0
      ? 1
      : Math.max(1, termios.control(Control.MIN));
    return this.discipline.readable(minimum);
  }

  /** The master's last descriptor is closed. */
  closeMaster(): void {
    this.masterClosed = true;
    const { kernel } = this.link;
    if (kernel) hangUp(kernel, this);
    this.typed.wake();
    this.drained.wake();
  }

  protected override termiosChanged(wasCanonical: boolean): void {
    this.discipline.modeChanged(wasCanonical);
    this.typed.wake();
  }

  protected override flush(queue: number): number {
    // Output is with the master at once: there is none to discard.
    if (queue !== 1) {
      this.discipline.flushInput();
      this.consumed.wake();
    }
    return 0;
  }

  protected override flow(action: number): number {
    if (action === 0) this.discipline.stopped = true;
    else if (action === 1) {
      this.discipline.stopped = false;
      this.drained.wake();
    } else {
      const byte = this.termios.control(action === 2 ? Control.STOP : Control.START);
      if (byte !== 0) this.output.put(Uint8Array.of(byte));
      this.shown.wake();
    }
    return 0;
  }
}

/** The slave end. */
export class PtySlave extends OpenFile {
  constructor(readonly terminal: Pty, inode: Inode, location: Location, flags: number) {
    super(inode, location, flags);
    terminal.slaves++;
    terminal.wasOpened = true;
  }

  protected override closed(): void {
    if (--this.terminal.slaves === 0) this.terminal.shown.wake();
  }

  override read(into: Uint8Array): number {
    if (!this.readable) return -EBADF;
    return this.terminal.read(into, (this.flags & O_NONBLOCK) !== 0, false);
  }
  override readExpired(into: Uint8Array): number {
    return this.terminal.read(into, false, true);
  }
  override get readTimeout(): number {
    return this.terminal.readTimeout;
  }
  override write(from: Uint8Array): number {
    return this.writable ? this.terminal.write(from) : -EBADF;
  }

  override poll(): number {
    const { terminal } = this;
    if (terminal.masterClosed) {
      return POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDNORM | POLLWRNORM;
    }
    const reading = terminal.slaveReadable ? POLLIN | POLLRDNORM : 0;
    const free = !terminal.discipline.stopped && terminal.output.room >= LARGEST_EXPANSION;
    return reading | (free ? POLLOUT | POLLWRNORM : 0);
  }
  override get pollable(): boolean {
    return true;
  }
  override waitQueues(events: number): readonly WaitQueue[] {
    const { typed, drained } = this.terminal;
    if ((events & POLLIN) !== 0) return (events & POLLOUT) !== 0 ? [typed, drained] : [typed];
    return [drained];
  }

  override ioctl(command: number, argument: number, memory: UserMemory): number {
    const { terminal } = this;
    if (terminal.masterClosed) return command === request.TIOCSPGRP ? -ENOTTY : -EIO;
    switch (command) {
      case request.FIONREAD:
        return answer(terminal.discipline.available, argument, memory);
      case request.TIOCOUTQ:
        return answer(terminal.output.length, argument, memory);
    }
    return terminal.ioctl(command, argument, memory);
  }
}

/** The master end: what an opening of /dev/ptmx gives. */
export class PtyMaster extends OpenFile {
  constructor(
    readonly pty: Pty,
    inode: Inode,
    location: Location,
    flags: number,
    /** Called when it is closed. */
    readonly onClosed: () => void,
  ) {
    super(inode, location, flags);
  }

  protected override closed(): void {
    this.pty.closeMaster();
    this.onClosed();
  }

  /** No slave is open any more. */
  get #alone(): boolean {
    return this.pty.wasOpened && this.pty.slaves === 0;
  }

  override read(into: Uint8Array): number {
    if (!this.readable) return -EBADF;
    const { output, drained } = this.pty;
    if (output.length === 0) return this.#alone ? -EIO : -EAGAIN;
    const count = output.take(into);
    drained.wake();
    return count;
  }
  override write(from: Uint8Array): number {
    return this.writable ? this.pty.type(from) : -EBADF;
  }

  override poll(): number {
    const { output, discipline } = this.pty;
    return (output.length > 0 ? POLLIN | POLLRDNORM : 0) |
      (discipline.room > 0 ? POLLOUT | POLLWRNORM : 0) | (this.#alone ? POLLHUP : 0);
  }
  override get pollable(): boolean {
    return true;
  }
  override waitQueues(events: number): readonly WaitQueue[] {
    const { shown, consumed } = this.pty;
    if ((events & POLLIN) !== 0) return (events & POLLOUT) !== 0 ? [shown, consumed] : [shown];
    return [consumed];
  }

  override ioctl(command: number, argument: number, memory: UserMemory): number {
    const { pty } = this;
    switch (command) {
      case request.TIOCGPTN:
        return answer(pty.index, argument, memory);
      case request.TIOCGPTLCK:
        return answer(pty.locked ? 1 : 0, argument, memory);
      case request.TIOCSPTLCK: {
        const value = new Int32Array(1);
        const error = memory.copyIn(argument, new Uint8Array(value.buffer));
        if (error === 0) pty.locked = value[0] !== 0;
        return error;
      }
      case request.TIOCSIG:
        if (argument < 1 || argument > 64) return -EINVAL;
        pty.signalForeground(argument);
        return 0;
      case request.FIONREAD:
        return answer(pty.output.length, argument, memory);
      case request.TIOCOUTQ:
        return answer(pty.discipline.available, argument, memory);
      case request.TIOCSCTTY:
      case request.TIOCNOTTY:
        return -ENOTTY;
    }
    return pty.ioctl(command, argument, memory, true);
  }
}

function answer(value: number, argument: number, memory: UserMemory): number {
  return memory.copyOut(argument, new Uint8Array(Int32Array.of(value).buffer));
}
