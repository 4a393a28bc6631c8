import type { ElfFile } from "../../lib/elf/mod.ts";
import { ByteView } from "../../lib/elf/byte_view.ts";
import { LebReader } from "../../lib/elf/leb_reader.ts";

/** DWARF pointer encodings (LSB core, "DWARF Exception Header Encoding"). */
const PCREL_SDATA4 = 0x1b;
const INDIRECT = 0x80;
const UDATA4 = 0x03;
const ABSPTR = 0x00;
const OMIT = 0xff;

/** A pointer in an unwind entry, relative to its own place, to something of the object that it describes. */
export interface FramePointer {
  /** Offset in the entry. */
  readonly at: number;
  /** In the object's own addresses. */
  readonly target: number;
}

/** A common entry (CIE) or the entry of a function (FDE), from its length field on. */
export interface FrameEntry {
  readonly bytes: Uint8Array;
  readonly pointers: readonly FramePointer[];
}

interface CommonEntry extends FrameEntry {
  readonly lsda: number;
}

/** Unwind entries of an object, as they have to be for copies of its functions. */
export class Frames {
  readonly #common = new Map<number, CommonEntry | string>();

  constructor(readonly elf: ElfFile) {}

  /** The entry at an address and the address of its common one; or why neither is good for a copy. */
  read(address: number): { readonly entry: FrameEntry; readonly common: number } | string {
    const bytes = this.#bytes(address);
    if (typeof bytes === "string") return bytes;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const common = address + 4 - view.getUint32(4, true);
    const shared = this.common(common);
    if (typeof shared === "string") return shared;
    const pointers: FramePointer[] = [];
    if (shared.lsda !== OMIT) {
      const reader = new LebReader(new ByteView(bytes, this.elf.name), 16, bytes.length);
      reader.unsigned("augmentation length");
      const { at } = reader;
      if (shared.lsda === PCREL_SDATA4) {
        const distance = view.getInt32(at, true);
        // Zero says that there is none.
        if (distance !== 0) pointers.push({ at, target: address + at + distance });
      } else if (shared.lsda !== UDATA4) return "its unwind entry";
    }
    return { entry: { bytes, pointers }, common };
  }

  /** The common entry at an address. */
  common(address: number): CommonEntry | string {
    let known = this.#common.get(address);
    if (known === undefined) this.#common.set(address, known = this.#readCommon(address));
    return known;
  }

  #readCommon(address: number): CommonEntry | string {
    const bytes = this.#bytes(address);
    if (typeof bytes === "string") return bytes;
    const end = bytes.indexOf(0, 9);
    const augmentation = new TextDecoder().decode(bytes.subarray(9, end));
    if (bytes[8] !== 1 || !/^z[RLPB]*$/.test(augmentation)) return "its unwind entry";
    const reader = new LebReader(new ByteView(bytes, this.elf.name), end + 1, bytes.length);
    reader.unsigned("code_alignment_factor");
    reader.words("data_alignment_factor");
    reader.byte("return_address_register");
    reader.unsigned("augmentation length");
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const pointers: FramePointer[] = [];
    let [code, lsda] = [ABSPTR, OMIT];
    for (const letter of augmentation.slice(1)) {
      if (letter === "R") code = reader.byte("FDE pointer encoding");
      else if (letter === "L") lsda = reader.byte("LSDA encoding");
      else if (letter === "P") {
        const encoding = reader.byte("personality encoding") & ~INDIRECT;
        const { at } = reader;
        if (encoding === PCREL_SDATA4) {
          pointers.push({ at, target: address + at + view.getInt32(at, true) });
        } else if (encoding !== UDATA4) return "its unwind entry";
        reader.at += 4;
      }
    }
    return code === PCREL_SDATA4 ? { bytes, pointers, lsda } : "its unwind entry";
  }

  #bytes(address: number): Uint8Array | string {
    const head = this.elf.bytesAt(address, 4);
    const length = new DataView(head.buffer, head.byteOffset).getUint32(0, true);
    if (length === 0 || length === 0xffffffff) return "its unwind entry";
    return this.elf.bytesAt(address, 4 + length);
  }
}

/** .eh_frame of copies, made as they are added. */
export class FrameTable<Owner> {
  /** Entries by their offsets, with the number of the function that each is of; -1: it is a common one. */
  readonly entries: {
    readonly at: number;
    readonly entry: FrameEntry;
    readonly of: number;
    readonly owner: Owner;
  }[] = [];
  readonly #common = new Map<Owner, Map<number, number>>();
  /** Bytes, with the end mark. */
  size = 4;

  /** Adds a copy of an entry of an object for function number `of`. */
  add(owner: Owner, frames: Frames, address: number, of: number): void {
    const found = frames.read(address);
    const common = typeof found === "string" ? found : frames.common(found.common);
    if (typeof found === "string" || typeof common === "string") {
      throw new TypeError("an unwind entry that cannot be copied was chosen");
    }
    let known = this.#common.get(owner);
    if (known === undefined) this.#common.set(owner, known = new Map());
    let at = known.get(found.common);
    if (at === undefined) known.set(found.common, at = this.#append(common, -1, owner));
    const own = this.#append(found.entry, of, owner);
    const { bytes } = this.entries.at(-1)!.entry;
    new DataView(bytes.buffer, bytes.byteOffset).setUint32(4, own + 4 - at, true);
  }

  #append({ bytes, pointers }: FrameEntry, of: number, owner: Owner): number {
    const at = this.size - 4;
    this.entries.push({ at, entry: { bytes: bytes.slice(), pointers }, of, owner });
    this.size += bytes.length;
    return at;
  }
}
