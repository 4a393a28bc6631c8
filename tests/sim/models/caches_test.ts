/** Streamed caches and prefetchers against the textbook, on random accesses. */
import { assert, assertEquals } from "@std/assert";
import { replacements } from "../../../sim/models/associative.ts";
import { Caches, type CachesShape } from "../../../sim/models/caches.ts";
import { prefetcherKinds } from "../../../sim/models/prefetcher.ts";
import { TextbookCaches } from "../../oracles/textbook_caches.ts";
import { xorshift32 } from "../../oracles/replacement.ts";

/** Loops over arrays of several strides, calls and random places. */
function run(seed: number, access: (level: "l1i" | "l1d", at: number, pc: number) => void): void {
  const draw = xorshift32(seed);
  const walkers = Array.from({ length: 12 }, (_, i) => ({
    at: draw() % 2 ** 20,
    stride: [8, 64, -64, 192, 4096, 24, 0, 72, 8, 640, -8, 4][i],
    pc: 0x1000 + 4 * i,
  }));
  for (let i = 0; i < 60_000; i++) {
    const w = walkers[draw() % walkers.length];
    w.at = (w.at + w.stride + 2 ** 20) % 2 ** 20;
    if (draw() % 50 === 0) w.at = draw() % 2 ** 20;
    access(draw() % 3 === 0 ? "l1i" : "l1d", w.at, w.pc);
  }
}

for (const prefetcher of prefetcherKinds) {
  for (const inclusive of [false, true]) {
    Deno.test(`caches, prefetcher ${prefetcher}, ${inclusive ? "" : "not "}inclusive`, () => {
      for (const replacement of replacements) {
        const level = (size: number, ways: number) => ({ size, ways, replacement, prefetcher });
        const shape: CachesShape = {
          l1i: level(4096, 2),
          l1d: level(8192, 4),
          l2: { ...level(16384, 8), inclusive },
          llc: { ...level(65536, 4), inclusive },
        };
        const model = new Caches(shape);
        const book = new TextbookCaches(shape);
        run(11, (name, at, pc) => {
          model[name].access(Math.floor(at / 64), 3, at, pc);
          book.access(name, at, 1, 3, pc);
        });
        const expected = book.counters();
        assertEquals(model.report(), expected, replacement);
        assert(expected["llc.misses"] > 1000);
        if (prefetcher !== "off") assert(expected["l1d.prefetches.useful"] > 1000);
      }
    });
  }
}
