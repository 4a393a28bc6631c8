/**
 * Regions of interest that begin and end at functions: exactly where a trace of single steps says, in
 * either tier, with either linker.
 */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  BytesInput,
  CapturedOutput,
  ElfBuilder,
  linux,
  Machine,
  type MachineOptions,
  type Module,
  type Roi,
  RoiError,
  type RoiPoint,
  weak,
} from "../../mod.ts";
import { manyGuest } from "../../scripts/experiments/guests_data.ts";

const HEATS = [Infinity, 2];

async function run(argv: readonly string[], options: MachineOptions) {
  const streams = {
    ...{ stdin: new BytesInput(), stdout: new CapturedOutput(), stderr: new CapturedOutput() },
  };
  const machine = await Machine.create({ cpu: "reference", streams, ...options });
  return await machine.run(argv);
}

/** Instructions retired before `from` is first run, and before `to` first is after that. */
async function stepped(
  argv: readonly string[],
  options: MachineOptions,
  from: () => number,
  to: () => number,
): Promise<Roi> {
  let count = 0;
  const found: number[] = [];
  const trace = {
    fetch(pc: number) {
      if (found.length === 0 && pc === from() || found.length === 1 && pc === to()) {
        found.push(count);
      }
      count++;
    },
    access() {},
  };
  await run(argv, { ...options, trace });
  assertEquals(found.length, 2);
  return { from: { instruction: found[0] }, to: { instruction: found[1] } };
}

/** A loop of 60,000 times five instructions, the third of which is `middle`, then `done`. */
const LOOP = {
  x86_64: {
    start: "b960ea00009090",
    middle: "90ffc975f9",
    done: "b83c000000bf070000000f05",
  },
  aarch64: {
    start: "014c9d521f2003d51f2003d5",
    middle: "1f2003d52104007181ffff54",
    done: "a80b80d2e00080d2010000d4",
  },
};

function loop(arch: keyof typeof LOOP): Uint8Array {
  const { start, middle, done } = LOOP[arch];
  const data = Uint8Array.from((start + middle + done).match(/../g)!, (byte) => parseInt(byte, 16));
  const builder = new ElfBuilder({ machine: arch, type: 2, base: 0x400000 });
  const section = builder.section({ name: ".text", access: "x", align: 16, data });
  builder.symbol({ name: "middle", section, value: start.length / 2 });
  builder.symbol({ name: "done", section, value: (start + middle).length / 2 });
  builder.entry({ section });
  return builder.build();
}

for (const arch of ["x86_64", "aarch64"] as const) {
  for (const linker of ["guest", "modular"] as const) {
    Deno.test(`${arch}, ${linker} linker: a function in the middle of a hot block`, async () => {
      const root = new Map([["/loop", loop(arch)]]);
      const middle = { symbol: "middle" };
      const done = { symbol: "done", object: "loop" };
      const cases: [from: RoiPoint, to: RoiPoint, instructions: number][] = [
        [{ instruction: 0 }, middle, 3],
        [middle, done, 299_998],
        [middle, middle, 5],
        [{ instruction: 250_001 }, middle, 2],
        [{ instruction: 250_003 }, middle, 5],
        [{ instruction: 250_004 }, middle, 4],
        [{ instruction: 299_996 }, done, 5],
      ];
      for (const heat of HEATS) {
        for (const [from, to, instructions] of cases) {
          const { counters, exit } = await run(["/loop"], {
            root,
            linker,
            heat,
            roi: { from, to },
          });
          assertEquals([exit, counters.instructions], [7, instructions]);
        }
        const roi = { from: { instruction: 250_001 }, to: done };
        const { execution } = await run(["/loop"], { root, linker, heat, roi });
        assertEquals(execution["hot.share"] > 0.1, heat === 2);
      }
    });
  }

  Deno.test(`${arch}: functions of libraries that the modular linker placed`, async () => {
    const root = await manyGuest(arch);
    const bases = new Map<string, number>();
    const audit: Module = {
      name: "audit",
      register: () => ({ "post-load": weak((link, o) => void bases.set(o.soname, link.base(o))) }),
    };
    const options = { root, modules: [...linux(), audit] };
    const argv = ["/many/many", "3", "0"];
    const from = { symbol: "many_optional", object: "libm09" };
    const to = { symbol: "many_address" };
    const place = async (library: string, symbol: string) =>
      await addressOf(`tests/guests/prebuilt/${arch}/many/lib/${library}`, symbol);
    const [optional, address] = [
      await place("libm09.so", "many_optional"),
      await place("libm05.so", "many_address"),
    ];
    const exact = await stepped(
      argv,
      options,
      () => bases.get("libm09.so")! + optional,
      () => bases.get("libm05.so")! + address,
    );
    const { counters } = await run(argv, { ...options, roi: exact });
    assert(counters.instructions > 0);
    for (const heat of HEATS) {
      assertEquals((await run(argv, { ...options, heat, roi: { from, to } })).counters, counters);
    }
  });
}

