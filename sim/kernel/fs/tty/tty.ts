/** What every terminal has: settings, a size, a session; and what a program may ask of it (tty_ioctl(2)). */
import { EINVAL, EIO, ENOTTY, EPERM, ESRCH } from "../../errno.ts";
import {
  acquireTerminal,
  checkForeground,
  type ControllingTerminal,
  giveUpTerminal,
  signalGroup,
} from "../../job_control.ts";
import type { Kernel } from "../../kernel.ts";
import type { Process } from "../../process.ts";
import { SIGTTOU, SIGWINCH } from "../../signal_numbers.ts";
import * as request from "../ioctl.ts";
import type { UserMemory } from "../open_file.ts";
import { Local, TERMIO_SIZE, Termios, TERMIOS2_SIZE, TERMIOS_SIZE } from "./termios.ts";

/** The one line discipline there is. */
const N_TTY = 0;

/** The kernel, once there is one. */
export interface KernelLink {
  kernel: Kernel | null;
}

/** Requests that a process in the background is stopped for. */
const CHANGES: ReadonlySet<number> = new Set([
  request.TCSETS,
  request.TCSETSW,
  request.TCSETSF,
  request.TCSETA,
  request.TCSETAW,
  request.TCSETAF,
  request.TCSETS2,
  request.TCSETSW2,
  request.TCSETSF2,
  request.TCSBRK,
  request.TCSBRKP,
  request.TCXONC,
  request.TCFLSH,
  request.TIOCSPGRP,
]);

export abstract class Tty implements ControllingTerminal {
  abstract readonly device: number;
  session = 0;
  foreground = 0;
  readonly termios: Termios = new Termios();
  /** TIOCEXCL: nobody but user 0 may open it again. */
  exclusive = false;
  /** struct winsize: rows, columns, and both in pixels. */
  readonly #size: Uint16Array<ArrayBuffer> = new Uint16Array(4);

  constructor(readonly link: KernelLink) {}

