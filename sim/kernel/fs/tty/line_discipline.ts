/**
 * N_TTY, the line discipline between what is typed and what a program reads: line editing, echo,
 * signals from the keyboard, flow control (termios(3), drivers/tty/n_tty.c).
 */
import { SIGINT, SIGQUIT, SIGTSTP } from "../../signal_numbers.ts";
import { continues, isControl, OutputProcessor } from "./output.ts";
import { Control, Input, Local, Termios } from "./termios.ts";

/** Most bytes typed ahead (N_TTY_BUF_SIZE, less the end of a line). */
const CAPACITY = 4095;
const BELL = 7;
const BACKSPACE = 8;
const TAB = 9;
const NEWLINE = 10;
const RETURN = 13;
const SPACE = 32;
const CARET = 0x5e;
const BACKSLASH = 0x5c;
const SLASH = 0x2f;

/** What the discipline asks of the terminal it belongs to. */
export interface Wire {
  /** Show `bytes`, as far as there is room. */
  show(bytes: Uint8Array): void;
  /** A key raised `signo` in the foreground. */
  signal(signo: number): void;
}

/** A line, or in raw mode a stretch, that can be read; what remains of it. */
interface Ready {
  bytes: Uint8Array;
  /** Ended by a delimiter or end of file: a read of lines stops after it. */
  readonly ended: boolean;
}

export class LineDiscipline {
  readonly output: OutputProcessor;
  /** Output is stopped by STOP (Ctrl-S) or `tcflow`. */
  stopped = false;
  readonly #ready: Ready[] = [];
  /** The line being edited. */
  #line: number[] = [];
  /** Column in which it began. */
  #lineColumn = 0;
  /** The next byte is taken as it is (LNEXT). */
  #literal = false;
  /** Between the `\` and `/` of ECHOPRT. */
  #erasing = false;

  constructor(readonly termios: Termios, readonly wire: Wire) {
    this.output = new OutputProcessor(termios);
  }

