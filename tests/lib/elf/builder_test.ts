import { assert, assertEquals, assertThrows } from "@std/assert";
import * as elf from "../../../lib/elf/mod.ts";
import { type BuilderOptions, ElfBuilder, ElfFile, type ElfMachine } from "../../../lib/elf/mod.ts";
import { compareFrames, compareWithReadelf } from "../../../scripts/tools/readelf_compare.ts";
import { readelf } from "../../../scripts/tools/readelf_report.ts";
import { available, runs, temporary } from "./programs.ts";

const MACHINES: ElfMachine[] = ["x86_64", "aarch64"];
const hasReadelf = available("readelf");

/** Machine code of `answer`, which returns the int that a pointer beside its code leads to. */
const ANSWER = {
  // mov rax, [rip+disp32]; mov eax, [rax]; ret
  x86_64: [0x48, 0x8b, 0x05, 0, 0, 0, 0, 0x8b, 0x00, 0xc3],
  // adrp x0, page; ldr x0, [x0, #offset]; ldr w0, [x0]; ret
  aarch64: [0, 0, 0, 0, 0, 0, 0, 0, 0x00, 0x00, 0x40, 0xb9, 0xc0, 0x03, 0x5f, 0xd6],
};

/** Machine code of `_start`, which exits with what the function in a GOT slot returns. */
const START = {
  // call [rip+disp32]; mov edi, eax; mov eax, 60; syscall
  x86_64: [0xff, 0x15, 0, 0, 0, 0, 0x89, 0xc7, 0xb8, 60, 0, 0, 0, 0x0f, 0x05],
  // adrp x0, page; ldr x0, [x0, #offset]; blr x0; mov x8, #93; svc #0
  aarch64: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x3f, 0xd6, 0xa8, 0x0b, 0x80, 0xd2, 1, 0, 0, 0xd4],
};

/** Makes the load at the start of `code` (mapped at `pc`) read the word at `address`. */
function aimLoad(machine: ElfMachine, code: Uint8Array, pc: number, address: number): void {
  const view = new DataView(code.buffer, code.byteOffset);
  if (machine === "x86_64") {
    const immediate = code[0] === 0x48 ? 3 : 2;
    view.setInt32(immediate, address - (pc + immediate + 4), true);
    return;
  }
  const pages = Math.floor(address / 4096) - Math.floor(pc / 4096);
  view.setUint32(
    0,
    (0x90000000 | ((pages & 3) << 29) | (((pages >> 2) & 0x7ffff) << 5)) >>> 0,
    true,
  );
  view.setUint32(4, 0xf9400000 | (((address % 4096) / 8) << 10), true);
}

/** A shared object that exports answer@@V2 (42) and answer@V1 (7), each through a relative pointer. */
function answerLibrary(options: Partial<BuilderOptions> & { machine: ElfMachine }): Uint8Array {
  const b = new ElfBuilder({ soname: "libanswer.so", ...options });
  const machine = options.machine;
  const length = ANSWER[machine].length;
  const code = new Uint8Array(2 * length);
  code.set(ANSWER[machine]);
  code.set(ANSWER[machine], length);
  const text = b.section({ name: ".text", access: "x", data: code, align: 16 });
  const values = new Uint8Array([42, 0, 0, 0, 7, 0, 0, 0]);
  const data = b.section({ name: ".data", access: "w", data: values });
  const got = b.section({ name: ".got", access: "w", relro: true, data: new Uint8Array(16) });
  b.pointer({ section: got }, { section: data });
  b.pointer({ section: got, offset: 8 }, { section: data, offset: 4 });
  const answer = { name: "answer", section: text, type: elf.STT_FUNC, size: length };
  b.symbol({ ...answer, version: "V2" });
  b.symbol({ ...answer, value: length, version: "V1", versionHidden: true });
  b.frame({ section: text, offset: 0, size: length });
  b.frame({ section: text, offset: length, size: length });
  b.buildId(new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]));
  b.layout();
  const pc = b.addressOf({ section: text });
  const slot = b.addressOf({ section: got });
  aimLoad(machine, code, pc, slot);
  aimLoad(machine, code.subarray(length), pc + length, slot + 8);
  return b.write();
}

