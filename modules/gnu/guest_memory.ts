import type { LinkContext } from "../../lib/linker/mod.ts";
import { wordBytes } from "./guest_heap.ts";

/** Longest string that a service takes from the process, in bytes (PATH_MAX). */
const LONGEST = 4096;

/** The NUL-terminated string at a guest address. */
export function readString(link: LinkContext, at: number): string {
  const bytes: number[] = [];
  for (let part = at; bytes.length < LONGEST;) {
    // Never past the page that holds the byte, which may be the last one mapped.
    const page = link.read(part, link.pageSize - part % link.pageSize);
    const end = page.indexOf(0);
    for (const byte of end < 0 ? page : page.subarray(0, end)) bytes.push(byte);
    if (end >= 0) break;
    part += page.length;
  }
  return new TextDecoder().decode(Uint8Array.from(bytes));
}

/** Writes 64-bit words on behalf of a service to the running process. */
export function patchWords(
  link: LinkContext,
  at: number,
  values: readonly number[],
  reason: string,
): void {
  link.patch(at, wordBytes(values), reason);
}