  /** Bytes that a read could take now. */
  get available(): number {
    let sum = 0;
    for (const { bytes } of this.#ready) sum += bytes.length;
    return sum;
  }

  /** Whether a read finds something: a line (an empty one at end of file too), or enough raw bytes. */
  readable(minimum: number): boolean {
    if (this.termios.local(Local.ICANON)) return this.#ready.length > 0;
    return this.#ready.length > 0 && this.available >= minimum;
  }

  /** How many bytes more may be typed. */
  get room(): number {
    const held = this.available + this.#line.length;
    // A line that is too long is cut, so that its end can still be typed.
    const unlimited = this.termios.local(Local.ICANON) && this.#ready.length === 0;
    return unlimited ? CAPACITY : Math.max(0, CAPACITY - held);
  }

  /** Take what is ready: at most one line in canonical mode. */
  read(into: Uint8Array): number {
    const canonical = this.termios.local(Local.ICANON);
    let done = 0;
    while (this.#ready.length > 0) {
      const first = this.#ready[0];
      const count = Math.min(into.length - done, first.bytes.length);
      into.set(first.bytes.subarray(0, count), done);
      done += count;
      first.bytes = first.bytes.subarray(count);
      if (first.bytes.length > 0) break;
      this.#ready.shift();
      if (canonical && first.ended) break;
    }
    return done;
  }

  /** Forget what was typed. */
  flushInput(): void {
    this.#ready.length = 0;
    this.#line = [];
    this.#literal = this.#erasing = false;
  }

  /** Settings have changed: what was typed is read as the new mode has it. */
  modeChanged(wasCanonical: boolean): void {
    if (this.termios.local(Local.ICANON) === wasCanonical) return;
    if (this.#line.length > 0) this.#complete(false);
    this.#erasing = false;
  }

  /** Somebody types `bytes`. */
  type(bytes: Uint8Array): void {
    const shown: number[] = [];
    for (const byte of bytes) this.#typed(byte, shown);
    if (!this.termios.local(Local.ICANON) && this.#line.length > 0) this.#complete(false);
    if (shown.length > 0) this.wire.show(Uint8Array.from(shown));
  }

  #typed(byte: number, shown: number[]): void {
    const { termios } = this;
    if (this.#literal) {
      this.#literal = false;
      this.#store(byte, shown);
      return;
    }
    if (termios.input(Input.ISTRIP)) byte &= 0x7f;
    const extended = termios.local(Local.IEXTEN);
    if (termios.input(Input.IUCLC) && extended && byte >= 0x41 && byte <= 0x5a) byte += 32;
    if (termios.input(Input.IXON) && this.#flow(byte)) return;
    if (termios.local(Local.ISIG) && this.#signal(byte, shown)) return;
    if (byte === RETURN) {
      if (termios.input(Input.IGNCR)) return;
      if (termios.input(Input.ICRNL)) byte = NEWLINE;
    } else if (byte === NEWLINE && termios.input(Input.INLCR)) byte = RETURN;
    if (termios.local(Local.ICANON) && this.#edit(byte, shown)) return;
    this.#store(byte, shown);
  }

  /** START and STOP: whether `byte` was one. Another byte starts output again with IXANY. */
  #flow(byte: number): boolean {
    const { termios } = this;
    if (termios.is(byte, Control.STOP) && !termios.is(byte, Control.START)) {
      this.stopped = true;
      return true;
    }
    const start = termios.is(byte, Control.START);
    if (start || (this.stopped && termios.input(Input.IXANY))) this.stopped = false;
    return start;
  }

  /** INTR, QUIT and SUSP: whether `byte` was one. */
  #signal(byte: number, shown: number[]): boolean {
    const { termios } = this;
    const signo = termios.is(byte, Control.INTR)
      ? SIGINT
      : termios.is(byte, Control.QUIT)
      ? SIGQUIT
      : termios.is(byte, Control.SUSP)
      ? SIGTSTP
      : 0;
    if (signo === 0) return false;
    if (!termios.local(Local.NOFLSH)) {
      this.flushInput();
      shown.length = 0;
    }
    this.wire.signal(signo);
    if (termios.input(Input.IXON)) this.stopped = false;
    if (termios.local(Local.ECHO)) this.#echo(byte, shown);
    return true;
  }

  /** Keys that edit or end a line: whether `byte` was one. */
  #edit(byte: number, shown: number[]): boolean {
    const { termios } = this;
    const echo = termios.local(Local.ECHO);
    const extended = termios.local(Local.IEXTEN);
    if (termios.is(byte, Control.ERASE)) this.#erase("character", shown);
    else if (termios.is(byte, Control.KILL)) this.#kill(shown);
    else if (termios.is(byte, Control.WERASE) && extended) this.#erase("word", shown);
    else if (termios.is(byte, Control.LNEXT) && extended) {
      this.#literal = true;
      if (echo) {
        this.#endErasing(shown);
        if (termios.local(Local.ECHOCTL)) shown.push(CARET, BACKSPACE);
      }
    } else if (termios.is(byte, Control.REPRINT) && echo && extended) {
      this.#endErasing(shown);
      this.#echo(byte, shown);
      this.output.process(NEWLINE, shown);
      for (const typed of this.#line) this.#echo(typed, shown);
    } else if (byte === NEWLINE) {
      if (echo || termios.local(Local.ECHONL)) {
        this.#endErasing(shown);
        this.output.process(NEWLINE, shown);
      }
      this.#line.push(byte);
      this.#complete(true);
    } else if (termios.is(byte, Control.EOF)) this.#complete(true);
    else if (
      termios.is(byte, Control.EOL) || (termios.is(byte, Control.EOL2) && extended)
    ) {
      if (echo) this.#echo(byte, shown);
      this.#line.push(byte);
      this.#complete(true);
    } else return false;
    return true;
  }

  #store(byte: number, shown: number[]): void {
    if (this.available + this.#line.length >= CAPACITY) {
      if (this.termios.input(Input.IMAXBEL)) this.output.process(BELL, shown);
      return;
    }
    if (this.#line.length === 0) this.#lineColumn = this.output.column;
    if (this.termios.local(Local.ECHO)) {
      this.#endErasing(shown);
      if (byte === NEWLINE) this.output.process(NEWLINE, shown);
      else this.#echo(byte, shown);
    }
    this.#line.push(byte);
  }

  /** The line can be read. */
  #complete(ended: boolean): void {
    this.#ready.push({ bytes: Uint8Array.from(this.#line), ended });
    this.#line = [];
  }

  /** Control characters appear as `^C` with ECHOCTL, except tabs. */
  #echo(byte: number, shown: number[]): void {
    if (isControl(byte) && byte !== TAB && this.termios.local(Local.ECHOCTL)) {
      shown.push(CARET, byte ^ 0x40);
      this.output.column += 2;
    } else this.output.process(byte, shown);
  }

  #endErasing(shown: number[]): void {
    if (!this.#erasing) return;
    this.output.process(SLASH, shown);
    this.#erasing = false;
  }

  #kill(shown: number[]): void {
    const { termios } = this;
    if (this.#line.length === 0) return;
    if (!termios.local(Local.ECHO)) this.#line = [];
    else if (
      termios.local(Local.ECHOK) && termios.local(Local.ECHOKE) && termios.local(Local.ECHOE)
    ) this.#erase("line", shown);
    else {
      this.#line = [];
      this.#endErasing(shown);
      this.#echo(termios.control(Control.KILL), shown);
      if (termios.local(Local.ECHOK)) this.output.process(NEWLINE, shown);
    }
  }

  #erase(what: "character" | "word" | "line", shown: number[]): void {
    const line = this.#line;
    let sawWord = false;
    while (line.length > 0) {
      const character = this.#lastCharacter();
      if (character === 0) break;
      if (what === "word") {
        if (isWord(line[line.length - character])) sawWord = true;
        else if (sawWord) break;
      }
      const erased = line.splice(line.length - character);
      if (this.termios.local(Local.ECHO)) this.#unshow(what, erased, shown);
      if (what === "character") break;
    }
    if (line.length === 0 && this.termios.local(Local.ECHO)) this.#endErasing(shown);
  }

