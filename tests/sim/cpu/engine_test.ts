import { assert, assertEquals } from "@std/assert";
import { Access, type CpuSpace } from "../../../sim/cpu/cpu.ts";
import { Engine } from "../../../sim/cpu/engine.ts";
import { RESERVED } from "../../../sim/cpu/layout.ts";
import { Toy, toy } from "./toy_isa.ts";

/** Physical memory's first pages, mapped at their numbers, from 1 to 15; page 8 reads only. */
class FlatSpace implements CpuSpace {
  readonly id = 1;
  readonly resolved = { physical: 0, pageShift: 12, writable: true };
  peekExecutable(va: number): number {
    return RESERVED + va;
  }
  resolve(va: number, access: Access): number {
    const page = Math.floor(va / 4096);
    if (page < 1 || page > 15) return (11 << 8) | 1;
    if (page === 8 && access === Access.Write) return (11 << 8) | 2;
    this.resolved.physical = RESERVED + va;
    this.resolved.writable = page !== 8;
    return 0;
  }
}

/** The same with page 2 wherever one likes. */
class RemappedSpace extends FlatSpace {
  frameOfPage2 = 2;
  override peekExecutable(va: number): number {
    return RESERVED + this.#moved(va);
  }
  override resolve(va: number, access: Access): number {
    return super.resolve(this.#moved(va), access);
  }
  #moved(va: number): number {
    return Math.floor(va / 4096) === 2 ? this.frameOfPage2 * 4096 + va % 4096 : va;
  }
}

function machine(code: number[][], heat?: number) {
  const pages = RESERVED / 65536 + 16;
  const physical = new WebAssembly.Memory({ initial: pages, maximum: pages });
  new Uint8Array(physical.buffer).set(code.flat(), RESERVED + 0x1000);
  const cpu = new Engine({ isa: toy, physical, heat, batch: 1 });
  cpu.pc = 0x1000;
  return { cpu, physical, space: new FlatSpace() };
}

