import type { HostService, LinkContext } from "../../lib/linker/mod.ts";
import { stateOf } from "../sysv/state.ts";
import { forgetErrors } from "./errors.ts";
import { gnuStateOf } from "./state.ts";

/** void *__tls_get_addr(tls_index *index), where the fast way found no block. */
export const tlsAddress: HostService = (call, link) => {
  const at = call.argument(0);
  const { blocks } = gnuStateOf(link);
  const block = blocks.blockOf(link, call.threadPointer, link.readI64(at));
  call.result(block + link.readI64(at + 8));
};

/** void *_dl_allocate_tls(void *memory): a new thread's vector and blocks; `memory` is its thread pointer. */
export const allocateTls: HostService = (call, link) => {
  const thread = call.argument(0);
  startThread(link, thread);
  call.result(thread);
};

/** void *_dl_allocate_tls_init(void *memory, …): the same for memory that has served a thread before. */
export const allocateTlsInit: HostService = allocateTls;

/** void _dl_deallocate_tls(void *memory, bool freeMemory) */
export const deallocateTls: HostService = (call, link) => {
  const thread = call.argument(0);
  gnuStateOf(link).blocks.end(link, thread);
  forgetErrors(link, thread);
};

/** Gives a thread the initial images of all blocks that are at fixed offsets, and a vector. */
function startThread(link: LinkContext, thread: number): void {
  const { standIn, blocks } = gnuStateOf(link);
  const { tls } = stateOf(link);
  const from = standIn!.imageThreadPointer;
  const isBelow = link.arch === "x86_64";
  const start = isBelow ? -tls.capacity : ABOVE_THREAD_POINTER;
  const image = link.read(from + start, tls.capacity - (isBelow ? 0 : ABOVE_THREAD_POINTER));
  link.patch(thread + start, image, "thread-local storage");
  forgetErrors(link, thread);
  blocks.start(link, thread);
}

/** Bytes from the thread pointer to the first block on aarch64. */
const ABOVE_THREAD_POINTER = 16;
