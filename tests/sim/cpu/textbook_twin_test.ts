/**
 * Truth of the models: the program's own access trace, one instruction at a time, through a textbook
 * simulator, against the counters of the cold tier, the hot tier, and promotion at odd moments.
 */
import { assert, assertEquals } from "@std/assert";
import { ElfFile } from "../../../lib/elf/mod.ts";
import type { Arch } from "../../../sim/arch.ts";
import { Access } from "../../../sim/cpu/cpu.ts";
import { aarch64 } from "../../../sim/cpu/aarch64/isa.ts";
import { Engine, type EngineOptions } from "../../../sim/cpu/engine.ts";
import { Decoded, Flow } from "../../../sim/cpu/ir/decoded.ts";
import { x86_64 } from "../../../sim/cpu/x86_64/isa.ts";
import { AddressSpace } from "../../../sim/memory/address_space.ts";
import { Memory } from "../../../sim/memory/memory.ts";
import { preset } from "../../../sim/models/preset.ts";
import { eventKind, type Geometry, reference, Textbook } from "../../oracles/textbook.ts";

const LIMIT = 300_000;
/** Instructions from one fork to the next; its child exits half-way. */
const FORK_PERIOD = 40_000;

/** A static program on a bare engine: write is swallowed, exit ends, mmap and munmap work, all else is ENOSYS. */
class Bare {
  readonly cpu: Engine;
  readonly space: AddressSpace;
  constructor(arch: Arch, name: string, options: Partial<EngineOptions>) {
    const path = new URL(`../../guests/prebuilt/${arch}/${name}`, import.meta.url);
    const elf = ElfFile.parse(Deno.readFileSync(path), name);
    const memory = new Memory({ arch, bytes: 64 << 20 });
    const isa = arch === "x86_64" ? x86_64 : aarch64;
    this.cpu = new Engine({ isa, physical: memory.physical.memory, ...options });
    memory.observer = {
      pageFault: (space, va, access) => {
        this.onFault(va, access);
        this.cpu.pageFault(space, va, access);
      },
      shootdown: (space, va, size, code) => {
        this.onShootdown(va, size);
        this.cpu.shootdown(space, va, size, code);
      },
      frameWritten: this.cpu.frameWritten.bind(this.cpu),
      frameFreed: this.cpu.frameFreed.bind(this.cpu),
      spaceFreed: this.cpu.spaceFreed.bind(this.cpu),
    };
    this.space = new AddressSpace(memory);
    for (const s of elf.segments) {
      if (s.type !== 1) continue;
      const from = Math.floor(s.vaddr / 4096) * 4096;
      const size = Math.ceil((s.vaddr + s.memsz) / 4096) * 4096 - from;
      this.space.mmap(from, size, 7, 0x32);
      this.space.copyOut(s.vaddr, elf.bytes.subarray(s.offset, s.offset + s.filesz));
    }
    const stack = 0x7000_0000;
    this.space.mmap(stack - 0x10000, 0x10000, 3, 0x32);
    const words = new BigUint64Array([1n, BigInt(stack - 64), 0n, 0n, 6n, 4096n, 0n, 0n]);
    this.space.copyOut(stack - 4096, new Uint8Array(words.buffer));
    this.cpu.setRegNumber(arch === "x86_64" ? 4 : 31, stack - 4096);
    this.cpu.pc = elf.header.entry;
  }
  onShootdown: (va: number, size: number) => void = () => {};
  onFault: (va: number, access: Access) => void = () => {};

  /** Between fork and exit of a child, pages that are written are copied; after it, they are reused. */
  forkAndExit(instructions: number): void {
    if (instructions % FORK_PERIOD === 0) {
      const child = this.space.fork();
      if (typeof child === "number") throw new Error(`fork: ${child}`);
      this.#child = child;
    } else if (instructions % FORK_PERIOD === FORK_PERIOD / 2) this.#child?.release();
  }
  #child: AddressSpace | undefined;

  /** Run at most `budget` instructions; false at the program's end. */
  step(budget: number): boolean {
    const exit = this.cpu.run(this.space, budget);
    if (exit.kind !== "syscall") {
      assert(exit.kind === "quantum" || exit.kind === "yield", JSON.stringify(exit, String));
      return true;
    }
    const x86 = this.cpu.arch === "x86_64";
    const number = this.cpu.regNumber(x86 ? 0 : 8);
    if (x86 ? number === 231 || number === 60 : number === 94 || number === 93) return false;
    const argument = (i: number): number => this.cpu.regNumber(x86 ? [7, 6, 2, 10][i] : i);
    const result = number === (x86 ? 1 : 64)
      ? argument(2)
      : number === (x86 ? 9 : 222)
      ? this.space.mmap(argument(0), argument(1), argument(2), argument(3))
      : number === (x86 ? 11 : 215)
      ? this.space.munmap(argument(0), argument(1))
      : -38;
    this.cpu.setRegNumber(0, result);
    return true;
  }
}

