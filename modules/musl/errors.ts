import { ElfError } from "../../lib/elf/mod.ts";
import { type HostService, type LinkContext, LinkError } from "../../lib/linker/mod.ts";
import { muslStateOf } from "./state.ts";

/** Reasons that the search for a file gives, beside what musl calls a bad one. */
const REASON = /: (No such file or directory|Permission denied|Is a directory)$/;

/** What musl's dlerror says of a library that could not be opened. Anything but a fault of files is thrown on. */
export function errorText(link: LinkContext, error: unknown, name: string): string {
  const elf = error instanceof ElfError ||
    (error instanceof LinkError && error.cause instanceof ElfError);
  const failure = error instanceof LinkError ? error.failure : undefined;
  if (failure === undefined && !elf) throw error;
  const { message = "", object = name } = failure ?? {};
  const [, symbol] = /^undefined symbol: ([^,]+)/.exec(message) ?? [];
  if (symbol !== undefined) return `Error relocating ${object}: ${symbol}: symbol not found`;
  if (failure?.occasion === RELOCATING) return `Error relocating ${object}: ${message}`;
  const [, reason = "Exec format error"] = REASON.exec(message) ?? [];
  const requester = error instanceof LinkError ? error.where.object : undefined;
  if (requester === undefined) return `Error loading shared library ${name}: ${reason}`;
  const by = requester === link.program.path ? link.programName : requester;
  return `Error loading shared library ${object}: ${reason} (needed by ${by})`;
}

/** What was being done when a relocation asked for what musl does not do. */
export const RELOCATING = "relocating";

/** Remembers what dlerror is to say to a thread. */
export function setError(link: LinkContext, thread: number, message: string): void {
  const { errors } = muslStateOf(link);
  errors.set(thread, { message, shown: errors.get(thread)?.shown });
}

/** char *dlerror(void) */
export const dlerror: HostService = (call, link) => {
  const { errors, heap } = muslStateOf(link);
  const error = errors.get(call.threadPointer);
  if (error?.message === undefined) return call.result(0);
  if (error.shown !== undefined) heap.release(link, error.shown);
  error.shown = heap.string(link, error.message);
  error.message = undefined;
  call.result(error.shown);
};
