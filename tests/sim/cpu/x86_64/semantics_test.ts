/** What a comparison with this machine's processor cannot show: CPUID, system entry, faults. */
import { assertEquals } from "@std/assert";
import type { CpuExit, CpuSpace } from "../../../../sim/cpu/cpu.ts";
import { Engine } from "../../../../sim/cpu/engine.ts";
import { FS_BASE, MXCSR, RESERVED } from "../../../../sim/cpu/layout.ts";
import { x86_64 } from "../../../../sim/cpu/x86_64/isa.ts";

const START = 0x1000;
const DATA = 0x8000;

/** The first 16 frames at 0, but for the null page. */
class FlatSpace implements CpuSpace {
  readonly id = 1;
  readonly resolved = { physical: 0, pageShift: 12, writable: true };
  resolve(va: number): number {
    if (va < 0x1000 || va >= 0x10000) return (11 << 8) | 1;
    this.resolved.physical = RESERVED + va;
    return 0;
  }
  peekExecutable(va: number): number {
    return this.resolve(va) === 0 ? this.resolved.physical : -1;
  }
}

const pages = RESERVED / 65536 + 16;
const physical = new WebAssembly.Memory({ initial: pages, maximum: pages });
const frames = new Uint8Array(physical.buffer, RESERVED);
const cpu = new Engine({ isa: x86_64, physical });
const space = new FlatSpace();
const memory = new DataView(physical.buffer, RESERVED);
const state = new DataView(cpu.stateBytes.buffer);
let next = START;

/** Run `hex` (an address of its own each time) for `budget` instructions. */
function run(hex: string, budget = 1): CpuExit {
  const code = hex.split(" ").map((b) => parseInt(b, 16));
  next += 32;
  frames.set(code, next);
  cpu.pc = next;
  return cpu.run(space, budget);
}

function cpuid(leaf: number, subleaf = 0): number[] {
  cpu.setReg(0, BigInt(leaf));
  cpu.setReg(1, BigInt(subleaf));
  run("0f a2");
  return [0, 3, 1, 2].map((i) => Number(cpu.reg(i)));
}
function text(words: number[]): string {
  return new TextDecoder().decode(Uint32Array.from(words)).replace(/\0+$/, "");
}

Deno.test("CPUID: vendor, brand, and the features of x86-64-v2 without more", () => {
  const [, b, c, d] = cpuid(0);
  assertEquals(text([b, d, c]), "GenuineIntel");
  assertEquals(text([0x80000002, 0x80000003, 0x80000004].flatMap((n) => cpuid(n))), "Isthmus");
  const [, , ecx, edx] = cpuid(1);
  const bit = (word: number, n: number): number => (word >>> n) & 1;
  // psABI: CX16, SSE3, SSSE3, SSE4.1, SSE4.2, POPCNT; FPU, CX8, CMOV, MMX, FXSR, SSE, SSE2; LAHF.
  assertEquals([13, 0, 9, 19, 20, 23].map((n) => bit(ecx, n)), [1, 1, 1, 1, 1, 1]);
  assertEquals([0, 8, 15, 23, 24, 25, 26].map((n) => bit(edx, n)), [1, 1, 1, 1, 1, 1, 1]);
  assertEquals(bit(cpuid(0x80000001)[2], 0), 1);
  // FMA, MOVBE, XSAVE, OSXSAVE, AVX, F16C, RDRAND, AES, PCLMULQDQ.
  assertEquals([12, 22, 26, 27, 28, 29, 30, 25, 1].map((n) => bit(ecx, n)).join(""), "000000000");
  // FDP only at exceptions, no FCS and FDS: nothing else.
  assertEquals(cpuid(7), [0, (1 << 6) | (1 << 13), 0, 0]);
});

Deno.test("CPUID leaf 4: cache sizes multiply out", () => {
  const sizes = [0, 1, 2, 3].map((i) => {
    const [a, b, c] = cpuid(4, i);
    return [(a >> 5) & 7, ((b >>> 22) + 1) * ((b & 0xfff) + 1) * (c + 1)];
  });
  assertEquals(sizes, [[1, 32768], [1, 32768], [2, 262144], [3, 8388608]]);
  assertEquals(cpuid(4, 4)[0] & 31, 0);
});

