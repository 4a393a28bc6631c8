import type { ByteView } from "./byte_view.ts";
import type { Segment } from "./headers.ts";
import { PT_LOAD } from "./constants.ts";

/** Translates link-time addresses to file offsets through a file's PT_LOAD segments. */
export class AddressMap {
  private readonly loads: readonly Segment[];

  constructor(private readonly file: ByteView, segments: readonly Segment[]) {
    this.loads = segments.filter((s) => s.type === PT_LOAD);
  }

  /** The PT_LOAD whose memory image holds `vaddr`. */
  segmentAt(vaddr: number): Segment | undefined {
    for (const s of this.loads) {
      if (vaddr >= s.vaddr && vaddr - s.vaddr < s.memsz) return s;
    }
    return undefined;
  }

  /** The PT_LOAD whose bytes in the file hold all of `[vaddr, vaddr + length)`. */
  private backing(vaddr: number, length: number): Segment | undefined {
    for (const s of this.loads) {
      if (vaddr >= s.vaddr && vaddr - s.vaddr + length <= s.filesz) return s;
    }
    return undefined;
  }

  /**
   * The file offset of `[vaddr, vaddr + length)`. If the file does not hold it all, an ElfError names
   * `field`, which holds the address and lies at file offset `at`.
   */
  offsetOf(vaddr: number, length: number, field: string, at: number): number {
    const segment = this.backing(vaddr, length);
    if (segment === undefined) {
      this.file.fail(
        at,
        field,
        `no PT_LOAD has ${length} bytes at address 0x${vaddr.toString(16)} in the file`,
      );
    }
    const offset = segment.offset + (vaddr - segment.vaddr);
    this.file.check(offset, length, field);
    return offset;
  }

  /** How many bytes of the file follow `vaddr` in its segment; 0 if it has none. */
  available(vaddr: number): number {
    const segment = this.backing(vaddr, 0);
    if (segment === undefined) return 0;
    const offset = segment.offset + (vaddr - segment.vaddr);
    const end = Math.min(segment.offset + segment.filesz, this.file.length);
    return Math.max(0, end - offset);
  }
}