for (const heat of [undefined, 900, 10]) {
  const tier = heat === undefined ? "cold" : heat === 900 ? "functions" : "regions";

  Deno.test(`${tier}: a loop counts exactly and stops at every quantum`, () => {
    const { cpu, space } = machine([
      [Toy.addi, 1, 1, 3],
      [Toy.addi, 2, 2, 1],
      [Toy.addi, 0, 0, -1],
      [Toy.bnz, 0, 0, -3],
      [Toy.syscall, 0, 0, 0],
    ], heat);
    cpu.setReg(0, 1000n);
    let total = 0;
    for (let quantum = 1;; quantum = quantum % 97 + 1) {
      const exit = cpu.run(space, quantum);
      total += cpu.retired;
      if (exit.kind === "syscall") break;
      assertEquals(exit.kind, "quantum");
      assertEquals(cpu.retired, quantum);
    }
    assertEquals([cpu.reg(1), cpu.reg(2), total, cpu.pc], [3000n, 1000n, 4001, 0x1014]);
  });

  Deno.test(`${tier}: a step is one instruction, whatever ran before and wherever breakpoints are`, () => {
    const { cpu, space } = machine([
      [Toy.addi, 1, 1, 3],
      [Toy.addi, 2, 2, 1],
      [Toy.addi, 0, 0, -1],
      [Toy.bnz, 0, 0, -3],
      [Toy.load, 3, 1, 0],
      [Toy.syscall, 0, 0, 0],
    ], heat);
    cpu.setReg(0, 1000n);
    assertEquals(cpu.run(space, 3000).kind, "quantum");
    cpu.breakAt(space, [0x1004, 0x1008]);
    const pcs = [];
    for (let i = 0; i < 6; i++) {
      pcs.push(cpu.pc);
      assertEquals([cpu.step(space).kind, cpu.retired], ["quantum", 1]);
    }
    assertEquals(pcs, [0x1000, 0x1004, 0x1008, 0x100c, 0x1000, 0x1004]);
    // What was gone over still breaks.
    assertEquals([cpu.run(space, 100).kind, cpu.pc, cpu.retired], ["break", 0x1008, 0]);
    assertEquals([cpu.step(space).kind, cpu.pc], ["quantum", 0x100c]);
    cpu.setReg(0, 0n);
    cpu.setReg(1, 0xff000n);
    assertEquals([cpu.step(space).kind, cpu.pc], ["quantum", 0x1010]);
    assertEquals([cpu.step(space).kind, cpu.pc, cpu.retired], ["fault", 0x1010, 0]);
    cpu.setReg(1, 0x3000n);
    assertEquals([cpu.step(space).kind, cpu.step(space).kind, cpu.retired], [
      "quantum",
      "syscall",
      1,
    ]);
    assertEquals(cpu.pc, 0x1018);
  });

  Deno.test(`${tier}: loads and stores, straddling two pages`, () => {
    const { cpu, space, physical } = machine([
      [Toy.store, 1, 2, 0],
      [Toy.load, 3, 2, 0],
      [Toy.load, 4, 2, 4],
      [Toy.addi, 0, 0, -1],
      [Toy.bnz, 0, 0, -4],
      [Toy.syscall, 0, 0, 0],
    ], heat);
    cpu.setReg(0, 100n);
    cpu.setReg(1, 0x1122334455667788n);
    cpu.setReg(2, 0x3ffcn);
    assertEquals(cpu.run(space, 1e6).kind, "syscall");
    assertEquals(cpu.reg(3), 0x1122334455667788n);
    assertEquals(cpu.reg(4), 0x11223344n);
    assertEquals(
      new DataView(physical.buffer).getBigUint64(RESERVED + 0x3ffc, true),
      0x1122334455667788n,
    );
  });

  Deno.test(`${tier}: a fault is precise`, () => {
    const { cpu, space } = machine([
      [Toy.addi, 1, 1, 1],
      [Toy.store, 0, 2, 0],
      [Toy.addi, 1, 1, 1],
      [Toy.add, 2, 3, 0],
      [Toy.addi, 4, 4, 1],
      [Toy.jump, 0, 0, -5],
    ], heat);
    cpu.setReg(2, 0x7000n);
    cpu.setReg(3, 0x20n);
    const exit = cpu.run(space, 1e6);
    assertEquals(exit.kind, "fault");
    if (exit.kind !== "fault") return;
    assertEquals([exit.signal, exit.code, exit.address], [11, 2, 0x8000n]);
    assertEquals([cpu.pc, cpu.retired], [0x1004, 0x80 * 6 + 1]);
    assertEquals([cpu.reg(1), cpu.reg(4)], [0x101n, 0x80n]);
  });

  Deno.test(`${tier}: flags cross blocks, jumps through registers`, () => {
    const { cpu, space } = machine([
      [Toy.addi, 1, 1, 1], // 1000
      [Toy.cmp, 1, 2, 0], // 1004
      [Toy.jr, 0, 3, 0], // 1008 -> 100c
      [Toy.blt, 0, 0, -3], // 100c
      [Toy.syscall, 0, 0, 0],
    ], heat);
    cpu.setReg(2, 500n);
    cpu.setReg(3, 0x100cn);
    assertEquals(cpu.run(space, 1e6).kind, "syscall");
    assertEquals([cpu.reg(1), cpu.retired], [500n, 2001]);
  });

  Deno.test(`${tier}: a store into the running block takes effect at once`, () => {
    const { cpu, space } = machine([
      [Toy.addi, 0, 0, -1],
      [Toy.bnz, 0, 0, -1],
      [Toy.store, 1, 2, 0], // overwrites 100c and 1010
      [Toy.addi, 4, 4, 1],
      [Toy.addi, 4, 4, 1],
      [Toy.syscall, 0, 0, 0],
    ], heat);
    cpu.setReg(0, 50n);
    // Two times `addi r5, r5, 7`.
    cpu.setReg(1, 0x07050500_07050500n);
    cpu.setReg(2, 0x100cn);
    assertEquals(cpu.run(space, 1e6).kind, "syscall");
    assertEquals([cpu.reg(4), cpu.reg(5)], [0n, 14n]);
  });

  Deno.test(`${tier}: code on another page is mapped anew, its old frame used for something else`, () => {
    const { cpu, physical } = machine([], heat);
    const space = new RemappedSpace();
    const memory = new Uint8Array(physical.buffer);
    const put = (at: number, ...code: number[][]) => memory.set(code.flat(), RESERVED + at);
    put(0x1ff8, [Toy.addi, 1, 1, 1], [Toy.jump, 0, 0, 1]);
    const rest = [[Toy.addi, 0, 0, -1], [Toy.bnz, 0, 0, -4], [Toy.syscall, 0, 0, 0]];
    const loop = () => {
      cpu.setReg(0, 1000n);
      cpu.pc = 0x1ff8;
      assertEquals(cpu.run(space, 1e6).kind, "syscall");
    };
    put(0x2000, [Toy.addi, 4, 4, 1], ...rest);
    loop();
    space.frameOfPage2 = 3;
    cpu.shootdown(space, 0x2000, 4096, true);
    cpu.frameFreed(RESERVED + 0x2000, 0x1000);
    put(0x2000, [Toy.addi, 5, 5, 7], ...rest);
    put(0x3000, [Toy.addi, 4, 4, 2], ...rest);
    loop();
    assertEquals([cpu.reg(1), cpu.reg(4), cpu.reg(5)], [2000n, 3000n, 0n]);
  });

  Deno.test(`${tier}: an instruction on two pages changes with the second one`, () => {
    const { cpu, physical } = machine([], heat);
    const space = new RemappedSpace();
    const memory = new Uint8Array(physical.buffer);
    memory.set([Toy.addi, 1, 1, 1, Toy.addi, 0, 0, -1], RESERVED + 0x1ffe);
    memory.set([...[Toy.bnz, 0, 0, -2], ...[Toy.syscall, 0, 0, 0]], RESERVED + 0x2006);
    // The same at another frame, where the first instruction adds 3.
    memory.copyWithin(RESERVED + 0x5000, RESERVED + 0x2000, RESERVED + 0x3000);
    memory[RESERVED + 0x5001] = 3;
    const added = (): number => {
      cpu.pc = 0x1ffe;
      cpu.setReg(0, 100n);
      cpu.setReg(1, 0n);
      for (let exit = "quantum"; exit !== "syscall";) exit = cpu.run(space, 37).kind;
      return cpu.regNumber(1);
    };
    const changeTo = (frame: number, by: number): void => {
      memory[RESERVED + frame * 4096 + 1] = by;
      cpu.frameWritten(RESERVED + frame * 4096 + 1, 1);
    };
    const move = (frame: number): void => {
      space.frameOfPage2 = frame;
      cpu.shootdown(space, 0x2000, 4096, true);
    };
    assertEquals(added(), 100);
    changeTo(2, 2);
    assertEquals(added(), 200);
    move(5);
    assertEquals(added(), 300);
    // What was translated from either is gone when it changes, whichever came first.
    changeTo(2, 4);
    assertEquals(added(), 300);
    changeTo(5, 5);
    assertEquals(added(), 500);
    move(2);
    assertEquals(added(), 400);
  });

  Deno.test(`${tier}: a store changes code on a page that stores reached before it held code`, () => {
    const { cpu, space, physical } = machine([
      [Toy.store, 1, 2, 0], // writes 2000 and 2004, the first time before they run
      [Toy.addi, 0, 0, -1],
      [Toy.bnz, 0, 0, -2],
      [Toy.jr, 0, 2, 0],
    ], heat);
    new Uint8Array(physical.buffer).set([Toy.syscall, 0, 0, 0], RESERVED + 0x2008);
    cpu.setReg(2, 0x2000n);
    // Two times `addi r4, r4, 1`, then two times `addi r5, r5, 7`.
    for (const code of [0x01040400_01040400n, 0x07050500_07050500n]) {
      cpu.setReg(0, 20n);
      cpu.setReg(1, code);
      cpu.pc = 0x1000;
      assertEquals(cpu.run(space, 1000).kind, "syscall");
    }
    assertEquals([cpu.reg(4), cpu.reg(5)], [2n, 14n]);
  });
}