Deno.test("SYSCALL: RCX and R11, then out with the next pc", () => {
  cpu.flags = 0x8d5;
  cpu.setReg(0, 39n);
  assertEquals(run("0f 05", 10).kind, "syscall");
  assertEquals([cpu.pc, Number(cpu.reg(1)), Number(cpu.reg(11))], [next + 2, next + 2, 0xad7]);
});

Deno.test("faults: signal, code, address and pc", () => {
  const expect = (hex: string, signal: number, code: number, address: number, pc = 0): void => {
    const exit = run(hex, 10);
    if (exit.kind !== "fault") throw new Error(`${hex}: ${exit.kind}`);
    assertEquals([exit.signal, exit.code, exit.address], [signal, code, BigInt(address)], hex);
    assertEquals(cpu.pc, next + pc, hex);
  };
  cpu.setReg(1, 0n);
  cpu.setReg(3, BigInt(DATA + 1));
  const ud = (): number => next + 32;
  expect("f7 f1", 8, 1, ud()); // div ecx, by zero: the address is the pc
  expect("0f 0b", 4, 2, ud()); // ud2
  expect("c5 f8 77", 4, 2, ud()); // vzeroupper
  expect("f4", 11, 0x80, 0); // hlt
  expect("cc", 5, 0x80, 0, 1); // int3: after it
  expect("0f 28 03", 11, 0x80, 0); // movaps from an odd address
  expect("8b 01", 11, 1, 0); // mov eax, [0]
  cpu.setReg(1, 1n << 60n);
  expect("8b 01", 11, 0x80, 0); // non-canonical
});

Deno.test("a store that faults leaves the registers alone", () => {
  cpu.setReg(4, 0x20000n);
  cpu.setReg(0, 7n);
  for (const hex of ["50", "e8 00 00 00 00", "c8 10 00 00", "8f 44 24 f8"]) {
    const before = [4, 5].map((i) => cpu.reg(i));
    assertEquals(run(hex).kind, "fault", hex);
    assertEquals([4, 5].map((i) => cpu.reg(i)), before, hex);
  }
});

Deno.test("REP MOVSB: one instruction an iteration, resumed after a fault", () => {
  cpu.flags = 0;
  cpu.setReg(1, 16n);
  cpu.setReg(6, BigInt(DATA));
  cpu.setReg(7, BigInt(0x10000 - 10));
  const exit = run("f3 a4", 100);
  assertEquals([exit.kind, cpu.pc, cpu.retired], ["fault", next, 10]);
  assertEquals([cpu.reg(1), cpu.reg(6), cpu.reg(7)], [6n, BigInt(DATA + 10), 0x10000n]);
  cpu.setReg(7, BigInt(DATA + 256));
  assertEquals(cpu.run(space, 6).kind, "quantum");
  assertEquals([cpu.reg(1), cpu.pc], [0n, next + 2]);
  // A count of zero retires once.
  run("f3 a4");
  assertEquals([cpu.pc, cpu.retired], [next + 2, 1]);
});

Deno.test("FS override adds the thread pointer, in an address and in a string", () => {
  state.setBigUint64(FS_BASE, BigInt(DATA), true);
  memory.setUint32(DATA + 0x28, 0x12345678, true);
  run("64 8b 04 25 28 00 00 00"); // mov eax, fs:[0x28]
  assertEquals(cpu.reg(0), 0x12345678n);
  cpu.setReg(6, 0x28n);
  run("64 ad"); // lods eax, fs:[rsi]
  assertEquals([cpu.reg(0), cpu.reg(6)], [0x12345678n, 0x2cn]);
  // With 32-bit addresses the base is added after the sum is cut.
  cpu.setReg(3, 0xffff_ffff_0000_0030n);
  run("64 67 8b 43 f8"); // mov eax, fs:[ebx-8]
  assertEquals(cpu.reg(0), 0x12345678n);
});

