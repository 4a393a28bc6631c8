/**
 * Faults as a program sees them: signal, code, address, registers and syndrome of single instructions,
 * and a handler that changes every register. The same program runs under qemu.
 */
import { assertEquals } from "@std/assert";
import { BytesInput, CapturedOutput } from "../../../../sim/kernel/fs/streams.ts";
import { Machine } from "../../../../sim/machine.ts";
import { available, output } from "./qemu.ts";

const compiler = "aarch64-linux-gnu-gcc";
const needed = available("qemu-aarch64") && available(compiler);
const missing = needed ? "" : ` (skipped: needs qemu-aarch64 and ${compiler})`;

/** Lines of the program, each with what qemu does not know of it: the syndrome. */
type Line = readonly [text: string, syndrome: string];
const lines = (text: string): Line[] =>
  text.split("\n").map((line) => {
    const [before, after = ""] = line.split(" | syndrome ");
    return [before, after];
  });

/**
 * Where Linux on a processor differs from qemu 7.2: undefined instructions have the code ILL_ILLOPC
 * (arch/arm64/kernel/traps.c, do_el0_undef); si_addr is the address, whatever it is
 * (arch/arm64/mm/fault.c, do_bad_area); the stack pointer is looked at before where it points.
 */
function asLinux(line: string): string {
  if (line.includes(": signal 4 code 2 at code+0")) return line.replace("code 2", "code 1");
  if (line.startsWith("ldr of the kernel's")) return line.replace("at 0", "at ffff000000000000");
  if (line.startsWith("sp stp nowhere")) return line.replace("11 code 1", "7 code 1");
  if (line.startsWith("ldr beyond 48 bits")) return line.replace("at 0", "at 55000000000000");
  return line;
}
/** A line: what faults there, with which signal and code, at what address. */
const fault = (name: string, signal: string, at: string): string => {
  const pc = name.startsWith("sp ") ? "code+8" : "code+0";
  return `${name}: signal ${signal} at ${at}, pc ${pc}, x1 1111 x2 2222 x3 0 ${at}`;
};
/**
 * What qemu 7.2 permits and Linux does not, by the line that follows: accesses that need alignment without
 * FEAT_LSE2 (DDI 0487, B2.5.2), cache maintenance of what is not mapped, stack pointers that are no
 * multiple of 16 (SCTLR_EL1.SA0; arch/arm64/kernel/entry-common.c, el0_sp).
 */
const QEMU_PERMITS = new Map<string, readonly string[]>([
  ["ldxp aligned by 8", [fault("stxr unaligned", "7 code 1", "data+1")]],
  ["ldadd unaligned", [fault("ldapr unaligned", "7 code 1", "data+4")]],
  ["ldr beyond the file", [
    fault("dc cvac", "11 code 1", "data+4096"),
    fault("dc cvau", "11 code 1", "data+4120"),
    fault("dc civac", "11 code 1", "data+4096"),
    fault("ic ivau", "11 code 1", "data+4096"),
  ]],
  ["sp ldxr", [
    fault("sp ldr", "7 code 1", "data+8"),
    fault("sp str", "7 code 1", "data+8"),
    fault("sp ldp post-index", "7 code 1", "data+8"),
    fault("sp str pre-index", "7 code 1", "data+1"),
    fault("sp ldr register", "7 code 1", "data+8"),
  ]],
  ["sp stp nowhere", [
    fault("sp ldadd", "7 code 1", "data+8"),
    fault("sp ld1", "7 code 1", "data+8"),
  ]],
]);
/** `qemu`'s lines as they should be. */
function expected(qemu: readonly string[]): string[] {
  return qemu.flatMap((line) => [...QEMU_PERMITS.get(line.split(":")[0]) ?? [], asLinux(line)]);
}

/** Syndromes (DDI 0487, ESR_EL1), and whether the frame shows the address: by name and signal. */
const SYNDROMES: readonly [RegExp, string][] = [
  [/^sp /, "9a000000 none"],
  [/^(dc c|ic i)/, "92000147 same"],
  [/^dc zva nowhere/, "92000047 same"],
  [/^(ldr|ldp|ld4).*: signal 11 code 1 at data/, "92000007 same"],
  [/^(str|stp|st1|st4).*: signal 11 code 1 at data/, "92000047 same"],
  [/: signal 11 code 2 at constant/, "9200004f same"],
  [/^ldr beyond the file: signal 7/, "92000007 same"],
  [/^ldr (of the kernel's|beyond 48)/, "92000004 same"],
  [/^(stxr|stlr) unaligned: signal 7/, "92000061 same"],
  [/: signal 7 code 1 at data/, "92000021 same"],
  [/^br misaligned/, "8a000000 none"],
  [/^br to nothing/, "82000007 same"],
  [/^br to data/, "8200000f same"],
  [/^br beyond/, "82000004 same"],
  [/: signal [45] /, "0 none"],
];

Deno.test({
  name: `faults are what Linux makes of them, and handlers change all registers${missing}`,
  ignore: !needed,
  fn: async () => {
    const folder = await Deno.makeTempDir();
    try {
      const program = `${folder}/faults`;
      const source = new URL("./faults.c", import.meta.url).pathname;
      await output(compiler, ["-O1", "-static", "-o", program, source]);
      const qemu = await output("qemu-aarch64", ["-cpu", "neoverse-n1", program]);
      const wanted = expected(lines(qemu).map(([text]) => text));
      for (const heat of [Infinity, 1]) {
        const stdout = new CapturedOutput();
        const machine = await Machine.create({
          root: new Map([["/faults", await Deno.readFile(program)]]),
          streams: { stdin: new BytesInput(), stdout, stderr: stdout },
          heat,
          report: () => {},
        });
        assertEquals((await machine.run(["/faults"])).exit, 0);
        const ours = lines(stdout.text);
        assertEquals(ours.map(([text]) => text).join("\n"), wanted.join("\n"), `heat ${heat}`);
        for (const [text, syndrome] of ours) {
          const known = SYNDROMES.find(([pattern]) => pattern.test(text));
          if (known !== undefined) assertEquals(syndrome, known[1], text);
        }
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
