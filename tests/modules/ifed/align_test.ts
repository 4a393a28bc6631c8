/** iFed's first mode: which parts of objects come onto huge pages, and what is in them. */
import { assertEquals } from "@std/assert";
import { ElfBuilder } from "../../../lib/elf/mod.ts";
import { Linker, LinkError, PROT_EXEC, PROT_READ, PROT_WRITE } from "../../../lib/linker/mod.ts";
import { ifed } from "../../../modules/mod.ts";
import { MemoryTarget } from "../../lib/linker/memory_target.ts";
import { linkAnything } from "../sysv/module_lists.ts";

const MIB = 2 ** 20;

/** A program of 5 MiB of text, whose words are their numbers, then of 3 MiB of data. */
function program(type: "fixed" | "independent"): Uint8Array {
  const words = new Uint32Array(5 * MIB / 4).map((_, index) => index);
  const builder = new ElfBuilder({
    machine: "x86_64",
    ...type === "fixed" ? { type: 2, base: 0x403000 } : {},
  });
  const section = builder.section({
    ...{ name: ".text", access: "x", align: 4096 },
    data: new Uint8Array(words.buffer),
  });
  builder.section({ name: ".data", access: "w", align: 4096, data: new Uint8Array(3 * MIB) });
  builder.entry({ section });
  return builder.build();
}

for (const type of ["independent", "fixed"] as const) {
  Deno.test(`whole aligned parts of a program are on huge pages: ${type}`, async () => {
    const overlay = new Map([["/program", program(type)]]);
    const target = new MemoryTarget("x86_64", { overlay });
    const modules = [...linkAnything(), ifed.align()];
    const { objects: [{ base, elf }], counters } = await new Linker(target, { modules })
      .link("/program");
    const text = elf.loadSegments.find(({ flags }) => flags & 1)!;
    const start = base! + text.vaddr;
    if (type === "independent") assertEquals((start - start % 4096) % (2 * MIB), 0);
    const huge = { code: 0, data: 0 };
    for (const { vaddr, memsz, flags } of elf.loadSegments) {
      for (let at = base! + vaddr; at < base! + vaddr + memsz; at += 4096) {
        const rights = target.protectionAt(at)!;
        const isHuge = target.pageSizeAt(at) === "2M";
        // Text is never writable, data never executable.
        if (flags & 1) assertEquals(rights, PROT_READ | PROT_EXEC);
        else if (flags & 2) assertEquals(rights & ~PROT_READ, PROT_WRITE);
        else assertEquals(rights & PROT_WRITE, 0);
        if (isHuge) huge[flags & 2 ? "data" : "code"] += 4096;
      }
    }
    // 5 MiB from a multiple of 2 MiB on hold two units, from 0x403000 on one; the data hold one.
    const units = type === "fixed" ? 1 : 2;
    assertEquals(huge, { code: units * 2 * MIB, data: 2 * MIB });
    assertEquals(counters.flat()["linker.ifed.huge.pages"], units + 1);
    for (const word of [0, 1, 511 * 1024, 1024 * 1024 + 7, 5 * MIB / 4 - 1]) {
      const bytes = target.read(start + 4 * word, 4);
      assertEquals(new DataView(bytes.buffer).getUint32(0, true), word);
    }
  });
}

Deno.test("an object has one place: two modes of iFed are refused, by name", async () => {
  const overlay = new Map([["/program", program("independent")]]);
  const target = new MemoryTarget("x86_64", { overlay });
  const modules = [...linkAnything(), ifed.align(), ifed.concatenate()];
  const error = await new Linker(target, { modules }).link("/program").catch((error) => error);
  assertEquals(error instanceof LinkError, true);
  assertEquals(/ifed\.align/.test(error.message) && /ifed\.concatenate/.test(error.message), true);
});
