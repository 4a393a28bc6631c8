/**
 * The C source of the `many` guest's libraries: thousands of small functions that call one another
 * across libraries. Who calls whom is drawn from a seeded generator, so that the same source comes
 * out everywhere; which way a call or a variable goes (PLT, GOT, table of pointers, each TLS model)
 * is a property of the library.
 */

/** How many libraries there are besides libtiny.so. */
export const libraryCount = 26;
const functionCount = 40;
/** Functions of each library that most calls go to: every eighth, so that they share no pages. */
const hot = (draw: Draw) => 8 * draw.below(functionCount / 8);

/** One library: its source and how it has to be built. */
export interface LibrarySource {
  readonly name: string;
  readonly source: string;
  /** Compiler options beyond the common ones; `{x86_64}` or `{aarch64}` before one limits it. */
  readonly compile: readonly string[];
  readonly link: readonly string[];
  /** Libraries named in DT_NEEDED, always ones built before. */
  readonly needed: readonly string[];
  readonly versionScript?: string;
}

/** Seeded generator (mulberry32): `below(n)` is uniform in 0…n-1. */
class Draw {
  #state: number;
  constructor(seed: number) {
    this.#state = seed | 0;
  }
  #next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  }
  below(limit: number): number {
    return this.#next() % limit;
  }
  odd32(): string {
    return `0x${((this.#next() | 1) >>> 0).toString(16)}u`;
  }
}

const two = (value: number) => String(value).padStart(2, "0");
const libraryName = (index: number) => `m${two(index)}`;
const functionName = (library: number, index: number) => `m${two(library)}_f${two(index)}`;

/** Libraries whose constructor has run before that of library `index`. */
function dependencies(index: number): number[] {
  const draw = new Draw(7000 + index);
  const left = libraryCount - 1 - index;
  const picks = [1 + draw.below(Math.max(1, Math.min(4, left))), 1 + draw.below(Math.max(1, left))];
  return [...new Set(picks)].filter((step) => step <= left).map((step) => index + step);
}

/** The libraries with a thread-local variable, and by which model they reach it. */
function tlsModel(index: number): "general" | "initial" | "descriptor" | undefined {
  return ({ 1: "general", 3: "initial", 5: "descriptor" } as const)[index % 6];
}

function statement(draw: Draw, library: string): string {
  const shift = 3 + draw.below(50);
  switch (draw.below(10)) {
    case 0:
      return `x ^= x << ${3 + draw.below(20)};`;
    case 1:
      return `x ^= x >> ${3 + draw.below(20)};`;
    case 2:
      return `x = x * ${draw.odd32()} + ${draw.odd32()};`;
    case 3:
      return `x += ${library}_table[x >> ${shift} & 63];`;
    case 4:
      return `${library}_state[x >> ${shift} & 255] += x;`;
    case 5:
      return `if (x >> ${shift} & ${1 + draw.below(7)}) x += ${draw.odd32()}; else x ^= x >> 9;`;
    case 6:
      return `for (u64 i = 0; i < ${3 + draw.below(9)}; i++) ` +
        `x = (x << ${1 + draw.below(30)} | x >> 40) + ${library}_table[(x + i) & 63];`;
    case 7:
      return `x ^= ${library}_state[x >> ${shift} & 255] * ${draw.odd32()};`;
    case 8:
      return `x = ${library}_mix(x, ${draw.odd32()});`;
    default:
      return `if ((x >> ${shift} & 255) < ${16 + draw.below(220)}) x -= ${draw.odd32()};`;
  }
}

/** Most callees are hot functions, one in eight is any function of any library. */
function callee(draw: Draw, library: number): [library: number, index: number] {
  const near = (library + 1 + draw.below(6)) % libraryCount;
  if (draw.below(8) === 0) return [draw.below(libraryCount), draw.below(functionCount)];
  return [draw.below(3) === 0 ? draw.below(libraryCount) : near, hot(draw)];
}

