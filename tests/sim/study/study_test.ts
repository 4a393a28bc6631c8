import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  compare,
  ifed,
  linux,
  Machine,
  measure,
  type Module,
  report,
  RoiError,
  StudyError,
  sweep,
  weak,
} from "../../../mod.ts";
import { manyGuest } from "../../../scripts/experiments/guests_data.ts";
import { median, spreadOf } from "../../../sim/study/layouts.ts";
import { type Column, formatChange, renderTable } from "../../../sim/study/table.ts";
import { VERSION } from "../../../lib/version.ts";
import deno from "../../../deno.json" with { type: "json" };
import expected from "../../guests/expected.json" with { type: "json" };

const short = expected.find(({ program, args }) => program === "many/many" && args[0] === "1")!;
const argv = ["/many/many", ...short.args];

Deno.test("the version is that of deno.json", () => {
  assertEquals(VERSION, deno.version);
});

Deno.test("a change is in percent of the base", () => {
  assertEquals(formatChange(200, 100), "-50.0%");
  assertEquals(formatChange(1000, 1012), "+1.20%");
  assertEquals(formatChange(7, 7), "=");
  assertEquals(formatChange(0, 12), "+12");
});

Deno.test("a table has a row a counter, a value and a change a variant", () => {
  const columns: Column[] = [
    { name: "base", counters: { walks: 1000, loads: 5 } },
    { name: "other", counters: { walks: 900 }, noise: new Set(["walks"]) },
  ];
  assertEquals(
    renderTable(columns, ["walks", "loads"]),
    "        base  other\nwalks  1,000    900  ~-10.0%\nloads      5      0  -100.0%",
  );
  assertEquals(renderTable(columns, ["wolks"]), "       base  other\nwolks     -");
});

Deno.test("pairs that disagree on the sign are noise", () => {
  assertEquals(median([5, 1, 9, 3]), 4);
  assertEquals(spreadOf([[10, 8], [10, 7], [12, 11]]), {
    ...{ median: -2, least: -3, most: -1, base: 10, noise: false },
  });
  assertEquals(spreadOf([[10, 8], [10, 11]]).noise, true);
  assertEquals(spreadOf([[10, 10], [9, 9]]).noise, false);
});

for (const arch of ["x86_64", "aarch64"] as const) {
  Deno.test(`compare on ${arch}: equal output, the difference of the modules, a manifest`, async () => {
    const machine = { root: await manyGuest(arch), cpu: "neoverse-n1", seed: 1, modules: linux() };
    const seen = new Map<string, number>();
    const audit: Module = {
      name: "audit",
      register: () => ({ "post-load": weak((link, o) => void seen.set(o.soname, link.base(o))) }),
    };
    const { base, variant, table, warnings } = await compare(argv, machine, {
      ...machine,
      modules: [...linux(), ifed.concatenate(), audit],
    });
    assertEquals([base.stdout, variant.stdout], [short.stdout, short.stdout]);
    assertEquals(warnings, []);
    assertEquals(base.counters.instructions, variant.counters.instructions);
    assert(variant.counters["faults.minor"] < base.counters["faults.minor"]);
    assertEquals(table("walks").split("\n").length, 2);
    // One area for all: the objects lie within one huge page or two.
    const places = [...seen.values()];
    assertEquals(places.length, 29);
    assert(Math.max(...places) - Math.min(...places) < 2 ** 22);

    const { manifest } = variant;
    assertEquals([manifest.arch, manifest.cpu, manifest.linker], [arch, "neoverse-n1", "modular"]);
    assertEquals(manifest.modules?.slice(-2), ["ifed.concatenate", "audit"]);
    assert(manifest.plan !== base.manifest.plan);
    const files = machine.root;
    const bytes = Uint8Array.from(files.get("/many/lib/libm03.so")!);
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    const hex = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
    assertEquals(base.manifest.files["/many/lib/libm03.so"], hex);
  });
}

Deno.test("the same machine gives the same result, bit for bit", async () => {
  const machine = { root: await manyGuest("x86_64"), cpu: "reference", modules: linux() };
  const { results, table } = await sweep({ argv, machines: { one: machine, two: machine } });
  assertEquals(results.one.counters, results.two.counters);
  assertEquals(results.one.estimated, results.two.estimated);
  assertEquals(results.one.manifest, results.two.manifest);
  assertStringIncludes(table("instructions"), "=");
  assertStringIncludes(report(results.one), "itlb.misses");
});

Deno.test("layouts move the program", async () => {
  const machine = { root: await manyGuest("aarch64"), cpu: "reference" };
  const bases = new Set<number>();
  const audit: Module = {
    name: "audit",
    register: () => ({ "post-load": weak((link, o) => void bases.add(link.base(o))) }),
  };
  const { spreads, table } = await compare(
    argv,
    { ...machine, modules: [...linux(), audit] },
    { ...machine, modules: [...linux(), ifed.eliminateBranches()] },
    { layouts: 3 },
  );
  assertEquals(bases.size, 3 * 29);
  const indirect = spreads!["branches.indirect"];
  assert(indirect.most < 0 && !indirect.noise);
  assertStringIncludes(table("branches.indirect"), "3 layouts");
});

Deno.test("runs that end differently do not compare", async () => {
  const root = await manyGuest("x86_64");
  const error = await assertRejects(
    () =>
      compare(argv, { root, modules: linux() }, { root, modules: linux(), maxInstructions: 100 }),
    StudyError,
  );
  assertStringIncludes(error.message, "base exits with 0, variant with 124");
});

Deno.test("counters of a region add up to those of the whole", async () => {
  const machine = { root: await manyGuest("x86_64"), cpu: "reference", modules: linux() };
  const whole = await measure(argv, machine);
  const total = whole.counters.instructions;
  const cut = 3001;
  const part = (from: number, to: number) =>
    measure(argv, { ...machine, roi: { from: { instruction: from }, to: { instruction: to } } });
  const first = await part(0, cut);
  const second = await part(cut, total);
  assertEquals(first.counters.instructions, cut);
  for (const name of ["instructions", "loads", "stores", "itlb.misses", "dtlb.misses", "walks"]) {
    assertEquals(first.counters[name] + second.counters[name], whole.counters[name], name);
  }
  const error = await assertRejects(() => part(0, total + 1), RoiError);
  assertStringIncludes(error.message, 'before the region\'s "to"');
});

Deno.test("system call hooks see and replace calls", async () => {
  const machine = await Machine.create({ root: await manyGuest("x86_64"), modules: linux() });
  let entered = 0;
  machine.syscalls.on("write", { enter: () => entered++, call: (_call, args) => args[2] });
  const result = await machine.run(argv);
  assertEquals(result.exit, 0);
  assertEquals(entered, result.counters["syscalls.write"]);
});
