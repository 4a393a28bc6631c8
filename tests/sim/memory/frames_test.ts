import { assert, assertEquals, assertThrows } from "@std/assert";
import { FrameKind, Frames } from "../../../sim/memory/frames.ts";
import { granuleOf } from "../../../sim/memory/granule.ts";
import { Memory } from "../../../sim/memory/memory.ts";
import { MemoryError, PhysicalMemory } from "../../../sim/memory/physical_memory.ts";
import { MIB, numbers } from "./fixtures.ts";

const GRANULE = granuleOf("x86_64");

Deno.test("blocks never overlap, are aligned, zero on request, and merge again", () => {
  const physical = new PhysicalMemory(32 * MIB);
  const frames = new Frames(physical, GRANULE);
  const random = numbers(3);
  const owner = new Map<number, number>();
  const blocks: [number, number][] = [];
  const start = frames.inUse;
  let refusals = 0;
  for (let step = 0; step < 6000; step++) {
    if (random(100) < (step < 3000 ? 60 : 40)) {
      const order = random(8) === 0 ? random(10) : random(3);
      const frame = frames.allocateZeroed(order, FrameKind.Anonymous);
      if (frame === 0) {
        refusals++;
        continue;
      }
      assertEquals(frame % (1 << order), 0);
      for (let f = frame; f < frame + (1 << order); f++) {
        assert(!owner.has(f), "a frame has one owner");
        owner.set(f, step);
        const bytes = physical.bytes(f * 4096, 4096);
        assertEquals(bytes[0] | bytes[4095], 0);
        bytes.fill(0xff);
      }
      blocks.push([frame, order]);
    } else if (blocks.length > 0) {
      const [[frame, order]] = blocks.splice(random(blocks.length), 1);
      for (let f = frame; f < frame + (1 << order); f++) {
        frames.release(f);
        owner.delete(f);
      }
    }
    assertEquals(frames.inUse, start + owner.size);
  }
  assert(refusals > 0, "memory was exhausted on the way");
  for (const f of owner.keys()) frames.release(f);
  assertEquals(frames.inUse, start);
  let huge = 0;
  while (frames.allocate(9, FrameKind.Anonymous) !== 0) huge++;
  assertEquals(
    huge,
    Math.floor((frames.count - start) / GRANULE.hugeFrames),
    "all merged to 2 MiB",
  );
});

Deno.test("a frame goes back with its last reference, and the watcher is told", () => {
  const frames = new Frames(new PhysicalMemory(8 * MIB), GRANULE);
  const freed: number[] = [];
  frames.onFree = (physical) => freed.push(physical);
  const frame = frames.allocate(0, FrameKind.File);
  frames.refs[frame]++;
  frames.release(frame);
  assertEquals(freed, []);
  frames.release(frame);
  assertEquals(freed, [frame * 4096]);
  assertEquals(frames.peak, frames.inUse + 1);
});

Deno.test("sizes and pools that do not fit are refused by name", () => {
  assertThrows(() => new PhysicalMemory(5 * MIB), MemoryError);
  assertThrows(() => new PhysicalMemory(8 * MIB + 4096), MemoryError);
  assertThrows(() => new Memory({ arch: "x86_64", bytes: 64 * MIB, hugePages1G: 1 }), MemoryError);
  assertThrows(() => new Memory({ arch: "x86_64", bytes: 8 * MIB, hugePages2M: 5 }), MemoryError);
});
