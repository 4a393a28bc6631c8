/**
 * Compares the decoder with llvm-objdump over the whole encoding space: every value of bits 31–10 with
 * several of bits 9–0, every system instruction, and random words. What one of them takes for an
 * instruction of the announced features and the other does not is listed by what it looks like.
 */
import { parseArgs } from "node:util";
import { aarch64, HWCAP } from "../../../../sim/cpu/aarch64/isa.ts";
import { Decoded } from "../../../../sim/cpu/ir/decoded.ts";
import { available } from "./qemu.ts";
import { Random } from "./random_instructions.ts";

const help = `Compares the decoder of aarch64 with llvm-objdump over the encoding space.

usage: deno task encodings [options]

  --sparse N   only one of N values of bits 31-10 (default 1)
  --seed N     other low bits
  --help       this text

The exit code is 1 if the two differ on a word that no rule of this tool explains.
`;

/** LLVM's names of the features of HWCAP, by bit (Linux uapi asm/hwcap.h). */
const LLVM_NAMES: readonly [string, ...number[]][] = [
  ["fp-armv8", 0],
  ["neon", 1],
  ["aes", 3, 4],
  ["sha2", 5, 6],
  ["crc", 7],
  ["lse", 8],
  ["fullfp16", 9, 10],
  ["rdm", 12],
  ["jsconv", 13],
  ["complxnum", 14],
  ["rcpc", 15],
  ["ccpp", 16],
  ["sha3", 17, 21],
  ["sm4", 18, 19],
  ["dotprod", 20],
  ["sve", 22],
  ["fp16fml", 23],
  ["dit", 24],
  ["rcpc-immo", 26],
  ["flagm", 27],
  ["ssbs", 28],
  ["sb", 29],
  ["pauth", 30, 31],
];

/** What HWCAP announces, as LLVM spells it, and what Armv8.1-A has besides. */
function features(): string {
  const announced = (bit: number): boolean => (HWCAP >>> bit & 1) === 1;
  const named = LLVM_NAMES.flatMap(([name, ...bits]) => {
    const [first] = bits;
    if (bits.some((bit) => announced(bit) !== announced(first))) {
      throw new Error(`${name} is announced in part`);
    }
    return [`${announced(first) ? "+" : "-"}${name}`];
  });
  return ["+v8a", "+lor", ...named].join(",");
}
const OBJDUMP = "llvm-objdump";
const OBJCOPY = "aarch64-linux-gnu-objcopy";
const CHUNK = 1 << 20;

/** Whether both tools are here. */
export const possible: boolean = available(OBJDUMP) && available(OBJCOPY);

/** A rule for words where the two rightly differ. */
interface Exception {
  readonly reason: string;
  readonly applies: (word: number, text: string, known: boolean) => boolean;
}

const bits = (word: number, low: number, width: number): number =>
  (word >>> low) & ((1 << width) - 1);
/** Bits 20–5: op0 (of 2 bits, the upper one set), op1, CRn, CRm, op2. */
const system = (op0: number, op1: number, n: number, m: number, op2: number): number =>
  ((op0 & 3) << 14) | (op1 << 11) | (n << 7) | (m << 3) | op2;

/** Registers that Linux lets a program read besides the ID space (D13; arch/arm64 documentation). */
const READABLE = new Set([
  ...[system(3, 3, 4, 2, 0), system(3, 3, 4, 4, 0), system(3, 3, 4, 4, 1)],
  ...[system(3, 3, 13, 0, 2), system(3, 3, 13, 0, 3), system(3, 3, 14, 0, 2)],
  ...[system(3, 3, 14, 0, 0), system(3, 3, 0, 0, 1), system(3, 3, 0, 0, 7)],
  ...[system(3, 0, 0, 0, 0), system(3, 0, 0, 0, 5), system(3, 0, 0, 0, 6)],
]);
/** The ID space that Linux emulates (Documentation/arch/arm64/cpu-feature-registers.rst). */
const emulated = (register: number): boolean =>
  register >> 7 === system(3, 0, 0, 0, 0) >> 7 && bits(register, 3, 4) >= 4 &&
  bits(register, 3, 4) <= 7;
