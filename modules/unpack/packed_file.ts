import {
  EHDR_SIZE,
  ElfFile,
  PHDR_SIZE,
  PT_ISTHMUS_LINKER,
  PT_NULL,
  type Segment,
} from "../../lib/elf/mod.ts";
import { ByteView } from "../../lib/elf/byte_view.ts";
import { ByteWriter } from "../../lib/elf/byte_writer.ts";
import { type Codec, type CodecName, CODECS } from "./codecs.ts";
import { crc32 } from "./deps.ts";

/** Segment type of a piece of a compressed ELF file; other loaders pass over it. */
export const PT_ISTHMUS_PACKED = 0x6973_7470;

/*
 * A packed file is an ELF file whose program headers are of this type, one for each PT_LOAD of the original,
 * with its address, size in memory and rights, and one for each part of the file that no PT_LOAD has. What
 * such a segment holds, little-endian:
 *
 *    0  "ISTHPACK"
 *    8  u32 version, u32 codec
 *   16  u64 offset of the piece in the original file, u64 its length
 *   32  u64 size of the original file
 *   40  u32 block size, u32 number of blocks
 *   48  u32 CRC-32 of what follows
 *   52  u32 CRC-32 of the 52 bytes before
 *   56  for each block: u32 compressed size (bit 31: stored as it is), u32 CRC-32 of the original bytes
 *       the blocks
 *
 * Blocks begin at multiples of the block size in the original file, but for the first.
 */
const MAGIC = 0x4953_5448_5041_434bn;
const VERSION = 1;
const HEADER_SIZE = 56;
const STORED = 0x8000_0000;
/** Block sizes, in bytes. */
export const SMALLEST_BLOCK = 4096;
export const LARGEST_BLOCK = 2 ** 26;

/** One compressed block: where it is in the packed file, and what it becomes. */
export interface Block {
  readonly at: number;
  readonly size: number;
  readonly stored: boolean;
  readonly crc: number;
  /** Offset and length in the original file. */
  readonly offset: number;
  readonly length: number;
}

/** A packed file, its segments' checksums verified. */
export interface PackedFile {
  readonly codec: Codec;
  /** Bytes of the original file. */
  readonly size: number;
  readonly blockSize: number;
  /** Ascending by offset; together they cover the original. */
  readonly blocks: readonly Block[];
}

/** How `packElf` compresses. */
export interface PackOptions {
  /** Default "zstd". */
  readonly codec?: CodecName;
  /** Bytes that are compressed together, a power of two of at least 4096; default 64 KiB. */
  readonly blockSize?: number;
}

/** True if a file is packed: it begins as an ELF file and has a segment of our type. */
export function isPacked(bytes: Uint8Array): boolean {
  return packedSegments(new ByteView(bytes, "")).length > 0;
}

function packedSegments(view: ByteView): Segment[] {
  const { bytes } = view;
  const elf = bytes.length >= EHDR_SIZE && view.view.getUint32(0) === 0x7f454c46 && bytes[4] === 2;
  if (!elf) return [];
  const at = view.view.getUint32(32, true);
  const count = view.view.getUint16(56, true);
  if (at + count * PHDR_SIZE > bytes.length) return [];
  for (let i = 0; i < count; i++) {
    if (view.view.getUint32(at + i * PHDR_SIZE, true) !== PT_ISTHMUS_PACKED) continue;
    const elf = ElfFile.parse(bytes, view.name);
    return elf.segments.filter(({ type }) => type === PT_ISTHMUS_PACKED);
  }
  return [];
}

/**
 * Reads the index of a packed file and verifies its checksums; undefined if the file is not packed. What is
 * wrong with one that is, is an `ElfError`.
 */
export function readPacked(bytes: Uint8Array, name: string): PackedFile | undefined {
  const view = new ByteView(bytes, name);
  const segments = packedSegments(view);
  if (segments.length === 0) return undefined;
  let first: { codec: Codec; size: number; blockSize: number } | undefined;
  const blocks: Block[] = [];
  let end = 0;
  const ordered = segments.map((segment) => readPiece(view, segment))
    .sort((a, b) => a.offset - b.offset);
  for (const piece of ordered) {
    const { codec, size, blockSize } = first ??= piece;
    if (piece.codec !== codec || piece.size !== size || piece.blockSize !== blockSize) {
      view.fail(piece.at, "packed segment", "it is of another file than the one before");
    }
    if (piece.offset !== end) {
      view.fail(piece.at, "packed segment", `it begins at byte ${piece.offset}, not ${end}`);
    }
    end += piece.length;
    blocks.push(...piece.blocks);
  }
  const { codec, size, blockSize } = first!;
  if (end !== size) view.fail(0, "packed segments", `they hold ${end} bytes of ${size}`);
  return { codec, size, blockSize, blocks };
}

