import * as elf from "../../../lib/elf/mod.ts";
import { type BuilderOptions, ElfBuilder } from "../../../lib/elf/mod.ts";

/** An object with something of everything, in a given relocation format. */
export function richObject(options: BuilderOptions): Uint8Array {
  const b = new ElfBuilder({
    soname: "librich.so",
    needed: ["liba.so", "libb.so"],
    runpath: "$ORIGIN",
    hash: "both",
    flags: elf.DF_BIND_NOW,
    flags1: elf.DF_1_NOW,
    ...options,
  });
  const relative = elf.relativeType(options.machine);
  const absolute = options.machine === "x86_64" ? elf.R_X86_64_64 : elf.R_AARCH64_ABS64;
  const slot = options.machine === "x86_64" ? elf.R_X86_64_JUMP_SLOT : elf.R_AARCH64_JUMP_SLOT;
  const text = b.section({ name: ".text", access: "x", data: new Uint8Array(256), align: 16 });
  const data = b.section({ name: ".data", access: "w", data: new Uint8Array(2048) });
  const array = b.section({
    name: ".init_array",
    type: elf.SHT_INIT_ARRAY,
    access: "w",
    relro: true,
    data: new Uint8Array(16),
  });
  b.section({ name: ".tdata", access: "w", tls: true, data: new Uint8Array(12), align: 4 });
  b.section({ name: ".bss", access: "w", size: 4096 });
  for (let i = 0; i < 16; i++) {
    b.symbol({
      name: `function_${i}`,
      section: text,
      value: 16 * i,
      size: 16,
      type: elf.STT_FUNC,
      version: i % 2 === 0 ? "RICH_1" : "RICH_2",
      versionHidden: i % 4 === 0,
    });
    b.frame({ section: text, offset: 16 * i, size: 16 });
  }
  const imports = ["malloc", "free", "memcpy"].map((name, i) =>
    b.symbol({
      name,
      type: elf.STT_FUNC,
      version: `A_${i >> 1}`,
      versionFile: i === 2 ? "libb.so" : "liba.so",
    })
  );
  b.pointer({ section: array }, { section: text });
  b.pointer({ section: array, offset: 8 }, { section: text, offset: 32 });
  for (let i = 0; i < 40; i++) {
    b.relocate({ section: data, offset: 8 * i, type: relative, target: { section: text } });
  }
  for (let i = 0; i < 20; i++) {
    const symbol = imports[i % 3];
    b.relocate({ section: data, offset: 512 + 24 * i, type: absolute, symbol, addend: 5 - i * i });
  }
  for (const [i, symbol] of imports.entries()) {
    b.relocate({ section: data, offset: 1024 + 8 * i, type: slot, symbol, plt: true });
  }
  b.buildId(new Uint8Array(20).fill(0xab));
  b.properties(
    options.machine === "x86_64"
      ? { [elf.GNU_PROPERTY_X86_FEATURE_1_AND]: 3, [elf.GNU_PROPERTY_X86_ISA_1_NEEDED]: 1 }
      : { [elf.GNU_PROPERTY_AARCH64_FEATURE_1_AND]: 1 },
  );
  return b.build();
}

/** Objects with every relocation format, for both machines. */
export function builtObjects(): { name: string; bytes: Uint8Array }[] {
  const variants: BuilderOptions[] = [
    { machine: "x86_64", relr: true },
    { machine: "aarch64", relocations: "android" },
    { machine: "x86_64", relocations: "rel", hash: "sysv" },
    { machine: "aarch64", relocations: "android", relr: true, sectionHeaders: false },
  ];
  return variants.map((options) => ({ name: JSON.stringify(options), bytes: richObject(options) }));
}