  /** Bytes of the last character; 0 if it has only continuation bytes. */
  #lastCharacter(): number {
    const line = this.#line;
    if (!this.termios.input(Input.IUTF8)) return 1;
    let count = 1;
    while (continues(line[line.length - count])) if (++count > line.length) return 0;
    return count;
  }

  #unshow(what: "character" | "word" | "line", erased: readonly number[], shown: number[]): void {
    const { termios } = this;
    const [first] = erased;
    if (termios.local(Local.ECHOPRT)) {
      if (!this.#erasing) this.output.process(BACKSLASH, shown);
      this.#erasing = true;
      this.#echo(first, shown);
      shown.push(...erased.slice(1));
    } else if (what === "character" && !termios.local(Local.ECHOE)) {
      this.#echo(termios.control(Control.ERASE), shown);
    } else if (first === TAB) {
      const target = this.#columnAfterLine();
      while (this.output.column > target) this.output.process(BACKSPACE, shown);
    } else if (isControl(first)) {
      if (termios.local(Local.ECHOCTL)) this.#wipe(2, shown);
    } else this.#wipe(1, shown);
  }

  #wipe(columns: number, shown: number[]): void {
    for (let i = 0; i < columns; i++) {
      shown.push(BACKSPACE, SPACE, BACKSPACE);
      if (this.output.column > 0) this.output.column--;
    }
  }

  /** Column that follows the line as it is. */
  #columnAfterLine(): number {
    let column = this.#lineColumn;
    for (const byte of this.#line) {
      if (byte === TAB) column += 8 - column % 8;
      else if (isControl(byte)) column += this.termios.local(Local.ECHOCTL) ? 2 : 0;
      else if (!(continues(byte) && this.termios.input(Input.IUTF8))) column++;
    }
    return column;
  }
}

function isWord(byte: number): boolean {
  return (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x5a) || byte === 0x5f ||
    (byte >= 0x61 && byte <= 0x7a) || byte >= 0xc0;
}