interface Piece {
  readonly at: number;
  readonly codec: Codec;
  readonly size: number;
  readonly blockSize: number;
  readonly offset: number;
  readonly length: number;
  readonly blocks: readonly Block[];
}

function readPiece(view: ByteView, segment: Segment): Piece {
  const at = segment.offset;
  const field = `packed segment ${segment.index}`;
  view.check(at, segment.filesz, field);
  if (segment.filesz < HEADER_SIZE || view.view.getBigUint64(at) !== MAGIC) {
    view.fail(at, field, "it does not begin with ISTHPACK");
  }
  if (crc32(view.slice(at, 52, field)) !== view.u32(at + 52, field)) {
    view.fail(at, field, "its header is corrupted: the checksum differs");
  }
  const version = view.u32(at + 8, field);
  if (version !== VERSION) view.fail(at + 8, field, `version ${version} is not ${VERSION}`);
  const id = view.u32(at + 12, field);
  const codec = CODECS.find((codec) => codec.id === id);
  if (codec === undefined) return view.fail(at + 12, field, `codec ${id} is unknown`);
  const body = view.slice(at + HEADER_SIZE, segment.filesz - HEADER_SIZE, field);
  if (crc32(body) !== view.u32(at + 48, field)) {
    view.fail(at + HEADER_SIZE, field, "it is corrupted: the checksum differs");
  }
  const offset = view.u64(at + 16, field);
  const length = view.u64(at + 24, field);
  const size = view.u64(at + 32, field);
  const blockSize = view.u32(at + 40, field);
  const count = view.u32(at + 44, field);
  if (!isBlockSize(blockSize)) view.fail(at + 40, field, `${blockSize} is no block size`);
  if (offset + length > size) view.fail(at + 16, field, "it ends after the original file");
  const spans = blockSpans(offset, length, blockSize);
  if (spans.length !== count || body.length < 8 * count) {
    view.fail(at + 44, field, `it has ${count} blocks where ${spans.length} are due`);
  }
  const blocks: Block[] = [];
  let place = at + HEADER_SIZE + 8 * count;
  spans.forEach((span, i) => {
    const word = view.u32(at + HEADER_SIZE + 8 * i, field);
    const packedSize = word & ~STORED;
    const crc = view.u32(at + HEADER_SIZE + 8 * i + 4, field);
    blocks.push({ at: place, size: packedSize, stored: word >= STORED, crc, ...span });
    place += packedSize;
  });
  if (place !== at + segment.filesz) view.fail(at, field, "its blocks do not fill it");
  return { at, codec, size, blockSize, offset, length, blocks };
}

function isBlockSize(size: number): boolean {
  return size >= SMALLEST_BLOCK && size <= LARGEST_BLOCK && Number.isInteger(Math.log2(size));
}

/** The blocks of a piece of a file: they begin at multiples of their size, but for the first. */
function blockSpans(
  offset: number,
  length: number,
  blockSize: number,
): { offset: number; length: number }[] {
  const spans = [];
  for (let at = offset; at < offset + length;) {
    const next = Math.min(offset + length, at - at % blockSize + blockSize);
    spans.push({ offset: at, length: next - at });
    at = next;
  }
  return spans;
}

/** The original bytes of a block; an `ElfError` if they are not what was packed. */
export function unpackBlock(
  bytes: Uint8Array,
  name: string,
  { codec }: PackedFile,
  block: Block,
): Uint8Array {
  const { at, size, stored, crc, offset, length } = block;
  const packed = bytes.subarray(at, at + size);
  const fail = (problem: string): never =>
    new ByteView(bytes, name).fail(
      at,
      `packed block of bytes ${offset} to ${offset + length}`,
      problem,
    );
  let original = packed;
  if (!stored) {
    try {
      original = codec.decompress(packed, length);
    } catch (error) {
      return fail(
        `${codec.name} cannot read it: ${error instanceof Error ? error.message : error}`,
      );
    }
  }
  if (original.length !== length) fail(`it holds ${original.length} bytes instead of ${length}`);
  if (crc32(original) !== crc) fail("the checksum of its content differs");
  return original;
}

/** The whole original file. */
export function unpackElf(bytes: Uint8Array, name: string): Uint8Array<ArrayBuffer> | undefined {
  const packed = readPacked(bytes, name);
  if (packed === undefined) return undefined;
  const original = new Uint8Array(packed.size);
  for (const block of packed.blocks) {
    original.set(unpackBlock(bytes, name, packed, block), block.offset);
  }
  return original;
}

