/** Packed relocation tables: what other readers find in them, and that nothing of the object changes. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { ElfError, ElfFile, packRelocations } from "../../../mod.ts";
import { FORMATS } from "../../../modules/packed_relocations/mod.ts";
import { decodeCrel } from "../../../lib/elf/crel_relocations.ts";
import { decodeAndroid } from "../../../lib/elf/android_relocations.ts";
import { encodeAndroid, encodeCrel } from "../../../lib/elf/build_relocations.ts";
import { ByteView } from "../../../lib/elf/byte_view.ts";
import { available, output, temporary } from "../../lib/elf/programs.ts";
import { debianRoot } from "../gnu/gnu_run.ts";

/** llvm-readelf reads CREL from version 19 on. */
const READELF = "llvm-readelf-19";
const hasReadelf = available(READELF);

/** "offset type symbol addend" of every relocation but the PLT's; addends of RELR are in the data. */
function relocationsOf(elf: ElfFile): string[] {
  const lines: string[] = [];
  for (const table of elf.relocationTables) {
    if (table.kind === "plt") continue;
    for (const { offset, type, symbol, addend } of table) {
      const word = () => new DataView(elf.bytesAt(offset, 8).slice().buffer).getBigInt64(0, true);
      const value = table.implicitAddend ? Number(word()) : addend;
      lines.push(`${offset} ${type} ${symbol} ${value}`);
    }
  }
  return lines.sort();
}

/** "offset info" as llvm-readelf prints them, which takes the tables from sections or the dynamic section. */
function llvmRelocations(
  bytes: Uint8Array,
  elf: ElfFile,
  by: "-r" | "--dyn-relocations",
): string[] {
  const path = `${temporary()}/packed.so`;
  Deno.writeFileSync(path, bytes);
  const text = output(READELF, [by, path]);
  const plt = new Set<string>();
  for (const table of elf.relocationTables) {
    if (table.kind !== "plt") continue;
    for (const offset of table.offsets) plt.add(offset.toString(16).padStart(16, "0"));
  }
  return [...text.matchAll(/^([0-9a-f]{16}) +([0-9a-f]{16}) .*$/gm)]
    .filter(([, offset]) => !plt.has(offset))
    .map(([, offset, info]) => `${offset} ${info}`)
    .sort();
}

for (const arch of ["x86_64", "aarch64"] as const) {
  const root = debianRoot("bookworm", arch);
  const lacking = root === undefined ? "the root of bookworm" : hasReadelf ? "" : READELF;
  Deno.test({
    name: `llvm-readelf finds the same relocations in every format, of ${arch}` +
      (lacking === "" ? "" : ` (skipped: needs ${lacking})`),
    ignore: lacking !== "",
    fn: () => {
      const lib = `${root}/usr/lib/${arch}-linux-gnu`;
      for (const path of [`${root}/usr/bin/openssl`, `${lib}/libz.so.1`, `${lib}/libssl.so.3`]) {
        const bytes = Deno.readFileSync(path);
        const plain = ElfFile.parse(bytes, path);
        const expected = relocationsOf(plain);
        const pairs = llvmRelocations(bytes, plain, "-r");
        assertEquals(pairs.length, expected.length);
        for (const format of FORMATS) {
          for (const shrink of [true, false]) {
            const packed = packRelocations(bytes, path, { format, shrink });
            const elf = ElfFile.parse(packed.bytes, path);
            assertEquals(relocationsOf(elf), expected, `${path} ${format}`);
            // It lists RELR by tags alone, and what is Android's by sections alone.
            if (format === "relr+aps2") continue;
            const by = format === "aps2" ? "-r" : "--dyn-relocations";
            assertEquals(llvmRelocations(packed.bytes, elf, by), pairs, `${path} ${format}`);
          }
        }
      }
    },
  });

  Deno.test({
    name: `an object with packed relocations is what it was, of ${arch}` +
      (root === undefined ? " (skipped: needs the root of bookworm)" : ""),
    ignore: root === undefined,
    fn: () => {
      const path = `${root}/usr/lib/${arch}-linux-gnu/libcrypto.so.3`;
      const bytes = Deno.readFileSync(path);
      const plain = ElfFile.parse(bytes, path);
      const { bytes: changed, before, after } = packRelocations(bytes, path, {
        format: "relr+crel",
      });
      const elf = ElfFile.parse(changed, path);
      assert(after < before / 20 && changed.length < bytes.length - before + 2 ** 17);
      assertEquals(elf.segments.length, plain.segments.length + 1);
      assertEquals(elf.loadSegments.length, plain.loadSegments.length + 1);
      // Every section keeps its address and, apart from what was packed, its content.
      const packed = [".rela.dyn", ".dynamic", ".shstrtab", ".data.rel.ro", ".data", ".got"];
      packed.push(".init_array", ".fini_array");
      for (const section of plain.sections) {
        if (packed.includes(section.name) || section.name === "") continue;
        const same = elf.section(section.name)!;
        assertEquals([same.addr, same.size], [section.addr, section.size]);
        assertEquals(elf.sectionBytes(same), plain.sectionBytes(section), section.name);
      }
      for (const { addr, size, name } of plain.sections) {
        if (!/^\.(text|rodata|dynsym|dynstr|gnu.hash)$/.test(name)) continue;
        assertEquals(elf.bytesAt(addr, size), plain.bytesAt(addr, size), name);
      }
    },
  });
}

