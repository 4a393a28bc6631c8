import { assertEquals } from "@std/assert";
import { available } from "../../scripts/tools/command.ts";
import { guestArchitectures } from "../../scripts/tools/guests.ts";
import type { Policy } from "./replacement.ts";
import { missingForPlugin, runReference } from "./reference_plugin.ts";
import { eventKind, type Geometry, reference, Textbook } from "./textbook.ts";
import { feedTrace } from "./textbook_trace.ts";

const prebuilt = new URL("../guests/prebuilt", import.meta.url).pathname;
const cross = "aarch64-linux-gnu-gcc"; // its C library is the sysroot
const missing = await available(cross) ? await missingForPlugin() : `needs ${cross}`;

/** Only the TLBs of data matter: one fully associative level of `ways` entries. */
function dataOnly(ways: number, policy: Policy): Geometry {
  return { ...reference("x86_64"), dtlb: [{ entries: ways, ways, pageBits: [12], policy }] };
}

function missesOf(geometry: Geometry, pages: readonly number[]): number {
  const textbook = new Textbook(geometry);
  for (const page of pages) textbook.event(eventKind.load, page * 4096, 0, 8);
  return textbook.counters()["dtlb.misses"];
}

Deno.test("replacement gives the figures of Belady's and Mattson's examples", () => {
  // Belady, Nelson, Shedler 1969: more frames, more faults.
  const belady = [1, 2, 3, 4, 1, 2, 5, 1, 2, 3, 4, 5];
  assertEquals(missesOf(dataOnly(3, "fifo"), belady), 9);
  assertEquals(missesOf(dataOnly(4, "fifo"), belady), 10);
  assertEquals(missesOf(dataOnly(3, "lru"), belady), 10);
  assertEquals(missesOf(dataOnly(4, "lru"), belady), 8);
  // Silberschatz, Galvin, Gagne, Operating System Concepts, "Page Replacement".
  const silberschatz = [7, 0, 1, 2, 0, 3, 0, 4, 2, 3, 0, 3, 2, 1, 2, 0, 1, 7, 0, 1];
  assertEquals(missesOf(dataOnly(3, "fifo"), silberschatz), 15);
  assertEquals(missesOf(dataOnly(3, "lru"), silberschatz), 12);
});

Deno.test("tree-PLRU and NRU are LRU for two ways", () => {
  const pages = Array.from({ length: 5000 }, (_, i) => Math.imul(i, i + 7) % 11 % 5);
  const lru = missesOf(dataOnly(2, "lru"), pages);
  assertEquals(missesOf(dataOnly(2, "tree-plru"), pages), lru);
  assertEquals(missesOf(dataOnly(2, "nru"), pages), lru);
});

Deno.test("page sizes, straddling, invalidation and the second level", () => {
  const large = { entries: 2, ways: 2, pageBits: [21] };
  const geometry: Geometry = { ...reference("x86_64"), dtlb: [...reference("x86_64").dtlb, large] };
  const textbook = new Textbook({
    ...geometry,
    stlb: [{ entries: 1536, ways: 12, pageBits: [12, 21] }],
  });
  const huge = 2 ** 40;
  textbook.event(eventKind.pages, huge, 2 ** 21, 21);
  for (let at = 0; at < 2 ** 21; at += 4096) textbook.event(eventKind.load, huge + at, 0, 8);
  assertEquals(textbook.counters()["dtlb.misses"], 1);
  textbook.event(eventKind.store, huge - 4, 0, 8); // a 4 KiB page, then the huge one
  assertEquals(textbook.counters()["dtlb.accesses"], 514);
  assertEquals(textbook.counters()["dtlb.misses"], 2);
  textbook.event(eventKind.invalidate, huge + 4096, 4096, 0);
  textbook.event(eventKind.load, huge - 8, 0, 8);
  assertEquals(textbook.counters()["dtlb.misses"], 2);
  textbook.event(eventKind.load, huge, 0, 8);
  assertEquals(textbook.counters()["dtlb.misses"], 3);
  assertEquals(textbook.counters()["walks"], 3);
});

Deno.test("a loop's branch, an alternating target and a deep recursion", () => {
  const textbook = new Textbook(reference("aarch64"));
  for (let i = 0; i < 1000; i++) {
    textbook.event(i % 100 === 99 ? eventKind.notTaken : eventKind.taken, 4096, 2048, 4);
  }
  // After warming up, a history of 14 taken branches cannot tell the hundredth from the others.
  const { "branches.conditional.mispredicted": wrong } = textbook.counters();
  assertEquals(wrong >= 10 && wrong <= 10 + 15 + 14 * 10, true, `${wrong}`);
  for (let i = 0; i < 10; i++) textbook.event(eventKind.indirectJump, 64, i % 2 ? 128 : 256, 4);
  assertEquals(textbook.counters()["branches.indirect.mispredicted"], 10);
  for (let i = 0; i < 20; i++) textbook.event(eventKind.call, 1000 + 4 * i, 1004 + 4 * i, 4);
  for (let i = 19; i >= 0; i--) textbook.event(eventKind.return, 8, 1004 + 4 * i, 4);
  assertEquals(textbook.counters()["returns.mispredicted"], 4);
});

for (const arch of guestArchitectures) {
  Deno.test({
    name: `${arch}: textbook and QEMU plugin count the same` +
      (missing === "" ? "" : ` (skipped: ${missing})`),
    ignore: missing !== "",
  }, async () => {
    const trace = await Deno.makeTempFile();
    try {
      const root = `${prebuilt}/${arch}`;
      const sysroot = `/usr/${arch}-linux-gnu`;
      const env = { LD_PRELOAD: "libc.so.6" };
      for (const argv of [["/sieve", "3000"], ["/protect"], ["/hugepages"], ["/many/many", "30"]]) {
        const { counters, exit } = await runReference({ arch, root, sysroot, env, argv, trace });
        assertEquals(exit, 0);
        const textbook = new Textbook(reference(arch));
        const events = await feedTrace(trace, textbook);
        assertEquals(events > counters["instructions"], true);
        const twin = textbook.counters();
        for (const [name, value] of Object.entries(counters)) {
          assertEquals(twin[name], value, `${argv[0]}: ${name}`);
        }
      }
    } finally {
      await Deno.remove(trace);
    }
  });
}
