import { ElfFile, type Section } from "../../lib/elf/mod.ts";
import { ByteView } from "../../lib/elf/byte_view.ts";
import { DebugInfo } from "../../lib/elf/dwarf_info.ts";
import type { LinkContext, LinkObject } from "../../lib/linker/mod.ts";
import { inflateSync, zstdDecompressSync } from "./deps.ts";

const SHF_COMPRESSED = 0x800;
const ELFCOMPRESS_ZLIB = 1;
const ELFCOMPRESS_ZSTD = 2;
const CHDR_SIZE = 24;

/** Debug information by the file it is of; null where there is none. */
const known = new WeakMap<ElfFile, DebugInfo | null>();

/**
 * The debug information of an object: its own, or that of its debug file, which is found by build id below
 * `folder` (`/usr/lib/debug` usually).
 */
export function debugInfoOf(
  link: LinkContext,
  object: LinkObject,
  folder: string,
): DebugInfo | undefined {
  const { elf } = object;
  let info = known.get(elf);
  if (info === undefined) {
    info = read(link, elf, folder) ?? fromFile(link, elf.buildId, folder) ?? null;
    known.set(elf, info);
  }
  return info ?? undefined;
}

function fromFile(
  link: LinkContext,
  buildId: string | undefined,
  folder: string,
): DebugInfo | undefined {
  if (buildId === undefined) return undefined;
  const path = `${folder}/.build-id/${buildId.slice(0, 2)}/${buildId.slice(2)}.debug`;
  const file = link.files.open(path);
  if (file === undefined) return undefined;
  const elf = ElfFile.parse(file.bytes, path);
  // A file of the same name and another build id describes another build.
  return elf.buildId === buildId ? read(link, elf, folder) : undefined;
}

function read(link: LinkContext, elf: ElfFile, folder: string): DebugInfo | undefined {
  const section = (name: string): Uint8Array | undefined => {
    const found = sectionsOf(elf).find((section) => section.name === name);
    return found && content(elf, found);
  };
  const info = section(".debug_info");
  const abbrev = section(".debug_abbrev");
  if (info === undefined || abbrev === undefined || info.length === 0) return undefined;
  return new DebugInfo(
    {
      info,
      abbrev,
      str: section(".debug_str"),
      lineStr: section(".debug_line_str"),
      strOffsets: section(".debug_str_offsets"),
      types: section(".debug_types"),
    },
    elf.name,
    supplementary(link, section(".gnu_debugaltlink"), folder),
  );
}

function sectionsOf(elf: ElfFile): readonly Section[] {
  return elf.sections.filter(({ name }) => /^\.(debug_|gnu_debugaltlink)/.test(name));
}

/** The file that dwz moved common entries to: a path and a build id. */
function supplementary(
  link: LinkContext,
  altlink: Uint8Array | undefined,
  folder: string,
): DebugInfo | undefined {
  if (altlink === undefined) return undefined;
  const path = new TextDecoder().decode(altlink.subarray(0, altlink.indexOf(0)));
  const name = path.slice(path.indexOf("/.dwz/"));
  const file = link.files.open(path.startsWith("/") ? path : folder + name);
  if (file === undefined) return undefined;
  return read(link, ElfFile.parse(file.bytes, file.path), folder);
}

/** A section's bytes, decompressed where they are compressed (gABI, "Section Compression"). */
function content(elf: ElfFile, section: Section): Uint8Array {
  const bytes = elf.sectionBytes(section);
  if ((section.flags & SHF_COMPRESSED) === 0) return bytes;
  const view = new ByteView(elf.bytes, elf.name);
  const type = view.u32(section.offset, "ch_type");
  const size = view.u64(section.offset + 8, "ch_size");
  const packed = bytes.subarray(CHDR_SIZE);
  try {
    if (type === ELFCOMPRESS_ZLIB) return inflateSync(packed, { maxOutputLength: size });
    if (type === ELFCOMPRESS_ZSTD) return zstdDecompressSync(packed, { maxOutputLength: size });
  } catch (error) {
    return view.fail(section.offset, section.name, `it cannot be decompressed: ${error}`);
  }
  return view.fail(section.offset, "ch_type", `compression ${type} is unknown`);
}
