import { ByteView } from "./byte_view.ts";
import { ByteWriter } from "./byte_writer.ts";
import { EHDR_SIZE, PHDR_SIZE, SHDR_SIZE, SHT_NOBITS, SHT_NULL, SHT_STRTAB } from "./constants.ts";
import { parseHeader, parseSections, parseSegments, type Section } from "./headers.ts";

/** A section to put into a file. */
export interface NewSection {
  readonly name: string;
  readonly type: number;
  readonly flags?: number;
  readonly align?: number;
  readonly entsize?: number;
  readonly link?: number;
  readonly info?: number;
  /** Its bytes, which go to the end of the file; or where they already are. */
  readonly content: Uint8Array | {
    readonly addr: number;
    readonly offset: number;
    readonly size: number;
  };
}

type Header = Omit<Section, "index" | "name"> & { readonly name: string };

/**
 * A copy of an ELF file with sections added; one of the same name is replaced. `change` may answer new
 * header fields for those that stay. No segment changes, so loaders see the same file.
 */
export function withSections(
  bytes: Uint8Array,
  file: string,
  added: readonly NewSection[],
  change: (section: Section) => Partial<Section> | undefined = () => undefined,
): Uint8Array<ArrayBuffer> {
  const view = new ByteView(bytes, file);
  const header = parseHeader(view);
  const old = parseSections(view, header);
  const names = old[header.shstrndx];
  const isReplaced = (section: Section): boolean =>
    added.some(({ name }) => name === section.name && section.index > 0);
  const sections: Header[] = old.map((section) => ({ ...section, ...change(section) }));
  if (sections.length === 0) sections.push(emptySection());
  const out = new ByteWriter().raw(bytes.subarray(0, endOfContent()));
  for (const section of added) {
    const { content, name, type, flags = 0, align = 1, entsize = 0, link = 0, info = 0 } = section;
    const fields = { name, type, flags, entsize, link, info, addralign: align };
    let made: Header;
    if (content instanceof Uint8Array) {
      out.align(Math.max(align, 1));
      made = { ...fields, addr: 0, offset: out.length, size: content.length };
      out.raw(content);
    } else made = { ...fields, ...content };
    const index = old.findIndex((other) => other.index > 0 && other.name === name);
    if (index < 0) sections.push(made);
    else sections[index] = made;
  }
  let shstrndx = header.shstrndx;
  if (names === undefined) {
    shstrndx = sections.length;
    sections.push({ ...emptySection(), name: ".shstrtab", type: SHT_STRTAB, addralign: 1 });
  }
  const strings = new ByteWriter().u8(0);
  const places = sections.map(({ name }) => {
    const at = name === "" ? 0 : strings.length;
    if (name !== "") strings.string(name);
    return at;
  });
  sections[shstrndx] = { ...sections[shstrndx], offset: out.length, size: strings.length };
  out.raw(strings.finish()).align(8);
  const table = out.length;
  sections.forEach((section, i) => {
    out.u32(places[i]).u32(section.type).u64(section.flags).u64(section.addr);
    out.u64(section.offset).u64(section.size).u32(section.link).u32(section.info);
    out.u64(section.addralign).u64(section.entsize);
  });
  const result = out.finish() as Uint8Array<ArrayBuffer>;
  const fields = new DataView(result.buffer);
  fields.setBigUint64(40, BigInt(table), true); // e_shoff
  fields.setUint16(58, SHDR_SIZE, true); // e_shentsize
  fields.setUint16(60, sections.length, true); // e_shnum
  fields.setUint16(62, shstrndx, true); // e_shstrndx
  return result;

  /** Where what stays ends: the section headers, their names and replaced sections are written anew. */
  function endOfContent(): number {
    let end = EHDR_SIZE;
    if (header.phnum > 0) end = Math.max(end, header.phoff + header.phnum * PHDR_SIZE);
    for (const { offset, filesz } of parseSegments(view, header)) {
      end = Math.max(end, offset + filesz);
    }
    for (const section of old) {
      if (section.type === SHT_NOBITS || section === names || isReplaced(section)) continue;
      end = Math.max(end, section.offset + section.size);
    }
    const areLast = names !== undefined && header.shoff >= end && names.offset >= end;
    return areLast ? end : bytes.length;
  }
}

function emptySection(): Header {
  return {
    ...{ name: "", type: SHT_NULL, flags: 0, addr: 0, offset: 0, size: 0 },
    ...{ link: 0, info: 0, addralign: 0, entsize: 0 },
  };
}