/** A program that exits with answer(), of the given version if any. */
function answerProgram(machine: ElfMachine, interp: string, version?: string): Uint8Array {
  const b = new ElfBuilder({ machine, interp, needed: ["libanswer.so"], runpath: "$ORIGIN" });
  const code = new Uint8Array(START[machine]);
  const text = b.section({ name: ".text", access: "x", data: code, align: 16 });
  const got = b.section({ name: ".got", access: "w", data: new Uint8Array(8) });
  const answer = b.symbol({
    name: "answer",
    type: elf.STT_FUNC,
    version,
    versionFile: version && "libanswer.so",
  });
  const type = machine === "x86_64" ? elf.R_X86_64_JUMP_SLOT : elf.R_AARCH64_JUMP_SLOT;
  b.relocate({ section: got, type, symbol: answer, plt: true });
  b.dynamicEntry(elf.DT_BIND_NOW, 0);
  b.entry({ section: text });
  b.layout();
  aimLoad(machine, code, b.addressOf({ section: text }), b.addressOf({ section: got }));
  return b.write();
}

const TARGETS = [
  {
    machine: "x86_64",
    interp: "/lib64/ld-linux-x86-64.so.2",
    runner: [] as string[],
    needs: "an x86_64 host with glibc",
    usable: Deno.build.arch === "x86_64" && runs("/lib64/ld-linux-x86-64.so.2", ["--version"]),
  },
  {
    machine: "aarch64",
    interp: "/lib/ld-linux-aarch64.so.1",
    runner: ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"],
    needs: "qemu-aarch64 and an aarch64 glibc",
    usable: runs("qemu-aarch64", [
      "-L",
      "/usr/aarch64-linux-gnu",
      "/usr/aarch64-linux-gnu/lib/ld-linux-aarch64.so.1",
      "--version",
    ]),
  },
] as const;

const RELRO_LAYOUTS: Partial<BuilderOptions>[] = [
  { hash: "gnu" },
  { hash: "sysv" },
  { hash: "both", relr: true },
  { hash: "both", relr: true, sectionHeaders: false },
];

for (const { machine, interp, runner, needs, usable } of TARGETS) {
  Deno.test({
    name: `the system's loader runs what the builder builds: ${machine}${
      usable ? "" : ` (skipped: needs ${needs})`
    }`,
    ignore: !usable,
    fn() {
      const folder = temporary();
      const execute = (options: Partial<BuilderOptions>, version?: string): number => {
        Deno.writeFileSync(`${folder}/libanswer.so`, answerLibrary({ machine, ...options }));
        const program = answerProgram(machine, interp, version);
        Deno.writeFileSync(`${folder}/program`, program, { mode: 0o755 });
        const [command, ...args] = [...runner, `${folder}/program`];
        return new Deno.Command(command, { args }).outputSync().code;
      };
      for (const options of RELRO_LAYOUTS) {
        assertEquals(execute(options, "V2"), 42, JSON.stringify(options));
        assertEquals(execute(options, "V1"), 7, JSON.stringify(options));
      }
    },
  });
}

for (const machine of MACHINES) {
  Deno.test({
    name: `readelf reads what the builder builds: ${machine}${
      hasReadelf ? "" : " (skipped: needs readelf)"
    }`,
    ignore: !hasReadelf,
    async fn() {
      const path = `${temporary()}/object.so`;
      const variants: Partial<BuilderOptions>[] = [
        ...RELRO_LAYOUTS.slice(0, 3),
        { relocations: "rel", rpath: "/a:/b", runpath: "$ORIGIN/c", needed: ["libc.so.6", "x.so"] },
        { flags: elf.DF_SYMBOLIC, flags1: elf.DF_1_NOW | elf.DF_1_NODELETE, pageSize: 0x4000 },
        { type: elf.ET_EXEC, interp: "/lib/ld.so", stack: { executable: true, size: 0x100000 } },
      ];
      for (const options of variants) {
        const bytes = answerLibrary({ machine, ...options });
        Deno.writeFileSync(path, bytes);
        const report = await readelf(path, true);
        assertEquals(report.complaints, []);
        const file = ElfFile.parse(bytes, path);
        const main = compareWithReadelf(file, report);
        assertEquals(main.differences, []);
        assert(main.compared > 200);
        assertEquals(compareFrames(file, report).differences, []);
        assertEquals(report.frames.length, 2);
        assertEquals(file.loadSegments.length, 3);
      }
    },
  });
}

