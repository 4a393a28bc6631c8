import { assert, assertEquals } from "@std/assert";
import * as elf from "../../../lib/elf/mod.ts";
import {
  ElfBuilder,
  ElfFile,
  gnuHash,
  type LookupCounts,
  lookupCounts,
  LookupKey,
  sysvHash,
} from "../../../lib/elf/mod.ts";
import { available, output, temporary } from "./programs.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("hash functions give the published values", () => {
  // gABI's function; the values of version names as glibc's files hold them.
  assertEquals(sysvHash(bytes("")), 0);
  assertEquals(sysvHash(bytes("printf")), 0x077905a6);
  assertEquals(sysvHash(bytes("GLIBC_2.2.5")), 0x09691a75);
  assertEquals(sysvHash(bytes("jdfgsdhfsdfsd 6445dsfsd7fg/*/+bfjsdgf%$^")), 248446350);
  // The examples of the GNU hash section's description.
  assertEquals(gnuHash(bytes("")), 0x00001505);
  assertEquals(gnuHash(bytes("printf")), 0x156b2bb8);
  assertEquals(gnuHash(bytes("exit")), 0x7c967e3f);
  assertEquals(gnuHash(bytes("syscall")), 0xbac212a0);
  assertEquals(gnuHash(bytes("flapenguin.me")), 0x8ae9f18e);
});

/** A library with `count` functions, every other of two versions. */
function library(count: number, hash: "gnu" | "sysv"): ElfFile {
  const b = new ElfBuilder({ machine: "x86_64", soname: "lib.so", hash });
  const text = b.section({ name: ".text", access: "x", data: new Uint8Array(16 * count) });
  b.symbol({ name: "imported", version: "V9", versionFile: "other.so" });
  b.symbol({ name: "canonical", value: 0x1230, type: elf.STT_FUNC });
  for (let i = 0; i < count; i++) {
    const spec = { name: `f${i}`, section: text, value: 16 * i + 1, type: elf.STT_FUNC };
    b.symbol({ ...spec, version: i % 2 === 0 ? "V1" : undefined, versionHidden: i % 4 === 0 });
    if (i % 2 === 0) b.symbol({ ...spec, value: 16 * i + 2, version: "V2" });
    if (i % 4 === 2) b.symbol({ ...spec, value: 16 * i + 3, version: "V3", versionHidden: true });
  }
  return ElfFile.parse(b.build(), `lib.so with ${hash}`);
}

for (const hash of ["gnu", "sysv"] as const) {
  Deno.test(`lookup follows the version rules: ${hash}`, () => {
    const file = library(40, hash);
    assertEquals(file.hashTable?.kind, hash);
    const text = file.section(".text")!.addr;
    const value = (name: string, options = {}) => {
      const found = file.lookup(name, options);
      return found === undefined ? undefined : found.value - text;
    };
    assertEquals(value("f1"), 17);
    assertEquals(value("f1", { version: "V1" }), 17);
    assertEquals(value("f1", { version: "V1", versionHidden: true }), undefined);
    assertEquals(value("f4", { version: "V1" }), 65);
    assertEquals(value("f4", { version: "V2" }), 66);
    assertEquals(value("f4", { version: "V3" }), undefined);
    assertEquals(value("f6", { version: "V3" }), 99);
    // Version 2 is the oldest the object defines, and what unversioned references mean.
    assertEquals(value("f4"), 65);
    assertEquals(value("f4", { newest: true }), 66);
    assertEquals(value("imported"), undefined);
    assertEquals(value("missing"), undefined);
    // Undefined functions are in DT_HASH only.
    const canonical = file.lookup("canonical", { canonicalPlt: true })?.value;
    assertEquals(canonical, hash === "sysv" ? 0x1230 : undefined);
    assertEquals(file.lookup("canonical"), undefined);
  });

  Deno.test(`what a lookup costs is counted: ${hash}`, () => {
    const file = library(200, hash);
    const counts: LookupCounts = lookupCounts();
    for (let i = 0; i < 200; i++) file.lookup(new LookupKey(`f${i}`), { counts, version: "V1" });
    assertEquals(counts.tables, 200);
    assert(counts.hashProbes >= 200 && counts.hashProbes < 1500, `${counts.hashProbes} probes`);
    assert(counts.strcmpBytes >= 200 * 3, `${counts.strcmpBytes} bytes`);
    const misses = lookupCounts();
    for (let i = 0; i < 1000; i++) file.lookup(`missing${i}`, { counts: misses });
    assertEquals(misses.tables, 1000);
    if (hash === "gnu") assert(misses.bloomRejects > 900, `${misses.bloomRejects} rejects`);
    else assertEquals(misses.bloomRejects, 0);
    assert(misses.hashProbes < 6000, `${misses.hashProbes} probes`);
  });
}

const LIBM = "/lib/x86_64-linux-gnu/libm.so.6";
const LIBC = "/lib/x86_64-linux-gnu/libc.so.6";
const usable = Deno.build.arch === "x86_64" && available("gcc") &&
  [LIBM, LIBC].every((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  });

/** Asks the C library for symbols given as "NAME [VERSION]" lines; prints address minus base. */
const DLSYM = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
int main(int argc, char **argv) {
  void *library = dlopen(argv[1], RTLD_NOW);
  struct link_map *map;
  dlinfo(library, RTLD_DI_LINKMAP, &map);
  for (int i = 2; i < argc; i++) {
    char *at = strchr(argv[i], '@');
    if (at) *at++ = 0;
    void *found = at ? dlvsym(library, argv[i], at) : dlsym(library, argv[i]);
    printf("%s %lx\\n", argv[i], found ? (unsigned long)found - map->l_addr : 0);
  }
}
`;

Deno.test({
  name: `lookups agree with dlsym and dlvsym${usable ? "" : " (skipped: needs gcc and glibc)"}`,
  ignore: !usable,
  fn() {
    const folder = temporary();
    Deno.writeTextFileSync(`${folder}/dlsym.c`, DLSYM);
    output("gcc", ["-o", `${folder}/dlsym`, `${folder}/dlsym.c`]);
    for (const path of [LIBC, LIBM]) {
      const file = ElfFile.parse(Deno.readFileSync(path), path);
      // The value of an indirect function is its resolver's; dlsym calls it.
      const plain = [...file.symbols!].filter((s) =>
        s.shndx !== 0 && (s.type === elf.STT_FUNC || s.type === elf.STT_OBJECT) &&
        s.version !== "GLIBC_PRIVATE"
      );
      const names = [...new Set(plain.map((s) => s.name))];
      const versioned = plain.filter((s) => s.version !== undefined);
      const queries = [...names, ...versioned.map((s) => `${s.name}@${s.version}`)];
      const answers = output(`${folder}/dlsym`, [path, ...queries]).trim().split("\n");
      assertEquals(answers.length, queries.length);
      let compared = 0;
      for (const [i, query] of queries.entries()) {
        const [name, version] = query.split("@");
        const ours = version === undefined
          ? file.lookup(name, { newest: true })
          : file.lookup(name, { version });
        if (ours?.type === elf.STT_GNU_IFUNC) continue;
        assertEquals(`${name} ${(ours?.value ?? 0).toString(16)}`, answers[i], query);
        compared++;
      }
      assert(compared > 800, `${compared} compared`);
    }
  },
});
