/** Caches against cachegrind's, of the same geometry, on the same programs. */
import { assert } from "@std/assert";
import { available } from "../../../scripts/tools/command.ts";
import { BytesInput, CapturedOutput, Machine } from "../../../mod.ts";
import { CompiledCore } from "../../../sim/models/compiled_core.ts";
import { preset } from "../../../sim/models/preset.ts";
import type { CachesShape } from "../../../sim/models/caches.ts";

const missing = Deno.build.arch !== "x86_64"
  ? "needs an x86_64 host"
  : await available("valgrind")
  ? ""
  : "needs valgrind";
const root = new URL("../../guests/prebuilt/x86_64", import.meta.url).pathname;

/** Small, so that small programs miss. */
const caches: CachesShape = {
  indexed: "virtual",
  l1i: { size: 512, ways: 2 },
  l1d: { size: 4096, ways: 4 },
  llc: { size: 65536, ways: 8 },
};
const PROGRAMS = [["/sieve", "30000"], ["/crc"], ["/sha256"], ["/kernel"], ["/hugepages"]];

interface Misses {
  readonly l1i: number;
  readonly l1d: number;
  readonly llc: number;
}

async function cachegrind(argv: readonly string[]): Promise<Misses> {
  const option = (name: string, { size, ways }: { size: number; ways: number }) =>
    `--${name}=${size},${ways},64`;
  const { stderr } = await new Deno.Command("valgrind", {
    args: [
      ...["--tool=cachegrind", "--cache-sim=yes", "--cachegrind-out-file=/dev/null"],
      ...[option("I1", caches.l1i), option("D1", caches.l1d), option("LL", caches.llc!)],
      ...[root + argv[0], ...argv.slice(1)],
    ],
    clearEnv: true,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  const text = new TextDecoder().decode(stderr);
  const count = (name: string): number => {
    const [, digits] = new RegExp(`${name}\\s+misses:\\s+([\\d,]+)`).exec(text) ?? [];
    if (digits === undefined) throw new RangeError(`cachegrind says nothing of ${name}: ${text}`);
    return Number(digits.replaceAll(",", ""));
  };
  return { l1i: count("I1"), l1d: count("D1"), llc: count("LL") };
}

async function machine(argv: readonly string[]): Promise<Misses> {
  const [stdout, stderr] = [new CapturedOutput(), new CapturedOutput()];
  // Alone: with TLBs, walks would read their entries through them.
  const parts = { tlb: false, branches: false, caches: true };
  const model = new CompiledCore({ ...preset("reference"), caches }, "x86_64", parts);
  const made = await Machine.create({
    ...{ root, env: { PATH: "" }, readers: [model] },
    streams: { stdin: new BytesInput(), stdout, stderr },
  });
  await made.run(argv);
  const counters = model.report();
  return { l1i: counters["l1i.misses"], l1d: counters["l1d.misses"], llc: counters["llc.misses"] };
}

for (const argv of PROGRAMS) {
  Deno.test({
    name: `${argv[0]}: misses are within 1% of cachegrind's` +
      (missing === "" ? "" : ` (skipped: ${missing})`),
    ignore: missing !== "",
  }, async () => {
    const expected = await cachegrind(argv);
    const seen = await machine(argv);
    for (const name of ["l1i", "l1d", "llc"] as const) {
      const apart = Math.abs(seen[name] - expected[name]);
      assert(
        apart <= Math.max(0.01 * expected[name], 2),
        `${name}: ${seen[name]}, cachegrind ${expected[name]}`,
      );
    }
  });
}
