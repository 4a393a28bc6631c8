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

/**
 * A program in machine code that exits with `multiply(6, 7)` and defines `plus`; a library in WebAssembly, which
 * calls one in JavaScript, which calls the program back.
 */
export async function circle(arch: Arch): Promise<Map<string, Uint8Array>> {
  const common = { arch, runpath: "/t" } as const;
  const multiply = wrapWasm(bytesOf("multiply.wasm"), {
    ...common,
    soname: "libmultiply.so",
    needed: ["libtimes.so"],
  });
  const times = await wrapJavascript(textOf("times.js"), {
    ...common,
    soname: "libtimes.so",
    name: "times.js",
  });
  return new Map([
    ["/t/program", circleProgram(arch)],
    ["/t/libmultiply.so", multiply],
    ["/t/libtimes.so", times],
  ]);
}

/** The program's code: the call through a PLT entry, whose slot is so far behind it, the exit, and `plus`. */
const CIRCLE = {
  // mov edi, 6; mov esi, 7; call plt; mov edi, eax; mov eax, 231; syscall; plt: jmp [rip + …]; lea …; ret
  x86_64: {
    code: (slot: number) =>
      "bf06000000be07000000e80900000089c7b8e70000000f05" + `ff25${word(slot - 30)}8d0437c3`,
    plus: 30,
    globDat: 6,
  },
  // mov w0, 6; mov w1, 7; bl plt; mov x8, 94; svc 0; plt: ldr x16, …; br x16; add …; ret
  aarch64: {
    code: (slot: number) =>
      "c0008052e100805203000094c80b80d2010000d4" + word(0x58000010 | slot - 20 << 3) +
      "00021fd60000010bc0035fd6",
    plus: 28,
    globDat: 1025,
  },
};

function word(value: number): string {
  return new Uint8Array(Int32Array.of(value).buffer).toHex();
}

function circleProgram(arch: Arch): Uint8Array {
  const { code, plus, globDat } = CIRCLE[arch];
  const builder = new ElfBuilder({ machine: arch, needed: ["libmultiply.so"], runpath: "/t" });
  const data = Uint8Array.fromHex(code(0));
  const section = builder.section({ name: ".text", access: "x", align: 16, data });
  const slot = builder.section({ name: ".got", access: "w", data: new Uint8Array(8) });
  builder.symbol({ name: "plus", section, value: plus, size: data.length - plus, type: STT_FUNC });
  const symbol = builder.symbol({ name: "multiply" });
  builder.relocate({ section: slot, type: globDat, symbol });
  builder.entry({ section });
  builder.layout();
  section.data.set(Uint8Array.fromHex(code(slot.address - section.address)));
  return builder.write();
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
