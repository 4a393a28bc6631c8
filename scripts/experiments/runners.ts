// Runners: what a call between machine code, WebAssembly and JavaScript costs the program, for both architectures,
// and what a message between two software isolated processes costs:
//   deno run -A scripts/experiments/runners.ts
import {
  type Arch,
  ElfBuilder,
  javascript,
  linux,
  measure,
  type Module,
  preset,
  sip,
  wasm,
  wrapJavascript,
  wrapWasm,
} from "../../mod.ts";
import { STT_FUNC } from "../../lib/elf/mod.ts";
import { alignRows } from "../../sim/study/table.ts";

// plus.wat: (func (export "plus") (param i32 i32) (result i32) (i32.add …))
const PLUS_WASM = "AGFzbQEAAAABBwFgAn9/AX8DAgEABwgBBHBsdXMAAAoJAQcAIAAgAWoL";
// loop.wat: _start calls plus 100 times for each byte of the program's arguments, and exits.
const LOOP_WASM =
  "AGFzbQEAAAABDgNgAn9/AX9gAX8AYAAAAlcDA2VudgRwbHVzAAAWd2FzaV9zbmFwc2hvdF9wcmV2aWV3MQlwcm9jX2V4aXQAARZ3YXNpX3NuYXBzaG90X3ByZXZpZXcxDmFyZ3Nfc2l6ZXNfZ2V0AAADAgECBQMBAAEHEwIGbWVtb3J5AgAGX3N0YXJ0AAMKNgE0AQJ/QQBBBBACGkHkAEEEKAIAbCEAA0AgASAAEAAhASAAQQFrIQAgAA0ACyABQf8AcRABCw==";
// send.wat: _start sends as many messages of 64 bytes and receives each back; the second process sends them back.
const SEND_WASM =
  "AGFzbQEAAAABGgVgA39/fwF/YAABf2ACf38Bf2ABfwF/YAAAAlkEA2VudghzaXBfc2VuZAAAA2VudgtzaXBfcmVjZWl2ZQAAA2VudghzaXBfc2VsZgABFndhc2lfc25hcHNob3RfcHJldmlldzEOYXJnc19zaXplc19nZXQAAgMDAgMEBQMBAAEHHAMGbWVtb3J5AgAGbWFsbG9jAAQGX3N0YXJ0AAUKagIFAEGACAtiAQF/QQBBBBADGkHkAEEEKAIAbCEAEAIEQANAQQBBwABBwAAQASEAIABBAEgNAUEAQcAAIAAQABoMAAsFA0BBAUHAAEHAABAAGkEBQcAAQcAAEAEaIABBAWshACAADQALCws=";
const PLUS_JS = "// export plus(i32, i32) -> i32\nconst plus = (a, b) => a + b | 0;";
const LOOP_JS = `// import plus(i32, i32) -> i32
function main(name, text) {
  let sum = 0;
  for (let n = 100 * (name.length + text.length + 2); n > 0; n--) sum = plus(sum, n);
  return sum & 127;
}`;
const SEND_TYPES = `import sip_send(i32, bytes) -> i32
import sip_receive(i32, buffer) -> i32
import sip_self() -> i32`;
import { argumentsOf } from "./arguments.ts";

await argumentsOf(import.meta.url);

/** A loop around a call through a PLT entry at its end, and `plus`, in machine code. */
const CODE = {
  x86_64: {
    loop: (calls: number, slot: number) =>
      `bb${word(calls)}4531e44489e789dee8140000004189c4ffcb75ef4489e783e77fb8e70000000f05ff25` +
      word(slot - 44),
    plus: "8d0437c3",
    globDat: 6,
  },
  aarch64: {
    loop: (calls: number, slot: number) =>
      "b301001814008052e003142ae103132a07000094f403002a7306007161ffff54801a0012c80b80d2010000d4" +
      word(0x58000010 | (slot - 44) << 3) + `00021fd6${word(calls)}`,
    plus: "0000010bc0035fd6",
    globDat: 1025,
  },
};

function word(value: number): string {
  return new Uint8Array(Int32Array.of(value).buffer).toHex();
}

function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}

