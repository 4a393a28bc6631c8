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

/** `/etc/ld.so.cache` in the format glibc has written since 2.2: library names to paths. */
export class LdSoCache {
  readonly #paths = new Map<string, string[]>();

  /**
   * Reads the entries for one architecture that need no particular hardware; others are left out.
   * A file that is not such a cache reads as an empty one, as ld.so treats it.
   */
  constructor(bytes: Uint8Array, arch: Architecture) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const start = newFormatStart(bytes, view);
    if (start === undefined) return;
    const count = view.getUint32(start + MAGIC.length, true);
    if (start + HEADER_SIZE + count * ENTRY_SIZE > bytes.length) return;
    for (let i = 0; i < count; i++) {
      const entry = start + HEADER_SIZE + i * ENTRY_SIZE;
      const flags = view.getUint32(entry, true);
      if ((flags & 0xff) !== FLAG_ELF_LIBC6) continue;
      if (((flags >>> 8) & 0xff) !== ARCHITECTURE_FLAGS[arch]) continue;
      if (view.getUint32(entry + 16, true) !== 0 || view.getUint32(entry + 20, true) !== 0) {
        continue;
      }
      const name = text(bytes, start + view.getUint32(entry + 4, true));
      const path = text(bytes, start + view.getUint32(entry + 8, true));
      const known = this.#paths.get(name);
      if (known === undefined) this.#paths.set(name, [path]);
      else known.push(path);
    }
  }

  /** Paths of a library name, best first. */
  lookup(name: string): readonly string[] {
    return this.#paths.get(name) ?? [];
  }

  /** Every name with its paths. */
  entries(): IterableIterator<[string, readonly string[]]> {
    return this.#paths.entries();
  }
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
