import { assertEquals } from "@std/assert";
import { PairIndex } from "../../sim/pair_index.ts";

Deno.test("numbers of pairs are those that a map of strings gives", () => {
  const index = new PairIndex();
  let state = 1;
  const draw = (below: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return Math.floor(state / 2 ** 32 * below);
  };
  for (let round = 0; round < 2; round++) {
    const expected = new Map<string, number>();
    for (let i = 0; i < 20_000; i++) {
      const [first, second] = [draw(50) - 1, draw(100) * 2 ** 40 + draw(3)];
      const key = `${first} ${second}`;
      const known = expected.get(key) ?? expected.size;
      expected.set(key, known);
      assertEquals(index.numberOf(first, second), known);
      assertEquals([index.first(known), index.second(known)], [first, second]);
    }
    assertEquals(index.length, expected.size);
    index.clear();
  }
});