/** The textbook's counters over a trace made one instruction at a time. */
function textbookCounters(arch: Arch, name: string, geometry: Geometry): Record<string, number> {
  const book = new Textbook(geometry);
  const bare = new Bare(arch, name, {
    observe: (address, size, write) =>
      book.event(write ? eventKind.store : eventKind.load, address, 0, size),
  });
  bare.onShootdown = (va, size) => book.event(eventKind.invalidate, va, size, 0);
  const isa = bare.cpu.isa;
  bare.onFault = (va, access) => {
    book.event(access === Access.Execute ? eventKind.fetchFault : eventKind.dataFault, va, 0, 0);
  };
  const d = new Decoded();
  const bytes = new Uint8Array(16);
  for (let n = 0; n < LIMIT; n++) {
    bare.forkAndExit(n);
    const { pc } = bare.cpu;
    assertEquals(bare.space.resolve(pc, Access.Execute), 0);
    bare.space.copyIn(pc, bytes);
    assert(isa.decode(bytes, 0, 15, pc, d));
    assertEquals(bare.space.resolve(pc + d.length - 1, Access.Execute), 0);
    const { flow, length, target } = d;
    book.event(eventKind.fetch, pc, 0, length);
    const running = bare.step(1);
    const to = bare.cpu.pc;
    if (flow === Flow.Branch) {
      book.event(to === target ? eventKind.taken : eventKind.notTaken, pc, to, length);
    } else if (flow === Flow.Call) book.event(eventKind.call, pc, to, length);
    else if (flow === Flow.IndirectJump) book.event(eventKind.indirectJump, pc, to, length);
    else if (flow === Flow.IndirectCall) book.event(eventKind.indirectCall, pc, to, length);
    else if (flow === Flow.Return) book.event(eventKind.return, pc, to, length);
    if (!running) break;
  }
  return book.counters();
}

/** The engine's counters with tier and quantum as given. */
function engineCounters(
  arch: Arch,
  name: string,
  core: string,
  heat: number,
  quantum: () => number,
): { counters: Record<string, number>; hot: number } {
  const bare = new Bare(arch, name, { heat, batch: 1, preset: preset(core) });
  let total = 0;
  const half = FORK_PERIOD / 2;
  for (let running = true; running && total < LIMIT;) {
    if (total % half === 0) bare.forkAndExit(total);
    running = bare.step(Math.min(quantum(), half - total % half));
    total += bare.cpu.retired;
  }
  return { counters: bare.cpu.watch!.report(total), hot: bare.cpu.hotRetired / total };
}

const geometries: Record<string, (arch: Arch) => Geometry> = {
  reference,
  "neoverse-n1": (arch) => {
    const p = preset("neoverse-n1");
    return {
      ...p.tlb,
      historyBits: 14,
      pcShift: arch === "aarch64" ? 2 : 0,
      targetBuffer: p.targetBuffer,
      returnStack: p.returnStack,
    };
  },
};

for (const arch of ["x86_64", "aarch64"] as const) {
  for (const [program, core] of [["sieve", "reference"], ["kernel", "neoverse-n1"]]) {
    Deno.test(`${arch} ${program}: counters equal the textbook's (${core})`, async (t) => {
      const expected = textbookCounters(arch, program, geometries[core](arch));
      assert(expected["walks.faulted"] > 0);
      const check = (counters: Record<string, number>): void => {
        for (const [name, count] of Object.entries(expected)) {
          assertEquals(counters[name], count, name);
        }
      };
      await t.step("cold tier", () => {
        check(engineCounters(arch, program, core, Infinity, () => 100_000).counters);
      });
      await t.step("hot tier", () => {
        const { counters, hot } = engineCounters(arch, program, core, 5, () => 100_000);
        check(counters);
        assert(hot > 0.5, `only ${hot} of the instructions were hot`);
      });
      await t.step("functions of blocks, then regions", () => {
        const { counters, hot } = engineCounters(arch, program, core, 999, () => 5000);
        check(counters);
        assert(hot > 0.5, `only ${hot} of the instructions were hot`);
      });
      await t.step("promotion at odd moments", () => {
        let x = 12345;
        const quantum = () => 1 + (x = (x * 1103515245 + 12345) & 0x7fffffff) % 997;
        for (const heat of [50, 800]) {
          check(engineCounters(arch, program, core, heat, quantum).counters);
        }
      });
    });
  }
}