function body(draw: Draw, library: number, index: number): string {
  const name = libraryName(library);
  const lines: string[] = [];
  const length = 9 + draw.below(8);
  for (let i = 0; i < length; i++) lines.push(statement(draw, name));
  lines.push("many_hops++;", "if (n == 0) return x;");
  if (tlsModel(library) !== undefined && index % 3 === 0) {
    lines.push(`${name}_tls[x & 3] += x;`, `${name}_own_tls ^= x;`);
  }
  if (library % 7 === 4 && index % 2 === 0) {
    lines.push(`return ${name}_ways[x >> 60 & 7](x, n - 1) + 1;`);
  } else {
    lines.push("switch (x >> 61) {");
    const targets = Array.from({ length: 4 }, () => callee(draw, library));
    for (const [i, [otherLibrary, other]] of targets.entries()) {
      const label = i === 3 ? "default" : `case ${i}`;
      // Every second call returns here first; the others are jumps.
      const after = i % 2 === 0 ? ` + ${1 + draw.below(9)}` : "";
      lines.push(`${label}: return ${functionName(otherLibrary, other)}(x, n - 1)${after};`);
    }
    lines.push("}");
  }
  return `u64 ${functionName(library, index)}(u64 x, u64 n) {\n  ${lines.join("\n  ")}\n}\n`;
}

/** What one library has that the others have not. */
const extras: Record<number, string> = {
  2: "u64 many_common(u64 x) { return x + 2; }\n",
  8: "u64 many_common(u64 x) { return x + 8; }\n",
  4: `static u64 pick_double(u64 x) { return 2 * x; }
static u64 (*choose(void))(u64) { return pick_double; }
u64 many_pick(u64 x) __attribute__((ifunc("choose")));
`,
  5: "Hop *many_address(void) { return m00_f00; }\n",
  22: `u64 tag_one(void) { return 1; }
u64 tag_two(void) { return 2; }
__asm__(".symver tag_one, many_tag@M_1\\n.symver tag_two, many_tag@@M_2");
`,
  9: "__attribute__((weak)) u64 many_optional(u64 x) { return x + 9; }\n",
  12: `u64 tag_of_old(void);
__asm__(".symver tag_of_old, many_tag@M_1");
u64 many_old_tag(void) { return tag_of_old(); }
`,
};

function allTls(): string {
  const owners = Array.from({ length: libraryCount }, (_, i) => i).filter((i) => tlsModel(i));
  const sum = owners.map((i) => `  for (int i = 0; i < 4; i++) x = x * 31 + m${two(i)}_tls[i];`);
  return `u64 many_all_tls(void) {\n  u64 x = 0;\n${sum.join("\n")}\n  return x;\n}\n`;
}

function constructors(index: number): string {
  const name = libraryName(index);
  const check = dependencies(index).map((other) =>
    `  if (!${libraryName(other)}_ready) many_disorder++;\n`
  ).join("");
  // One library uses DT_INIT and DT_FINI, the others DT_INIT_ARRAY and DT_FINI_ARRAY.
  const asArray = (which: string) => index === 20 ? "" : `__attribute__((${which})) static `;
  return `u64 ${name}_ready;
${asArray("constructor")}void ${name}_begin(void) {
${check}  ${name}_ready = 1;
  many_constructed++;
}
${asArray("destructor")}void ${name}_end(void) {
${check}  ${name}_ready = 0;
  many_destroyed++;
}
`;
}

