import type { ElfFile } from "../elf/mod.ts";
import type { GuestFile } from "./target.ts";

/** One ELF object of a link: the program, a library, or an object that a module made in memory. */
export class LinkObject {
  /** Objects this one asked for in its collect phase, in that order. */
  readonly dependencies: LinkObject[] = [];
  /**
   * Load bias: what is added to every address in the file. Undefined until a module places the
   * object with `LinkContext.place`; read it with `LinkContext.base`.
   */
  base: number | undefined;

  /** Made by the linker alone, for each file it opens and each object that a module has. */
  constructor(
    /** Position in load order over the whole process; the program is 0. */
    readonly index: number,
    readonly elf: ElfFile,
    /** The file it was read from; undefined for an object made in memory. */
    readonly file: GuestFile | undefined,
    /** Number of the load batch: 0 is the start of the program, each later opening is another. */
    readonly batch: number,
  ) {}

  /** Guest path, or the name an in-memory object was given. */
  get path(): string {
    return this.file?.path ?? this.elf.name;
  }

  /** DT_SONAME, or the last component of the path. */
  get soname(): string {
    return this.elf.dynamic?.soname ?? this.path.slice(this.path.lastIndexOf("/") + 1);
  }

  /** Whether it is the program itself, and no library. */
  get isProgram(): boolean {
    return this.index === 0;
  }
}
