/**
 * Relocations: the tables against the C library's `elf.h`, relocated words against those in the
 * memory of processes that the host's own loaders linked, every type by its formula.
 */
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { type Architecture, Linker, LinkError } from "../../../lib/linker/mod.ts";
import { ElfFile, type Relocation } from "../../../lib/elf/mod.ts";
import { linux } from "../../../modules/mod.ts";
import { linkAnything } from "./module_lists.ts";
import { AARCH64_RELOCATIONS } from "../../../modules/sysv/relocations_aarch64.ts";
import { X86_64_RELOCATIONS } from "../../../modules/sysv/relocations_x86_64.ts";
import { MemoryTarget } from "../../lib/linker/memory_target.ts";
import { buildMuslProgram, muslNeeds } from "./musl_program.ts";
import { hasTool, NativeProcess, runTool } from "./native_process.ts";

const header = "/usr/include/elf.h";
const TABLES = { x86_64: X86_64_RELOCATIONS, aarch64: AARCH64_RELOCATIONS };

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

Deno.test({
  name: "types have the numbers and names of elf.h" +
    (exists(header) ? "" : ` (skipped: needs ${header})`),
  ignore: !exists(header),
  fn: () => {
    const numbers = new Map<string, number>();
    for (const match of Deno.readTextFileSync(header).matchAll(/#define\s+(R_\w+)\s+(\d+)/g)) {
      numbers.set(match[1], Number(match[2]));
    }
    // Newer than the header, or spelled otherwise there.
    const aliases: Record<string, string> = {
      R_AARCH64_TLS_DTPMOD64: "R_AARCH64_TLS_DTPMOD",
      R_AARCH64_TLS_DTPREL64: "R_AARCH64_TLS_DTPREL",
      R_AARCH64_TLS_TPREL64: "R_AARCH64_TLS_TPREL",
    };
    let compared = 0;
    for (const row of [...X86_64_RELOCATIONS, ...AARCH64_RELOCATIONS]) {
      const number = numbers.get(aliases[row.name] ?? row.name);
      if (number === undefined || row.type === 256) continue;
      assertEquals(row.type, number, row.name);
      compared++;
    }
    assertEquals(compared > 80, true);
  },
});

/** Relocated words of a process that must still be as its loader left them. */
async function compareWords(
  path: string,
  native: NativeProcess,
  overlay?: ReadonlyMap<string, Uint8Array>,
): Promise<Record<string, number>> {
  const resolvers = new Set<number>();
  const target = new MemoryTarget("x86_64", {
    overlay,
    call: (_target, resolver) => {
      resolvers.add(resolver);
      return resolver;
    },
  });
  const linker = new Linker(target, { modules: [...linkAnything(), native.placement()] });
  const { objects } = await linker.link(path);
  const compared: Record<string, number> = {};
  for (const object of objects) {
    const base = native.baseOf(object);
    if (base === undefined || object.soname.startsWith("ld-linux")) continue;
    for (const relocation of object.elf.relocations()) {
      const row = X86_64_RELOCATIONS.find(({ type }) => type === relocation.type)!;
      if (!isStable(object.elf, relocation, row.name)) continue;
      const at = base + relocation.offset;
      const ours = word(target.read(at, 8));
      // Which implementation a resolver chooses is not ours to say: nothing ran here.
      if (resolvers.has(Number(ours))) continue;
      const where = `${object.soname} ${row.name} at 0x${relocation.offset.toString(16)}`;
      assertEquals(`${where}: ${ours}`, `${where}: ${word(native.read(at, 8))}`);
      compared[row.name] = (compared[row.name] ?? 0) + 1;
    }
  }
  return compared;
}

/** Words that nothing writes after relocation: those in RELRO, and bound slots. */
function isStable(elf: ElfFile, { offset, symbol }: Relocation, name: string): boolean {
  // The argument of `__tls_get_addr`, and its address, are the linker's own choice.
  if (name.includes("DTPMOD") || name.includes("IRELATIVE")) return false;
  if (symbol !== 0 && elf.symbols!.at(symbol).name === "__tls_get_addr") return false;
  const { relro } = elf;
  if (relro && offset >= relro.vaddr && offset < relro.vaddr + relro.size) return true;
  return name.endsWith("JUMP_SLOT") || name.endsWith("GLOB_DAT");
}

function word(bytes: Uint8Array): bigint {
  return new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
}

const native = Deno.build.arch === "x86_64" && Deno.build.os === "linux";

for (
  const [path, args] of [
    ["/bin/cat", []],
    ["/usr/bin/python3", ["-c", "input()"]],
    ["/usr/bin/gdb", ["-q", "-nx"]],
  ] as [string, string[]][]
) {
  const there = native && exists(path);
  Deno.test({
    name: `${path}: words as in a process of glibc${there ? "" : " (skipped: needs it)"}`,
    ignore: !there,
    fn: async () => {
      await using process = await NativeProcess.start(path, args);
      const compared = await compareWords(path, process);
      assertEquals(compared["R_X86_64_RELATIVE"] > 1000, true);
      assertEquals(compared["R_X86_64_JUMP_SLOT"] > 50, true);
      assertEquals(compared["R_X86_64_TPOFF64"] > 10, true);
    },
  });
}

const muslMissing = muslNeeds("x86_64");
Deno.test({
  name: "words as in a process of musl" + (muslMissing ? ` (skipped: needs ${muslMissing})` : ""),
  ignore: muslMissing !== undefined,
  fn: async () => {
    using built = buildMuslProgram("x86_64");
    // With three arguments the program waits for its standard input.
    await using process = await NativeProcess.start(built.path, ["wait", "for", "input"]);
    const compared = await compareWords(built.path, process, built.files);
    assertEquals(compared["R_X86_64_JUMP_SLOT"] > 10, true);
  },
});

const COMPILERS = { x86_64: "gcc", aarch64: "aarch64-linux-gnu-gcc" };

/** Types by formula: S, A, P and Z as BigInt, and the number of bytes written. */
const FORMULAS: Record<Architecture, Record<string, [number, (v: Values) => bigint]>> = {
  x86_64: {
    R_X86_64_NONE: [0, () => 0n],
    R_X86_64_64: [8, ({ S, A }) => S + A],
    R_X86_64_PC32: [4, ({ S, A, P }) => S + A - P],
    R_X86_64_PLT32: [4, ({ S, A, P }) => S + A - P],
    R_X86_64_GLOB_DAT: [8, ({ S }) => S],
    R_X86_64_JUMP_SLOT: [8, ({ S }) => S],
    R_X86_64_RELATIVE: [8, ({ B, A }) => B + A],
    R_X86_64_32: [4, ({ S, A }) => S + A],
    R_X86_64_32S: [4, ({ S, A }) => S + A],
    R_X86_64_PC64: [8, ({ S, A, P }) => S + A - P],
    R_X86_64_SIZE32: [4, ({ Z, A }) => Z + A],
    R_X86_64_SIZE64: [8, ({ Z, A }) => Z + A],
    R_X86_64_RELATIVE64: [8, ({ B, A }) => B + A],
  },
  aarch64: {
    R_AARCH64_NONE: [0, () => 0n],
    R_AARCH64_ABS64: [8, ({ S, A }) => S + A],
    R_AARCH64_ABS32: [4, ({ S, A }) => S + A],
    R_AARCH64_PREL64: [8, ({ S, A, P }) => S + A - P],
    R_AARCH64_PREL32: [4, ({ S, A, P }) => S + A - P],
    R_AARCH64_GLOB_DAT: [8, ({ S, A }) => S + A],
    R_AARCH64_JUMP_SLOT: [8, ({ S, A }) => S + A],
    R_AARCH64_RELATIVE: [8, ({ B, A }) => B + A],
  },
};

/** Types whose field is too narrow for an address: tried with a symbol of a small absolute value. */
const NARROW: Record<Architecture, Record<string, [number, bigint]>> = {
  x86_64: {
    R_X86_64_16: [2, 0x7ff0n + 5n],
    R_X86_64_8: [1, 0x55n],
  },
  aarch64: { R_AARCH64_ABS16: [2, 0x7ff0n + 5n] },
};

interface Values {
  S: bigint;
  A: bigint;
  P: bigint;
  B: bigint;
  Z: bigint;
}

/** A library with `count` relocations against `object`, whose types and addends a test rewrites. */
function buildPatched(
  arch: Architecture,
  types: readonly { type: number; addend: number }[],
  symbol: string,
): { files: Map<string, Uint8Array>; places: number[] } {
  const folder = Deno.makeTempDirSync({ prefix: "relocation-" });
  try {
    const slots = types.map(() => `&${symbol}`).join(", ");
    Deno.writeTextFileSync(
      `${folder}/user.c`,
      `extern char ${symbol}; void *slots[] = { ${slots} };`,
    );
    Deno.writeTextFileSync(
      `${folder}/provider.s`,
      `.globl object, wide, tiny\n.data\nobject: .zero 20\n.size object, 20\n.type object, %object\n` +
        `.set wide, 0x7ff0\n.set tiny, 0x50\n`,
    );
    const flags = ["-shared", "-fPIC", "-nostdlib"];
    const [provider, user] = [`${folder}/libprovider.so`, `${folder}/user.so`];
    const soname = "-Wl,-soname,libprovider.so";
    runTool(COMPILERS[arch], ...flags, `${folder}/provider.s`, soname, "-o", provider);
    runTool(COMPILERS[arch], ...flags, `${folder}/user.c`, provider, "-o", user);
    const bytes = Deno.readFileSync(user);
    const view = new DataView(bytes.buffer);
    const elf = ElfFile.parse(bytes, "user.so");
    const section = elf.section(".rela.dyn")!;
    const places: number[] = [];
    types.forEach(({ type, addend }, index) => {
      const at = section.offset + index * 24;
      places.push(Number(view.getBigUint64(at, true)));
      view.setUint32(at + 8, type, true);
      view.setBigInt64(at + 16, BigInt(addend), true);
    });
    assertEquals(section.size, 24 * types.length);
    const files = new Map([["/lib/libprovider.so", Deno.readFileSync(provider)], [
      "/user.so",
      bytes,
    ]]);
    return { files, places };
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** Links the patched library at low addresses, where 32 bits hold an address. */
async function linkPatched(
  arch: Architecture,
  types: readonly { type: number; addend: number }[],
  symbol: string,
  origin = 0x1000_0000,
) {
  const { files, places } = buildPatched(arch, types, symbol);
  let next = origin;
  const target = new MemoryTarget(arch, {
    root: "/nonexistent",
    overlay: files,
    choose: (size, align) => {
      const at = Math.ceil(next / align) * align;
      next = at + size;
      return at;
    },
  });
  const { objects } = await new Linker(target, { modules: linux() }).link("/user.so");
  return { target, places, user: objects[0], provider: objects[1] };
}

for (const arch of ["x86_64", "aarch64"] as Architecture[]) {
  const missing = !hasTool(COMPILERS[arch]);
  const skipped = missing ? ` (skipped: needs ${COMPILERS[arch]})` : "";
  const typeOf = (name: string) => TABLES[arch].find((row) => row.name === name)!.type;

  Deno.test({
    name: `every type of ${arch} computes its formula${skipped}`,
    ignore: missing,
    fn: async () => {
      const formulas = Object.entries(FORMULAS[arch]);
      const types = formulas.map(([name], i) => ({ type: typeOf(name), addend: 8 * i - 16 }));
      const { target, places, user, provider } = await linkPatched(arch, types, "object");
      const object = provider.elf.symbols!;
      const symbol = [...object].find(({ name }) => name === "object")!;
      formulas.forEach(([name, [width, formula]], i) => {
        const values = {
          S: BigInt(provider.base! + symbol.value),
          A: BigInt(types[i].addend),
          P: BigInt(user.base! + places[i]),
          B: BigInt(user.base!),
          Z: 20n,
        };
        const written = word(target.read(user.base! + places[i], 8));
        const expected = BigInt.asUintN(8 * width, formula(values));
        assertEquals(`${name} ${written.toString(16)}`, `${name} ${expected.toString(16)}`);
      });
    },
  });

  Deno.test({
    name: `narrow types of ${arch}, and values that do not fit${skipped}`,
    ignore: missing,
    fn: async () => {
      for (const [name, [width, expected]] of Object.entries(NARROW[arch])) {
        const symbol = width === 1 ? "tiny" : "wide";
        const one = { type: typeOf(name), addend: 5 };
        const { target, places, user } = await linkPatched(arch, [one], symbol);
        assertEquals(word(target.read(user.base! + places[0], 8)), expected);
        const large = { type: typeOf(name), addend: 0x10000 };
        const error = await assertRejects(() => linkPatched(arch, [large], symbol), LinkError);
        assertStringIncludes(error.message, `${name}: `);
        assertStringIncludes(error.message, `does not fit ${8 * width} bits`);
      }
      const name = arch === "x86_64" ? "R_X86_64_32" : "R_AARCH64_ABS32";
      const far = linkPatched(
        arch,
        [{ type: typeOf(name), addend: 0 }],
        "object",
        0x7000_0000_0000,
      );
      assertStringIncludes((await assertRejects(() => far, LinkError)).message, name);
    },
  });

  Deno.test({
    name: `types of ${arch} that no loader applies are errors${skipped}`,
    ignore: missing,
    fn: async () => {
      const wanted: [number, string][] = arch === "x86_64"
        ? [[9, "R_X86_64_GOTPCREL is for the static linker alone"], [77, "type 77 is unknown"]]
        : [[283, "R_AARCH64_CALL26 is for the static linker alone"], [9, "type 9 is unknown"]];
      for (const [type, problem] of wanted) {
        const linking = linkPatched(arch, [{ type, addend: 0 }], "object");
        const error = await assertRejects(() => linking, LinkError);
        assertEquals(error.where, { phase: "relocate", module: "sysv", object: "/user.so" });
        assertStringIncludes(error.message, problem);
      }
    },
  });
}