/** Address of a dynamic symbol, by `readelf`. */
async function addressOf(path: string, symbol: string): Promise<number> {
  const file = new URL(`../../${path}`, import.meta.url).pathname;
  const { stdout } = await new Deno.Command("readelf", { args: ["-W", "--dyn-syms", file] })
    .output();
  for (const line of new TextDecoder().decode(stdout).split("\n")) {
    const [, value, , , , , section, name] = line.trim().split(/\s+/);
    if (name?.replace(/@.*/, "") === symbol && section !== "UND") return parseInt(value, 16);
  }
  throw new RangeError(`readelf shows no ${symbol} in ${path}`);
}

for (const [arch, debian] of [["x86_64", "amd64"], ["aarch64", "arm64"]] as const) {
  const folder = `.cache/roots/bookworm-${debian}`;
  const root = new URL(`../../${folder}`, import.meta.url).pathname;
  const libc = `/lib/${arch}-linux-gnu/libc.so.6`;
  const missing = ![`${root}/bin/true`, root + libc].every(exists);
  Deno.test({
    name: `${arch}: Debian's true, linked by its ld.so, from main to exit` +
      (missing ? ` (skipped: needs ${folder})` : ""),
    ignore: missing,
    fn: async () => {
      const argv = ["/bin/true"];
      const start = await addressOf(folder + libc, "__libc_start_main");
      const exit = await addressOf(folder + libc, "exit");
      const options: MachineOptions = { root, linker: "guest" };
      let base = 0;
      // The first executable mapping of libc.so.6 that ld.so makes; its address less its offset.
      const streams = {
        ...{ stdin: new BytesInput(), stdout: new CapturedOutput(), stderr: new CapturedOutput() },
      };
      let count = 0;
      let atStart = -1;
      let main = 0;
      let atMain = -1;
      let atExit = -1;
      const machine: Machine = await Machine.create({
        ...options,
        streams,
        trace: {
          fetch(pc) {
            if (pc === base + start && atStart < 0) {
              atStart = count;
              main = machine.kernel.cpu.regNumber(arch === "x86_64" ? 7 : 0);
            }
            if (pc === main && atMain < 0) atMain = count;
            if (pc === base + exit && atExit < 0) atExit = count;
            count++;
          },
          access() {},
        },
      });
      machine.syscalls.on("mmap", {
        exit: (_call, [, , protection, , , offset], result) => {
          if (base === 0 && (protection & 4) !== 0) base = result - offset;
        },
      });
      assertEquals((await machine.run(argv)).exit, 0);
      assert(0 < atStart && atStart < atMain && atMain < atExit, `${atStart} ${atMain} ${atExit}`);
      const points: [RoiPoint, number][] = [
        [{ symbol: "__libc_start_main", object: "libc" }, atStart],
        [{ symbol: "main" }, atMain],
        [{ symbol: "exit" }, atExit],
      ];
      for (const heat of HEATS) {
        for (const [[from, at], [to, end]] of [[points[1], points[2]], [points[0], points[2]]]) {
          const named = await run(argv, { ...options, heat, roi: { from, to } });
          const roi = { from: { instruction: at }, to: { instruction: end } };
          const counted = await run(argv, { ...options, roi });
          assertEquals(named.counters, counted.counters);
          assertEquals(named.counters.instructions, end - at);
        }
      }
    },
  });
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

Deno.test("a function that is not there is named", async () => {
  const root = new Map([["/loop", loop("x86_64")]]);
  const roi = { from: { symbol: "middle" }, to: { symbol: "nowhere" } };
  const error = await assertRejects(() => run(["/loop"], { root, roi }), RoiError);
  assertStringIncludes(error.message, `"to": no function nowhere was mapped`);
});