const WRITABLE = new Set([
  ...[system(3, 3, 4, 2, 0), system(3, 3, 4, 4, 0), system(3, 3, 4, 4, 1)],
  system(3, 3, 13, 0, 2),
]);
/** Cache operations that Linux permits at EL0: IC IVAU, DC ZVA, CVAC, CVAU, CVAP, CIVAC. */
const OPERATIONS = new Set([
  ...[system(1, 3, 7, 5, 1), system(1, 3, 7, 4, 1), system(1, 3, 7, 10, 1)],
  ...[system(1, 3, 7, 11, 1), system(1, 3, 7, 12, 1), system(1, 3, 7, 14, 1)],
]);

/** Whether a program may execute the MRS, MSR (register), SYS or SYSL, or null if it is none of them. */
function permitted(word: number): boolean | null {
  if (word >>> 22 !== 0b1101010100) return null;
  const register = bits(word, 5, 16);
  const read = bits(word, 21, 1) === 1;
  if (register >> 14 >= 2) {
    return read ? READABLE.has(register) || emulated(register) : WRITABLE.has(register);
  }
  if (register >> 14 === 1) return !read && OPERATIONS.has(register);
  return null;
}

const EXCEPTIONS: readonly Exception[] = [
  {
    reason: "privileged, or of the debugger: UNDEFINED at EL0",
    applies: (_w, text, known) =>
      !known && /^(hvc|smc|eret|drps|hlt|dcps[123]|msr\s+(spsel|daifset|daifclr))/i.test(text),
  },
  {
    reason: "unallocated, which LLVM prints as a register of op0 0",
    applies: (_w, text, known) => !known && /^(msr|mrs)\b.*\bS0_/.test(text),
  },
  {
    reason:
      "exclusive or ordered, fields that should be ones are not: CONSTRAINED UNPREDICTABLE, refused",
    applies: (word, text, known) => {
      if (known || !/^(ld|st)l?[al]?x?[rp][bh]?\s/.test(text)) return false;
      const [status, second] = [bits(word, 16, 5), bits(word, 10, 5)];
      const [pair, load, ordered] = [bits(word, 21, 1), bits(word, 22, 1), bits(word, 23, 1)];
      return pair === 0 && second !== 31 || (load === 1 || ordered === 1) && status !== 31;
    },
  },
  {
    reason:
      "FCMP with zero, a field that should be zero is not: CONSTRAINED UNPREDICTABLE, refused",
    applies: (word, text, known) =>
      !known && /^fcmpe?\s.*#0\.0$/.test(text) && bits(word, 16, 5) !== 0,
  },
  {
    reason: "LDP into one register twice or into its base: CONSTRAINED UNPREDICTABLE, refused (K1)",
    applies: (word, text, known) => {
      if (known || !/^ld(n?p|psw)\s/.test(text)) return false;
      const [t, n, t2] = [0, 5, 10].map((at) => bits(word, at, 5));
      const vector = bits(word, 26, 1) === 1;
      const writesBack = bits(word, 23, 1) === 1 && !vector && n !== 31;
      return t === t2 || writesBack && (n === t || n === t2);
    },
  },
];

/** Words of one pass. */
function* passes(seed: number, sparse: number): Generator<Uint32Array> {
  const random = new Random(seed);
  const low: (() => number)[] = [
    () => random.below(1024),
    () => random.below(1024),
    () => 0x3ff,
    () => 0x3e0 | random.below(32),
    () => (random.below(32) << 5) | 31,
    () => 0,
  ];
  for (const bottom of low) {
    const words: number[] = [];
    for (let top = sparse === 1 ? 0 : random.below(sparse); top < 1 << 22; top += sparse) {
      words.push(((top << 10) | bottom()) >>> 0);
      if (words.length === CHUNK) yield Uint32Array.from(words.splice(0));
    }
    if (words.length > 0) yield Uint32Array.from(words);
  }
  for (let at = 0; at < 1 << 22; at += CHUNK * sparse) {
    yield Uint32Array.from(
      { length: CHUNK },
      (_, i) => ((0b1101010100 << 22) | (at + i * sparse)) >>> 0,
    );
  }
}

