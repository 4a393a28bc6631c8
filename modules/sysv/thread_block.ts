import {
  type LinkContext,
  type LinkObject,
  pageUp,
  PROT_READ,
  PROT_WRITE,
} from "../../lib/linker/mod.ts";
import { stateOf } from "./state.ts";

/** Bytes from the thread pointer on (x86_64) or before it (aarch64) for the guest's thread structure. */
const THREAD_STRUCTURE_SIZE = 2304;
/** Bytes of static TLS kept for objects opened later, as glibc keeps them. */
const SURPLUS = 1664;

/**
 * Allocates the first thread's TLS block, fills it and returns the thread pointer. On x86_64 the word at the
 * thread pointer is its own address (psABI, "Thread-Local Storage").
 */
export function createThreadBlock(link: LinkContext): number {
  const { tls } = stateOf(link);
  const capacity = pageUp(tls.size + SURPLUS, tls.align);
  tls.seal(capacity);
  const size = capacity + THREAD_STRUCTURE_SIZE + 2 * tls.align;
  const start = link.allocate(size, PROT_READ | PROT_WRITE, "tls");
  const before = link.arch === "x86_64" ? capacity : THREAD_STRUCTURE_SIZE;
  const threadPointer = pageUp(start + before, tls.align);
  writeTlsImages(link, threadPointer);
  if (link.arch === "x86_64") link.writeU64(threadPointer, threadPointer);
  return threadPointer;
}

/** Copies every object's initial TLS image, as relocated, to its place relative to a thread pointer. */
export function writeTlsImages(link: LinkContext, threadPointer: number): void {
  for (const object of stateOf(link).tls.objects) writeTlsImage(link, object, threadPointer);
}

/** Gives an object's TLS block its place, unless another module looks after those of late objects. */
export function addTlsBlock(link: LinkContext, object: LinkObject): void {
  const { tls, threadLocal } = stateOf(link);
  if (object.batch === 0 || threadLocal === undefined) tls.add(object);
}

/** Initialises the first thread's TLS of an object that was opened after the program started. */
export function writeLateTlsImage(link: LinkContext, object: LinkObject): void {
  const { threadPointer, tls } = stateOf(link);
  if (tls.offsetOf(object) !== undefined && threadPointer !== undefined) {
    writeTlsImage(link, object, threadPointer);
  }
}

/** Copies an object's initial TLS image to its place relative to a thread pointer, zeros after it. */
export function writeTlsImage(link: LinkContext, object: LinkObject, threadPointer: number): void {
  const { vaddr, filesz, memsz } = object.elf.tls!;
  const image = new Uint8Array(memsz);
  image.set(link.read(link.base(object) + vaddr, filesz));
  link.write(threadPointer + stateOf(link).tls.offsetOf(object)!, image);
}
