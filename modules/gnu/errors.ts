import { ElfError } from "../../lib/elf/mod.ts";
import { type HostService, type LinkContext, LinkError } from "../../lib/linker/mod.ts";
import { gnuStateOf } from "./state.ts";

/** What dlerror says of an error: `object: message`. Anything but a fault of files is thrown on. */
export function errorText(error: unknown): string {
  if (error instanceof ElfError) return error.message;
  if (!(error instanceof LinkError)) throw error;
  if (error.failure !== undefined) {
    const { object, message } = error.failure;
    return object === "" ? message : `${object}: ${message}`;
  }
  if (error.cause instanceof ElfError) return error.cause.message;
  throw error;
}

/** Remembers what dlerror is to say to a thread, or what is to be raised in it. */
export function setError(
  link: LinkContext,
  thread: number,
  message: string,
  occasion?: string,
): void {
  const { errors } = gnuStateOf(link);
  errors.set(thread, { message, occasion, shown: errors.get(thread)?.shown });
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

/** The error to raise in the guest: as words, an error number, object name, occasion and text. */
export const takeError: HostService = (call, link) => {
  const state = gnuStateOf(link);
  const { heap, errors } = state;
  const { message = "", occasion = "" } = errors.get(call.threadPointer) ?? {};
  const split = message.indexOf(": ");
  const [object, text] = split < 0
    ? ["", message]
    : [message.slice(0, split), message.slice(split + 2)];
  forgetErrors(link, call.threadPointer);
  for (const block of state.raised) heap.release(link, block);
  const strings = [object, occasion, text].map((part) => heap.string(link, part));
  const words = heap.words(link, [0, strings[0], occasion === "" ? 0 : strings[1], strings[2]]);
  state.raised = [words, ...strings];
  call.result(words);
};

/** A thread is gone: so is what dlerror would have told it. */
export function forgetErrors(link: LinkContext, thread: number): void {
  const { errors, heap } = gnuStateOf(link);
  const shown = errors.get(thread)?.shown;
  if (shown !== undefined) heap.release(link, shown);
  errors.delete(thread);
}
