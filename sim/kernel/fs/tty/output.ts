/** What a terminal does to what is written to it (OPOST and its kin, termios(3)). */
import { Input, Output, type Termios } from "./termios.ts";

const NEWLINE = 10;
const RETURN = 13;
const TAB = 9;
const BACKSPACE = 8;
const SPACE = 32;

/** Whether `byte` continues a character of UTF-8. */
export const continues = (byte: number): boolean => (byte & 0xc0) === 0x80;
/** Whether `byte` is a control character of ASCII. */
export const isControl = (byte: number): boolean => byte < 32 || byte === 127;

/** Turns written bytes into those that appear, and knows in which column the next one will. */
export class OutputProcessor {
  column = 0;

  constructor(readonly termios: Termios) {}

  /** Append to `into` what `byte` becomes. */
  process(byte: number, into: number[]): void {
    const { termios } = this;
    if (!termios.output(Output.OPOST)) {
      into.push(byte);
      return;
    }
    switch (byte) {
      case NEWLINE:
        if (termios.output(Output.ONLCR)) into.push(RETURN);
        if (termios.output(Output.ONLCR | Output.ONLRET)) this.column = 0;
        into.push(NEWLINE);
        return;
      case RETURN:
        if (termios.output(Output.ONOCR) && this.column === 0) return;
        if (!termios.output(Output.OCRNL)) {
          this.column = 0;
          into.push(RETURN);
          return;
        }
        if (termios.output(Output.ONLRET)) this.column = 0;
        into.push(NEWLINE);
        return;
      case TAB: {
        const width = 8 - this.column % 8;
        this.column += width;
        if (!termios.expandsTabs) into.push(TAB);
        else for (let i = 0; i < width; i++) into.push(SPACE);
        return;
      }
      case BACKSPACE:
        if (this.column > 0) this.column--;
        into.push(BACKSPACE);
        return;
    }
    if (!isControl(byte) && !(continues(byte) && termios.input(Input.IUTF8))) this.column++;
    into.push(termios.output(Output.OLCUC) ? upper(byte) : byte);
  }
}

function upper(byte: number): number {
  return byte >= 0x61 && byte <= 0x7a ? byte - 32 : byte;
}
