/** A machine's trace into a textbook simulator. Knows one address space and 4 KiB pages. */
import type { BranchKind, TraceSink } from "../../sim/trace.ts";
import { eventKind, type Textbook } from "./textbook.ts";

const BRANCHES: Readonly<Record<BranchKind, number>> = {
  "taken": eventKind.taken,
  "not taken": eventKind.notTaken,
  "jump": eventKind.jump,
  "call": eventKind.call,
  "indirect jump": eventKind.indirectJump,
  "indirect call": eventKind.indirectCall,
  "return": eventKind.return,
};

export function textbookSink(book: Textbook): TraceSink {
  let only = -1;
  return {
    fetch(pc, length, space) {
      if (only < 0) only = space;
      if (space !== only) throw new RangeError("the trace is of two address spaces");
      book.event(eventKind.fetch, pc, 0, length);
    },
    access: (address, size, write) =>
      book.event(write ? eventKind.store : eventKind.load, address, 0, size),
    branch: (kind, pc, to, length) => book.event(BRANCHES[kind], pc, to, length),
    abandoned(pc) {
      throw new RangeError(`the instruction at 0x${pc.toString(16)} did not retire`);
    },
    pageFault: (address, kind) =>
      book.event(kind === "fetch" ? eventKind.fetchFault : eventKind.dataFault, address, 0, 0),
    shootdown: (address, size) => book.event(eventKind.invalidate, address, size, 0),
  };
}