function source(index: number): string {
  const name = libraryName(index);
  const draw = new Draw(1 + index);
  const table = Array.from({ length: 64 }, () => draw.odd32()).join(", ");
  const parts = [
    `#include "many.h"\n`,
    `static const u32 ${name}_table[64] = {${table}};`,
    `static u64 ${name}_state[256];`,
    `static __attribute__((noinline)) u64 ${name}_mix(u64 x, u64 y) {
  return (x ^ y) * 0x${(0x9e37 + index).toString(16)}79b9ul ^ x >> 31;
}`,
  ];
  if (tlsModel(index) !== undefined) {
    const first = draw.odd32();
    parts.push(`__thread u64 ${name}_tls[4] = {${first}, 2, 3, 4};`);
    parts.push(`static __thread u64 ${name}_own_tls;`);
  }
  if (index % 7 === 4) {
    const ways = Array.from({ length: 8 }, () => functionName(...callee(draw, index)));
    parts.push(`static Hop *const ${name}_ways[8] = {${ways.join(", ")}};`);
  }
  if (extras[index] !== undefined) parts.push(extras[index]);
  if (index === 13) parts.push(allTls());
  for (let i = 0; i < functionCount; i++) parts.push(body(draw, index, i));
  parts.push(constructors(index));
  return parts.join("\n");
}

function library(index: number): LibrarySource {
  const compile: string[] = [];
  const link = [`-Wl,--hash-style=${["gnu", "sysv", "both"][index % 3]}`];
  const needed = [...dependencies(index).map((other) => `lib${libraryName(other)}.so`)];
  if (index % 4 === 3) compile.push("-fno-plt");
  link.push(index % 5 === 2 ? "-Wl,-z,now" : "-Wl,-z,lazy");
  // Half of the arm64 libraries are aligned to 64 KiB, as all of Debian's.
  if (index % 2 === 1) link.push("{aarch64}-Wl,-z,max-page-size=4096");
  if (index === 10) link.push("-Wl,-Bsymbolic");
  if (index === 13) link.push("-Wl,-z,norelro");
  if (index === 16) link.push("-Wl,-z,noseparate-code");
  if (index === 20) link.push("-Wl,-init=m20_begin,-fini=m20_end");
  if (index === 12 && !needed.includes("libm22.so")) needed.push("libm22.so");
  const model = tlsModel(index);
  if (model === "initial") compile.push("-ftls-model=initial-exec");
  if (model === "descriptor") compile.push("{x86_64}-mtls-dialect=gnu2");
  else compile.push("{aarch64}-mtls-dialect=trad");
  needed.push("libtiny.so");
  return {
    name: `lib${libraryName(index)}.so`,
    source: source(index),
    compile,
    link,
    needed,
    ...(index === 22 ? { versionScript: "M_1 { };\nM_2 { } M_1;\n" } : {}),
  };
}

function header(): string {
  const lines = [
    "/* Generated: declarations of everything that crosses a library boundary. */",
    '#include "guest.h"',
    "typedef u64 Hop(u64 x, u64 n);",
    "extern u64 many_hops, many_palette[8];",
    "extern u64 many_constructed, many_destroyed, many_disorder;",
    "u64 many_common(u64 x), many_pick(u64 x), many_tag(void), many_old_tag(void);",
    "u64 many_all_tls(void);",
    "Hop *many_address(void);",
  ];
  const entries: string[] = [];
  const calls: string[] = [];
  const draw = new Draw(99);
  for (let i = 0; i < libraryCount; i++) {
    const names = Array.from({ length: functionCount }, (_, j) => functionName(i, j));
    lines.push(`Hop ${names.join(", ")};`, `extern u64 ${libraryName(i)}_ready;`);
    if (tlsModel(i) !== undefined) lines.push(`extern __thread u64 ${libraryName(i)}_tls[4];`);
    entries.push(functionName(i, hot(draw)), functionName(i, draw.below(functionCount)));
  }
  for (let i = 0; i < 10; i++) {
    const target = functionName(draw.below(libraryCount), hot(draw));
    calls.push(`case ${i}: return ${target}(x, depth) + ${i};`);
  }
  lines.push(`#define MANY_ENTRIES ${entries.join(", ")}`);
  lines.push(`#define MANY_CALLS ${calls.join(" ")}`);
  return lines.join("\n") + "\n";
}

/** The generated header and libraries, in an order in which each needs only earlier ones. */
export function manySources(): { header: string; libraries: LibrarySource[] } {
  const libraries: LibrarySource[] = [];
  for (let i = libraryCount - 1; i >= 0; i--) libraries.push(library(i));
  return { header: header(), libraries };
}
