/** Requests and events of Linux AIO as strace prints them. */
import { getSigned64, getUnsigned64 } from "../abi/struct.ts";
import { EVENT_SIZE } from "../aio/context.ts";
import { Iocb } from "../syscalls/aio_submit.ts";
import { readStruct } from "../user_struct.ts";
import { enumName } from "./enums.ts";
import { flagNames } from "./flags.ts";
import { pointer, quoteShort, SHOWN } from "./strings.ts";
import { bytesAt, type Printer, type StructContext, structText } from "./structs.ts";

/** Requests that are shown of a list, and events. */
const MOST = 32;
const PREAD = 0, PWRITE = 1, POLL = 5, PREADV = 7, PWRITEV = 8;

const word = (value: number): string => value === 0 ? "0" : `0x${value.toString(16)}`;

/** One request; io_cancel shows no more than what names it. */
const iocb = (named: boolean): Printer => (at, context) => {
  const request = readStruct(context.space, Iocb, at);
  if (request === null) return null;
  const { opcode, rwFlags } = request;
  const parts = [`aio_data=${word(request.dataHigh * 2 ** 32 + request.dataLow)}`];
  if (request.key !== 0) parts.push(`aio_key=${request.key}`);
  if (rwFlags !== 0) parts.push(`aio_rw_flags=${flagNames("rwf", rwFlags, context.arch)}`);
  parts.push(`aio_lio_opcode=${enumName("iocb", opcode)}`);
  if ((request.priority << 16) !== 0) parts.push(`aio_reqprio=${request.priority << 16 >> 16}`);
  parts.push(`aio_fildes=${request.fd}`);
  if (named) return `{${parts.join(", ")}}`;
  parts.push(...operands(request, context));
  if ((request.flags & 1) !== 0) {
    parts.push("aio_flags=IOCB_FLAG_RESFD", `aio_resfd=${request.eventFd}`);
  }
  return `{${parts.join(", ")}}`;
};

/** What a request says beside its file. */
function operands(
  { opcode, buffer, length, offset }: {
    opcode: number;
    buffer: number;
    length: number;
    offset: number;
  },
  context: StructContext,
): string[] {
  switch (opcode) {
    case PREAD:
      return [`aio_buf=${pointer(buffer)}`, `aio_nbytes=${length}`, `aio_offset=${offset}`];
    case PWRITE: {
      const bytes = context.space.readBytes(buffer, Math.min(length, SHOWN + 1));
      const text = typeof bytes === "number" ? pointer(buffer) : quoteShort(bytes, length);
      return [`aio_buf=${text}`, `aio_nbytes=${length}`, `aio_offset=${offset}`];
    }
    case PREADV:
    case PWRITEV: {
      const shown = opcode === PWRITEV
        ? structText("iovec", buffer, { ...context, next: length })
        : emptyVector(buffer, length, context);
      return [`aio_buf=${shown}`, `aio_offset=${offset}`];
    }
    case POLL:
      return [`aio_buf=${flagNames("poll", buffer, context.arch)}`];
    default:
      return [];
  }
}

/** A vector that is to be filled. */
function emptyVector(at: number, count: number, { space }: StructContext): string {
  const view = bytesAt(space, at, 16 * Math.min(Math.max(count, 0), MOST));
  if (view === null) return pointer(at);
  const parts: string[] = [];
  for (let i = 0; i < view.byteLength; i += 16) {
    const base = pointer(getUnsigned64(view, i)), length = getUnsigned64(view, i + 8);
    parts.push(`{iov_base=${base}, iov_len=${length}}`);
  }
  return `[${parts.join(", ")}]`;
}

/** A vector of pointers to requests; their number is the argument before. */
const iocbs: Printer = (at, context) => {
  const view = bytesAt(context.space, at, 8 * Math.min(Math.max(context.before, 0), MOST));
  if (view === null) return null;
  const parts: string[] = [];
  for (let i = 0; i < view.byteLength; i += 8) {
    const address = getUnsigned64(view, i);
    parts.push(iocb(false)(address, context) ?? pointer(address));
  }
  return `[${parts.join(", ")}]`;
};

/** Events, as many as the call's result says. */
const events: Printer = (at, { space, result }) => {
  const view = bytesAt(space, at, EVENT_SIZE * Math.min(result, MOST));
  if (view === null) return null;
  const parts: string[] = [];
  for (let i = 0; i < view.byteLength; i += EVENT_SIZE) {
    parts.push(
      `{data=${word(getUnsigned64(view, i))}, obj=${pointer(getUnsigned64(view, i + 8))}, ` +
        `res=${getSigned64(view, i + 16)}, res2=${getSigned64(view, i + 24)}}`,
    );
  }
  return `[${parts.join(", ")}]`;
};

const context: Printer = (at, { space }) => {
  const view = bytesAt(space, at, 8);
  return view && `[${word(getUnsigned64(view, 0))}]`;
};

/** Printers by the names that rows use. */
export const AIO_PRINTERS: { readonly [name: string]: Printer } = {
  iocb: iocb(true),
  iocbs,
  addresses: (at, context) => emptyVector(at, context.next, context),
  io_events: events,
  aio_context: context,
};
