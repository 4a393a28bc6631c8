/** Traces of code: every instruction that retires, with the bytes and the text that objdump has for it. */
import { assert, assertEquals } from "@std/assert";
import type { Arch } from "../../../sim/arch.ts";
import { CodeTrace, type CodeTraceOptions, Machine, type MachineOptions } from "../../../mod.ts";
import { manyGuest } from "../../../scripts/experiments/guests_data.ts";
import { hasTool } from "../kernel/compile.ts";
import { quiet } from "./gdb.ts";

const PREBUILT = new URL("../../guests/prebuilt", import.meta.url).pathname;

/** Lines of a trace of `argv`, and the run's counters. */
async function traced(
  argv: readonly string[],
  options: MachineOptions,
  what: Pick<CodeTraceOptions, "kind"> & Partial<CodeTraceOptions>,
) {
  const lines: string[][] = [];
  const reader = new CodeTrace({
    ...{ places: [], threads: [], print: (line) => void lines.push(line.split("\t")) },
    machine: () => ({ isa: machine.isa, thread: machine.kernel.current }),
    ...what,
  });
  const machine: Machine = await Machine.create(quiet({ ...options, readers: [reader] }));
  const { counters } = await machine.run(argv);
  return { lines, counters };
}

for (const arch of ["x86_64", "aarch64"] as Arch[]) {
  const objdump = arch === "x86_64" ? "objdump" : "aarch64-linux-gnu-objdump";
  const missing = !hasTool(objdump);

  Deno.test({
    name: `${arch}: instructions as objdump lists them${
      missing ? ` (skipped: needs ${objdump})` : ""
    }`,
    ignore: missing,
    fn: async () => {
      const listing = listed(objdump, `${PREBUILT}/${arch}/many/lib/libm00.so`);
      const places = [{ either: "libm00" }];
      const options = { root: await manyGuest(arch), linker: "modular" };
      const { lines } = await traced(["/many/many"], options, { kind: "instructions", places });
      const seen = new Map(lines.map((line) => [line[1], line]));
      let compared = 0;
      for (const [, , place, bytes, text] of seen.values()) {
        const [, symbol, offset = "0"] = /:([^+]+)(?:\+(0x\w+))?$/.exec(place)!;
        const start = symbol.startsWith("0x") ? Number(symbol) : listing.symbols.get(symbol);
        if (start === undefined) continue; // a slot of a linkage table
        const other = listing.instructions.get(start + Number(offset))!;
        assertEquals(bytes, other.bytes, place);
        const base = Number(seen.get(lines[0][1])![1]) - placeOf(lines[0][2], listing.symbols);
        if (arch === "x86_64") assertEquals(plain(text, base), other.text, `${place} ${bytes}`);
        compared++;
      }
      assert(compared > 900, `${compared} instructions compared`);
    },
  });

  Deno.test(`${arch}: everything that retires, by instruction, block, thread`, async () => {
    const options = { root: PREBUILT, cpu: "reference" };
    for (const [program, cpu] of [["threads", undefined], ["signals", "reference"]] as const) {
      const argv = [`/${arch}/${program}`];
      const plain = await (await Machine.create(quiet({ ...options, cpu }))).run(argv);
      const { lines, counters } = await traced(argv, { ...options, cpu }, { kind: "instructions" });
      assertEquals(counters, plain.counters);
      assertEquals(lines.length, counters.instructions);
      const blocks = await traced(argv, { ...options, heat: 2 }, { kind: "blocks" });
      const sum = blocks.lines.reduce((sum, line) => sum + Number(line[3]), 0);
      assertEquals(sum, counters.instructions);
      const tids = new Set(lines.map(([tid]) => tid));
      const one = await traced(argv, { ...options, cpu }, { kind: "instructions", threads: [100] });
      assertEquals(one.lines, lines.filter(([tid]) => tid === "100"));
      assertEquals(tids.size > 1, program === "threads");
    }
  });
}

/** Instructions of a file by address, and its symbols, as objdump has them. */
function listed(objdump: string, file: string) {
  const { stdout } = new Deno.Command(objdump, {
    args: ["-d", "-w", ...objdump === "objdump" ? ["-M", "intel"] : [], file],
  }).outputSync();
  const instructions = new Map<number, { bytes: string; text: string }>();
  const symbols = new Map<string, number>();
  for (const line of new TextDecoder().decode(stdout).split("\n")) {
    const [, start, name] = /^([0-9a-f]+) <([^>]+)>:$/.exec(line) ?? [];
    if (name !== undefined) symbols.set(name, parseInt(start, 16));
    const [, at, hex, text] = /^ *([0-9a-f]+):\t([0-9a-f ]+?) *\t(.*)$/.exec(line) ?? [];
    if (at === undefined) continue;
    // aarch64 is listed in words.
    const bytes = hex.includes(" ") || hex.length === 2
      ? hex
      : hex.match(/../g)!.reverse().join(" ");
    instructions.set(parseInt(at, 16), { bytes, text: normal(text) });
  }
  return { instructions, symbols };
}

function placeOf(place: string, symbols: ReadonlyMap<string, number>): number {
  const [, symbol, offset = "0"] = /:([^+]+)(?:\+(0x\w+))?$/.exec(place)!;
  return (symbols.get(symbol) ?? Number(symbol)) + Number(offset);
}

/** objdump's text as ours. */
function normal(text: string): string {
  const [, target] = /# ([0-9a-f]+)/.exec(text) ?? [];
  return text
    .replace(/\[rip[+-]\w+\]/, `[0x${target}]`)
    .replace(/ *#.*/, "")
    .replace(/ *<.*>/, "")
    .replace(/^(j\w+|call) +([0-9a-f]+)$/, "$1 0x$2")
    .replace(/^movabs /, "mov ")
    .replace(/\+0x0\]/, "]")
    .replace(/\b([fg]s):(0x\w+)/, "$1:[$2]")
    .replace(/\b(BYTE|WORD|DWORD|QWORD|TBYTE|XMMWORD) PTR /g, (_, size) => size.toLowerCase() + " ")
    .replace(/ +/g, " ")
    .trim();
}

/** Our text with addresses of the file. */
function plain(text: string, base: number): string {
  return text.replace(/0x7f\w{10}/g, (address) => `0x${(Number(address) - base).toString(16)}`);
}