Deno.test("time slices end anywhere in long straight code and leave few blocks", () => {
  const straight = Array.from({ length: 800 }, () => [Toy.addi, 1, 1, 1]);
  const { cpu, space } = machine([...straight, [Toy.jr, 0, 5, 0]]);
  cpu.setReg(5, 0x1000n);
  const starts = new Set<number>();
  for (let slice = 0; slice < 100; slice++) {
    starts.add(cpu.pc);
    assertEquals(cpu.run(space, 499).kind, "quantum");
  }
  assertEquals(cpu.reg(1), BigInt(100 * 499 - Math.floor(100 * 499 / 801)));
  // A slice's first block may end with a lesser alignment; the next does not.
  const unexpected = cpu.blocks.all.filter(({ pc }) => pc % 256 !== 0 && !starts.has(pc));
  assertEquals(unexpected.filter(({ pc }) => pc % 64 !== 0), []);
  assert(unexpected.length <= 800 / 64);
});

Deno.test("what ran in the cold tier is accounted for, and what regions leave out is named", () => {
  const { cpu, physical, space } = machine([], 10);
  const code = [
    [Toy.addi, 0, 0, -1], // 1ff6
    [Toy.addi, 1, 1, 1], // 1ffa
    [Toy.addi, 2, 2, 1], // 1ffe, on two pages
    [Toy.bnz, 0, 0, -3], // 2002
    [Toy.syscall, 0, 0, 0],
  ];
  new Uint8Array(physical.buffer).set(code.flat(), RESERVED + 0x1ff6);
  cpu.pc = 0x1ff6;
  cpu.setReg(0, 100n);
  let total = 0;
  for (let exit = "quantum"; exit !== "syscall"; total += cpu.retired) {
    exit = cpu.run(space, 41).kind;
  }
  assertEquals([cpu.reg(2), total], [100n, 401]);
  const { "refused.straddling.addi": straddling, ...figures } = cpu.blocks.report();
  assert(straddling > 0 && figures.refused >= straddling);
  const cold = figures["cold.warming"] + figures["cold.waiting"] + figures["cold.dropped"] +
    figures["cold.tails"];
  assertEquals(cold, total - cpu.hotRetired);
  assert(cpu.hotRetired > 0 && figures["cold.warming"] >= 4 * 9 && figures["cold.tails"] > 0);
});

