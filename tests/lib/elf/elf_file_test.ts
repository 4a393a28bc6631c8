import { assert, assertEquals, assertThrows } from "@std/assert";
import * as elf from "../../../lib/elf/mod.ts";
import {
  type BuilderOptions,
  ElfBuilder,
  ElfError,
  ElfFile,
  frameDescriptions,
  frameIndex,
  functionRanges,
} from "../../../lib/elf/mod.ts";
import { richObject } from "./built_objects.ts";

/** Builds an object, changes it, asks something of it, and returns the ElfError that must follow. */
function refusal(
  change: (view: DataView, file: ElfFile) => void,
  ask: (file: ElfFile) => unknown,
  options: BuilderOptions = { machine: "x86_64" },
): ElfError {
  const bytes = richObject(options);
  change(new DataView(bytes.buffer), ElfFile.parse(bytes, "rich.so"));
  const error = assertThrows(() => ask(ElfFile.parse(bytes, "hostile.so")), ElfError);
  assertEquals(error.file, "hostile.so");
  assert(error.message.startsWith("hostile.so: "));
  assert(error.message.includes(error.field));
  assert(error.offset >= 0 && error.offset <= bytes.length);
  return error;
}

/** File offset of the value of a dynamic entry. */
const entry = (file: ElfFile, tag: number) => file.dynamic!.entryOffset(tag) + 8;
const sectionAt = (file: ElfFile, name: string) => file.section(name)!.offset;
const programHeader = (file: ElfFile, type: number) =>
  64 + 56 * file.segments.find((s) => s.type === type)!.index;

Deno.test("the header names what is wrong with it", () => {
  const parse = (bytes: Uint8Array) => assertThrows(() => ElfFile.parse(bytes, "x"), ElfError);
  assertEquals(parse(new Uint8Array(0)).field, "e_ident");
  assertEquals(parse(new Uint8Array(64)).field, "e_ident");
  const at = (offset: number, value: number) =>
    refusal((view) => view.setUint8(offset, value), (file) => file.header);
  assertEquals([at(4, 1).field, at(4, 1).offset], ["EI_CLASS", 4]);
  assertEquals(at(5, 2).field, "EI_DATA");
  assertEquals(at(6, 0).field, "EI_VERSION");
  assertEquals(at(16, 9).field, "e_type");
  assertEquals([at(18, 3).field, at(18, 3).offset], ["e_machine", 18]);
  assertEquals(at(31, 0x80).field, "e_entry");
  assertEquals(at(39, 1).field, "e_phoff");
  assertEquals(at(54, 57).field, "e_phentsize");
  assertEquals(at(57, 0xfe).field, "program header table");
  const bytes = richObject({ machine: "x86_64" });
  assertEquals(parse(bytes.subarray(0, 40)).field, "ELF header");
});

Deno.test("PT_LOAD segments that no loader can map are refused", () => {
  const at = (offset: number, value: number) =>
    refusal(
      (view, file) => view.setUint32(programHeader(file, elf.PT_LOAD) + offset, value, true),
      (file) => file.loadSegments,
    );
  assertEquals(at(40, 1).field, "p_memsz");
  assertEquals(at(48, 3).field, "p_align");
  assertEquals(at(8, 1).field, "p_offset");
  assertEquals(at(40, 0x10000000).field, "p_vaddr");
});

Deno.test("a bad section header table does not keep a file from loading", () => {
  const bytes = richObject({ machine: "x86_64" });
  new DataView(bytes.buffer).setUint32(40, bytes.length - 10, true);
  const file = ElfFile.parse(bytes, "x");
  assertThrows(() => file.sections, ElfError, "section header table");
  assertEquals(file.loadSegments.length, 3);
  assertEquals(file.symbols?.length, 1 + 3 + 16);
  assertEquals([...file.relocations()].length, 65);
});

Deno.test("without section headers the symbols are still counted", () => {
  for (const hash of ["gnu", "sysv"] as const) {
    const bytes = richObject({ machine: "aarch64", hash, sectionHeaders: false });
    const file = ElfFile.parse(bytes, "x");
    assertEquals(file.sections, []);
    assertEquals(file.symbols?.length, 1 + 3 + 16);
    assertEquals(file.symbols?.at(1).name, "malloc");
    assertEquals(file.symbols?.at(1).version, "A_0");
  }
});

