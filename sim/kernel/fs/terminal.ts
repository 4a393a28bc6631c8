/**
 * What a program may ask of a terminal: attributes, size, process groups. Line editing is the
 * host terminal's.
 */
import { EINVAL, ENOTTY } from "../errno.ts";
import { makeDevice } from "./constants.ts";
import * as request from "./ioctl.ts";
import type { UserMemory } from "./open_file.ts";

/** /dev/pts/0 */
export const TERMINAL_DEVICE = makeDevice(136, 0);

/** struct termios of the kernel: four flag words, line discipline, 19 control characters. */
const TERMIOS_SIZE = 36;
/** struct termios2 adds two speeds. */
const TERMIOS2_SIZE = 44;

/** A sane terminal at 38400 baud, as `stty sane` leaves it. */
function saneTermios(): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(TERMIOS2_SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0x4500, true); // ICRNL | IXON | IUTF8
  view.setUint32(4, 0x5, true); // OPOST | ONLCR
  view.setUint32(8, 0xbf, true); // B38400 | CS8 | CREAD
  view.setUint32(12, 0x8a3b, true); // ISIG ICANON ECHO ECHOE ECHOK ECHOCTL ECHOKE IEXTEN
  bytes.set([3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22, 0, 0, 0], 17);
  view.setUint32(36, 38400, true);
  view.setUint32(40, 38400, true);
  return bytes;
}

export class Terminal {
  readonly #termios: Uint8Array<ArrayBuffer> = saneTermios();
  #columns: number;
  #rows: number;
  /** Foreground process group; 0 until somebody sets it: the asker's. */
  #foreground = 0;
  /** Whose call is under way; the kernel sets it. */
  caller: () => { readonly pgid: number; readonly sid: number } | null = () => null;

  constructor(size: { columns: number; rows: number }) {
    this.#columns = size.columns;
    this.#rows = size.rows;
  }

  ioctl(command: number, argument: number, memory: UserMemory): number {
    switch (command) {
      case request.TCGETS:
        return memory.copyOut(argument, this.#termios.subarray(0, TERMIOS_SIZE));
      case request.TCGETS2:
        return memory.copyOut(argument, this.#termios);
      case request.TCSETS:
      case request.TCSETSW:
      case request.TCSETSF: {
        const bytes = new Uint8Array(TERMIOS_SIZE);
        const error = memory.copyIn(argument, bytes);
        if (error === 0) this.#termios.set(bytes);
        return error;
      }
      case request.TIOCGWINSZ:
        return memory.copyOut(
          argument,
          new Uint8Array(Uint16Array.of(this.#rows, this.#columns, 0, 0).buffer),
        );
      case request.TIOCSWINSZ: {
        const size = new Uint16Array(4);
        const error = memory.copyIn(argument, new Uint8Array(size.buffer));
        if (error === 0) [this.#rows, this.#columns] = size;
        return error;
      }
      case request.TIOCGPGRP:
        return this.#answer(this.#foreground || (this.caller()?.pgid ?? 0), argument, memory);
      case request.TIOCGSID:
        return this.#answer(this.caller()?.sid ?? 0, argument, memory);
      case request.TIOCSPGRP: {
        const group = new Int32Array(1);
        const error = memory.copyIn(argument, new Uint8Array(group.buffer));
        if (error < 0) return error;
        if (group[0] <= 0) return -EINVAL;
        this.#foreground = group[0];
        return 0;
      }
      case request.TIOCSCTTY:
      case request.TIOCNOTTY:
      case request.TCSBRK:
      case request.TCXONC:
      case request.TCFLSH:
        return 0;
      default:
        return -ENOTTY;
    }
  }

  #answer(value: number, argument: number, memory: UserMemory): number {
    return memory.copyOut(argument, new Uint8Array(Int32Array.of(value).buffer));
  }
}
