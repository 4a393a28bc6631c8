/** A ring of bytes against a plain array. */
import { assertEquals } from "@std/assert";
import { Random } from "../../../../sim/kernel/random.ts";
import { ByteRing } from "../../../../sim/kernel/fs/byte_ring.ts";

Deno.test("random puts, takes and resizes of a ring match an array", () => {
  const random = new Random(7);
  const below = (limit: number): number => {
    const bytes = new Uint8Array(4);
    random.fill(bytes);
    return new DataView(bytes.buffer).getUint32(0) % limit;
  };
  let capacity = 1000;
  const ring = new ByteRing(capacity);
  let model: number[] = [];
  for (let step = 0; step < 20_000; step++) {
    const choice = below(100);
    if (choice < 45) {
      const bytes = new Uint8Array(below(choice < 5 ? 2000 : 90));
      random.fill(bytes);
      const count = ring.put(bytes);
      assertEquals(count, Math.min(bytes.length, capacity - model.length));
      model.push(...bytes.subarray(0, count));
    } else if (choice < 95) {
      const into = new Uint8Array(below(choice < 50 ? 2000 : 90));
      const peeked = ring.peek(into);
      assertEquals([...into.subarray(0, peeked)], model.slice(0, into.length));
      const count = ring.take(into);
      assertEquals([...into.subarray(0, count)], model.splice(0, into.length));
    } else if (choice < 99) {
      capacity = Math.max(model.length, 1, below(4000));
      ring.resize(capacity);
    } else {
      ring.clear();
      model = [];
    }
    assertEquals([ring.length, ring.room, ring.capacity], [
      model.length,
      capacity - model.length,
      capacity,
    ]);
  }
});