/**
 * Compresses an ELF program or library, segment by segment. Nothing is lost: unpacked, the file is what it
 * was, byte for byte. A linker's name in the program stays readable.
 */
export function packElf(
  bytes: Uint8Array,
  name: string,
  { codec: codecName = "zstd", blockSize = 2 ** 16 }: PackOptions = {},
): Uint8Array<ArrayBuffer> {
  const codec = CODECS.find((codec) => codec.name === codecName)!;
  if (!isBlockSize(blockSize)) throw new RangeError(`${blockSize} is no block size`);
  const elf = ElfFile.parse(bytes, name);
  const view = new ByteView(bytes, name);
  if (elf.loadSegments.length === 0) view.fail(54, "e_phnum", "it has no PT_LOAD to compress");
  const pieces = piecesOf(elf);
  const linker = elf.linkerName === undefined
    ? undefined
    : elf.segments.find(({ type }) => type === PT_ISTHMUS_LINKER);
  const headers: Partial<Segment>[] = [];
  // One header more than there are pieces: name-linker has room for a name.
  const start = EHDR_SIZE + (pieces.length + 1) * PHDR_SIZE;
  const body = new ByteWriter();
  for (const { segment, offset, length } of pieces) {
    body.align(8);
    const packed = packPiece(bytes, offset, length, codec, blockSize);
    const { flags = 4, vaddr = 0, paddr = 0, memsz = 0 } = segment ?? {};
    const place = { offset: start + body.length, filesz: packed.length };
    headers.push({ type: PT_ISTHMUS_PACKED, flags, vaddr, paddr, memsz, align: 8, ...place });
    body.raw(packed);
  }
  if (linker === undefined) headers.push({ type: PT_NULL });
  else {
    const place = { offset: start + body.length, filesz: linker.filesz };
    headers.push({ type: PT_ISTHMUS_LINKER, align: 1, ...place });
    body.raw(elf.segmentBytes(linker));
  }
  const out = new ByteWriter().raw(bytes.subarray(0, EHDR_SIZE));
  for (const { type, flags = 0, offset = 0, vaddr = 0, paddr = 0, ...sizes } of headers) {
    const { filesz = 0, memsz = 0, align = 0 } = sizes;
    out.u32(type!).u32(flags).u64(offset).u64(vaddr).u64(paddr).u64(filesz).u64(memsz).u64(align);
  }
  const packed = out.raw(body.finish()).finish();
  const header = new DataView(packed.buffer);
  header.setBigUint64(32, BigInt(EHDR_SIZE), true); // e_phoff
  header.setBigUint64(40, 0n, true); // e_shoff
  header.setUint16(56, headers.length, true); // e_phnum
  header.setUint16(60, 0, true); // e_shnum
  header.setUint16(62, 0, true); // e_shstrndx
  return packed as Uint8Array<ArrayBuffer>;
}

/** The parts of a file that its PT_LOAD segments have, and those between. */
function piecesOf(elf: ElfFile): { segment?: Segment; offset: number; length: number }[] {
  const pieces = [];
  let end = 0;
  const loads = elf.loadSegments.filter(({ filesz }) => filesz > 0)
    .toSorted((a, b) => a.offset - b.offset);
  for (const segment of loads) {
    if (segment.offset > end) pieces.push({ offset: end, length: segment.offset - end });
    // Segments may share bytes of the file; those are the first one's.
    const offset = Math.max(end, segment.offset);
    const length = segment.offset + segment.filesz - offset;
    if (length <= 0) continue;
    pieces.push({ segment, offset, length });
    end = offset + length;
  }
  if (end < elf.bytes.length) pieces.push({ offset: end, length: elf.bytes.length - end });
  return pieces;
}

function packPiece(
  bytes: Uint8Array,
  offset: number,
  length: number,
  codec: Codec,
  blockSize: number,
): Uint8Array {
  const spans = blockSpans(offset, length, blockSize);
  const table = new ByteWriter();
  const blocks = new ByteWriter();
  for (const span of spans) {
    const original = bytes.subarray(span.offset, span.offset + span.length);
    const packed = codec.compress(original);
    const stored = packed.length >= original.length;
    const kept = stored ? original : packed;
    table.u32((kept.length | (stored ? STORED : 0)) >>> 0).u32(crc32(original));
    blocks.raw(kept);
  }
  const body = table.raw(blocks.finish()).finish();
  const header = new ByteWriter().raw(new TextEncoder().encode("ISTHPACK"));
  header.u32(VERSION).u32(codec.id).u64(offset).u64(length).u64(bytes.length);
  header.u32(blockSize).u32(spans.length).u32(crc32(body));
  return header.u32(crc32(header.finish())).raw(body).finish();
}
