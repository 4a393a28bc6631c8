/** The decoder against GNU objdump: what is allocated, and where direct branches and addresses lead. */
import { assertEquals } from "@std/assert";
import { Decoded } from "../../../../sim/cpu/ir/decoded.ts";
import { aarch64 } from "../../../../sim/cpu/aarch64/isa.ts";
import { available } from "./qemu.ts";
import { instance, Random, rows } from "./random_instructions.ts";

const OBJDUMP = "aarch64-linux-gnu-objdump";
const needed = available(OBJDUMP);
const missing = needed ? "" : ` (skipped: needs ${OBJDUMP})`;

/** One line of a disassembly. */
interface Line {
  readonly pc: number;
  readonly word: number;
  readonly mnemonic: string;
  readonly operands: string;
}

async function disassemble(args: readonly string[]): Promise<Line[]> {
  const { stdout } = await new Deno.Command(OBJDUMP, { args: [...args] }).output();
  const lines: Line[] = [];
  for (const line of new TextDecoder().decode(stdout).split("\n")) {
    const m = /^\s*([0-9a-f]+):\s+([0-9a-f]{8})\s+(\S+)\s*(.*)$/.exec(line);
    if (m === null) continue;
    lines.push({
      pc: parseInt(m[1], 16),
      word: parseInt(m[2], 16),
      mnemonic: m[3],
      operands: m[4],
    });
  }
  return lines;
}

const decoded = new Decoded();
const bytes = new Uint8Array(4);
function decode(word: number, pc: number): string {
  new DataView(bytes.buffer).setUint32(0, word, true);
  aarch64.decode(bytes, 0, 4, pc, decoded);
  return aarch64.rows[decoded.row].name;
}

const UNALLOCATED = new Set([".inst", "udf", "undefined"]);

Deno.test({
  name: `random instances of every row are instructions to objdump, with its targets${missing}`,
  ignore: !needed,
  fn: async () => {
    const random = new Random(20);
    const words: number[] = [];
    for (const row of rows) {
      if (row.name === "undefined") continue;
      for (let i = 0; i < 12; i++) {
        const word = instance(row, random);
        if (word === null) throw new Error(`no instance of ${row.name}`);
        words.push(word);
      }
    }
    const file = await Deno.makeTempFile();
    try {
      await Deno.writeFile(file, new Uint8Array(Int32Array.from(words).buffer));
      const base = 2 ** 40;
      const lines = await disassemble(
        ["-D", "-b", "binary", "-m", "aarch64", "-z", `--adjust-vma=${base}`, file],
      );
      assertEquals(lines.length, words.length);
      for (const { pc, word, mnemonic, operands } of lines) {
        const name = decode(word, pc);
        const what = `${name} ${word.toString(16)}: ${mnemonic} ${operands}`;
        assertEquals(UNALLOCATED.has(mnemonic), false, what);
        if (/^(b|bl|b\..*|cbn?z|tbn?z|adrp?)$/.test(mnemonic)) {
          const target = Number(/0x[0-9a-f]+/.exec(operands)![0]);
          const immediate = (decoded.imm0Low >>> 0) + decoded.imm0High * 2 ** 32;
          assertEquals(mnemonic === "bl" ? decoded.target : immediate, target, what);
          if (mnemonic === "bl") assertEquals(immediate, pc + 4, what);
        }
      }
    } finally {
      await Deno.remove(file);
    }
  },
});

Deno.test({
  name: `random words that objdump does not know do not decode${missing}`,
  ignore: !needed,
  fn: async () => {
    const random = new Random(21);
    const file = await Deno.makeTempFile();
    try {
      const words = Uint32Array.from({ length: 60000 }, () => random.next());
      await Deno.writeFile(file, new Uint8Array(words.buffer));
      const lines = await disassemble(["-D", "-b", "binary", "-m", "aarch64", "-z", file]);
      const unknown = lines.filter((l) => UNALLOCATED.has(l.mnemonic));
      assertEquals(unknown.length > 10000, true);
      for (const { pc, word } of unknown) {
        assertEquals(decode(word, pc), "undefined", word.toString(16));
      }
    } finally {
      await Deno.remove(file);
    }
  },
});

/** Instructions of extensions that we do not announce, as ifunc variants of the C library have them. */
const UNANNOUNCED =
  /^(st1b|ld1b|whilelo|cntb|ptrue|mov|ldg|stz?2?g|gmi|irg|dc|stzg|incb|decb|rdffr|setffr|ldff1b|cmp.*|brkbs?|incp|ptest)$/;
const LIBRARY = "/usr/aarch64-linux-gnu/lib/libc.so.6";
const library = needed && (() => {
  try {
    return Deno.statSync(LIBRARY).isFile;
  } catch {
    return false;
  }
})();

Deno.test({
  name: `all of libc's instructions decode${library ? "" : ` (skipped: needs ${LIBRARY})`}`,
  ignore: !library,
  fn: async () => {
    let known = 0;
    for (const { pc, word, mnemonic, operands } of await disassemble(["-d", LIBRARY])) {
      const undefined_ = decode(word, pc) === "undefined";
      if (UNALLOCATED.has(mnemonic)) continue;
      if (undefined_) assertEquals(UNANNOUNCED.test(mnemonic), true, `${mnemonic} ${operands}`);
      else known++;
    }
    assertEquals(known > 200000, true);
  },
});
