/**
 * Every row against qemu: random instances run from random machine states; registers, flags, vectors
 * and memory must come out equal, and FPSR where it is collected.
 */
import { assertEquals } from "@std/assert";
import {
  COLLECTING,
  MEMORY,
  NZCV,
  STATE_SIZE,
  STATUS,
  Subject,
  V,
  WORDS,
  X,
} from "./machine_state.ts";
import { available, buildHarness, runQemu } from "./qemu.ts";
import { instance, kindOf, Random, randomState, rows } from "./random_instructions.ts";

const needed = available("qemu-aarch64") && available("aarch64-linux-gnu-gcc");
const missing = needed ? "" : " (skipped: needs qemu-aarch64 and aarch64-linux-gnu-gcc)";

interface Case {
  readonly name: string;
  readonly state: Uint8Array;
}

/** `count` instances of each row that `wanted` picks. */
function instances(count: number, seed: number, wanted: (name: string) => boolean): Case[] {
  const random = new Random(seed);
  const cases: Case[] = [];
  for (const row of rows) {
    const kind = kindOf(row);
    if (kind === null || !wanted(row.name)) continue;
    for (let i = 0; i < count; i++) {
      const word = instance(row, random);
      if (word === null) throw new Error(`no instance of ${row.name}`);
      const state = randomState([word], kind === "zva", random);
      cases.push({ name: `${row.name} ${(word >>> 0).toString(16)}`, state });
    }
  }
  return cases;
}

/** What differs, in words. */
function differences(want: Uint8Array, got: Uint8Array): string[] {
  const hex = (state: Uint8Array, at: number, size: number): string =>
    [...state.subarray(at, at + size)].reverse().map((b) => b.toString(16).padStart(2, "0"))
      .join("");
  const parts: string[] = [];
  const compare = (name: string, at: number, size: number): void => {
    const [a, b] = [hex(want, at, size), hex(got, at, size)];
    if (a !== b) parts.push(`${name}: qemu ${a}, ours ${b}`);
  };
  for (let i = 0; i < 32; i++) compare(i === 31 ? "sp" : `x${i}`, X + 8 * i, 8);
  for (let i = 0; i < 32; i++) compare(`v${i}`, V + 16 * i, 16);
  compare("nzcv", NZCV, 8);
  if (want[COLLECTING] !== 0) compare("fpsr", STATUS, 4);
  compare("memory", MEMORY, STATE_SIZE - MEMORY);
  return parts;
}

/**
 * qemu 7.2 writes 32 bits, sign-extended, where the manual's V[d, 16] clears all above 16 (DDI 0487,
 * FCVTZS (vector, fixed-point)).
 */
const QEMU_SIGN_EXTENDS = /^FCVTZ.*half, scalar, fixed-point/;

/** Clear all but the lowest half of vector register `i`. */
function clearAbove(state: Uint8Array, i: number): void {
  state.fill(0, V + 16 * i + 2, V + 16 * i + 16);
}

async function agree(cases: readonly Case[], cpu: string, heat?: number): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    const harness = await buildHarness(directory);
    const expected = await runQemu(harness, cases.map((c) => c.state), cpu);
    const subject = new Subject(heat);
    const failures: string[] = [];
    cases.forEach(({ name, state }, i) => {
      const got = subject.run(state, heat === undefined ? 1 : heat + 3);
      const want = expected[i];
      if (QEMU_SIGN_EXTENDS.test(name)) clearAbove(want, Number.parseInt(name.slice(-2), 16) & 31);
      const parts = differences(want, got);
      if (parts.length > 0) failures.push(`${name}\n  ${parts.join("\n  ")}`);
    });
    assertEquals(failures.slice(0, 10).join("\n"), "", `${failures.length} differ`);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Neoverse N1 has not these; qemu's "max" has. */
const newer = (name: string): boolean => /^(LDAPUR|FCMLA|FCADD|FJCVTZS|CFINV|RMIF|SETF)/.test(name);

Deno.test({
  name: `every row, cold tier${missing}`,
  ignore: !needed,
  fn: () => agree(instances(15, 1, (name) => !newer(name)), "neoverse-n1"),
});
Deno.test({
  name: `floating point in depth, cold tier${missing}`,
  ignore: !needed,
  fn: () => agree(instances(30, 2, (name) => /^(F|[SU]CVTF)/.test(name)), "max"),
});
Deno.test({
  name: `rows that Neoverse N1 lacks, cold tier${missing}`,
  ignore: !needed,
  fn: () => agree(instances(40, 3, newer), "max"),
});
Deno.test({
  name: `every row, hot tier${missing}`,
  ignore: !needed,
  fn: () => agree(instances(2, 4, (name) => !newer(name)), "neoverse-n1", 2),
});

/** Conditions, after every way to set flags: set, then branch over an instruction, or select. */
function flagCases(count: number): Case[] {
  const random = new Random(5);
  const setters = rows.filter((r) =>
    /^(ADDS|ANDS|ADD\/SUB|ADCS|CCM|FCMP|FCCMP|AND\/ORR|logical)/.test(r.name)
  );
  const cases: Case[] = [];
  const ADD = 0x91000401; // add x1, x0, #1
  for (const row of setters) {
    for (let i = 0; i < count; i++) {
      const set = instance(row, random)!;
      const branch = 0x54000040 | random.below(16);
      const select = rows.find((r) => r.name.startsWith("CSEL"))!;
      const words = [set, branch, ADD, instance(select, random)!];
      const name = `${row.name} ${words.map((w) => (w >>> 0).toString(16)).join(" ")}`;
      cases.push({ name, state: randomState(words, false, random) });
    }
  }
  return cases;
}
/** Compare and test branches over one instruction; exclusive pairs. */
function sequenceCases(count: number): Case[] {
  const random = new Random(6);
  const ADD = 0x91000401;
  const over = (row: string): number => {
    const r = rows.find((x) => x.name.startsWith(row))!;
    const word = r.value | (random.next() & ~r.mask);
    // 8 bytes ahead.
    return row === "TBZ" ? (word & ~(0x3fff << 5)) | (2 << 5) : (word & ~(0x7ffff << 5)) | (2 << 5);
  };
  const cases: Case[] = [];
  for (let i = 0; i < count; i++) {
    const size = random.below(4) << 30;
    // ldxr x1, [x20]; add x1, x1, #n; stxr w2, x3, [x20]; clrex or nop
    const load = 0x085f7e81 | size;
    const store = 0x08027e83 | size;
    for (
      const words of [
        [over("CBZ"), ADD, over("TBZ"), ADD],
        [load, ADD, store, store],
        [load, 0xd503305f, store, ADD],
      ]
    ) {
      cases.push({
        name: words.map((w) => (w >>> 0).toString(16)).join(" "),
        state: randomState(words.slice(0, WORDS), false, random),
      });
    }
  }
  return cases;
}

for (const heat of [undefined, 2]) {
  const tier = heat === undefined ? "cold" : "hot";
  const scale = heat === undefined ? 10 : 1;
  Deno.test({
    name: `conditions after every setter of flags, ${tier} tier${missing}`,
    ignore: !needed,
    fn: () => agree(flagCases(10 * scale), "neoverse-n1", heat),
  });
  Deno.test({
    name: `branches over an instruction, exclusives, ${tier} tier${missing}`,
    ignore: !needed,
    fn: () => agree(sequenceCases(30 * scale), "neoverse-n1", heat),
  });
}
