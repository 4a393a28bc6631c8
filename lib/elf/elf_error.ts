/**
 * A file that is not a well-formed ELF64 little-endian object for a supported machine, or a request
 * about it that it cannot answer.
 */
export class ElfError extends Error {
  override readonly name = "ElfError";

  constructor(
    /** The file's name, as it was given to the reader. */
    readonly file: string,
    /** Where in the file, in bytes. */
    readonly offset: number,
    /** The structure member, in the gABI's own spelling where it has one. */
    readonly field: string,
    /** What is wrong with it. */
    readonly problem: string,
  ) {
    super(`${file}: ${field} at 0x${offset.toString(16)}: ${problem}`);
  }
}
