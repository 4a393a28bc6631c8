/** Source lines of addresses, against addr2line. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { available } from "../../../scripts/tools/command.ts";
import { ElfError, ElfFile, lineAt, lineRows } from "../../../lib/elf/mod.ts";

const SOURCE = `
#include "table.h"
int scale(int n) {
  int sum = 0;
  for (int i = 0; i < n; i++) {
    if (i % 3 == 0) sum += twice(i);


    else sum ^= table[i & 7];
  }
  return sum;
}
void _start(void) { for (;;) scale(9); }
`;
const HEADER = `
static int table[8] = {3, 1, 4, 1, 5, 9, 2, 6};
static inline __attribute__((always_inline)) int twice(int n) {
  return table[n & 7] +
    2 * n;
}
`;

for (const compiler of ["gcc", "aarch64-linux-gnu-gcc"]) {
  const missing = !await available(compiler)
    ? `needs ${compiler}`
    : await available("addr2line")
    ? ""
    : "needs addr2line";
  Deno.test({
    name: `${compiler}: lines in DWARF 2 to 5 are addr2line's` +
      (missing === "" ? "" : ` (skipped: ${missing})`),
    ignore: missing !== "",
  }, async () => {
    const folder = await Deno.makeTempDir();
    try {
      await Deno.writeTextFile(`${folder}/scale.c`, SOURCE);
      await Deno.writeTextFile(`${folder}/table.h`, HEADER);
      for (const version of [2, 3, 4, 5]) {
        const program = `${folder}/scale${version}`;
        const gcc = await new Deno.Command(compiler, {
          args: [
            ...["-O1", `-gdwarf-${version}`, "-static", "-nostdlib", "-gno-column-info"],
            ...["-o", program, "scale.c"],
          ],
          cwd: folder,
        }).output();
        assert(gcc.success, new TextDecoder().decode(gcc.stderr));
        const elf = ElfFile.parse(await Deno.readFile(program), program);
        const rows = lineRows(elf);
        const text = elf.section(".text")!;
        const addresses: number[] = [];
        const step = compiler === "gcc" ? 1 : 4;
        for (let at = 0; at < text.size; at += step) addresses.push(text.addr + at);
        const { stdout } = await new Deno.Command("addr2line", {
          args: ["-e", program, ...addresses.map((at) => `0x${at.toString(16)}`)],
        }).output();
        const expected = new TextDecoder().decode(stdout).trimEnd().split("\n")
          .map((line) => line.replace(/ \(discriminator \d+\)$/, "").replace(/.*\//, ""));
        const seen = addresses.map((at) => {
          const row = lineAt(rows, at);
          return row === undefined ? "??:0" : `${row.file.replace(/.*\//, "")}:${row.line || "?"}`;
        });
        assertEquals(seen, expected.map((line) => line.replace("??:?", "??:0")));
        assert(new Set(seen).size > 6);
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}

Deno.test("a line table that is cut off says where", () => {
  // The header of a unit of version 9.
  const unit = new Uint8Array([2, 0, 0, 0, 9, 0]);
  const elf = {
    name: "odd",
    section: (name: string) => name === ".debug_line" ? { flags: 0 } : undefined,
    sectionBytes: () => unit,
  } as unknown as ElfFile;
  assertThrows(() => lineRows(elf), ElfError, "version");
  unit[0] = 200;
  assertThrows(() => lineRows(elf), ElfError, "unit_length");
});
