/**
 * Settings of a terminal: `struct termios` and `struct termios2` of the kernel, and the bits in them
 * (include/uapi/asm-generic/termbits.h, the same on both architectures).
 */

/** struct termios of the kernel: four flag words, line discipline, 19 control characters. */
export const TERMIOS_SIZE = 36;
/** struct termios2 adds two speeds. */
export const TERMIOS2_SIZE = 44;

/** struct termio, of System V: the low halves of the flag words, and eight control characters. */
export const TERMIO_SIZE = 18;
/** Control characters in struct termio. */
const TERMIO_CONTROLS = 8;

/** Bits of c_iflag. */
export const Input = {
  ISTRIP: 0x20,
  INLCR: 0x40,
  IGNCR: 0x80,
  ICRNL: 0x100,
  IUCLC: 0x200,
  IXON: 0x400,
  IXANY: 0x800,
  IMAXBEL: 0x2000,
  IUTF8: 0x4000,
} as const;

/** Bits of c_oflag. */
export const Output = {
  OPOST: 0x1,
  OLCUC: 0x2,
  ONLCR: 0x4,
  OCRNL: 0x8,
  ONOCR: 0x10,
  ONLRET: 0x20,
  TABDLY: 0x1800,
  /** Tabs become spaces (XTABS). */
  TAB3: 0x1800,
} as const;

/** Bits of c_lflag. */
export const Local = {
  ISIG: 0x1,
  ICANON: 0x2,
  ECHO: 0x8,
  ECHOE: 0x10,
  ECHOK: 0x20,
  ECHONL: 0x40,
  NOFLSH: 0x80,
  TOSTOP: 0x100,
  ECHOCTL: 0x200,
  ECHOPRT: 0x400,
  ECHOKE: 0x800,
  IEXTEN: 0x8000,
} as const;

/** Indices into c_cc. */
export const Control = {
  INTR: 0,
  QUIT: 1,
  ERASE: 2,
  KILL: 3,
  EOF: 4,
  TIME: 5,
  MIN: 6,
  START: 8,
  STOP: 9,
  SUSP: 10,
  EOL: 11,
  REPRINT: 12,
  WERASE: 14,
  LNEXT: 15,
  EOL2: 16,
} as const;

/** Bit of c_cflag. */
const CLOCAL = 0x800;
/** Where c_cc begins. */
const CONTROL_CHARACTERS = 17;

export class Termios {
  readonly #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(TERMIOS2_SIZE);
  readonly #view: DataView = new DataView(this.#bytes.buffer);

  /** A terminal at 38400 baud as the kernel makes it (`tty_std_termios`). */
  constructor() {
    const view = this.#view;
    view.setUint32(0, Input.ICRNL | Input.IXON, true);
    view.setUint32(4, Output.OPOST | Output.ONLCR, true);
    view.setUint32(8, 0xbf, true); // B38400 | CS8 | CREAD
    view.setUint32(12, 0x8a3b, true); // ISIG ICANON ECHO ECHOE ECHOK ECHOCTL ECHOKE IEXTEN
    this.#bytes.set(
      [3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22, 0, 0, 0],
      CONTROL_CHARACTERS,
    );
    view.setUint32(36, 38400, true);
    view.setUint32(40, 38400, true);
  }

  /** `struct termios2`; its first TERMIOS_SIZE bytes are `struct termios`. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** Take the settings in `bytes`, a `struct termios` or `struct termios2`. */
  set(bytes: Uint8Array): void {
    this.#bytes.set(bytes);
  }

  /** The settings as `struct termio` has them. */
  get termio(): Uint8Array {
    const bytes = new Uint8Array(TERMIO_SIZE);
    for (let word = 0; word < 4; word++) {
      bytes.set(this.#bytes.subarray(4 * word, 4 * word + 2), 2 * word);
    }
    bytes.set(this.#bytes.subarray(16, CONTROL_CHARACTERS + TERMIO_CONTROLS), 8);
    return bytes;
  }

  /** Take the settings in a `struct termio`; what it lacks stays. */
  set termio(bytes: Uint8Array) {
    for (let word = 0; word < 4; word++) {
      this.#bytes.set(bytes.subarray(2 * word, 2 * word + 2), 4 * word);
    }
    this.#bytes.set(bytes.subarray(8, 9 + TERMIO_CONTROLS), 16);
  }

  /** Whether the line has no modem (CLOCAL of c_cflag). */
  get isLocalLine(): boolean {
    return (this.#view.getUint32(8, true) & CLOCAL) !== 0;
  }
  set isLocalLine(on: boolean) {
    const flags = this.#view.getUint32(8, true);
    this.#view.setUint32(8, on ? flags | CLOCAL : flags & ~CLOCAL, true);
  }

  /** Set `bits` of `Input`. */
  setInput(bits: number): void {
    this.#view.setUint32(0, this.#view.getUint32(0, true) | bits, true);
  }
  /** Whether `bits` of `Input` are set, any of them. */
  input(bits: number): boolean {
    return (this.#view.getUint32(0, true) & bits) !== 0;
  }
  /** Whether `bits` of `Output` are set, any of them. */
  output(bits: number): boolean {
    return (this.#view.getUint32(4, true) & bits) !== 0;
  }
  /** Whether tabs are written as spaces. */
  get expandsTabs(): boolean {
    return (this.#view.getUint32(4, true) & Output.TABDLY) === Output.TAB3;
  }
  /** Whether `bits` of `Local` are set, any of them. */
  local(bits: number): boolean {
    return (this.#view.getUint32(12, true) & bits) !== 0;
  }

  /** The control character, or setting, at `index` of `Control`. */
  control(index: number): number {
    return this.#bytes[CONTROL_CHARACTERS + index];
  }
  /** Whether `byte` is the control character at `index`; 0 there disables it (_POSIX_VDISABLE). */
  is(byte: number, index: number): boolean {
    return byte !== 0 && byte === this.control(index);
  }
}
