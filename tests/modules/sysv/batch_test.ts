/** Objects opened after the start: TLS from the surplus, initialisers of their own, errors. */
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { ElfBuilder } from "../../../lib/elf/mod.ts";
import { type LinkContext, Linker, LinkError, type Module, weak } from "../../../lib/linker/mod.ts";
import { linux } from "../../../modules/mod.ts";
import { initialisers } from "../../../modules/sysv/mod.ts";
import { MemoryTarget } from "../../lib/linker/memory_target.ts";

const folder = new URL("../../guests/prebuilt/x86_64/many/", import.meta.url).pathname;

/** A library with a thread-local block of `size` bytes that starts with `data`, and one initialiser. */
function library(soname: string, size: number, data: Uint8Array): Uint8Array {
  const builder = new ElfBuilder({ machine: "x86_64", soname });
  builder.section({ name: ".tdata", access: "w", tls: true, data, align: 32 });
  const rest = size - data.length;
  builder.section({ name: ".tbss", access: "w", tls: true, type: 8, size: rest, align: 32 });
  const text = builder.section({ name: ".text", access: "x", data: Uint8Array.of(0xc3) });
  const array = builder.section({
    name: ".init_array",
    access: "w",
    type: 14,
    data: new Uint8Array(8),
  });
  builder.pointer({ section: array }, { section: text });
  return builder.build();
}

async function started(overlay: Map<string, Uint8Array>) {
  const target = new MemoryTarget("x86_64", { overlay, call: (_target, resolver) => resolver });
  let context: LinkContext | undefined;
  const spy: Module = {
    name: "spy",
    register: () => ({ "post-load": weak((link) => void (context = link)) }),
  };
  const linker = new Linker(target, { modules: [...linux(), spy] });
  const { start } = await linker.link(`${folder}many`);
  return { target, linker, start, link: () => context! };
}

Deno.test("an object opened later gets static TLS, relocations and its own initialisers", async () => {
  const data = Uint8Array.from({ length: 40 }, (_, i) => i + 1);
  const overlay = new Map([["/late.so", library("late.so", 100, data)]]);
  const { target, linker, start, link } = await started(overlay);
  const before = linker.counters.relocations["relative"];
  const [late] = await linker.open(["/late.so"]);
  assertEquals(late.batch, 1);
  assertEquals(linker.counters.relocations["relative"], before + 1);
  // Its block lies below the thread pointer, aligned, below all others, with its bytes and zeros.
  const tls = late.elf.tls!;
  const { at: low, bytes: memory } = [...target.regions()].find(({ at, bytes }) =>
    at <= start.threadPointer! && start.threadPointer! < at + bytes.length
  )!;
  const found = findBytes(memory, data);
  assertEquals((low + found) % 32, tls.vaddr % 32);
  assertEquals([...memory.subarray(found + 40, found + 100)], new Array(60).fill(0));
  const [only, ...others] = initialisers(link(), [late]);
  assertEquals(others, []);
  assertEquals(target.read(only, 1)[0], 0xc3);
});

Deno.test("static TLS that does not fit the surplus is an error", async () => {
  const overlay = new Map([["/large.so", library("large.so", 100_000, new Uint8Array(8))]]);
  const { linker } = await started(overlay);
  const error = await assertRejects(() => linker.open(["/large.so"]), LinkError);
  assertEquals(error.where, { phase: "post-collect", module: "gnu", object: "/large.so" });
  assertStringIncludes(error.message, "the static TLS block has no room for");
});

Deno.test("undefined symbols are errors that name them", async () => {
  const builder = new ElfBuilder({ machine: "x86_64", soname: "lacking.so" });
  const section = builder.section({ name: ".data", access: "w", data: new Uint8Array(8) });
  builder.relocate({ section, type: 1, symbol: builder.symbol({ name: "nowhere" }) });
  const overlay = new Map([["/lacking.so", builder.build()]]);
  const { linker } = await started(overlay);
  const error = await assertRejects(() => linker.open(["/lacking.so"]), LinkError);
  assertEquals(
    error.message,
    "relocate: sysv: /lacking.so: /lacking.so: undefined symbol: nowhere",
  );
});

function findBytes(memory: Uint8Array, bytes: Uint8Array): number {
  for (let at = 0; at + bytes.length <= memory.length; at++) {
    if (bytes.every((byte, i) => memory[at + i] === byte)) return at;
  }
  throw new Error("the bytes are not there");
}
