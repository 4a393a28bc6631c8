import { assert, assertEquals } from "@std/assert";
import {
  buildCommon,
  instrumentations,
  isaOf,
  keysOf,
  listOf,
} from "../../../scripts/tools/common_handlers.ts";
import type { Arch } from "../../../sim/arch.ts";
import { isCurrent, packInfo, unpackCommon, unpackInfo } from "../../../sim/cpu/common_handlers.ts";
import type { CpuSpace } from "../../../sim/cpu/cpu.ts";
import { Engine } from "../../../sim/cpu/engine.ts";
import type { Isa } from "../../../sim/cpu/ir/decoded.ts";
import { RESERVED } from "../../../sim/cpu/layout.ts";
import { preset, presets } from "../../../sim/models/preset.ts";

/** Physical memory's first pages at their numbers. */
const space: CpuSpace = {
  id: 1,
  resolved: { physical: 0, pageShift: 12, writable: true },
  peekExecutable: (va) => RESERVED + va,
  resolve(va) {
    this.resolved.physical = RESERVED + va;
    return 0;
  },
};

/** Programs that use helpers on the host and in IR, flags across blocks and memory; then a syscall. */
const programs: Record<Arch, string> = {
  // mov eax,0; cpuid; mov edx,3; mov ecx,7; div rcx; mov ecx,100; push rcx; sub ecx,1; jne; syscall
  x86_64: "b800000000 0fa2 ba03000000 b907000000 48f7f1 b964000000 51 83e901 75fb 0f05",
  // mov x0,#100; subs x0,x0,#1; b.ne; mov x1,#7; scvtf d0,x1; fcmp d0,d0; str x1,[sp]; svc #0
  aarch64: "800c80d2 000400f1 e1ffff54 e10080d2 2000629e 0020601e e10300f9 010000d4",
};

/** Registers, counters and modules made after `program` ran. */
function run(isa: Isa, models: boolean): { state: Uint8Array; counts: unknown; modules: number } {
  // Not the memory size that handlers are built for.
  const pages = RESERVED / 65536 + 16;
  const physical = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const code = Uint8Array.fromHex(programs[isa.arch].replaceAll(" ", ""));
  new Uint8Array(physical.buffer).set(code, RESERVED + 0x1000);
  const cpu = new Engine({ isa, physical, preset: models ? preset("reference") : undefined });
  cpu.pc = 0x1000;
  cpu.setReg(isa.arch === "x86_64" ? 4 : 31, 0x3000n);
  assertEquals(cpu.run(space, 1e6).kind, "syscall");
  const counts = cpu.watch?.report(cpu.retired) ?? cpu.retired;
  return { state: cpu.stateBytes.slice(), counts, modules: cpu.handlers.modules };
}

for (const arch of ["x86_64", "aarch64"] as const) {
  const isa = await isaOf(arch);
  const keys = keysOf(isa, await Deno.readTextFile(listOf(arch)));

  for (const models of [true, false]) {
    const name = `${arch} ${models ? "with" : "without"} models`;
    const variants = models ? instrumentations(arch) : [null];

    Deno.test(`${name}: common handlers do what handlers made on demand do`, () => {
      const common = unpackCommon(buildCommon(isa, keys, variants));
      const ahead = run({ ...isa, common }, models);
      const demand = run(isa, models);
      assertEquals(ahead.counts, demand.counts);
      assertEquals(ahead.state, demand.state);
      assertEquals(ahead.modules, 3, "runtime, functions, handlers: nothing was made on demand");
      assert(demand.modules > 3);
    });
  }

  Deno.test(`${arch}: common handlers are the same for all models`, () => {
    const of = (historyBits: number) =>
      buildCommon(isa, keys, [{
        historyBits,
        pcShift: 0,
        targets: { sets: 4, ways: 2 },
        tlbs: null,
        returnStack: 4,
        branches: true,
        sites: false,
      }])
        .handlers;
    assertEquals(of(10), of(14));
    assert(buildCommon(isa, keys, [null]).handlers !== of(14));
  });

  Deno.test(`${arch}: the runtime of every preset is made ahead`, async () => {
    const memory = new WebAssembly.Memory({ initial: 16400, maximum: 16400 });
    const { file } = arch === "x86_64"
      ? await import("../../../sim/cpu/common/x86_64_models.ts")
      : await import("../../../sim/cpu/common/aarch64_models.ts");
    for (const preset of presets) {
      const { watch } = new Engine({ isa, physical: memory, preset });
      assert(unpackCommon(file).runtime(watch!.instrumentation) !== undefined, preset.name);
    }
  });
}

Deno.test("handlers made from other sources are not used", async () => {
  const { file } = await import("../../../sim/cpu/common/x86_64_plain.ts");
  assertEquals(isCurrent({ ...file, hash: (file.hash + 1) % 2 ** 32 }), false);
  assertEquals(isCurrent({ ...file, sources: [...file.sources, "no_such_file.ts"] }), false);
});

Deno.test("a handler's properties in 32 bits", () => {
  for (const kindSet of [-2, -1, 0, 41]) {
    for (const readsFlags of [true, false]) {
      const properties = { loads: 255, stores: 3, readsFlags, kindSet, updates: !readsFlags };
      assertEquals(unpackInfo(packInfo(properties)), properties);
    }
  }
});
