/** Machines with files in memory, for objects that runners run: no compiler and no Debian. */
import {
  type Arch,
  CapturedOutput,
  ElfBuilder,
  javascript,
  linux,
  Machine,
  type MachineOptions,
  type Module,
  wasm,
  wrapJavascript,
  wrapWasm,
} from "../../../mod.ts";
import { STT_FUNC } from "../../../lib/elf/mod.ts";
import { BytesInput } from "../../../sim/kernel/fs/streams.ts";
import type { Outcome } from "../gnu/gnu_run.ts";
import { bytesOf, textOf } from "./programs.ts";

export const RUNNERS: readonly Module[] = [...linux(), wasm(), javascript()];

/** `int plus(int, int)` in machine code: lea eax, [rdi + rsi]; ret, or add w0, w0, w1; ret. */
export function plusLibrary(arch: Arch): Uint8Array {
  const hex = arch === "x86_64" ? "8d0437c3" : "0000010bc0035fd6";
  const data = Uint8Array.fromHex(hex);
  const builder = new ElfBuilder({ machine: arch, soname: "libplus.so" });
  const section = builder.section({ name: ".text", access: "x", align: 16, data });
  builder.symbol({ name: "plus", section, value: 0, size: data.length, type: STT_FUNC });
  return builder.build();
}

/** A program in WebAssembly with a library in JavaScript and one in machine code. */
export async function chain(arch: Arch): Promise<Map<string, Uint8Array>> {
  const common = { arch, runpath: "/t" } as const;
  return new Map([
    ["/t/libplus.so", plusLibrary(arch)],
    [
      "/t/libtimes.so",
      await wrapJavascript(textOf("times.js"), {
        ...common,
        soname: "libtimes.so",
        needed: ["libplus.so"],
        name: "times.js",
      }),
    ],
    [
      "/t/command",
      wrapWasm(bytesOf("command.wasm"), {
        ...common,
        program: "bare",
        needed: ["libtimes.so", "libplus.so"],
      }),
    ],
  ]);
}

export async function runFiles(
  root: Map<string, Uint8Array>,
  argv: readonly string[],
  options: MachineOptions & { readonly stdin?: string } = {},
): Promise<Outcome & { readonly counters: Readonly<Record<string, number>> }> {
  const [stdout, stderr] = [new CapturedOutput(), new CapturedOutput()];
  const stdin = new BytesInput(new TextEncoder().encode(options.stdin ?? ""));
  const machine = await Machine.create({
    root,
    modules: RUNNERS,
    report() {},
    ...options,
    streams: { stdin, stdout, stderr },
  });
  const { exit, counters } = await machine.run(argv);
  return { exit, stdout: stdout.text, stderr: stderr.text, counters };
}