Deno.test("the dynamic section names the entry at fault", () => {
  const set = (tag: number, value: number, ask: (file: ElfFile) => unknown) =>
    refusal((view, file) => view.setUint32(entry(file, tag), value, true), ask).field;
  assertEquals(set(elf.DT_STRTAB, 0x7fffff00, (f) => f.dynamic), "DT_STRTAB");
  assertEquals(set(elf.DT_STRSZ, 0x7fffff00, (f) => f.dynamic), "DT_STRTAB");
  assertEquals(set(elf.DT_SONAME, 0x100000, (f) => f.soname), "DT_SONAME");
  assertEquals(set(elf.DT_INIT_ARRAYSZ, 9, (f) => f.dynamic), "DT_INIT_ARRAY");
  assertEquals(set(elf.DT_SYMENT, 16, (f) => f.symbols), "DT_SYMENT");
  assertEquals(set(elf.DT_RELASZ, 25, (f) => f.relocationTables), "Elf64_Rela");
  assertEquals(set(elf.DT_RELAENT, 16, (f) => f.relocationTables), "DT_RELAENT");
  assertEquals(set(elf.DT_PLTREL, 3, (f) => f.relocationTables), "DT_PLTREL");
  assertEquals(set(elf.DT_VERNEED, 0x7fffff00, (f) => f.versions), "DT_VERNEED");
  const error = refusal(
    (view, file) => view.setUint32(entry(file, elf.DT_JMPREL), 0x7fffff00, true),
    (file) => file.relocationTables,
  );
  const { dynamic } = ElfFile.parse(richObject({ machine: "x86_64" }), "x");
  assertEquals([error.field, error.offset], ["DT_JMPREL", dynamic!.entryOffset(elf.DT_JMPREL)]);
});

Deno.test("hash tables that do not end, or point astray, are refused", () => {
  const cycle = refusal(
    (view, file) => {
      const at = sectionAt(file, ".hash");
      const buckets = view.getUint32(at, true);
      const chains = view.getUint32(at + 4, true);
      for (let i = 0; i < chains; i++) view.setUint32(at + 8 + 4 * (buckets + i), 5, true);
    },
    (file) => file.lookup("function_3", { version: "none" }),
    { machine: "x86_64", hash: "sysv" },
  );
  assertEquals([cycle.field, cycle.problem], ["DT_HASH", "a chain is a cycle"]);
  const astray = refusal((view, file) => {
    const at = sectionAt(file, ".gnu.hash");
    const buckets = at + 16 + 8 * view.getUint32(at + 8, true);
    view.setUint32(buckets, 0x1000000, true);
  }, (file) => file.hashTable!.symbolCount());
  assertEquals([astray.field, astray.problem], ["DT_GNU_HASH", "chain reaches symbol 16777216"]);
  const set = (word: number, value: number) =>
    refusal(
      (view, file) => view.setUint32(sectionAt(file, ".gnu.hash") + 4 * word, value, true),
      (file) => file.lookup("function_1"),
    ).field;
  assertEquals(set(0, 0), "nbuckets");
  assertEquals(set(0, 0xffffffff), "DT_GNU_HASH");
  assertEquals(set(2, 3), "bloom_size");
});

Deno.test("version records that overlap without end are refused", () => {
  // One definition of 65535 names, each 4 bytes after the last, where each takes 8.
  const b = new ElfBuilder({ machine: "x86_64" });
  b.symbol({ name: "f", absolute: true, value: 1, version: "V1" });
  const room = b.section({ name: ".rodata", data: new Uint8Array(300_000) });
  const bytes = b.build();
  const view = new DataView(bytes.buffer);
  const { offset } = ElfFile.parse(bytes, "x").section(".gnu.version_d")!;
  view.setUint16(offset + 6, 0xffff, true);
  for (let at = offset + 20; at < room.offset + room.size; at += 4) view.setUint32(at, 4, true);
  const error = assertThrows(() => ElfFile.parse(bytes, "x").versions, ElfError);
  assertEquals([error.field, error.problem], ["vda_next", "the version records overlap"]);
  const unknown = refusal(
    (view, file) => view.setUint16(sectionAt(file, ".gnu.version") + 2, 99, true),
    (file) => file.symbols!.at(1),
  );
  assertEquals([unknown.field, unknown.problem], ["vs_vers", "no version has the number 99"]);
});

