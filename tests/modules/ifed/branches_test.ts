/**
 * Sites of branches to other objects, against what `objdump -d` prints for unmodified Debian binaries,
 * and the code after the change, disassembled by objdump again.
 */
import { assertEquals } from "@std/assert";
import { ElfFile } from "../../../lib/elf/mod.ts";
import { type Architecture, Linker } from "../../../lib/linker/mod.ts";
import { ifed, linux } from "../../../modules/mod.ts";
import { aarch64Branches } from "../../../modules/ifed/aarch64_branches.ts";
import { x86_64Branches } from "../../../modules/ifed/x86_64_branches.ts";
import { MemoryTarget } from "../../lib/linker/memory_target.ts";
import { linkAnything } from "../sysv/module_lists.ts";
import { hasTool } from "../sysv/native_process.ts";
import { disassemble, type Disassembled, exists } from "./objdump.ts";

const TOOLS = { x86_64: "objdump", aarch64: "aarch64-linux-gnu-objdump" };
const EDITORS = { x86_64: x86_64Branches, aarch64: aarch64Branches };
const GLOB_DAT = { x86_64: 6, aarch64: 1025 };
const SLOT_TYPES = { x86_64: [6, 7, 37], aarch64: [1025, 1026, 1032] };

/** Sites by objdump's own reading: its synthetic `@plt` symbols, and operands that are slots. */
async function listed(
  path: string,
  arch: Architecture,
  slots: Set<number>,
  constants: Set<number>,
): Promise<Set<number>> {
  const sites = new Set<number>();
  for await (const instruction of disassemble(TOOLS[arch], path)) {
    if (/^\.i?plt/.test(instruction.section)) continue;
    if (isSite(instruction, arch, slots, constants)) sites.add(instruction.at);
  }
  return sites;
}

function isSite(
  { text }: Disassembled,
  arch: Architecture,
  slots: Set<number>,
  constants: Set<number>,
): boolean {
  if (arch === "aarch64") return /^bl?\t.*@plt>/.test(text);
  if (/^(bnd )?(call|j[a-z]+) .*@plt>/.test(text)) return true;
  const load = /^mov\s+-?0x[0-9a-f]+\(%rip\),%r\w+\s+# ([0-9a-f]+)/.exec(text);
  if (load !== null) return constants.has(parseInt(load[1], 16));
  const indirect = /\b(?:call|jmp)\s+\*-?0x[0-9a-f]+\(%rip\)\s+# ([0-9a-f]+)/.exec(text);
  return indirect !== null && slots.has(parseInt(indirect[1], 16));
}

const roots: Record<Architecture, string> = {
  x86_64: "",
  aarch64: new URL("../../../.cache/roots/bookworm-arm64", import.meta.url).pathname,
};

for (const arch of ["x86_64", "aarch64"] as Architecture[]) {
  const libraries = `/usr/lib/${arch}-linux-gnu`;
  const files = ["/usr/bin/perl", "/bin/bash", `${libraries}/libc.so.6`].map((path) =>
    roots[arch] + path
  );
  files.push(new URL(`../../guests/prebuilt/${arch}/many/many`, import.meta.url).pathname);
  for (const path of files) {
    const ignore = !hasTool(TOOLS[arch]) || !exists(path);
    Deno.test({
      name: `sites in ${path}${ignore ? ` (skipped: needs it and ${TOOLS[arch]})` : ""}`,
      ignore,
      fn: async () => {
        const elf = ElfFile.parse(Deno.readFileSync(path), path);
        const slots = new Set<number>();
        const constants = new Set<number>();
        for (const { type, offset } of elf.relocations()) {
          if (SLOT_TYPES[arch].includes(type)) slots.add(offset);
          if (type === GLOB_DAT[arch]) constants.add(offset);
        }
        const search = EDITORS[arch].find(
          elf,
          (address) => slots.has(address),
          (address) => constants.has(address),
        );
        assertEquals(search.undecodable, 0);
        const ours = new Set(search.sites.map(({ at }) => at));
        const theirs = await listed(path, arch, slots, constants);
        // Slots in registers are invisible to a reader of single instructions.
        const extra = search.sites.filter(({ at, kind }) =>
          !theirs.has(at) && (arch === "x86_64" || kind === "plt")
        );
        assertEquals(extra, []);
        // The compiler's start files have one such call, and three loads, without an FDE or a symbol.
        const missed = [...theirs].filter((at) => !ours.has(at));
        assertEquals(missed.length <= 4, true, `${missed.length} missed`);
        assertEquals(theirs.size >= 2, true);
      },
    });
  }
}

