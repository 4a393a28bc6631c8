/**
 * Reading a program's memory without touching it: no page fault is taken, nothing is read into the page
 * cache, nothing is counted.
 */
import type { AddressSpace } from "./address_space.ts";

/**
 * Copy what a debugger would see at `va`, whatever the rights of its pages, into `into`; how many bytes
 * are mapped from there on.
 */
export function peek(space: AddressSpace, va: number, into: Uint8Array): number {
  const { size } = space.granule;
  let done = 0;
  while (done < into.length) {
    const at = va + done;
    const inPage = at % size;
    const part = into.subarray(done, done + size - inPage);
    if (!peekPage(space, at - inPage, inPage, part)) break;
    done += part.length;
  }
  return done;
}

function peekPage(space: AddressSpace, page: number, inPage: number, into: Uint8Array): boolean {
  const vma = page < space.layout.taskSize ? space.areas.lookup(page) : null;
  if (vma === null) return false;
  const { table, memory } = space;
  const { u8 } = memory.physical;
  const { size } = space.granule;
  if (table.find(page)) {
    const from = table.page + page % table.span + inPage;
    into.set(u8.subarray(from, from + into.length));
    return true;
  }
  const index = vma.pageAt(page);
  const frame = vma.file?.frame(index) ?? 0;
  if (frame !== 0) {
    const from = frame * size + inPage;
    into.set(u8.subarray(from, from + into.length));
    return true;
  }
  into.fill(0);
  const file = vma.file?.file;
  if (file === undefined || file.inMemory) return true;
  if (index * size >= file.size) return false;
  const bytes = new Uint8Array(size);
  file.readPage(index, bytes);
  into.set(bytes.subarray(inPage, inPage + into.length));
  return true;
}
