/** What the analysis finds in code, against the source it was compiled from and against objdump. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { ElfError, ElfFile } from "../../../lib/elf/mod.ts";
import { syscallName } from "../../../lib/linker/mod.ts";
import {
  analyse,
  decodeSummary,
  filterOf,
  SECTION,
  type Summary,
  withSummary,
} from "../../../modules/seccomp/mod.ts";
import type { Arch } from "../../../mod.ts";
import { BpfProgram } from "../../../sim/kernel/bpf.ts";
import { debianRoot } from "../gnu/gnu_run.ts";
import { GuestFolder, missingCompiler } from "../gnu/guest_program.ts";
import { disassemble } from "../ifed/objdump.ts";
import { hasTool } from "../sysv/native_process.ts";

/** What the functions of programs/libnumbers.c make, by the source. */
const MADE: Record<string, readonly string[]> = {
  direct: ["getpid"],
  chosen: ["getgid", "getuid"],
  wrapped: ["gettid"],
  twice: ["getppid"],
  by_libc: ["getpgid"],
  pointer: ["getsid"],
  stored: ["umask"],
  imported: [],
};

function reach(elf: ElfFile, summary: Summary, name: string) {
  const { value } = elf.lookup(name)!;
  const set = summary.sets[summary.symbols.find(([address]) => address === value)![1]];
  return {
    syscalls: set.syscalls.map((number) => syscallName(summary.arch, number)).sort(),
    imports: set.imports.map((index) => summary.imports[index].name).sort(),
    unknown: set.unknown.length,
  };
}

for (const arch of ["x86_64", "aarch64"] as Arch[]) {
  const root = debianRoot("bookworm", arch);
  const compiler = missingCompiler(arch);
  const missing = root === undefined ? "Debian roots" : compiler;
  Deno.test({
    name: `system calls of functions, as the source has them, on ${arch}` +
      (missing === undefined ? "" : ` (skipped: needs ${missing})`),
    ignore: missing !== undefined,
    fn: async () => {
      for (const level of ["-O1", "-O2"]) {
        using folder = new GuestFolder(arch, root!, [{
          name: "libnumbers.so",
          source: "../../seccomp/programs/libnumbers.c",
          flags: [level],
        }]);
        const bytes = Deno.readFileSync(`${folder.path}/libnumbers.so`);
        const elf = ElfFile.parse(bytes, "libnumbers.so");
        const summary = await analyse(elf);
        for (const [name, syscalls] of Object.entries(MADE)) {
          const found = reach(elf, summary, name);
          assertEquals([found.syscalls, found.unknown], [syscalls, 0], `${name} ${level}`);
        }
        assertEquals(reach(elf, summary, "imported").imports, ["write"]);
        assert(reach(elf, summary, "unknown").unknown > 0);
        const data = summary.sets[summary.data].syscalls.map((n) => syscallName(arch, n));
        assert(data.includes("sync"));
        // The section is read as it was written, and says of which file it is.
        const copy = withSummary(bytes, summary, "copy");
        const again = ElfFile.parse(copy, "copy");
        const section = again.section(SECTION)!;
        const decoded = decodeSummary(again.sectionBytes(section), section.offset, "copy");
        assertEquals(decoded, summary);
        assertEquals((await analyse(again)).digest, summary.digest);
        // One in the place of another, and nothing else changed.
        const twice = withSummary(copy, summary, "copy");
        assertEquals(ElfFile.parse(twice, "twice").sections.length, again.sections.length);
        for (const segment of elf.segments) {
          const content = (file: ElfFile) => file.segmentBytes(segment).slice(64);
          if (segment.filesz > 64) assertEquals(content(again), content(elf));
        }
      }
    },
  });

  const objdump = `${arch}-linux-gnu-objdump`;
  const lacks = root === undefined ? "Debian roots" : hasTool(objdump) ? undefined : objdump;
  Deno.test({
    name: `every system call instruction of libc is found on ${arch}` +
      (lacks === undefined ? "" : ` (skipped: needs ${lacks})`),
    ignore: lacks !== undefined,
    fn: async () => {
      const path = `${root}/lib/${arch}-linux-gnu/libc.so.6`;
      const summary = await analyse(ElfFile.parse(Deno.readFileSync(path), path));
      let sites = 0;
      /** Numbers that are loaded a few instructions before a system call, with nothing between that jumps. */
      const loaded = new Set<number>();
      let number = -1;
      let age = 0;
      for await (const { text } of disassemble(objdump, path)) {
        const load = /^mov\s+(?:\$0x([0-9a-f]+),%[er]ax|[xw]8, #0x([0-9a-f]+))\b/.exec(text);
        if (load !== null) [number, age] = [parseInt(load[1] ?? load[2], 16), 0];
        else if (++age > 6 || /^(j|b|c?call|ret|tb|cb)/.test(text)) number = -1;
        if (!/^(syscall|svc\s+#0x0)$/.test(text)) continue;
        sites++;
        if (number >= 0) loaded.add(number);
      }
      const found = new Set(summary.sets.flatMap(({ syscalls }) => syscalls));
      assertEquals([...loaded].filter((one) => !found.has(one)), []);
      assert(loaded.size > 100, `${loaded.size}`);
      assertEquals(summary.statistics.syscalls, sites);
      // Only syscall(2) itself does what it is told.
      assertEquals(summary.statistics.unknown, 1);
    },
  });
}

Deno.test("a filter lets through what it is made for and nothing else", () => {
  for (const arch of ["x86_64", "aarch64"] as const) {
    for (const allowed of [[], [0], [0, 1, 2, 5], [1023], [...Array(400).keys()], odd(1000)]) {
      const program = BpfProgram.check(filterOf(arch, allowed, "kill"))!;
      assert(program !== undefined, "Linux would not take it");
      const data = new Uint32Array(16);
      data[1] = arch === "x86_64" ? 0xc000003e : 0xc00000b7;
      for (const number of [...Array(1100).keys(), 0x40000000, 0x40000001, 0xffffffff]) {
        data[0] = number;
        const isAllowed = program.run(data) === 0x7fff0000;
        assertEquals(isAllowed, allowed.includes(number), `${number} of ${allowed.length}`);
      }
      data[0] = allowed[0] ?? 0;
      data[1] = 0x40000003; // i386
      assertEquals(program.run(data), 0x80000000);
    }
  }
});

function odd(count: number): number[] {
  return [...Array(count).keys()].filter((number) => number % 2 === 1);
}

Deno.test("a section that is damaged is one error that says where", () => {
  const sound = '{"format":1,"arch":"x86_64","digest":"","imports":[],"names":[],"symbols":[],' +
    '"start":0,"data":0,"sets":[{"syscalls":[1],"imports":[],"unknown":[]}]}';
  const decode = (text: string) => decodeSummary(new TextEncoder().encode(text), 7, "lib.so");
  assertEquals(decode(sound).sets.length, 1);
  const damaged = {
    "it is not JSON text": sound.slice(0, 40),
    "its format is 2, not 1": sound.replace('"format":1', '"format":2'),
    "a list is missing": sound.replace('"names":[],', ""),
    "a set is malformed": sound.replace("[1]", "[-1]"),
    "a set is missing": sound.replace('"data":0', '"data":1'),
  };
  for (const [problem, text] of Object.entries(damaged)) {
    assertThrows(() => decode(text), ElfError, `lib.so: .seccomp at 0x7: ${problem}`);
  }
});