Deno.test("PUSHF and POPF carry DF, TF, AC and ID; the system flags stay out", () => {
  cpu.setReg(4, BigInt(DATA + 0x100));
  memory.setBigUint64(DATA + 0x100, 0xffffffn, true);
  assertEquals(run("9d", 10).kind, "quantum");
  assertEquals([cpu.retired, cpu.flags], [1, 0x8d5 | 0x202 | 0x400 | 0x240100]);
  // What comes next traps, whatever the budget, and is done.
  const exit = run("9c", 10);
  assertEquals([exit.kind, cpu.retired, cpu.pc], ["fault", 1, next + 1]);
  assertEquals(exit.kind === "fault" && [exit.signal, exit.code, exit.trapno], [5, 2, 1]);
  assertEquals(memory.getBigUint64(DATA + 0x100, true), BigInt(cpu.flags));
  cpu.flags = 0;
});

Deno.test("FXSAVE and FXRSTOR are inverse", () => {
  const image = DATA + 0x400;
  state.setUint32(MXCSR, 0x1f80, true);
  cpu.setReg(3, BigInt(image));
  run("db e3"); // fninit
  run("d9 eb"); // fldpi
  run("d9 e8"); // fld1
  run("66 0f 76 c0"); // pcmpeqd xmm0, xmm0
  assertEquals(run("0f ae 03").kind, "quantum");
  const saved = frames.slice(image, image + 512);
  // FCW, FSW with TOP 6, two registers in use, MXCSR, ST(0) = 1.0, XMM0 = ones.
  assertEquals(memory.getUint16(image, true), 0x37f);
  assertEquals(memory.getUint16(image + 2, true), 0x3000);
  assertEquals(memory.getUint8(image + 4), 0xc0);
  assertEquals(memory.getUint32(image + 24, true), 0x1f80);
  assertEquals(memory.getBigUint64(image + 32, true), 1n << 63n);
  assertEquals(memory.getUint16(image + 40, true), 0x3fff);
  assertEquals(memory.getBigUint64(image + 168, true), (1n << 64n) - 1n);
  run("db e3");
  run("66 0f ef c0"); // pxor xmm0, xmm0
  run("0f ae 0b"); // fxrstor
  run("0f ae 03");
  assertEquals(frames.slice(image, image + 512), saved);
});

Deno.test("an unmasked x87 exception is reported by the next waiting instruction", () => {
  run("db e3");
  memory.setUint16(DATA, 0x37b, true); // zero-divide unmasked
  cpu.setReg(3, BigInt(DATA));
  run("d9 2b"); // fldcw
  run("d9 ee"); // fldz
  run("d9 e8"); // fld1
  assertEquals(run("de f1").kind, "quantum"); // fdivrp: 1 / 0
  assertEquals(run("df e0").kind, "quantum"); // fnstsw ax does not wait
  const exit = run("9b");
  assertEquals(exit.kind === "fault" && exit.signal, 8);
  run("db e3");
});

Deno.test("an unmasked SSE exception faults and leaves the destination", () => {
  state.setUint32(MXCSR, 0x1d80, true); // zero-divide unmasked
  run("0f 57 c9"); // xorps xmm1, xmm1
  run("b8 01 00 00 00");
  run("f2 0f 2a c0"); // cvtsi2sd xmm0, eax
  const exit = run("f2 0f 5e c1"); // divsd xmm0, xmm1
  assertEquals(exit.kind === "fault" && exit.signal, 8);
  state.setUint32(MXCSR, 0x1f80, true);
  run("f2 0f 2c c0"); // cvttsd2si eax, xmm0
  assertEquals(cpu.reg(0), 1n);
});

Deno.test("INT 0x80 is refused by name, as Linux does that has no 32-bit system calls", () => {
  const exit = run("cd 80");
  const { signal, trapno, error, detail = "" } = exit.kind === "fault" ? exit : {} as never;
  assertEquals([signal, trapno, error, cpu.pc], [11, 13, 0x80 * 8 + 2, next]);
  assertEquals(detail.slice(0, 36), "INT 0x80, the 32-bit system call, wh");
});
