/** The name of a linker in an ELF file, as this project, readelf and the kernel see it. */
import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { ElfBuilder, ElfError, ElfFile, withLinkerName } from "../../../lib/elf/mod.ts";
import { available, output, temporary } from "./programs.ts";

const native = Deno.build.os === "linux" && Deno.build.arch === "x86_64" && available("readelf");

function interpreted(interp: string): ElfFile {
  return ElfFile.parse(new ElfBuilder({ machine: "x86_64", interp }).build(), "program");
}

Deno.test("a PT_INTERP below /isthmus/ names a linker", () => {
  assertEquals(interpreted("/isthmus/modular").linkerName, "modular");
  assertEquals(interpreted("/isthmus/my-own_1.2").linkerName, "my-own_1.2");
  assertEquals(interpreted("/lib64/ld-linux-x86-64.so.2").linkerName, undefined);
  for (const odd of ["", "a/b", ".", "-x", "ä", "a".repeat(64)]) {
    const program = interpreted(`/isthmus/${odd}`);
    assertThrows(() => program.linkerName, ElfError, "names no linker");
  }
});

Deno.test("a name takes the place of a note, and only where there is one", () => {
  const bare = new ElfBuilder({ machine: "aarch64", interp: "/lib/ld.so" }).build();
  assertThrows(() => withLinkerName(bare, "modular", "bare"), ElfError, "bare: p_type");
  assertThrows(() => withLinkerName(bare, "no name", "bare"), ElfError, "is no name");
});

Deno.test({
  name: "readelf finds the segment, and the kernel runs the program all the same" +
    (native ? "" : " (skipped: needs readelf on an x86_64 Linux)"),
  ignore: !native,
  fn: () => {
    const plain = Deno.readFileSync("/bin/echo");
    const named = withLinkerName(plain, "modular", "/bin/echo");
    const file = ElfFile.parse(named, "echo");
    assertEquals([file.linkerName, file.interp], ["modular", "/lib64/ld-linux-x86-64.so.2"]);
    const path = `${temporary()}/echo`;
    Deno.writeFileSync(path, named, { mode: 0o755 });
    // 0x69737468 is in the range for operating systems, from 0x60000000.
    assertStringIncludes(output("readelf", ["-lW", path]), "LOOS+0x9737468");
    assertEquals(output(path, ["one", "two"]), "one two\n");
    // A second name takes the place of the first.
    const again = ElfFile.parse(withLinkerName(named, "other", path), path);
    assertEquals(again.linkerName, "other");
    assertEquals(again.segments.length, file.segments.length);
    assertEquals(again.notes.length, file.notes.length);
  },
});
