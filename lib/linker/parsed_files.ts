import { ElfFile } from "../elf/mod.ts";
import type { GuestFile } from "./target.ts";

const parsed = new WeakMap<Uint8Array, ElfFile>();

/** A file's ELF structure, parsed once for all processes that share its bytes. */
export function parseFile({ bytes, path, made }: GuestFile): ElfFile {
  let elf = parsed.get(bytes);
  if (elf?.name !== path) parsed.set(bytes, elf = ElfFile.parse(bytes, path, made?.fill));
  return elf;
}