Deno.test("64-bit values beyond 2^53 are refused, not rounded", () => {
  const error = refusal(
    (view, file) => view.setUint32(sectionAt(file, ".rela.dyn") + 4, 0x200000, true),
    (file) => file.relocationTables,
  );
  assertEquals(error.field, "r_offset");
  assert(/^0x[0-9a-f]+ is beyond 2\^53$/.test(error.problem), error.problem);
  const addend = refusal(
    (view, file) => view.setInt32(sectionAt(file, ".rela.dyn") + 20, -0x200001, true),
    (file) => file.relocationTables,
  );
  assertEquals(addend.field, "r_addend");
  const value = refusal(
    (view, file) => view.setUint32(sectionAt(file, ".dynsym") + 24 + 12, 0xffffffff, true),
    (file) => file.symbols!.at(1),
  );
  assertEquals(value.field, "st_value");
});

Deno.test("notes and frames that run past their table are refused", () => {
  const note = refusal(
    (view, file) => view.setUint32(sectionAt(file, ".note.gnu.build-id") + 4, 0xfffffff0, true),
    (file) => file.notes,
  );
  assertEquals(note.field, "n_descsz");
  const frames = (offset: number, value: number) =>
    refusal(
      (view, file) => view.setUint32(sectionAt(file, ".eh_frame") + offset, value, true),
      frameDescriptions,
    ).field;
  assertEquals(frames(0, 0x7fffffff), "length");
  assertEquals(frames(4, 1), "CIE_id");
  const index = refusal(
    (view, file) => view.setUint32(sectionAt(file, ".eh_frame_hdr") + 8, 1 << 30, true),
    frameIndex,
  );
  assertEquals(index.field, "fde_count");
});

Deno.test("function ranges are the executable FDEs, ascending", () => {
  const b = new ElfBuilder({ machine: "aarch64" });
  const text = b.section({ name: ".text", access: "x", data: new Uint8Array(128) });
  const data = b.section({ name: ".data", access: "w", data: new Uint8Array(64) });
  b.frame({ section: text, offset: 64, size: 32 });
  b.frame({ section: text, offset: 0, size: 20 });
  b.frame({ section: text, offset: 32, size: 0 });
  b.frame({ section: data, offset: 0, size: 8 });
  b.frame({ section: text, offset: 96, size: 64 });
  const file = ElfFile.parse(b.build(), "x");
  const { address } = text;
  assertEquals(frameDescriptions(file).length, 5);
  assertEquals(frameIndex(file).length, 5);
  assertEquals(functionRanges(file), [
    { start: address, end: address + 20 },
    { start: address + 64, end: address + 96 },
  ]);
});

Deno.test("bytes are read by address, and only where the file has them", () => {
  const file = ElfFile.parse(richObject({ machine: "x86_64" }), "x");
  const interp = file.section(".dynstr")!;
  assertEquals(file.bytesAt(interp.addr, interp.size), file.sectionBytes(interp));
  assertEquals(file.offsetOf(interp.addr), interp.offset);
  const bss = file.section(".bss")!;
  assertThrows(() => file.bytesAt(bss.addr + 64, 8), ElfError, "no PT_LOAD has 8 bytes");
  assertThrows(() => file.bytesAt(-8, 8), ElfError);
  assertThrows(() => file.bytesAt(0, 2 ** 40), ElfError);
});

Deno.test("tables of overlapping long names stay cheap", () => {
  const b = new ElfBuilder({ machine: "x86_64" });
  const count = 20_000;
  b.symbol({ name: "x".repeat(200_000), absolute: true, value: 1 });
  for (let i = 1; i < count; i++) b.symbol({ name: `${i}`, absolute: true, value: 1 });
  const bytes = b.build();
  const file = ElfFile.parse(bytes, "x");
  const view = new DataView(bytes.buffer);
  const { offset } = file.section(".dynsym")!;
  const long = [...file.symbols!].find((s) => s.name.length === 200_000)!;
  const start = view.getUint32(offset + 24 * long.index, true);
  // Every symbol's name is now another tail of the long one: 4 GB in all.
  for (let i = 1; i <= count; i++) view.setUint32(offset + 24 * i, start + i, true);
  const started = performance.now();
  assertThrows(() => [...ElfFile.parse(bytes, "x").symbols!], ElfError, "overlap too much");
  assert(performance.now() - started < 10_000);
});
