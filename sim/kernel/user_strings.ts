/** Vectors of strings in guest memory: argv and envp. */
import { E2BIG, EFAULT, ENAMETOOLONG } from "./errno.ts";
import { getUnsigned64 } from "./abi/struct.ts";
import { decodeName } from "./fs/file_name.ts";
import type { AddressSpace } from "../memory/address_space.ts";

/** Most strings in one vector. */
const LIMIT = 0x7fffff;

/** The strings of a NULL-ended vector at `va` (an empty one when `va` is 0), or -errno. */
export function readStrings(
  space: AddressSpace,
  va: number,
  longest: number,
): string[] | number {
  const list: string[] = [];
  if (va === 0) return list;
  const word = new Uint8Array(8);
  const view = new DataView(word.buffer);
  for (let at = va;; at += 8) {
    if (space.copyIn(at, word) < 0) return -EFAULT;
    const pointer = getUnsigned64(view, 0);
    if (pointer === 0) return list;
    if (list.length === LIMIT) return -E2BIG;
    const text = space.readCBytes(pointer, longest);
    if (typeof text === "number") return text === -ENAMETOOLONG ? -E2BIG : text;
    list.push(decodeName(text));
  }
}
