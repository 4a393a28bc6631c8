/** Faults, traps, system registers and self-modifying code, as the Arm manual defines them. */
import { assertEquals } from "@std/assert";
import { Access, type CpuSpace } from "../../../../sim/cpu/cpu.ts";
import { aarch64, HWCAP } from "../../../../sim/cpu/aarch64/isa.ts";
import { Engine } from "../../../../sim/cpu/engine.ts";
import { RESERVED } from "../../../../sim/cpu/layout.ts";

const CODE = 0x10000;
const SIGILL = 4;
const SIGTRAP = 5;
const SIGSEGV = 11;

/** One page of code, one of data that ends the mapped part. */
class TwoPages implements CpuSpace {
  readonly id = 1;
  readonly resolved = { physical: 0, pageShift: 12, writable: true };
  peekExecutable(va: number): number {
    return va >= CODE && va < CODE + 0x2000 ? RESERVED + va : -1;
  }
  resolve(va: number, _access: Access): number {
    if (va < CODE || va >= CODE + 0x2000) return (SIGSEGV << 8) | 1;
    this.resolved.physical = RESERVED + va;
    return 0;
  }
}
const DATA = CODE + 0x1000;

function run(words: readonly number[], registers: Readonly<Record<number, bigint>> = {}) {
  const pages = RESERVED / 65536 + 2;
  const physical = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const view = new DataView(physical.buffer, RESERVED);
  words.forEach((w, i) => view.setUint32(CODE + 4 * i, w, true));
  const cpu = new Engine({ isa: aarch64, physical });
  for (const [i, x] of Object.entries(registers)) cpu.setReg(Number(i), x);
  cpu.pc = CODE;
  const exit = cpu.run(new TwoPages(), 1000);
  return { cpu, exit, view };
}
const ADD_X1 = 0x91000421; // add x1, x1, #1
const SVC = 0xd4000001;

Deno.test("brk stops at the instruction with SIGTRAP", () => {
  const { cpu, exit } = run([ADD_X1, 0xd4200020, ADD_X1]);
  assertEquals(exit.kind === "fault" && [exit.signal, exit.code], [SIGTRAP, 1]);
  assertEquals([cpu.pc, cpu.reg(1)], [CODE + 4, 1n]);
});

Deno.test("udf and unannounced instructions are SIGILL and named", () => {
  // udf #0; addvl x0, x0, #1 (SVE)
  for (const word of [0, 0x04205020]) {
    const { cpu, exit } = run([ADD_X1, word]);
    if (exit.kind !== "fault") throw new Error(exit.kind);
    assertEquals([exit.signal, exit.code, exit.address], [SIGILL, 1, BigInt(CODE + 4)]);
    assertEquals(
      exit.detail,
      word === 0
        ? "undefined 0x00000000"
        : "SVE instruction, which this processor lacks: 0x4205020",
    );
    assertEquals(cpu.pc, CODE + 4);
  }
});

Deno.test("a pair that faults on its second half leaves registers and base untouched", () => {
  // ldp x1, x2, [x3], #16 with the second word past the end
  const base = BigInt(DATA + 0x1000 - 8);
  const { cpu, exit } = run([0xa8c10861], { 1: 7n, 2: 8n, 3: base });
  if (exit.kind !== "fault") throw new Error(exit.kind);
  assertEquals([exit.signal, exit.address], [SIGSEGV, base + 8n]);
  assertEquals([cpu.pc, cpu.reg(1), cpu.reg(2), cpu.reg(3)], [CODE, 7n, 8n, base]);
});

Deno.test("the top byte of an address is ignored and kept", () => {
  // str x1, [x3, #8]!; ldr x2, [x3]
  const tagged = (0xabn << 56n) | BigInt(DATA);
  const { cpu, exit, view } = run([0xf8008c61, 0xf9400062, SVC], { 1: 0x1234n, 3: tagged });
  assertEquals(exit.kind, "syscall");
  assertEquals([cpu.reg(2), cpu.reg(3)], [0x1234n, tagged + 8n]);
  assertEquals(view.getBigUint64(DATA + 8, true), 0x1234n);
});

