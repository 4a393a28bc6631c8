// Types of interfaces: a library is replaced under a program that was compiled for another version of it. Compiles
// for both architectures, so it needs gcc for them (Debian: gcc, gcc-aarch64-linux-gnu):
//   deno run -A scripts/experiments/abi_types.ts
import { abiTypes, linux, measure } from "../../mod.ts";
import { argumentsOf } from "./arguments.ts";

await argumentsOf(import.meta.url);

const START = {
  x86_64:
    `__asm__(".globl _start\\n_start: and $-16,%rsp\\ncall run\\nmov %eax,%edi\\nmov $231,%eax\\nsyscall");`,
  aarch64: `__asm__(".globl _start\\n_start: bl run\\nmov x8,#94\\nsvc #0");`,
};
const VERSIONS: Readonly<Record<string, string>> = {
  "the same": "struct point { int x, y; }; enum unit { MM = 1, CM = 10 };",
  "a new member": "struct point { int x, y, z; }; enum unit { MM = 1, CM = 10 };",
  "another order": "struct point { int y, x; }; enum unit { MM = 1, CM = 10 };",
  "another value": "struct point { int x, y; }; enum unit { MM = 1, CM = 100 };",
  "a new enumerator": "struct point { int x, y; }; enum unit { MM = 1, CM = 10, M = 1000 };",
  "another parameter": "struct point { int x, y; }; enum unit { MM = 1, CM = 10 };\n#define LONG",
};
const FUNCTION = `
#ifdef LONG
long area(struct point *p, enum unit u, long more) { return p->x * p->y * u + more; }
#else
long area(struct point *p, enum unit u) { return p->x * p->y * u; }
#endif
`;
const PROGRAM = `long area(struct point *p, enum unit u);
int run(void) { struct point p = {.x = 2, .y = 2}; return area(&p, CM) + 2; }
`;

for (const arch of ["x86_64", "aarch64"] as const) {
  const folder = await Deno.makeTempDir();
  const compile = async (source: string, name: string, ...args: string[]) => {
    await Deno.writeTextFile(`${folder}/source.c`, source);
    const output = await new Deno.Command(`${arch}-linux-gnu-gcc`, {
      args: ["-g", "-O1", "-nostdlib", `${folder}/source.c`, "-o", `${folder}/${name}`, ...args],
    }).output();
    if (!output.success) throw new Error(new TextDecoder().decode(output.stderr));
    return await Deno.readFile(`${folder}/${name}`);
  };
  try {
    const library = (version: string) =>
      compile(version + FUNCTION, "libarea.so", "-shared", "-fPIC", "-Wl,-soname,libarea.so");
    const first = VERSIONS["the same"];
    await library(first);
    const program = await compile(
      START[arch] + first + PROGRAM,
      "program",
      ...["-pie", "-fPIE", "-Wl,--no-dynamic-linker", "-Wl,-rpath,/lib"],
      `${folder}/libarea.so`,
    );
    for (const [name, version] of Object.entries(VERSIONS)) {
      console.error(`${arch}: ${name}`);
      const root = new Map([["/program", program], ["/lib/libarea.so", await library(version)]]);
      const run = (...modules: ReturnType<typeof abiTypes>[]) =>
        measure(["/program"], { root, modules: [...linux(), ...modules] });
      const [plain, checked] = [await run(), await run(abiTypes())];
      const said = checked.stderr.trim().replace(/^.*?: .*?: /, "");
      console.log(`${arch}, ${name}: unchecked it answers ${plain.exit}, checked ${checked.exit}`);
      if (said !== "") console.log(`  ${said}`);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
