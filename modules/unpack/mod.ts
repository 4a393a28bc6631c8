import { ElfError } from "../../lib/elf/mod.ts";
import {
  type GuestFile,
  type LinkContext,
  LinkError,
  type LinkObject,
  type Module,
  type Registration,
  segmentPages,
  strong,
} from "../../lib/linker/mod.ts";
import { place } from "../sysv/load.ts";
import { type Block, type PackedFile, readPacked, unpackBlock } from "./packed_file.ts";

export { type CodecName, CODECS } from "./codecs.ts";
export { isPacked, packElf, type PackOptions, unpackElf } from "./packed_file.ts";

/** Options of `unpack`. */
export interface UnpackOptions {
  /**
   * `lazily` (the default): a block is decompressed when the linker or the program first touches a page in
   * it, into pages that all processes share. `eagerly`: the whole object at its load, into memory of the
   * process's own, as programs that unpack themselves do.
   */
  readonly when?: "lazily" | "eagerly";
  /** Told of every block: its bytes before and after, and the milliseconds of the host that it took. */
  readonly report?: (block: { packed: number; original: number; milliseconds: number }) => void;
}

/** Files as the linker sees them, by the bytes that were packed. */
type Opened = WeakMap<Uint8Array, GuestFile | null>;

/**
 * Loads ELF files that `isthmus pack` compressed, programs and libraries: a module that reads files of a form
 * of its own, and for eager decompression takes the load of the objects in them.
 *
 * The rest of the pipeline sees the original file, so other modules work on packed files as on any. What
 * they read is decompressed for them. A checksum over the compressed bytes is verified when a file is
 * opened, so that a corrupted one is refused before anything runs.
 */
export function unpack(options: UnpackOptions = {}): Module {
  const opened: Opened = new WeakMap();
  const eager = strong(loadEagerly);
  return {
    name: "unpack",
    open: (file, link) => {
      let made = opened.get(file.bytes);
      if (made === undefined || (made !== null && made.path !== file.path)) {
        const packed = read(file);
        made = packed === undefined ? null : madeFile(file, packed, link, options);
        opened.set(file.bytes, made);
      }
      return made ?? undefined;
    },
    register: ({ file }, pipeline): Registration => {
      const isOurs = file?.made !== undefined && opened.get(file.made.from.bytes) === file;
      // Whoever else maps the object copies its bytes, which decompresses them.
      const isFree = pipeline.main("load") === "sysv";
      return options.when === "eagerly" && isOurs && isFree ? { "load": eager } : {};
    },
  };
}

/** The index of a packed file; one that is corrupted is refused as ld.so refuses a file. */
function read({ bytes, path }: GuestFile): PackedFile | undefined {
  try {
    return readPacked(bytes, path);
  } catch (error) {
    if (!(error instanceof ElfError)) throw error;
    const occasion = "error while loading shared libraries";
    const message = `${error.field}: ${error.problem}`;
    throw LinkError.of({ occasion, object: path, message, status: 127 });
  }
}

/** The original file, whose bytes are decompressed block by block as they are needed. */
function madeFile(
  file: GuestFile,
  packed: PackedFile,
  { counters }: LinkContext,
  { report }: UnpackOptions,
): GuestFile {
  const bytes = new Uint8Array(packed.size);
  const { blocks, blockSize } = packed;
  const done = new Uint8Array(blocks.length);
  /** First block of each span of the block size. */
  const first = firstBlocks(packed);
  counters.count("unpack.files");
  counters.count("unpack.blocks", blocks.length);
  const fill = (offset: number, length: number): void => {
    const end = offset + length;
    let i = first[Math.floor(offset / blockSize)];
    for (; i < blocks.length && blocks[i].offset < end; i++) {
      const block = blocks[i];
      if (done[i] !== 0 || block.offset + block.length <= offset) continue;
      done[i] = 1;
      const started = report === undefined ? 0 : performance.now();
      bytes.set(unpackBlock(file.bytes, file.path, packed, block), block.offset);
      counters.count("unpack.blocks.decompressed");
      counters.count("unpack.bytes.packed", block.size);
      counters.count("unpack.bytes.original", block.length);
      report?.({
        packed: block.size,
        original: block.length,
        milliseconds: performance.now() - started,
      });
    }
  };
  const { path, realPath, identity, executable } = file;
  return { path, realPath, identity, executable, bytes, made: { from: file, fill } };
}

function firstBlocks({ size, blockSize, blocks }: PackedFile): Uint32Array {
  const first = new Uint32Array(Math.ceil(size / blockSize)).fill(blocks.length);
  const note = (index: number, i: number) => first[index] = Math.min(first[index], i);
  blocks.forEach((block: Block, i) => note(Math.floor(block.offset / blockSize), i));
  return first;
}

/** Loads an object into memory of the process's own, all of it at once. */
function loadEagerly(link: LinkContext, object: LinkObject): void {
  place(link, object);
  const base = link.base(object);
  for (const { start, stop, protection, segment } of segmentPages(object.elf, link.pageSize)) {
    link.map(base + start, stop - start, protection);
    link.write(base + segment.vaddr, object.elf.segmentBytes(segment));
  }
}