/** A program in machine code that calls `plus` so often. */
function caller(arch: Arch, calls: number): Uint8Array {
  const builder = new ElfBuilder({ machine: arch, needed: ["libplus.so"], runpath: "/" });
  const code = (slot: number) => Uint8Array.fromHex(CODE[arch].loop(calls, slot));
  const text = builder.section({ name: ".text", access: "x", align: 16, data: code(0) });
  const slot = builder.section({ name: ".got", access: "w", data: new Uint8Array(8) });
  const symbol = builder.symbol({ name: "plus" });
  builder.relocate({ section: slot, type: CODE[arch].globDat, symbol });
  builder.entry({ section: text });
  builder.layout();
  text.data.set(code(slot.address - text.address));
  return builder.write();
}

function plusInMachineCode(arch: Arch): Uint8Array {
  const data = Uint8Array.fromHex(CODE[arch].plus);
  const builder = new ElfBuilder({ machine: arch, soname: "libplus.so" });
  const section = builder.section({ name: ".text", access: "x", align: 16, data });
  builder.symbol({ name: "plus", section, value: 0, size: data.length, type: STT_FUNC });
  return builder.build();
}

/** What `plus` and its caller are made of. */
const LIBRARIES = {
  "machine code": (arch: Arch) => Promise.resolve(plusInMachineCode(arch)),
  "WebAssembly": (arch: Arch) =>
    Promise.resolve(wrapWasm(fromBase64(PLUS_WASM), { arch, soname: "libplus.so" })),
  "JavaScript": (arch: Arch) =>
    wrapJavascript(PLUS_JS, { arch, name: "plus.js", soname: "libplus.so" }),
};
const needed = { needed: ["libplus.so"], runpath: "/", program: "bare" } as const;
const PROGRAMS = {
  "machine code": (arch: Arch, calls: number) => Promise.resolve(caller(arch, calls)),
  "WebAssembly": (arch: Arch) =>
    Promise.resolve(wrapWasm(fromBase64(LOOP_WASM), { arch, ...needed })),
  "JavaScript": (arch: Arch) => wrapJavascript(LOOP_JS, { arch, name: "loop.js", ...needed }),
};

const MODULES: Module[] = [...linux(), wasm(), javascript()];
const COUNTERS = [
  "instructions",
  "loads",
  "stores",
  "branches.indirect",
  "runner.calls",
  "runner.calls.guest",
  "runner.bytes.in",
  "runner.bytes.out",
  "syscalls",
  "context.switches",
];
/** Calls of the shorter and of the longer run, 100 for each byte of the arguments: `/program`, a text, two NULs. */
const CALLS = [2000, 6000];
const text = (calls: number) => "x".repeat(calls / 100 - "/program".length - 2);

/** Differences of two runs, for each of what they do more. */
async function measured(
  machine: Parameters<typeof measure>[1],
  files: (calls: number) => Promise<Map<string, Uint8Array>>,
): Promise<string[]> {
  const runs = [];
  for (const calls of CALLS) {
    const argv = ["/program", text(calls)];
    runs.push(await measure(argv, { ...machine, root: await files(calls) }));
  }
  const [few, many] = runs;
  if (many.stderr !== "") throw new Error(many.stderr);
  const more = (name: string) => (many.counters[name] ?? 0) - (few.counters[name] ?? 0);
  const perCall = COUNTERS.map((name) => (more(name) / (CALLS[1] - CALLS[0])).toFixed(2));
  return [`${many.exit}`, ...perCall];
}

for (const arch of ["x86_64", "aarch64"] as const) {
  const cpu = preset(arch === "x86_64" ? "skylake-sp" : "neoverse-n1");
  const head = ["exit", ...COUNTERS];
  const rows = [["caller", "function", ...head]];
  for (const [from, program] of Object.entries(PROGRAMS)) {
    for (const [to, library] of Object.entries(LIBRARIES)) {
      console.error(`${arch}: ${from} calls ${to}`);
      const figures = await measured({ cpu, modules: MODULES }, async (calls) =>
        new Map([
          ["/program", await program(arch, calls)],
          ["/libplus.so", await library(arch)],
        ]));
      rows.push([from, to, ...figures]);
    }
  }
  console.error(`${arch}: messages between two processes`);
  const end = wrapWasm(fromBase64(SEND_WASM), {
    arch,
    program: "bare",
    interface: SEND_TYPES,
    needed: ["sip.so"],
  });
  const modules = [...MODULES, sip({ programs: [["/program"]] })];
  const figures = await measured(
    { cpu, modules },
    () => Promise.resolve(new Map([["/program", end]])),
  );
  rows.push(["a message and its answer", "", ...figures]);
  console.log(`${arch}, ${cpu.name}: for each call\n${alignRows(rows)}\n`);
}