/** Each word's disassembly. */
async function* disassemble(words: Uint32Array): AsyncGenerator<string> {
  const directory = await Deno.makeTempDir();
  try {
    await Deno.writeFile(`${directory}/words`, new Uint8Array(words.buffer));
    const section = ".data=.text,alloc,load,readonly,code,contents";
    const copied = await new Deno.Command(OBJCOPY, {
      cwd: directory,
      args: [
        ...["-I", "binary", "-O", "elf64-littleaarch64", "--rename-section", section],
        ...["words", "object"],
      ],
    }).output();
    if (!copied.success) throw new Error(new TextDecoder().decode(copied.stderr));
    const child = new Deno.Command(OBJDUMP, {
      cwd: directory,
      args: [
        ...["-d", "-z", "--no-show-raw-insn", "--no-leading-addr", `--mattr=${features()}`],
        "object",
      ],
      stdout: "piped",
    }).spawn();
    let rest = "";
    let begun = false;
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      for (const line of lines) {
        if (begun) yield line.trim();
        else begun = line.startsWith("<");
      }
    }
    await child.status;
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

const decoded = new Decoded();
const bytes = new Uint8Array(4);
const view = new DataView(bytes.buffer);
/** Name of the row that a word decodes to. */
function rowOf(word: number): string {
  view.setUint32(0, word, true);
  aarch64.decode(bytes, 0, 4, 0, decoded);
  return aarch64.rows[decoded.row].name;
}

/** What was compared, and words that no rule explains, by what they look like. */
export interface Comparison {
  words: number;
  instructions: number;
  readonly explained: Map<string, number>;
  readonly differences: Map<string, { count: number; word: number; text: string }>;
}

/** Compare over the space. */
export async function compareEncodings(seed: number, sparse: number): Promise<Comparison> {
  const result: Comparison = {
    words: 0,
    instructions: 0,
    explained: new Map(),
    differences: new Map(),
  };
  for (const words of passes(seed, sparse)) {
    let at = 0;
    for await (const text of disassemble(words)) {
      const word = words[at++];
      result.words++;
      const row = rowOf(word);
      const known = row !== "undefined";
      if (known) result.instructions++;
      const theirs = permitted(word) ?? (text !== "<unknown>" && !text.startsWith("udf"));
      if (known === theirs) continue;
      const rule = EXCEPTIONS.find((each) => each.applies(word, text, known));
      if (rule !== undefined) {
        result.explained.set(rule.reason, (result.explained.get(rule.reason) ?? 0) + 1);
        continue;
      }
      const kind = known ? `ours alone: ${row}` : `theirs alone: ${text.split(/\s/)[0]}`;
      const entry = result.differences.get(kind);
      if (entry === undefined) result.differences.set(kind, { count: 1, word, text });
      else entry.count++;
    }
    if (at !== words.length) throw new Error(`${OBJDUMP} printed ${at} of ${words.length} lines`);
  }
  return result;
}

if (import.meta.main) {
  const { values } = parseArgs({
    args: Deno.args,
    options: {
      sparse: { type: "string", default: "1" },
      seed: { type: "string", default: "1" },
      help: { type: "boolean" },
    },
  });
  if (values.help) {
    console.log(help);
    Deno.exit(0);
  }
  if (!possible) {
    console.error(`encodings: needs ${OBJDUMP} and ${OBJCOPY}`);
    Deno.exit(1);
  }
  const result = await compareEncodings(Number(values.seed), Number(values.sparse));
  console.log(`${result.words} words, ${result.instructions} of them instructions`);
  for (const [reason, count] of result.explained) console.log(`  ${count}: ${reason}`);
  console.log(`${result.differences.size} kinds of differences`);
  for (const [kind, { count, word, text }] of result.differences) {
    console.log(`  ${kind}: ${count}, such as ${word.toString(16).padStart(8, "0")} ${text}`);
  }
  Deno.exit(result.differences.size > 0 ? 1 : 0);
}
