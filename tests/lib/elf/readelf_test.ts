import { assert, assertEquals } from "@std/assert";
import { checkFile, elfFiles, spread, SYSTEM_FOLDERS } from "../../../scripts/tools/elf_check.ts";
import { ElfFile } from "../../../lib/elf/mod.ts";
import { available, output, temporary } from "./programs.ts";

const PREBUILT = new URL("../../guests/prebuilt", import.meta.url).pathname;
const ROOTS = new URL("../../../.cache/roots", import.meta.url).pathname;
/** Where most of a system's files are; walking all of it takes longer than checking the sample. */
const SYSTEM_SAMPLE = ["/usr/bin", "/usr/lib/x86_64-linux-gnu", "/usr/lib64", `${PREBUILT}/x86_64`];
/** Folders that hold aarch64 files, where a machine has any. */
const AARCH64_FOLDERS = [
  "/usr/aarch64-linux-gnu",
  "/usr/lib/aarch64-linux-gnu",
  ROOTS,
  `${PREBUILT}/aarch64`,
];
const hasReadelf = available("readelf");
/** All files instead of a sample, as `scripts/tools/elf_check.ts --all` does. */
const all = Deno.env.get("ISTHMUS_ELF_ALL") === "1";
const SAMPLE = 50;
/** Bytes; the sample leaves larger files out. */
const LARGEST = 4 << 20;

async function check(folders: readonly string[], step: Deno.TestContext): Promise<void> {
  const small = (path: string) => all || Deno.statSync(path).size < LARGEST;
  const files = spread(elfFiles(folders).filter(small), all ? Infinity : SAMPLE);
  assert(files.length > 0, "no ELF files here");
  let compared = 0;
  for (const [i, path] of files.entries()) {
    // Listings of frames are long: the sample has every third file's.
    const { outcome, details, compared: values } = await checkFile(path, all || i % 3 === 0);
    compared += values;
    const foreign = outcome === "refused" && /ELFCLASS64|neither x86_64/.test(details[0]);
    assert(outcome === "same" || foreign, `${step.name}: ${path}: ${details.join("\n")}`);
  }
  assert(compared > 100 * files.length, `only ${compared} values compared`);
}

for (
  const [name, folders] of [["this system", all ? SYSTEM_FOLDERS : SYSTEM_SAMPLE], [
    "aarch64",
    AARCH64_FOLDERS,
  ]] as const
) {
  Deno.test({
    name: `files are read as readelf reads them: ${name}${
      hasReadelf ? "" : " (skipped: needs readelf)"
    }`,
    ignore: !hasReadelf,
    fn: (step) => check(folders, step),
  });
}

const hasAssembler = Deno.build.arch === "x86_64" && available("as") && hasReadelf;

Deno.test({
  name: `more sections than 16 bits count are read${
    hasAssembler ? "" : " (skipped: needs readelf and an x86_64 assembler)"
  }`,
  ignore: !hasAssembler,
  async fn() {
    const folder = temporary();
    const lines = Array.from(
      { length: 65_500 },
      (_, i) => `.section .s${i},"a"\n.globl v${i}\nv${i}: .byte 1`,
    );
    Deno.writeTextFileSync(`${folder}/many.s`, lines.join("\n") + "\n");
    output("as", ["-o", `${folder}/many.o`, `${folder}/many.s`]);
    const file = ElfFile.parse(Deno.readFileSync(`${folder}/many.o`), "many.o");
    assert(file.sections.length > 0xff00);
    assert(file.staticSymbols!.shndx(file.staticSymbols!.length - 1) > 0xff00);
    assertEquals((await checkFile(`${folder}/many.o`, false)).details, []);
  },
});

Deno.test("a sample is spread over the list", () => {
  assertEquals(spread([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 3), [1, 4, 7]);
  assertEquals(spread([1, 2], 3), [1, 2]);
});
