import { ElfFile, PHDR_SIZE, PT_LOAD, PT_PHDR, type Segment } from "../../lib/elf/mod.ts";
import { writeU64 } from "../../lib/elf/byte_writer.ts";

/**
 * Cuts the bytes `[from, to)` of a PT_LOAD out of a file, as far as they are whole units of the largest
 * alignment of a PT_LOAD: the segment becomes two, and what follows moves up in the file and keeps its
 * address. The program headers, of which there is then one more, move to the beginning of the hole.
 * Without a whole unit the file stays as it is.
 */
export function cutHole(
  bytes: Uint8Array<ArrayBuffer>,
  name: string,
  from: number,
  to: number,
): Uint8Array<ArrayBuffer> {
  const elf = ElfFile.parse(bytes, name);
  const { segments, header } = elf;
  const holder = segments.find((s) =>
    s.type === PT_LOAD && s.offset <= from && to <= s.offset + s.filesz
  );
  if (holder === undefined) return bytes;
  const unit = Math.max(...elf.loadSegments.map(({ align }) => align));
  const headers = Math.ceil(from / 8) * 8;
  const start = Math.ceil((headers + (header.phnum + 1) * PHDR_SIZE) / unit) * unit;
  const cut = Math.floor((to - start) / unit) * unit;
  if (cut <= 0) return bytes;
  const end = start + cut;
  const toAddress = holder.vaddr - holder.offset;

  const moved = (offset: number): number => offset >= end ? offset - cut : offset;
  const table: Segment[] = [];
  for (const segment of segments) {
    if (segment === holder) {
      const first = start - holder.offset;
      const second = { offset: start, vaddr: end + toAddress, paddr: end + toAddress };
      table.push({ ...holder, filesz: first, memsz: first });
      const filesz = holder.offset + holder.filesz - end;
      table.push({ ...holder, ...second, filesz, memsz: filesz + holder.memsz - holder.filesz });
    } else if (segment.type === PT_PHDR) {
      const size = (header.phnum + 1) * PHDR_SIZE;
      const vaddr = headers + toAddress;
      table.push({ ...segment, offset: headers, vaddr, paddr: vaddr, filesz: size, memsz: size });
    } else table.push({ ...segment, offset: moved(segment.offset) });
  }
  const result = new Uint8Array(bytes.length - cut);
  result.set(bytes.subarray(0, start));
  result.set(bytes.subarray(end), start);
  const view = new DataView(result.buffer);
  table.forEach((segment, i) => {
    const at = headers + i * PHDR_SIZE;
    view.setUint32(at, segment.type, true);
    view.setUint32(at + 4, segment.flags, true);
    const { offset, vaddr, paddr, filesz, memsz, align } = segment;
    [offset, vaddr, paddr, filesz, memsz, align].forEach((value, j) =>
      writeU64(view, at + 8 + 8 * j, value)
    );
  });
  writeU64(view, 32, headers); // e_phoff
  view.setUint16(56, table.length, true); // e_phnum
  if (header.shoff === 0) return result;
  writeU64(view, 40, moved(header.shoff));
  for (let i = 0; i < header.shnum; i++) {
    const at = moved(header.shoff) + i * header.shentsize + 24;
    const offset = Number(view.getBigUint64(at, true));
    writeU64(view, at, moved(offset));
  }
  return result;
}
