/** Reading and writing ELF64 little-endian files for x86_64 and aarch64. */
export * from "./constants.ts";
export { type NewSection, withSections } from "./section_editor.ts";
export { ElfError } from "./elf_error.ts";
export { type AddressRange, ElfFile, type TlsSegment } from "./elf_file.ts";
export type { ElfHeader, Section, Segment } from "./headers.ts";
export type { Dynamic, DynamicEntry, FunctionArray } from "./dynamic.ts";
export { type ElfSymbol, SymbolTable } from "./symbol_table.ts";
export {
  type NeededVersion,
  type SymbolVersion,
  type VersionDefinition,
  type VersionNeed,
  VersionTable,
} from "./versions.ts";
export {
  gnuHash,
  GnuHashTable,
  type HashTable,
  type LookupCounts,
  lookupCounts,
  LookupKey,
  sysvHash,
  SysvHashTable,
} from "./hash.ts";
export { lineAt, type LineRow, lineRows } from "./dwarf_lines.ts";
export { isLinkerName, LINKER_FOLDER, linkerNameOf, withLinkerName } from "./linker_name.ts";
export type { LookupOptions } from "./lookup.ts";
export {
  relativeType,
  type Relocation,
  RelocationTable,
  type RelocationTableKind,
} from "./relocations.ts";
export { hasLandingPads, type Note, type Property } from "./notes.ts";
export {
  type FrameDescription,
  frameDescriptions,
  frameIndex,
  type FrameIndexEntry,
  type FunctionRange,
  functionRanges,
} from "./dwarf_frames.ts";
export {
  type BuilderOptions,
  type BuilderPlace,
  ElfBuilder,
  type NoteSpec,
  type RelocationSpec,
} from "./builder.ts";
export { BuilderSection, type SectionSpec } from "./build_layout.ts";
export type { FrameSpec } from "./build_frames.ts";
export type { SymbolSpec } from "./build_symbols.ts";