/** Links a program with both passes and keeps what every site should have become. */
async function linkDirect(path: string) {
  const target = new MemoryTarget("x86_64", { call: (_target, resolver) => resolver });
  const reports = new Map<string, ifed.BranchReport>();
  const modules = [
    ...linkAnything(),
    ifed.concatenate(),
    ifed.eliminateBranches({
      loads: "relaxed",
      report: (object, report) => void reports.set(object.soname, report),
    }),
  ];
  const { objects, counters } = await new Linker(target, { modules }).link(path);
  return { target, reports, object: objects[0], counters: counters.flat() };
}

const git = "/usr/bin/git";
const missing = !hasTool("objdump") || !exists(git) || Deno.build.arch !== "x86_64";
Deno.test({
  name: `objdump reads every changed site as a direct branch to the slot's function` +
    (missing ? " (skipped: needs git and objdump)" : ""),
  ignore: missing,
  fn: async () => {
    const { target, reports, object, counters } = await linkDirect(git);
    const { elf, base } = object;
    const report = reports.get("git")!;
    assertEquals(report.patched, report.found);
    assertEquals(
      counters["linker.ifed.branches.found"],
      [...reports.values()].reduce((sum, { found }) => sum + found.plt + found.got, 0),
    );
    const slots = new Map<number, number>();
    for (const { type, offset } of elf.relocations()) {
      if (SLOT_TYPES.x86_64.includes(type)) slots.set(offset, type);
    }
    const { sites } = x86_64Branches.find(
      elf,
      (address) => slots.has(address),
      (address) => slots.get(address) === GLOB_DAT.x86_64,
    );
    assertEquals(sites.filter(({ kind }) => kind === "load").length, report.found.load);
    assertEquals(report.found.load > 5, true);
    const expected = new Map(sites.map(({ at, slot }) => {
      const view = new DataView(target.read(base! + slot, 8).buffer);
      return [base! + at, Number(view.getBigUint64(0, true))];
    }));
    const code = elf.loadSegments.find(({ flags }) => (flags & 1) !== 0)!;
    const file = Deno.makeTempFileSync();
    try {
      Deno.writeFileSync(file, target.read(base! + code.vaddr, code.filesz));
      const options = ["-D", "-b", "binary", "-m", "i386:x86-64"];
      options.push(`--adjust-vma=${base! + code.vaddr}`);
      for await (const { at, text } of disassemble("objdump", file, options)) {
        const wanted = expected.get(at);
        if (wanted === undefined) continue;
        const match = /^(?:addr32 )?(?:call|j[a-z]+)\s+0x([0-9a-f]+)/.exec(text) ??
          /^lea\s.*# 0x([0-9a-f]+)/.exec(text);
        assertEquals(`${text} -> ${match?.[1]}`, `${text} -> ${wanted.toString(16)}`);
        expected.delete(at);
      }
    } finally {
      Deno.removeSync(file);
    }
    assertEquals(expected.size, 0);
    assertEquals(sites.length > 10_000, true);
  },
});

Deno.test("branches out of reach and undefined weak functions are refused, by reason", async () => {
  // A program at a fixed low address, and libraries 2^46 away.
  const many = new URL("../../guests/prebuilt/x86_64/many/many_fixed", import.meta.url).pathname;
  const target = new MemoryTarget("x86_64", { call: (_target, resolver) => resolver });
  const reports = new Map<string, ifed.BranchReport>();
  const report = (object: { soname: string }, done: ifed.BranchReport) =>
    void reports.set(object.soname, done);
  const modules = [...linux(), ifed.eliminateBranches({ report })];
  await new Linker(target, { modules }).link(many);
  const program = reports.get("many_fixed")!;
  const total = program.found.plt + program.found.got;
  assertEquals(program.patched, { plt: 0, got: 0, load: 0 });
  assertEquals(Object.values(program.refused).reduce((sum, count) => sum + count, 0), total);
  assertEquals(program.refused["out of range"] > 0, true);
  assertEquals(reports.get("libm00.so")!.patched.plt > 0, true);
});

Deno.test({
  name: `a call of __tls_get_addr stays one of 64 bits on AMD's processors too${
    missing ? " (skipped: needs objdump)" : ""
  }`,
  ignore: missing,
  fn: async () => {
    // data16 rex.W call *0x1000(%rip), as the general dynamic model has it without a PLT.
    const before = Uint8Array.of(0x66, 0x48, 0xff, 0x15, 0, 0x10, 0, 0);
    const site = { kind: "got", at: 0, length: before.length, slot: 0x1008 } as const;
    const after = x86_64Branches.edit(site, 0, 0x12345, before);
    const file = Deno.makeTempFileSync();
    const read: string[] = [];
    try {
      Deno.writeFileSync(file, after as Uint8Array);
      const options = ["-D", "-b", "binary", "-m", "i386:x86-64", "-M", "amd64"];
      for await (const { text } of disassemble("objdump", file, options)) read.push(text);
    } finally {
      Deno.removeSync(file);
    }
    assertEquals(read.map((text) => text.trim().split(/\s+/)), [
      ["addr32", "data16", "rex.W", "call", "0x12345"],
    ]);
  },
});
