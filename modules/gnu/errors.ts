import { ElfError } from "../../lib/elf/mod.ts";
import { type HostService, type LinkContext, LinkError } from "../../lib/linker/mod.ts";
import { readString } from "./guest_memory.ts";
import { gnuStateOf } from "./state.ts";

/** What dlerror says of an error: `object: message`. Anything but a fault of files is thrown on. */
export function errorText(link: LinkContext, error: unknown): string {
  if (error instanceof ElfError) return error.message;
  if (!(error instanceof LinkError)) throw error;
  if (error.failure !== undefined) {
    const { object = programName(link), message } = error.failure;
    return object === "" ? message : `${object}: ${message}`;
  }
  if (error.cause instanceof ElfError) return error.cause.message;
  throw error;
}

/** argv[0], by which messages name the program. */
export function programName(link: LinkContext): string {
  const { landing } = gnuStateOf(link);
  const first = link.readI64(landing!.stackPointer + 8);
  return first === 0 ? "" : readString(link, first);
}

/** Remembers what dlerror is to say to a thread. */
export function setError(link: LinkContext, thread: number, message: string): void {
  const { errors } = gnuStateOf(link);
  const known = errors.get(thread);
  if (known === undefined) errors.set(thread, { message, shown: undefined });
  else known.message = message;
}

/** char *dlerror(void) */
export const dlerror: HostService = (call, link) => {
  const { errors, heap } = gnuStateOf(link);
  const error = errors.get(call.threadPointer);
  if (error === undefined) return call.result(0);
  if (error.shown !== undefined) heap.release(link, error.shown);
  error.shown = error.message === undefined ? undefined : heap.string(link, error.message);
  error.message = undefined;
  call.result(error.shown ?? 0);
};

/** The words of the error to raise in the guest: error number, object name, text. */
export const takeError: HostService = (call, link) => {
  const state = gnuStateOf(link);
  const { heap, errors } = state;
  const message = errors.get(call.threadPointer)?.message ?? "";
  const split = message.indexOf(": ");
  const [object, text] = split < 0
    ? ["", message]
    : [message.slice(0, split), message.slice(split + 2)];
  errors.delete(call.threadPointer);
  if (state.raised !== 0) {
    heap.release(link, link.readI64(state.raised + 8));
    heap.release(link, link.readI64(state.raised + 16));
    heap.release(link, state.raised);
  }
  state.raised = heap.words(link, [0, heap.string(link, object), heap.string(link, text)]);
  call.result(state.raised);
};

/** A thread is gone: so is what dlerror would have told it. */
export function forgetErrors(link: LinkContext, thread: number): void {
  const { errors, heap } = gnuStateOf(link);
  const shown = errors.get(thread)?.shown;
  if (shown !== undefined) heap.release(link, shown);
  errors.delete(thread);
}
