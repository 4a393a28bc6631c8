/** Miss curves of one pass against a TLB of each size. */
import { assert, assertEquals } from "@std/assert";
import { BytesInput, CapturedOutput, Machine, type MachineOptions, preset } from "../../../mod.ts";
import { MissCurves, missesAt } from "../../../sim/models/miss_curves.ts";
import { StackDistance } from "../../../sim/models/stack_distance.ts";
import { replacementSet, xorshift32 } from "../../oracles/replacement.ts";

/** A fully associative LRU memory of a size, as the textbook has it. */
class Lru {
  misses = 0;
  readonly #ways: (number | undefined)[];
  readonly #order;
  constructor(entries: number) {
    this.#ways = new Array(entries).fill(undefined);
    this.#order = replacementSet("lru", entries, () => 0);
  }
  access(page: number): void {
    let way = this.#ways.indexOf(page);
    if (way < 0) {
      this.misses++;
      const empty = this.#ways.indexOf(undefined);
      way = empty >= 0 ? empty : this.#order.victim();
      this.#ways[way] = page;
      this.#order.used(way, true);
    } else this.#order.used(way, false);
  }
  forget(page: number): void {
    const way = this.#ways.indexOf(page);
    if (way >= 0) this.#ways[way] = undefined;
  }
}

Deno.test("stack distances, with pages that go away, are the misses of every size", () => {
  for (const seed of [3, 4, 5]) {
    const draw = xorshift32(seed);
    const stack = new StackDistance(64);
    const sizes = Array.from({ length: 40 }, (_, i) => i + 1);
    const memories = sizes.map((entries) => new Lru(entries));
    // More accesses than times, so that they are numbered anew.
    for (let i = 0; i < 150_000; i++) {
      const page = draw() % 4 === 0 ? draw() % 60 : (i >> 6) % 50 + draw() % 5;
      if (draw() % 30 === 0) {
        stack.forget(page);
        memories.forEach((m) => m.forget(page));
      } else {
        stack.access(page);
        memories.forEach((m) => m.access(page));
      }
    }
    assertEquals(sizes.map((entries) => stack.misses(entries)), memories.map((m) => m.misses));
    assert(stack.cold > 60);
  }
});

for (const arch of ["x86_64", "aarch64"] as const) {
  Deno.test(`${arch}: curves of a run are the misses of cores with such TLBs`, async () => {
    const root = new URL(`../../guests/prebuilt/${arch}`, import.meta.url).pathname;
    for (const argv of [["/forks"], ["/hugepages"]]) {
      const run = async (options: MachineOptions) => {
        const [stdout, stderr] = [new CapturedOutput(), new CapturedOutput()];
        const streams = { stdin: new BytesInput(), stdout, stderr };
        const machine = await Machine.create({
          root,
          streams,
          maxInstructions: 400_000,
          ...options,
        });
        return await machine.run(argv);
      };
      const curves = new MissCurves({ pageBits: [12] });
      await run({ readers: [curves] });
      const find = (side: string, bits: number) =>
        curves.curves().find((c) => c.mapped && c.side === side && c.pageBits === bits);
      for (const entries of [1, 2, 3, 4, 7, 16, 64]) {
        const level = [12, 21].map((bits) => ({ entries, ways: entries, pageBits: [bits] }));
        const cpu = { ...preset("reference"), tlb: { itlb: level, dtlb: level, stlb: level } };
        const { counters } = await run({ cpu });
        const sum = (side: string) =>
          [12, 21].reduce((n, bits) => {
            const curve = find(side, bits);
            return n + (curve === undefined ? 0 : missesAt(curve, entries));
          }, 0);
        assertEquals(sum("instructions"), counters["itlb.misses"], `${argv} ${entries}`);
        assertEquals(sum("data"), counters["dtlb.misses"], `${argv} ${entries}`);
      }
      const [asIf] = curves.curves().filter((c) => !c.mapped && c.side === "data");
      assert(asIf.accesses > 1000 && asIf.misses.at(-1) === asIf.cold);
    }
  });
}
