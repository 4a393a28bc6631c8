/**
 * Pages that are replaced in the modelled TLB while a block uses them: random loops of clustered accesses to more pages
 * than a small level 1 holds, against the textbook simulator.
 */
import { assert, assertEquals } from "@std/assert";
import { Access, type CpuSpace } from "../../../sim/cpu/cpu.ts";
import { Engine, type EngineOptions } from "../../../sim/cpu/engine.ts";
import { RESERVED } from "../../../sim/cpu/layout.ts";
import { type Preset, preset } from "../../../sim/models/preset.ts";
import { eventKind, Textbook, type TlbGeometry } from "../../oracles/textbook.ts";
import { xorshift32 } from "../../oracles/replacement.ts";
import { Toy, toy } from "./toy_isa.ts";

/** Code on page 1, addresses to use on page 2, and data on the pages from 3 on. */
const CODE = 0x1000;
const TABLE = 0x2000;
const PAGES = 40;
/** Iterations of the loop; those of the outer one go through the same addresses. */
const INNER = 128;
const OUTER = 12;
/** Registers: counts of both loops, the place in the table, pointers, and one to load into. */
const [LEFT, AGAIN, AT, FIRST_POINTER, LOADED] = [0, 1, 2, 3, 15];
const POINTERS = 4;

/** Bytes of memory. */
const END = RESERVED + (1 << 20);

/** Code and table lie at physical memory's start; the frames of data go down from its end. */
class HighSpace implements CpuSpace {
  readonly id = 1;
  readonly resolved = { physical: 0, pageShift: 12, writable: true };
  peekExecutable(va: number): number {
    return RESERVED + va;
  }
  resolve(va: number, _access: Access): number {
    const page = Math.floor(va / 4096);
    this.resolved.physical = page < 3 ? RESERVED + va : END - 4096 * (page - 2) + va % 4096;
    return page < PAGES ? 0 : (11 << 8) | 1;
  }
}

/** A loop of random loads and stores near addresses from a table, over and over. */
function randomLoop(draw: () => number): { code: number[][]; table: BigUint64Array } {
  const below = (n: number): number => draw() % n;
  const accesses = Array.from({ length: 4 + below(20) }, () => [
    below(3) === 0 ? Toy.store : Toy.load,
    LOADED,
    FIRST_POINTER + below(POINTERS),
    8 * (below(8) - 4),
  ]);
  const body = [
    ...Array.from({ length: POINTERS }, (_, i) => [Toy.load, FIRST_POINTER + i, AT, 8 * i]),
    ...accesses,
    [Toy.addi, AT, AT, 8 * POINTERS],
    [Toy.addi, LEFT, LEFT, -1],
  ];
  const code = [
    ...body,
    [Toy.bnz, LEFT, 0, -body.length],
    // All the way back: immediates are small.
    ...Array.from({ length: 8 * POINTERS * INNER / 128 }, () => [Toy.addi, AT, AT, -128]),
    [Toy.addi, LEFT, LEFT, 64],
    [Toy.addi, LEFT, LEFT, 64],
    [Toy.addi, AGAIN, AGAIN, -1],
  ];
  code.push([Toy.bnz, AGAIN, 0, -code.length], [Toy.syscall, 0, 0, 0]);
  // Now and then near a page's end, so that accesses lie on two.
  const table = BigUint64Array.from({ length: POINTERS * INNER }, () => {
    const page = 3 + below(PAGES - 4);
    return BigInt(4096 * page + (below(50) === 0 ? 4092 : 64 + 8 * below(480)));
  });
  return { code, table };
}

function machine({ code, table }: ReturnType<typeof randomLoop>, options: Partial<EngineOptions>) {
  const pages = END / 65536;
  const physical = new WebAssembly.Memory({ initial: pages, maximum: pages });
  new Uint8Array(physical.buffer).set(code.flat(), RESERVED + CODE);
  new BigUint64Array(physical.buffer, RESERVED + TABLE).set(table);
  const cpu = new Engine({ isa: toy, physical, batch: 1, ...options });
  cpu.pc = CODE;
  cpu.setReg(LEFT, BigInt(INNER));
  cpu.setReg(AGAIN, BigInt(OUTER));
  cpu.setReg(AT, BigInt(TABLE));
  return { cpu, space: new HighSpace() };
}

/** The textbook's counters, fed one instruction after the other. */
function textbookCounters(loop: ReturnType<typeof randomLoop>, core: Preset) {
  const book = new Textbook({ ...core.tlb, historyBits: 14, pcShift: 0, ...targets(core) });
  const { cpu, space } = machine(loop, {
    observe: (address, size, write) =>
      book.event(write ? eventKind.store : eventKind.load, address, 0, size),
  });
  for (;;) {
    const { pc } = cpu;
    book.event(eventKind.fetch, pc, 0, 4);
    if (cpu.run(space, 1).kind === "syscall") return book.counters();
    if (loop.code[(pc - CODE) / 4][0] !== Toy.bnz) continue;
    book.event(cpu.pc === pc + 4 ? eventKind.notTaken : eventKind.taken, pc, cpu.pc, 4);
  }
}

const targets = ({ targetBuffer, returnStack }: Preset) => ({ targetBuffer, returnStack });

function coreOf(dtlb: TlbGeometry, stlb: TlbGeometry): Preset {
  const reference = preset("reference");
  const { tlb } = reference;
  return { ...reference, name: "small", tlb: { ...tlb, dtlb: [dtlb], stlb: [stlb] } };
}
const tlb = (entries: number, ways: number): TlbGeometry => ({ entries, ways, pageBits: [12] });

for (
  const [name, core] of Object.entries({
    "one set of four": coreOf(tlb(4, 4), tlb(16, 4)),
    "two sets of eight": coreOf(tlb(16, 8), tlb(24, 12)),
    "four sets of four": coreOf(tlb(16, 4), tlb(32, 2)),
  })
) {
  Deno.test(`pages that a block uses are replaced meanwhile: ${name}`, () => {
    const draw = xorshift32(2463534242);
    let refilled = 0;
    for (let i = 0; i < 12; i++) {
      const loop = randomLoop(draw);
      const expected = textbookCounters(loop, core);
      for (const heat of [undefined, 10, 40]) {
        const { cpu, space } = machine(loop, { heat, preset: core });
        let total = 0;
        for (let done = false; !done; total += cpu.retired) {
          done = cpu.run(space, 1 + draw() % 5000).kind === "syscall";
        }
        const counters = cpu.watch!.report(total);
        for (const [name, count] of Object.entries(expected)) {
          assertEquals(counters[name], count, `${name} of loop ${i}, heat ${heat}`);
        }
        if (heat === 10) refilled += counters["dtlb.misses"] - cpu.counts.loadMisses;
      }
    }
    assert(refilled > 0, "the host saw all misses");
  });
}
