/** Programs transformed by the iFed modules, laid out as stated and run on the real processor. */
import { assertEquals } from "@std/assert";
import {
  type Architecture,
  imageExtent,
  Linker,
  type Module,
  PROT_EXEC,
  PROT_READ,
  PROT_WRITE,
} from "../../../lib/linker/mod.ts";
import { ifed, linux } from "../../../modules/mod.ts";
import expected from "../../guests/expected.json" with { type: "json" };
import { MemoryTarget } from "../../lib/linker/memory_target.ts";
import { linkAnything } from "../sysv/module_lists.ts";
import { ImageRunner, missingTools } from "../sysv/native_run.ts";
import { debianRoot, runIn } from "../gnu/gnu_run.ts";
import { buildMuslProgram, muslNeeds } from "../sysv/musl_program.ts";

const guests = new URL("../../guests/prebuilt/", import.meta.url).pathname;

const variants: [string, () => Module[]][] = [
  ["align", () => [ifed.align()]],
  ["concatenate", () => [ifed.concatenate()]],
  ["concatenate, rights kept", () => [ifed.concatenate({ rights: "kept" })]],
  ["eliminateBranches", () => [ifed.eliminateBranches()]],
  ["both", () => [ifed.concatenate(), ifed.eliminateBranches()]],
  [
    "both, loads relaxed",
    () => [ifed.concatenate(), ifed.eliminateBranches({ loads: "relaxed" })],
  ],
];

for (const arch of ["x86_64", "aarch64"] as Architecture[]) {
  const missing = missingTools(arch);
  const skipped = missing.length > 0 ? ` (skipped: needs ${missing.join(", ")})` : "";
  for (const [name, modules] of variants) {
    for (const program of ["many/many", "many/many_fixed"]) {
      Deno.test({
        name: `${program} with ${name} runs on ${arch}${skipped}`,
        ignore: missing.length > 0,
        fn: async () => {
          using runner = new ImageRunner(arch);
          const path = `${guests}${arch}/${program}`;
          const target = new MemoryTarget(arch, { call: runner.call });
          const linker = new Linker(target, { modules: [...linux(), ...modules()] });
          const { start } = await linker.link(path);
          const { args, exit, stdout } = expected.find((entry) => entry.program === program)!;
          const run = runner.run(target, start, [path, ...args]);
          assertEquals(run, { code: exit, stdout, stderr: "" });
        },
      });
    }
  }

  const needs = muslNeeds(arch);
  for (const rights of ["merged", "kept"] as const) {
    Deno.test({
      name: `a program of musl with both, rights ${rights}, runs on ${arch}` +
        (needs === undefined ? "" : ` (skipped: needs ${needs})`),
      ignore: needs !== undefined,
      fn: async () => {
        using built = buildMuslProgram(arch);
        const { counters, ...run } = await runIn(built.root || "/", [built.path, "argument"], {
          uid: 0,
          mounts: [{ host: built.folder, guest: built.folder }],
          modules: [
            ...[...linux(), ifed.concatenate({ rights })],
            ifed.eliminateBranches({ loads: "relaxed" }),
          ],
        });
        assertEquals(run, { exit: 3, stdout: built.nativeOutput, stderr: "" });
        assertEquals(counters["linker.ifed.branches.patched"] > 100, true);
        assertEquals(counters["linker.ifed.loads.patched"] > 10, true);
      },
    });
  }

  Deno.test(`concatenated objects of ${arch} lie back to back on huge pages`, async () => {
    const target = new MemoryTarget(arch, { call: (_target, resolver) => resolver });
    const linker = new Linker(target, { modules: [...linux(), ifed.concatenate()] });
    const { objects, start, counters } = await linker.link(`${guests}${arch}/many/many`);
    let next = objects[0].base!;
    assertEquals(next % 2 ** 21, 0);
    for (const { base, elf } of objects) {
      const extent = imageExtent(elf, 4096)!;
      assertEquals(base! + extent.start, next);
      for (let at = next; at < base! + extent.end; at += 4096) {
        assertEquals(target.pageSizeAt(at), "2M");
        assertEquals(target.protectionAt(at), PROT_READ | PROT_WRITE | PROT_EXEC);
      }
      next = base! + extent.end;
    }
    const end = Math.ceil(next / 2 ** 21) * 2 ** 21;
    assertEquals(start.heap, end);
    const pages = (end - objects[0].base!) / 2 ** 21;
    assertEquals(counters.flat()["linker.ifed.huge.pages"], pages);
  });

  Deno.test(`rights kept: no page of ${arch} is writable and executable`, async () => {
    const target = new MemoryTarget(arch, { call: (_target, resolver) => resolver });
    const modules = [...linux(), ifed.concatenate({ rights: "kept" })];
    const { objects } = await new Linker(target, { modules }).link(`${guests}${arch}/many/many`);
    for (const { base, elf } of objects) {
      for (const { vaddr, memsz, flags } of elf.loadSegments) {
        const rights = target.protectionAt(base! + vaddr)!;
        assertEquals(rights & PROT_EXEC, flags & 1 ? PROT_EXEC : rights & PROT_EXEC);
        for (let at = base! + vaddr; at < base! + vaddr + memsz; at += 4096) {
          const both = PROT_WRITE | PROT_EXEC;
          assertEquals((target.protectionAt(at)! & both) === both, false);
        }
      }
    }
  });
}

for (const arch of ["x86_64", "aarch64"] as Architecture[]) {
  const root = debianRoot("bookworm", arch);
  Deno.test({
    name: `the heap of a concatenated program grows as always on ${arch}` +
      (root === undefined ? " (skipped: needs the root of bookworm)" : ""),
    ignore: root === undefined,
    fn: async () => {
      const argv = ["/usr/bin/perl", "-e", "my @a = (1 .. 30000); print scalar @a"];
      const [plain, ...others] = await Promise.all(
        [[], [ifed.align()], [ifed.concatenate()]].map((modules) =>
          runIn(root!, argv, { modules: [...linux(), ...modules] })
        ),
      );
      assertEquals(plain.stdout, "30000");
      for (const { counters } of others) {
        for (const name of ["instructions", "syscalls.brk", "syscalls.mmap"]) {
          assertEquals(counters[name], plain.counters[name], name);
        }
      }
      assertEquals(plain.counters["syscalls.brk"] > 5, true);
    },
  });
}

const python = "/usr/bin/python3.11";
const there = Deno.build.arch === "x86_64" && await Deno.stat(python).catch(() => undefined);
Deno.test({
  name: `rights kept: large text is on huge pages, the rest is not${
    there ? "" : " (skipped: needs python3.11)"
  }`,
  ignore: !there,
  fn: async () => {
    const target = new MemoryTarget("x86_64", { call: (_target, resolver) => resolver });
    const modules = [...linkAnything(), ifed.concatenate({ rights: "kept" })];
    const { objects } = await new Linker(target, { modules }).link(python);
    const sizes: Record<string, number> = { "4K": 0, "2M": 0, "1G": 0 };
    const { base, elf } = objects[0];
    const extent = imageExtent(elf, 4096)!;
    for (const { vaddr, memsz } of elf.loadSegments) {
      for (let at = base! + vaddr; at < base! + vaddr + memsz; at += 4096) {
        sizes[target.pageSizeAt(at)]++;
      }
    }
    // 2 MiB of it at least are text and read-only data alone; its data and their neighbours are not.
    assertEquals(sizes["2M"] >= 512, true);
    assertEquals(sizes["4K"] > 0, true);
    assertEquals(extent.size > 2 ** 22, true);
  },
});