Deno.test("ic ivau after a store makes the new instruction run", () => {
  // run once: ldr w5,[x3]; str w5,[x4]; dc cvau,x4; ic ivau,x4; isb; target: add x1,x1,#1; svc
  const words = [0xb9400065, 0xb9000085, 0xd50b7b24, 0xd50b7524, 0xd5033fdf, ADD_X1, SVC];
  const { cpu, exit } = run([...words, 0x91004021 /* add x1, x1, #16 */], {
    3: BigInt(CODE + 4 * words.length),
    4: BigInt(CODE + 4 * 5),
  });
  assertEquals(exit.kind, "syscall");
  assertEquals(cpu.reg(1), 16n);
});

Deno.test("identification registers agree with HWCAP", () => {
  // mrs x1, ID_AA64ISAR0_EL1; mrs x2, ID_AA64PFR0_EL1; mrs x3, CTR_EL0; mrs x4, DCZID_EL0;
  // mrs x5, ID_AA64ISAR1_EL1
  const { cpu } = run([0xd5380601, 0xd5380402, 0xd53b0023, 0xd53b00e4, 0xd5380625, SVC]);
  const field = (reg: number, shift: bigint): bigint => (cpu.reg(reg) >> shift) & 15n;
  const announced = (bit: number): boolean => (HWCAP & (1 << bit)) !== 0;
  // Feature, HWCAP bit, field of ID_AA64ISAR0_EL1, least value.
  const features: [string, number, bigint, bigint][] = [
    ["AES", 3, 4n, 1n],
    ["PMULL", 4, 4n, 2n],
    ["SHA1", 5, 8n, 1n],
    ["SHA2", 6, 12n, 1n],
    ["CRC32", 7, 16n, 1n],
    ["ATOMICS", 8, 20n, 2n],
    ["ASIMDRDM", 12, 28n, 1n],
    ["SHA3", 17, 32n, 1n],
    ["ASIMDDP", 20, 44n, 1n],
    ["FLAGM", 27, 52n, 1n],
  ];
  for (const [name, bit, shift, least] of features) {
    assertEquals(field(1, shift) >= least, announced(bit), name);
  }
  // The same of ID_AA64ISAR1_EL1.
  const more: [string, number, bigint, bigint][] = [
    ["DCPOP", 16, 0n, 1n],
    ["PACA", 30, 4n, 1n],
    ["JSCVT", 13, 12n, 1n],
    ["FCMA", 14, 16n, 1n],
    ["LRCPC", 15, 20n, 1n],
    ["ILRCPC", 26, 20n, 2n],
    ["PACG", 31, 24n, 1n],
    ["SB", 29, 36n, 1n],
  ];
  for (const [name, bit, shift, least] of more) {
    assertEquals(field(5, shift) >= least, announced(bit), name);
  }
  // Floating point and Advanced SIMD with half precision; no SVE.
  assertEquals([field(2, 16n), field(2, 20n), field(2, 32n)], [1n, 1n, 0n]);
  assertEquals([9, 10, 22].map(announced), [true, true, false]);
  assertEquals([cpu.reg(3) >> 16n & 15n, cpu.reg(4)], [4n, 4n]);
});

Deno.test("hints leave the processor or do nothing", () => {
  // yield
  const { cpu, exit } = run([ADD_X1, 0xd503203f, ADD_X1]);
  assertEquals([exit.kind, cpu.pc], ["yield", CODE + 8]);
  // bti c, paciasp, nop, autiasp, prfm
  const plain = run([0xd503245f, 0xd503233f, 0xd503201f, 0xd50323bf, 0xf9800000, ADD_X1, SVC]);
  assertEquals([plain.exit.kind, plain.cpu.reg(1)], ["syscall", 1n]);
});

Deno.test("a single step over an indirect branch leaves its type in PSTATE", () => {
  // blr x0; br x0; br x16; ret x0; b; at CODE + 64: nop
  const branches = [0xd63f0000, 0xd61f0000, 0xd61f0200, 0xd65f0000, 0x14000010];
  const types = branches.map((word) => {
    const target = BigInt(CODE + 64);
    const { cpu } = run([SVC, word], { 0: target, 16: target });
    const space = new TwoPages();
    cpu.step(space);
    const type = cpu.flags >>> 10 & 3;
    assertEquals([cpu.pc - CODE, cpu.retired], [word === 0x14000010 ? 68 : 64, 1]);
    // A value of another thread, or of a debugger.
    cpu.flags = 3 << 10;
    assertEquals(cpu.flags, 3 << 10);
    return type;
  });
  assertEquals(types, [2, 1, 1, 0, 0]);
});
