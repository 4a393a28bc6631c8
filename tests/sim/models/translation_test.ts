/** Streamed TLBs, walk caches and ASIDs against the textbook, on random accesses. */
import { assert, assertEquals } from "@std/assert";
import { Side } from "../../../sim/models/hierarchy.ts";
import { replacements } from "../../../sim/models/associative.ts";
import { Translation } from "../../../sim/models/translation.ts";
import { TextbookTranslation } from "../../oracles/textbook_translation.ts";
import { xorshift32 } from "../../oracles/replacement.ts";

/** Addresses with locality: most near the last ones, in a space of huge and small pages. */
function* accesses(
  seed: number,
  count: number,
  [small, large, giant]: readonly [number, number, number?],
) {
  const draw = xorshift32(seed);
  const recent: number[] = [0];
  for (let i = 0; i < count; i++) {
    const far = draw() % 40 === 0;
    const base = far ? (draw() % 24) * 2 ** 32 : recent[draw() % recent.length];
    const page = 2 ** small;
    const address = base + (draw() % 24) * page + draw() % page;
    recent[draw() % 12] = Math.floor(address / page) * page;
    // What a page's size is is a function of its address.
    const gib = Math.floor(address / 2 ** 30);
    const bits = giant !== undefined && gib % 7 === 3
      ? giant
      : Math.floor(address / 2 ** large) % 3 === 1
      ? large
      : small;
    yield { address, bits, chance: draw() % 1000, space: draw() % 4, side: draw() % 2 };
    for (let j = 0; j < recent.length; j++) recent[j] ??= 0;
  }
}

/** Base pages, larger ones, and a level above that has a cache of entries besides level 1. */
const GRANULES = [
  { sizes: [12, 21, 30], upper: 3 },
  { sizes: [14, 25], upper: 3 },
  { sizes: [16, 29], upper: 2 },
] as const;

for (const { sizes, upper } of GRANULES) {
  for (const replacement of sizes[0] === 12 ? replacements : ["lru"] as const) {
    const name = `TLBs with ${replacement} and base pages of ${2 ** sizes[0] / 1024} KiB`;
    Deno.test(`${name} equal the textbook's`, () => {
      const [small, large, giant = large] = sizes;
      for (
        const [seed, asids, split] of [[7, undefined, true], [8, 2, false], [9, 0, true]] as const
      ) {
        const shape = {
          granule: small,
          itlb: [{ entries: 16, ways: 4, pageBits: [small], replacement }, {
            ...{ entries: 4, ways: 4, pageBits: [large] },
            replacement,
          }],
          dtlb: [{ entries: 32, ways: 8, pageBits: [12, 20], replacement }],
          stlb: [{ entries: 256, ways: 8, pageBits: [small, 21], replacement }, {
            ...{ entries: 8, ways: 2, pageBits: [giant] },
            replacement,
          }],
          istlb: split
            ? [{ entries: 64, ways: 2, pageBits: [small, large], replacement }]
            : undefined,
          walkCaches: [
            { level: 1, entries: 16, ways: 4, replacement },
            { level: upper, entries: 2, ways: 2, replacement },
          ],
          asids,
        };
        const read: [number, number][] = [];
        const model = new Translation(shape, (va, index) => read.push([va, index]));
        const book = new TextbookTranslation(shape);
        model.enterSpace(0);
        book.enterSpace(0);
        for (const { address, bits, chance, space, side } of accesses(seed, 20_000, sizes)) {
          const kind = side === 0 ? "fetch" : "data";
          if (chance < 5) {
            model.enterSpace(space);
            book.enterSpace(space);
          } else if (chance < 15) {
            const size = chance < 10 ? 4096 : 2 ** 24;
            model.invalidate(space, address, address + size);
            book.invalidate(space, address, address + size);
          } else if (chance < 30) {
            model.pageFault(side as Side, address);
            book.pageFault(kind, address);
          } else {
            model.access(side as Side, address, bits);
            book.access(kind, address, bits);
          }
        }
        const c = book.counters();
        assertEquals(
          [
            ...[model.counts.itlbMisses, model.counts.dtlbMisses],
            ...[model.counts.stlbAccesses, model.counts.stlbMisses],
            ...[model.faulted, model.references],
            ...model.walkCaches.map(({ hits }) => hits),
          ],
          [
            ...[c["itlb.misses"], c["dtlb.misses"], c["stlb.accesses"], c["stlb.misses"]],
            ...[c["walks.faulted"], c["walks.references"]],
            ...[c["walks.cached.1"], c[`walks.cached.${upper}`]],
          ],
        );
        assertEquals(read, book.read);
        assert(
          c["stlb.misses"] > 500 && c["stlb.misses"] + 100 < c["stlb.accesses"],
          `${JSON.stringify(c)}`,
        );
        assert(c["walks.cached.1"] > 50 && c[`walks.cached.${upper}`] > 20, JSON.stringify(c));
      }
    });
  }
}
