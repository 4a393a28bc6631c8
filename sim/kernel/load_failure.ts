/** Why a program could not be loaded, for people: execve itself answers no more than an errno. */
import { ElfError } from "../../lib/elf/elf_error.ts";
import { ElfFile } from "../../lib/elf/elf_file.ts";
import { EACCES, ENOENT, errnoName, errnoText } from "./errno.ts";
import type { Executable } from "./seam.ts";

/** Text for the failure `errno` (positive) of loading `file`, or undefined where the errno says it. */
export function whyNotLoaded(file: Executable, errno: number): string | undefined {
  const bytes = new Uint8Array(file.size);
  if (file.read(0, bytes) < bytes.length) return undefined;
  try {
    const elf = ElfFile.parse(bytes, file.path);
    const { interp } = elf;
    if ((errno === ENOENT || errno === EACCES) && interp !== undefined) {
      return `${file.path}: its interpreter ${interp}: ${errnoText(errno)} (${errnoName(errno)})`;
    }
    void elf.loadSegments; // or what does not fit the file
    return undefined;
  } catch (error) {
    if (error instanceof ElfError) return error.message;
    throw error;
  }
}
