import { assert, assertEquals, assertThrows } from "@std/assert";
import * as elf from "../../../lib/elf/mod.ts";
import { ElfBuilder, ElfError, ElfFile, type Relocation } from "../../../lib/elf/mod.ts";
import { ByteView } from "../../../lib/elf/byte_view.ts";
import { decodeAndroid } from "../../../lib/elf/android_relocations.ts";
import { parseRelr } from "../../../lib/elf/relocations.ts";
import { richObject } from "./built_objects.ts";
import { available, output, temporary } from "./programs.ts";

const hasLlvmReadelf = available("llvm-readelf");

/** Relocations as llvm-readelf lists them, which unpacks RELR and Android's format: "offset info". */
function llvmRelocations(bytes: Uint8Array): string[] {
  const path = `${temporary()}/packed.so`;
  Deno.writeFileSync(path, bytes);
  const text = output("llvm-readelf", ["-r", "-W", path]);
  return [...text.matchAll(/^([0-9a-f]{16}) +([0-9a-f]{16}) \S+ *(.*)$/gm)].map((m) => {
    const addend = /(?:([+-]) )?(-?[0-9a-f]+)$/.exec(m[3]);
    const value = addend === null ? 0 : parseInt(addend[2], 16) * (addend[1] === "-" ? -1 : 1);
    return `${m[1]} ${m[2]} ${value}`;
  }).sort();
}

function ours(relocations: Iterable<Relocation>): string[] {
  const hex = (value: number, width: number) => value.toString(16).padStart(width, "0");
  return Array.from(
    relocations,
    (r) => `${hex(r.offset, 16)} ${hex(r.symbol, 8)}${hex(r.type, 8)} ${r.addend}`,
  ).sort();
}

for (const machine of ["x86_64", "aarch64"] as const) {
  for (
    const options of [{ relocations: "android" }, { relr: true }, { relocations: "rela" }] as const
  ) {
    Deno.test({
      name: `llvm-readelf unpacks the same relocations: ${machine} ${JSON.stringify(options)}${
        hasLlvmReadelf ? "" : " (skipped: needs llvm-readelf)"
      }`,
      ignore: !hasLlvmReadelf,
      fn() {
        const bytes = richObject({ machine, ...options });
        const file = ElfFile.parse(bytes, "packed.so");
        const relocations = [...file.relocations()];
        assertEquals(relocations.length, 65);
        assertEquals(ours(relocations), llvmRelocations(bytes));
      },
    });
  }
}

Deno.test("every format holds the same relocations", () => {
  const read = (bytes: Uint8Array) =>
    [...ElfFile.parse(bytes, "x").relocations()].map((r) => `${r.type} ${r.symbol}`).sort();
  const plain = read(richObject({ machine: "x86_64" }));
  assertEquals(plain.length, 65);
  assertEquals(read(richObject({ machine: "x86_64", relr: true })), plain);
  assertEquals(read(richObject({ machine: "x86_64", relocations: "rel" })), plain);
  assertEquals(read(richObject({ machine: "x86_64", relocations: "android" })), plain);
});

Deno.test("RELR: an address, then bitmaps of the 63 words after it", () => {
  // 0x10000; bits 1 and 63 after it; the next bitmap's bit 1 is word 64 after the address.
  const words = new BigUint64Array([0x10000n, (1n << 63n) | 3n, 3n, 0x20008n]);
  const bytes = new Uint8Array(words.buffer);
  const padded = new Uint8Array(256);
  padded.set(bytes);
  const table = parseRelr(new ByteView(padded, "x"), 0, bytes.length, "aarch64");
  assertEquals([...table.offsets], [
    0x10000,
    0x10008,
    0x10000 + 8 * 63,
    0x10000 + 8 * 64,
    0x20008,
  ]);
  assertEquals([...new Set(table.types)], [elf.R_AARCH64_RELATIVE]);
  assert(table.implicitAddend);
});

/** "APS2" and signed LEB128 numbers of one byte each, in a file large enough for its counts. */
function packed(...numbers: number[]): { view: ByteView; size: number } {
  const bytes = new Uint8Array(64);
  bytes.set([0x41, 0x50, 0x53, 0x32, ...numbers.map((n) => n & 0x7f)]);
  return { view: new ByteView(bytes, "packed"), size: 4 + numbers.length };
}

Deno.test("Android's format: groups share delta, info or addend as their flags say", () => {
  const { view, size } = packed(
    // 6 relocations from offset 16.
    ...[6, 16],
    // Two with one delta and info: +8 each, type 7; no addends.
    ...[2, 3, 8, 7],
    // Two with one addend step of -2, own deltas and infos.
    ...[2, 4 | 8, -2, 4, 1, 8, 2],
    // Two with own addend steps, one info.
    ...[2, 1 | 8, 3, 8, 10, 16, -20],
  );
  const table = decodeAndroid(view, 0, size, true);
  assertEquals([...table].map((r) => [r.offset, r.type, r.addend]), [
    [24, 7, 0],
    [32, 7, 0],
    [36, 1, -2],
    [44, 2, -2],
    [52, 3, 8],
    [68, 3, -12],
  ]);
});

Deno.test("Android's format: hostile counts and groups are refused", () => {
  const refuse = (field: string, ...numbers: number[]) => {
    const { view, size } = packed(...numbers);
    const error = assertThrows(() => decodeAndroid(view, 0, size, false), ElfError);
    assertEquals(error.field, field);
  };
  refuse("relocation count", -1, 0);
  refuse("group size", 3, 0, 4, 3, 8, 7);
  refuse("group size", 3, 0, 0, 3, 8, 7);
  refuse("group flags", 3, 0, 3, 32);
  refuse("group flags", 3, 0, 3, 8);
  refuse("offset delta", 3, 0, 3, 1, 7, 1);
  refuse("offset delta", 3, 0, 3, 3, -8, 7);
});

Deno.test("a table of half a million entries costs no objects", () => {
  const b = new ElfBuilder({ machine: "x86_64" });
  const data = b.section({ name: ".data", access: "w", data: new Uint8Array(4_000_000) });
  for (let i = 0; i < 500_000; i++) b.pointer({ section: data, offset: 8 * i }, { section: data });
  const file = ElfFile.parse(b.build(), "large.so");
  const started = performance.now();
  const [table] = file.relocationTables;
  let sum = 0;
  for (let i = 0; i < table.length; i++) {
    if (table.types[i] === elf.R_X86_64_RELATIVE) sum += table.offsets[i] - table.addends[i];
  }
  const time = performance.now() - started;
  assertEquals(table.length, 500_000);
  assertEquals(sum, 8 * (500_000 * 499_999) / 2);
  assert(time < 5000, `took ${time} ms`);
});

Deno.test("a PLT table counted within DT_RELA is not applied twice", () => {
  const bytes = richObject({ machine: "x86_64" });
  const file = ElfFile.parse(bytes, "x");
  const { dynamic } = file;
  const size = dynamic!.value(elf.DT_RELASZ)! + dynamic!.value(elf.DT_PLTRELSZ)!;
  const gap = dynamic!.value(elf.DT_JMPREL)! - dynamic!.value(elf.DT_RELA)!;
  assertEquals(gap, dynamic!.value(elf.DT_RELASZ));
  new DataView(bytes.buffer).setUint32(dynamic!.entryOffset(elf.DT_RELASZ) + 8, size, true);
  const changed = ElfFile.parse(bytes, "x");
  assertEquals(changed.relocationTables.map((t) => [t.kind, t.length]), [["rela", 62], ["plt", 3]]);
});
