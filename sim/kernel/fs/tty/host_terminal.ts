/** The terminal that the host's standard streams are on. Line editing is the host's. */
import { makeDevice } from "../constants.ts";
import { Input } from "./termios.ts";
import { type KernelLink, Tty } from "./tty.ts";

/** Its number in /dev/pts, if there is one. */
export const HOST_TERMINAL_INDEX = 0;
/** Major number of the slave ends of pseudo-terminals (UNIX98_PTY_SLAVE_MAJOR). */
export const PTY_MAJOR = 136;

export class HostTerminal extends Tty {
  override readonly device: number = makeDevice(PTY_MAJOR, HOST_TERMINAL_INDEX);

  constructor(link: KernelLink, size: { columns: number; rows: number }) {
    super(link);
    this.size = size;
    const { bytes } = this.termios;
    const flags = new DataView(bytes.buffer, bytes.byteOffset);
    flags.setUint32(0, flags.getUint32(0, true) | Input.IUTF8, true);
  }
}