  get size(): { readonly rows: number; readonly columns: number } {
    return { rows: this.#size[0], columns: this.#size[1] };
  }
  set size({ rows, columns }: { readonly rows: number; readonly columns: number }) {
    this.#size.set([rows, columns, 0, 0]);
  }

  /** The process whose call is under way. */
  protected get caller(): Process | null {
    return this.link.kernel?.current?.process ?? null;
  }

  /** Whether the caller may read (SIGTTIN) or change (SIGTTOU) the terminal; see `checkForeground`. */
  check(signo: number): number {
    const { kernel } = this.link;
    const { caller } = this;
    return kernel && caller ? checkForeground(kernel, caller, this, signo) : 0;
  }

  /** Whether the caller may write; only TOSTOP keeps the background from it. */
  checkWrite(): number {
    return this.termios.local(Local.TOSTOP) ? this.check(SIGTTOU) : 0;
  }

  signalForeground(signo: number): void {
    const { kernel } = this.link;
    if (kernel && this.foreground !== 0) signalGroup(kernel, this.foreground, signo);
  }

  /** A session leader without a terminal opens this one, without O_NOCTTY: it has one now. */
  offer(process: Process): void {
    const { kernel } = this.link;
    if (kernel && this.session === 0) acquireTerminal(kernel, process, this, false);
  }

  /** Settings have been changed. */
  protected termiosChanged(_wasCanonical: boolean): void {}
  /** tcflush: 0 input, 1 output, 2 both. */
  protected flush(_queue: number): number {
    return 0;
  }
  /** tcflow: 0 stops output, 1 starts it, 2 and 3 ask the other side. */
  protected flow(_action: number): number {
    return 0;
  }

  /** @param master the asker holds the other end of a pseudo-terminal, and belongs to no session of it */
  ioctl(command: number, argument: number, memory: UserMemory, master: boolean = false): number {
    if (CHANGES.has(command) && !master) {
      const refused = this.check(SIGTTOU);
      if (refused < 0) return refused;
    }
    switch (command) {
      case request.TCGETS:
        return memory.copyOut(argument, this.termios.bytes.subarray(0, TERMIOS_SIZE));
      case request.TCGETS2:
        return memory.copyOut(argument, this.termios.bytes);
      case request.TCSETS:
      case request.TCSETSW:
        return this.#set(argument, TERMIOS_SIZE, memory);
      case request.TCSETSF:
        this.flush(0);
        return this.#set(argument, TERMIOS_SIZE, memory);
      case request.TCSETS2:
      case request.TCSETSW2:
        return this.#set(argument, TERMIOS2_SIZE, memory);
      case request.TCSETSF2:
        this.flush(0);
        return this.#set(argument, TERMIOS2_SIZE, memory);
      case request.TCGETA:
        return memory.copyOut(argument, this.termios.termio);
      case request.TCSETA:
      case request.TCSETAW:
        return this.#setShort(argument, memory);
      case request.TCSETAF:
        this.flush(0);
        return this.#setShort(argument, memory);
      case request.TIOCGSOFTCAR:
        return this.#answer(this.termios.isLocalLine ? 1 : 0, argument, memory);
      case request.TIOCSSOFTCAR: {
        const on = new Int32Array(1);
        const error = memory.copyIn(argument, new Uint8Array(on.buffer));
        if (error === 0) this.termios.isLocalLine = on[0] !== 0;
        return error;
      }
      case request.TIOCEXCL:
      case request.TIOCNXCL:
        this.exclusive = command === request.TIOCEXCL;
        return 0;
      case request.TIOCGEXCL:
        return this.#answer(this.exclusive ? 1 : 0, argument, memory);
      case request.TIOCGDEV:
        return this.#answer(this.device, argument, memory);
      case request.TIOCGWINSZ:
        return memory.copyOut(argument, new Uint8Array(this.#size.buffer));
      case request.TIOCSWINSZ:
        return this.#resize(argument, memory);
      case request.TIOCGPGRP:
        if (!master && !this.#isCallers) return -ENOTTY;
        return this.#answer(this.foreground, argument, memory);
      case request.TIOCGSID:
        if ((!master && !this.#isCallers) || this.session === 0) return -ENOTTY;
        return this.#answer(this.session, argument, memory);
      case request.TIOCSPGRP:
        return this.#setForeground(argument, memory);
      case request.TIOCSCTTY: {
        const { kernel } = this.link;
        const { caller } = this;
        if (!kernel || !caller) return -EIO;
        return acquireTerminal(kernel, caller, this, argument === 1);
      }
      case request.TIOCNOTTY: {
        const { kernel } = this.link;
        const { caller } = this;
        return kernel && caller ? giveUpTerminal(kernel, caller, this) : -ENOTTY;
      }
      case request.TIOCGETD:
        return this.#answer(N_TTY, argument, memory);
      case request.TIOCSETD: {
        const discipline = new Int32Array(1);
        const error = memory.copyIn(argument, new Uint8Array(discipline.buffer));
        return error < 0 ? error : discipline[0] === N_TTY ? 0 : -EINVAL;
      }
      case request.TCSBRK:
      case request.TCSBRKP:
        return 0; // what is written is there at once
      case request.TCXONC:
        return argument > 3 ? -EINVAL : this.flow(argument);
      case request.TCFLSH:
        return argument > 2 ? -EINVAL : this.flush(argument);
      default:
        return -ENOTTY;
    }
  }

  get #isCallers(): boolean {
    return this.caller?.terminal === this;
  }

  #set(argument: number, size: number, memory: UserMemory): number {
    const bytes = new Uint8Array(size);
    const error = memory.copyIn(argument, bytes);
    if (error < 0) return error;
    const wasCanonical = this.termios.local(Local.ICANON);
    this.termios.set(bytes);
    this.termiosChanged(wasCanonical);
    return 0;
  }

  #setShort(argument: number, memory: UserMemory): number {
    const bytes = new Uint8Array(TERMIO_SIZE);
    const error = memory.copyIn(argument, bytes);
    if (error < 0) return error;
    const wasCanonical = this.termios.local(Local.ICANON);
    this.termios.termio = bytes;
    this.termiosChanged(wasCanonical);
    return 0;
  }

  #resize(argument: number, memory: UserMemory): number {
    const size = new Uint16Array(4);
    const error = memory.copyIn(argument, new Uint8Array(size.buffer));
    if (error < 0) return error;
    this.#fit(size);
    return 0;
  }

  /** The window has this size now. */
  resize({ rows, columns }: { readonly rows: number; readonly columns: number }): void {
    const [oldRows, oldColumns, ...pixels] = this.#size;
    if (rows !== oldRows || columns !== oldColumns) {
      this.#fit(Uint16Array.of(rows, columns, ...pixels));
    }
  }

  #fit(size: Uint16Array): void {
    if (size.every((value, i) => value === this.#size[i])) return;
    this.#size.set(size);
    this.signalForeground(SIGWINCH);
  }

  #setForeground(argument: number, memory: UserMemory): number {
    const { caller } = this;
    const { kernel } = this.link;
    if (!kernel || !caller || !this.#isCallers || this.session !== caller.sid) return -ENOTTY;
    const group = new Int32Array(1);
    const error = memory.copyIn(argument, new Uint8Array(group.buffer));
    if (error < 0) return error;
    if (group[0] < 0) return -EINVAL;
    const member = [...kernel.processes.values()].find(({ pgid }) => pgid === group[0]);
    if (member === undefined) return -ESRCH;
    if (member.sid !== caller.sid) return -EPERM;
    this.foreground = group[0];
    return 0;
  }

  #answer(value: number, argument: number, memory: UserMemory): number {
    return memory.copyOut(argument, new Uint8Array(Int32Array.of(value).buffer));
  }
}