Deno.test("what is built comes back: options, notes, properties, thread-local storage", () => {
  const b = new ElfBuilder({
    machine: "aarch64",
    soname: "libx.so",
    needed: ["liba.so", "libb.so"],
    rpath: "/r",
    runpath: "$ORIGIN",
    flags: elf.DF_STATIC_TLS,
    stack: { executable: false, size: 0x20000 },
  });
  const tdata = b.section({
    name: ".tdata",
    access: "w",
    tls: true,
    data: new Uint8Array([1, 2, 3, 4]),
    align: 4,
  });
  const tbss = b.section({ name: ".tbss", access: "w", tls: true, size: 100, align: 64 });
  const bss = b.section({ name: ".bss", access: "w", size: 0x12345, align: 32 });
  const array = b.section({
    name: ".init_array",
    type: elf.SHT_INIT_ARRAY,
    access: "w",
    relro: true,
    data: new Uint8Array(16),
  });
  const initialised = b.symbol({ name: "t", section: tdata, type: elf.STT_TLS, size: 4 });
  b.symbol({ name: "z", section: tbss, value: 8, type: elf.STT_TLS, size: 4 });
  b.symbol({ name: "fixed", absolute: true, value: 0x1234 });
  b.relocate({ section: array, type: elf.R_AARCH64_TLS_TPREL64, symbol: initialised, addend: -3 });
  b.properties({ [elf.GNU_PROPERTY_AARCH64_FEATURE_1_AND]: 3 });
  b.buildId(new Uint8Array([0xde, 0xad]));
  const file = ElfFile.parse(b.build(), "libx.so");
  assertEquals(file.soname, "libx.so");
  assertEquals(file.dynamic?.needed, ["liba.so", "libb.so"]);
  assertEquals([file.dynamic?.rpath, file.dynamic?.runpath], ["/r", "$ORIGIN"]);
  assertEquals(file.dynamic?.flags, elf.DF_STATIC_TLS);
  assertEquals(file.dynamic?.initArray, { vaddr: array.address, size: 16 });
  assertEquals(file.gnuStack, { executable: false, size: 0x20000 });
  assertEquals(file.buildId, "dead");
  assertEquals(file.properties.map((p) => [p.type, p.data[0]]), [[0xc0000000, 3]]);
  assertEquals([file.tls?.vaddr, file.tls?.filesz, file.tls?.align], [tdata.address, 4, 64]);
  assertEquals(tdata.address % 64, 0);
  assertEquals(file.tls?.memsz, tbss.address + 100 - tdata.address);
  assertEquals(file.lookup("t")?.value, 0);
  assertEquals(file.lookup("z")?.value, tbss.address - tdata.address + 8);
  assertEquals(file.lookup("fixed")?.value, 0x1234);
  assertEquals([...file.relocations()].map((r) => [r.offset, r.type, r.addend]), [
    [array.address, elf.R_AARCH64_TLS_TPREL64, -3],
  ]);
  const relro = file.relro!;
  assertEquals((relro.vaddr + relro.size) % 0x10000, 0);
  assert(bss.address >= relro.vaddr + relro.size);
  const load = file.loadSegments.at(-1)!;
  assertEquals(load.vaddr + load.memsz, bss.address + 0x12345);
  assertEquals(file.offsetOf(bss.address + 0x10000), undefined);
});

Deno.test("a static executable has no dynamic section and starts", () => {
  const b = new ElfBuilder({ machine: "x86_64", type: elf.ET_EXEC, dynamic: false });
  // mov edi, 33; mov eax, 60; syscall
  const code = new Uint8Array([0xbf, 33, 0, 0, 0, 0xb8, 60, 0, 0, 0, 0x0f, 0x05]);
  b.entry({ section: b.section({ name: ".text", access: "x", data: code }) });
  const bytes = b.build();
  const file = ElfFile.parse(bytes, "static");
  assertEquals(file.dynamic, undefined);
  assertEquals(file.symbols, undefined);
  assertEquals(file.header.type, elf.ET_EXEC);
  assertEquals(file.bytesAt(file.header.entry, code.length), code);
  if (Deno.build.arch !== "x86_64" || Deno.build.os !== "linux") return;
  const path = `${temporary()}/static`;
  Deno.writeFileSync(path, bytes, { mode: 0o755 });
  assertEquals(new Deno.Command(path).outputSync().code, 33);
});

Deno.test("declaring after the layout, and addresses before it, are refused", () => {
  const b = new ElfBuilder({ machine: "x86_64" });
  const section = b.section({ name: ".data", access: "w", data: new Uint8Array(8) });
  assertThrows(() => b.addressOf({ section }), TypeError, "not laid out");
  assertThrows(() => b.write(), TypeError, "not laid out");
  b.layout();
  assertThrows(() => b.symbol({ name: "late" }), TypeError, "already laid out");
});
