/** Attribution: by function as cachegrind counts, sums as the counters, slots as objdump names them. */
import { assert, assertEquals } from "@std/assert";
import { decodeProfile } from "../oracles/pprof_reader.ts";
import { available } from "../../scripts/tools/command.ts";
import { BytesInput, CapturedOutput, Machine, type MachineOptions } from "../../mod.ts";
import type { AttributionReport } from "../../sim/study/attribution.ts";
import { foldedStacks, fullName, pprof, speedscope } from "../../sim/study/profile_formats.ts";

async function run(root: string, argv: readonly string[], options: MachineOptions) {
  const [stdout, stderr] = [new CapturedOutput(), new CapturedOutput()];
  const streams = { stdin: new BytesInput(), stdout, stderr };
  const machine = await Machine.create({
    ...{ root, linker: "guest", streams, attribution: true },
    ...options,
  });
  const result = await machine.run(argv);
  return { ...result, attribution: result.attribution! };
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

const SOURCE = `
static volatile unsigned data[4096] = {1};
__attribute__((noinline)) unsigned leaf(unsigned n) {
  unsigned sum = 0;
  for (unsigned i = 0; i < n; i++) sum += data[i * 97 % 4096]++;
  return sum;
}
__attribute__((noinline)) unsigned often(unsigned n) {
  unsigned sum = 0;
  for (unsigned i = 0; i < n; i++) sum ^= leaf(i) + 1;
  return sum;
}
__attribute__((noinline)) unsigned deep(unsigned n) { return n == 0 ? leaf(3) : deep(n - 1) + 1; }
__attribute__((noinline)) void leave(long code) {
  __asm__ volatile("syscall" : : "a"(231), "D"(code) : "rcx", "r11", "memory");
  __builtin_unreachable();
}
void _start(void) { leave((often(60) + deep(40)) & 63); }
`;
const missing = Deno.build.arch !== "x86_64"
  ? "needs an x86_64 host"
  : !await available("gcc")
  ? "needs gcc"
  : await available("valgrind")
  ? ""
  : "needs valgrind";

Deno.test({
  name: "instructions by function and by line are cachegrind's" +
    (missing === "" ? "" : ` (skipped: ${missing})`),
  ignore: missing !== "",
}, async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.chmod(folder, 0o755);
    await Deno.writeTextFile(`${folder}/calls.c`, SOURCE);
    const program = `${folder}/calls`;
    const flags = ["-O1", "-g", "-static", "-nostdlib", "-fno-optimize-sibling-calls"];
    const gcc = await new Deno.Command("gcc", {
      args: [...flags, "-o", program, `${folder}/calls.c`],
    }).output();
    assert(gcc.success, new TextDecoder().decode(gcc.stderr));
    const out = `${folder}/out`;
    await new Deno.Command("valgrind", {
      args: [
        ...["--tool=cachegrind", "--cache-sim=no", "--show-below-main=yes"],
        ...[`--cachegrind-out-file=${out}`, program],
      ],
      stderr: "null",
    }).output();
    const expected = new Map<string, number>();
    const lines = new Map<string, number>();
    let name = "", source = "";
    for (const line of (await Deno.readTextFile(out)).split("\n")) {
      if (line.startsWith("fn=")) name = line.slice(3);
      else if (line.startsWith("fl=")) source = line.slice(3);
      else if (/^\d+ \d/.test(line)) {
        const [number, count] = line.split(" ");
        expected.set(name, (expected.get(name) ?? 0) + Number(count));
        const at = `${source}:${number}`;
        lines.set(at, (lines.get(at) ?? 0) + Number(count));
      }
    }
    const { attribution } = await run(folder, ["/calls"], {
      cpu: "reference",
      maxInstructions: 1e7,
    });
    assertEquals(
      attribution.symbols.map(({ name, counts }) => [name, counts.instructions]).sort(),
      [...expected].sort(),
    );
    assertEquals(
      attribution.lines.map((l) => [`${l.name}:${l.line}`, l.counts.instructions]).sort(),
      [...lines].sort(),
    );
    // 41 calls deep, and then the leaf.
    const folded = foldedStacks(attribution, "instructions").trimEnd().split("\n");
    const deepest = folded.map((line) => line.split(";").length).reduce((a, b) => Math.max(a, b));
    assertEquals(deepest, 1 + 41 + 1);
    const calls = ["calls`_start", "calls`often", "calls`leaf"].join(";");
    const loops = folded.find((line) => line.startsWith(`${calls} `))!;
    const below = folded.filter((line) => line.includes("`deep;calls`leaf "));
    const leaf = [loops, ...below].reduce((sum, line) => sum + Number(line.split(" ")[1]), 0);
    assertEquals(leaf, expected.get("leaf"));
    // Without symbols and unwind tables, functions are where calls went.
    const [bare, stripped] = [`${folder}/bare`, `${folder}/stripped`];
    const plain = ["-fno-asynchronous-unwind-tables", "-o", bare, `${folder}/calls.c`];
    await new Deno.Command("gcc", { args: [...flags, ...plain] }).output();
    await new Deno.Command("strip", { args: ["-s", "-o", stripped, bare] }).output();
    const { stdout } = await new Deno.Command("nm", { args: [bare] }).output();
    const addresses = new Map(
      [...new TextDecoder().decode(stdout).matchAll(/^0*([0-9a-f]+) [tT] (\w+)$/gm)]
        .map(([, address, symbol]) => [symbol, `0x${address}`]),
    );
    const unnamed = await run(folder, ["/stripped"], { cpu: "reference", maxInstructions: 1e7 });
    assertEquals(
      unnamed.attribution.symbols.map(({ name, counts }) => [name, counts.instructions]).sort(),
      [...expected].map(([name, count]) => [addresses.get(name), count]).sort(),
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

for (const arch of ["x86_64", "aarch64"] as const) {
  const folder = new URL(`../guests/prebuilt/${arch}`, import.meta.url).pathname;
  for (const program of ["/signals", "/threads", "/self_modify"]) {
    Deno.test(`${arch} ${program}: inlined and streamed models tell of the same places`, async () => {
      const options = { cpu: "reference", maxInstructions: 150_000 };
      // Cores beside the first read the stream, and then it does so too.
      const { attribution: expected } = await run(folder, [program], {
        ...{ ...options, cores: ["reference"], heat: 20 },
      });
      for (const heat of [2, 200]) {
        const { attribution } = await run(folder, [program], { ...options, heat });
        assertEquals(sorted(attribution), sorted(expected), `heat ${heat}`);
      }
    });
  }
}

/** Without the order of what is equal otherwise. */
function sorted(attribution: AttributionReport): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(attribution).map(([part, of]) =>
      Array.isArray(of) ? [part, of.map((one) => JSON.stringify(one)).sort()] : [part, of]
    ),
  );
}

for (const [arch, debian] of [["x86_64", "amd64"], ["aarch64", "arm64"]] as const) {
  const root = new URL(`../../.cache/roots/bookworm-${debian}`, import.meta.url).pathname;
  const python = "/usr/bin/python3";
  const lacking = !exists(root + python)
    ? `needs ${root}${python}`
    : await available("llvm-objdump")
    ? ""
    : "needs llvm-objdump";
  Deno.test({
    name: `${arch}: what is attributed is what was counted` +
      (lacking === "" ? "" : ` (skipped: ${lacking})`),
    ignore: lacking !== "",
  }, async () => {
    const argv = [python, "-S", "-c", "print(sum(range(100)))"];
    const options = { cpu: "reference", maxInstructions: 1_000_000 };
    const { counters, attribution } = await run(root, argv, options);
    const { objects, symbols, codePages, dataPages, stacks, domains } = attribution;
    for (const event of ["instructions", "itlb.misses", "dtlb.misses", "stlb.misses"]) {
      for (const part of [domains, objects, symbols, codePages, stacks]) {
        const sum = part.reduce((n, { counts }) => n + (counts[event] ?? 0), 0);
        assertEquals(sum, counters[event], event);
      }
    }
    const onPages = dataPages.reduce((n, { counts }) => n + (counts["dtlb.misses"] ?? 0), 0);
    assertEquals(onPages, counters["dtlb.misses"]);
    assert(domains.some(({ name, counts }) => name === "linker" && counts.instructions > 50_000));

    // Slots of the linkage table: as objdump names them.
    const { stdout } = await new Deno.Command("llvm-objdump", {
      args: ["-d", "--no-show-raw-insn", "-j", ".plt", "-j", ".plt.sec", root + python],
    }).output();
    const known = [...new TextDecoder().decode(stdout).matchAll(/<(\w+@plt)>:/g)].map(([, n]) => n);
    assert(known.length > 100, `${known.length} slots`);
    const slots = symbols.filter(({ object, plt, name }) =>
      plt && name !== "[plt]" && object.includes("python")
    );
    assert(slots.length > 10, `${slots.length} slots`);
    for (const { name } of slots) assert(known.includes(name), name);

    // The formats hold the same counts.
    const folded = foldedStacks(attribution, "dtlb.misses").trimEnd().split("\n");
    assertEquals(
      folded.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0),
      counters["dtlb.misses"],
    );
    const profile = await decodeProfile(await pprof(attribution));
    const event = profile.sampleTypes.indexOf("dtlb.misses");
    assertEquals(
      profile.samples.reduce((sum, { values }) => sum + values[event], 0),
      counters["dtlb.misses"],
    );
    assertEquals(
      new Set(profile.samples.flatMap(({ functions }) => functions)),
      new Set(stacks.flatMap(({ frames }) => frames.map(fullName))),
    );
    const { profiles, shared } = speedscope(attribution, "python3") as {
      profiles: { name: string; endValue: number; weights: number[]; samples: number[][] }[];
      shared: { frames: unknown[] };
    };
    const one = profiles.find(({ name }) => name === "dtlb.misses")!;
    assertEquals(one.endValue, counters["dtlb.misses"]);
    assertEquals(one.samples.length, one.weights.length);
    assert(one.samples.flat().every((frame) => frame < shared.frames.length));
  });
}
