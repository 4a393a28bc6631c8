import type { Architecture } from "../../lib/linker/mod.ts";

const OLD_MAGIC = "ld.so-1.7.0\0";
const MAGIC = "glibc-ld.so.cache1.1";
const HEADER_SIZE = 48;
const ENTRY_SIZE = 24;
const OLD_HEADER_SIZE = 16;
const OLD_ENTRY_SIZE = 12;

/** Low byte of an entry's flags: an ELF library for glibc 2. */
const FLAG_ELF_LIBC6 = 3;
/** Second byte: the architecture (glibc, sysdeps/generic/ldconfig.h). */
const ARCHITECTURE_FLAGS: Record<Architecture, number> = { x86_64: 3, aarch64: 10 };

/** Marks an entry for a level of the instruction set; the low word is then its number in a list of names. */
const LEVEL_ENTRY = 1 << 30;
/** Bits of the high word that say what level a library was built for, of no use in finding it. */
const BUILT_FOR = 0x3ff;
const EXTENSION_MAGIC = 0xeaa42174;
/** The section of the extension with the names of levels. */
const EXTENSION_LEVELS = 1;

interface Entry {
  readonly path: string;
  /** The level it needs; undefined for any processor. */
  readonly level: string | undefined;
}

/** `/etc/ld.so.cache` in the format glibc has written since 2.2: library names to paths. */
export class LdSoCache {
  readonly #entries = new Map<string, Entry[]>();

  /**
   * Reads the entries for one architecture; those for hardware capabilities of the old kind are left out.
   * A file that is not such a cache reads as an empty one, as ld.so treats it.
   */
  constructor(bytes: Uint8Array, arch: Architecture) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const start = newFormatStart(bytes, view);
    if (start === undefined) return;
    const count = view.getUint32(start + MAGIC.length, true);
    if (start + HEADER_SIZE + count * ENTRY_SIZE > bytes.length) return;
    const levels = levelNames(bytes, view, start);
    for (let i = 0; i < count; i++) {
      const entry = start + HEADER_SIZE + i * ENTRY_SIZE;
      const flags = view.getUint32(entry, true);
      if ((flags & 0xff) !== FLAG_ELF_LIBC6) continue;
      if (((flags >>> 8) & 0xff) !== ARCHITECTURE_FLAGS[arch]) continue;
      const [low, high] = [view.getUint32(entry + 16, true), view.getUint32(entry + 20, true)];
      const forLevel = (high & ~BUILT_FOR) === LEVEL_ENTRY && low < levels.length;
      if (!forLevel && (low !== 0 || high !== 0)) continue;
      const name = text(bytes, start + view.getUint32(entry + 4, true));
      const path = text(bytes, start + view.getUint32(entry + 8, true));
      const known = this.#entries.get(name) ?? [];
      known.push({ path, level: forLevel ? levels[low] : undefined });
      this.#entries.set(name, known);
    }
  }

  /** Paths of a library name, best first, for a processor that has `levels` (best first). */
  lookup(name: string, levels: readonly string[] = []): readonly string[] {
    const entries = this.#entries.get(name) ?? [];
    return [...levels, undefined].flatMap((wanted) =>
      entries.filter(({ level }) => level === wanted).map(({ path }) => path)
    );
  }

  /** Every name with its paths for any processor. */
  *entries(): Generator<[string, readonly string[]]> {
    for (const name of this.#entries.keys()) yield [name, this.lookup(name)];
  }
}

/** The names of levels that the cache's extension lists (glibc 2.33, elf/cache.c). */
function levelNames(bytes: Uint8Array, view: DataView, start: number): string[] {
  const extension = start + view.getUint32(start + 32, true);
  if (extension === start || extension + 8 > bytes.length) return [];
  if (view.getUint32(extension, true) !== EXTENSION_MAGIC) return [];
  const count = view.getUint32(extension + 4, true);
  for (let i = 0, at = extension + 8; i < count && at + 16 <= bytes.length; i++, at += 16) {
    if (view.getUint32(at, true) !== EXTENSION_LEVELS) continue;
    const [from, size] = [start + view.getUint32(at + 8, true), view.getUint32(at + 12, true)];
    if (from + size > bytes.length) return [];
    return Array.from(
      { length: size / 4 },
      (_, index) => text(bytes, start + view.getUint32(from + 4 * index, true)),
    );
  }
  return [];
}

/** Offset of the new format's header, which may follow a table of the old format. */
function newFormatStart(bytes: Uint8Array, view: DataView): number | undefined {
  let start = 0;
  if (hasMagic(bytes, 0, OLD_MAGIC)) {
    const old = OLD_HEADER_SIZE + view.getUint32(OLD_MAGIC.length, true) * OLD_ENTRY_SIZE;
    start = (old + 7) & ~7;
  }
  if (!hasMagic(bytes, start, MAGIC) || start + HEADER_SIZE > bytes.length) return undefined;
  return start;
}

function hasMagic(bytes: Uint8Array, at: number, magic: string): boolean {
  if (at + magic.length > bytes.length) return false;
  for (let i = 0; i < magic.length; i++) {
    if (bytes[at + i] !== magic.charCodeAt(i)) return false;
  }
  return true;
}

function text(bytes: Uint8Array, at: number): string {
  const end = bytes.indexOf(0, at);
  return new TextDecoder().decode(bytes.subarray(at, end < 0 ? bytes.length : end));
}
