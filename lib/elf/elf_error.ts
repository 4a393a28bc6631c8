/**
 * A file that is not a well-formed ELF64 little-endian object for a supported machine, or a request
 * about it that it cannot answer.
 */
export class ElfError extends Error {
  /** Tells this error from others, also across realms. */
  override readonly name = "ElfError";

  /** The message reads `file: field at 0xOFFSET: problem`. */
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