Deno.test("blocks that are to be compiled sooner from some time on have what they ran counted", () => {
  const { cpu, space } = machine([
    [Toy.addi, 0, 0, -1], // 1000
    [Toy.bnz, 0, 0, -1],
    [Toy.addi, 1, 1, -1], // 1008
    [Toy.bnz, 1, 1, -3],
    [Toy.syscall, 0, 0, 0],
  ], 20_000);
  const until = (times: number) => {
    cpu.setReg(0, BigInt(times));
    cpu.setReg(1, 1n);
    cpu.pc = 0x1000;
    assertEquals(cpu.run(space, 1_000_000).kind, "syscall");
    return cpu.functions.pending;
  };
  // One block begins where the loop does, the other one where it ends.
  assertEquals(until(400), 0);
  const { heat } = cpu.blocks;
  cpu.blocks.hasten(heat - 600);
  assertEquals(until(1), 0);
  const left = heat - 600 - 401;
  assertEquals([until(left - 2), until(1), until(1)], [0, 0, 1]);
  const ran = () => {
    const figures = cpu.blocks.report();
    return figures["cold.warming"] + figures["cold.waiting"] + figures["cold.tails"];
  };
  const before = ran();
  assertEquals(until(1), 1);
  assertEquals(ran() - before, 2 + 2 + 1);
  // Some have run more than that already.
  cpu.blocks.hasten(3);
  assertEquals(ran() - before, 2 + 2 + 1);
  assertEquals(until(1), 3);
  assertEquals(ran() - before, 2 * (2 + 2 + 1));
});

Deno.test("more address spaces than have room at once", () => {
  const { cpu } = machine([
    [Toy.addi, 1, 1, 1],
    [Toy.jump, 0, 0, 1],
    [Toy.syscall, 0, 0, 0],
  ]);
  const spaces = Array.from({ length: 300 }, () => new FlatSpace());
  for (let round = 1; round <= 2; round++) {
    for (const space of spaces) {
      cpu.pc = 0x1000;
      assertEquals(cpu.run(space, 100).kind, "syscall");
    }
    assertEquals(cpu.reg(1), 300n * BigInt(round));
  }
  assertEquals(cpu.counts.translated, 2);
});
