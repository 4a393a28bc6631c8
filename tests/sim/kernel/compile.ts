/** Builds the C programs of `programs/`, freestanding, for tests that run them. */
import type { Arch } from "../../../sim/arch.ts";

const here = new URL("./programs/", import.meta.url);
const libc = new URL("../../guests/libc/", import.meta.url);
const compiler = (arch: Arch): string => `${arch}-linux-gnu-gcc`;

/** Whether a tool can be run. */
export function hasTool(name: string): boolean {
  try {
    return new Deno.Command(name, { args: ["--version"], stdout: "null", stderr: "null" })
      .outputSync().success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** The architectures whose compiler is here. */
export function compilable(arch: Arch): boolean {
  return hasTool(compiler(arch));
}

/** Output of the compiler of `arch` on `args`; throws its message if it fails. */
export function compile(arch: Arch, args: readonly string[]): string {
  const { success, stdout, stderr } = new Deno.Command(compiler(arch), { args: [...args] })
    .outputSync();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

/** Path of the static program `name` with the C library of the compiler, built into `folder`. */
export function buildWithLibrary(arch: Arch, name: string, folder: string): string {
  const out = `${folder}/${name}.${arch}`;
  compile(arch, ["-O1", "-static", "-w", "-o", out, new URL(`${name}.c`, here).pathname]);
  return out;
}

/** Path of the static program `name`, built into `folder`. */
export function buildProgram(arch: Arch, name: string, folder: string): string {
  const out = `${folder}/${name}.${arch}`;
  compile(arch, [
    "-O1",
    "-ffreestanding",
    "-nostdlib",
    "-static",
    "-fno-pie",
    "-no-pie",
    "-fno-stack-protector",
    "-mgeneral-regs-only",
    ...(arch === "aarch64" ? ["-mno-outline-atomics"] : []),
    `-I${libc.pathname}`,
    "-o",
    out,
    new URL(`${name}.c`, here).pathname,
    ...["libc.c", "process.c", "start.c"].map((file) => new URL(file, libc).pathname),
  ]);
  return out;
}
