/** Text on huge pages: a program of five MiB of code, made here, on either architecture. */
import { assert, assertEquals } from "@std/assert";
import { BytesInput } from "../../sim/kernel/fs/streams.ts";
import { CapturedOutput, ElfBuilder, type Machine, Machine as Create } from "../../mod.ts";

const MIB = 2 ** 20;
/** exit(7), and an instruction without effect. */
const CODE = {
  x86_64: { exit: "b83c000000bf070000000f05", nop: "90" },
  aarch64: { exit: "a80b80d2e00080d2010000d4", nop: "1f2003d5" },
};

function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g)!, (byte) => parseInt(byte, 16));
}

/** A static program: five MiB of nops, then exit(7). */
function program(arch: keyof typeof CODE): Uint8Array {
  const text = new Uint8Array(5 * MIB);
  const nop = bytesOf(CODE[arch].nop);
  for (let at = 0; at < text.length; at += nop.length) text.set(nop, at);
  text.set(bytesOf(CODE[arch].exit), text.length - 12);
  const builder = new ElfBuilder({ machine: arch, type: 2, base: 0x400000, dynamic: false });
  const section = builder.section({ name: ".text", access: "x", align: 16, data: text });
  builder.entry({ section });
  return builder.build();
}

for (const arch of ["x86_64", "aarch64"] as const) {
  Deno.test(`huge text on ${arch}: fewer walks, the same instructions`, async () => {
    const root = new Map([["/program", program(arch)]]);
    const run = async (hugeText: boolean) => {
      const streams = {
        ...{ stdin: new BytesInput(), stdout: new CapturedOutput(), stderr: new CapturedOutput() },
      };
      const machine: Machine = await Create.create({ root, hugeText, streams, cpu: "neoverse-n1" });
      let huge = 0;
      machine.syscalls.on("exit", {
        enter: ({ space, kernel }) => {
          const { pc } = kernel.cpu;
          for (let at = pc - 4 * MIB; at < pc; at += 2 * MIB) {
            if (space.table.find(at) && space.table.span === 2 * MIB) huge++;
          }
        },
      });
      const result = await machine.run(["/program"]);
      return { ...result, huge };
    };
    const plain = await run(false);
    const promoted = await run(true);
    assertEquals([plain.exit, promoted.exit], [7, 7]);
    assertEquals(plain.counters.instructions, promoted.counters.instructions);
    assertEquals(plain.huge, 0);
    assert(promoted.huge >= 1);
    assert(plain.counters["itlb.misses"] >= 5 * MIB / 4096);
    // What is left are the ends, which fill no huge page, and one miss for each page that is.
    assert(promoted.counters["itlb.misses"] <= 3 * MIB / 4096 + 2);
  });
}