Deno.test("encoders and decoders agree on random tables", () => {
  let state = 12345;
  const random = (below: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return Math.floor(state / 2 ** 32 * below);
  };
  for (let round = 0; round < 60; round++) {
    let offset = 0;
    const relocations = Array.from({ length: 1 + random(400) }, () => {
      offset += random(3) === 0 ? random(2 ** 20) + 1 : 8;
      const wide = random(5) === 0;
      return {
        offset,
        type: random(3) === 0 ? random(1100) : 8,
        symbol: random(2) === 0 ? 0 : wide ? random(2 ** 32) : random(50),
        addend: random(2) === 0 ? 0 : random(2 ** 30) * (wide ? 2 ** 20 : 1) - 2 ** 29,
      };
    });
    const plain = relocations.map((r) => `${r.offset} ${r.type} ${r.symbol} ${r.addend}`);
    const list = (table: Iterable<(typeof relocations)[number]>) =>
      [...table].map((r) => `${r.offset} ${r.type} ${r.symbol} ${r.addend}`);
    const crel = padded(encodeCrel(relocations, true));
    assertEquals(list(decodeCrel(crel.view, 0, crel.size)), plain);
    const android = padded(encodeAndroid(relocations, true));
    assertEquals(list(decodeAndroid(android.view, 0, android.size, true)), plain);
  }
});

/** Some bytes in a file large enough for the checks of counts against its size. */
function padded(bytes: Uint8Array): { view: ByteView; size: number } {
  const file = new Uint8Array(bytes.length + 2 ** 16);
  file.set(bytes);
  return { view: new ByteView(file, "table"), size: bytes.length };
}

Deno.test("a CREL table that is cut off or absurd is an error", () => {
  const relocations = [{ offset: 8, type: 8, symbol: 0, addend: 2 ** 40 }];
  const bytes = encodeCrel(relocations, true);
  for (let size = 0; size < bytes.length; size++) {
    const view = new ByteView(bytes.slice(0, size), "table");
    assertThrows(() => decodeCrel(view, 0, size), ElfError);
  }
  const many = new ByteView(Uint8Array.of(0xff, 0xff, 0xff, 0x7f, 0, 0), "table");
  assertThrows(() => decodeCrel(many, 0, 6), ElfError, "in 6 bytes");
  const long = new ByteView(new Uint8Array(20).fill(0xff), "table");
  assertThrows(() => decodeCrel(long, 0, 20), ElfError, "beyond 2^53");
});

const hex = (bytes: Uint8Array) =>
  Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");

Deno.test("CREL by hand", () => {
  // Two relative relocations 8 bytes apart: header 2 * 8 + addends + shift 3.
  const bytes = encodeCrel([
    { offset: 0x40, type: 8, symbol: 0, addend: 1 },
    { offset: 0x48, type: 8, symbol: 0, addend: 1 },
  ], true);
  // 0x17; delta 8 with type and addend changed: 8 << 3 | 6, then 8, 1; delta 1, nothing changed.
  assertEquals(hex(bytes), "17" + "46" + "08" + "01" + "08");
});
