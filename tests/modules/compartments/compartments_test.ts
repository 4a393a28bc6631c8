/** Compartments of libraries: programs that use them, and programs that try to get around them. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  type Arch,
  compartments,
  type CompartmentsOptions,
  ifed,
  LinkError,
  linux,
  MachineError,
  measure,
  type Module,
  seccomp,
} from "../../../mod.ts";
import { manyGuest } from "../../../scripts/experiments/guests_data.ts";
import expected from "../../guests/expected.json" with { type: "json" };
import { debianRoot, runIn, type RunOptions } from "../gnu/gnu_run.ts";
import { GuestFolder, missingCompiler, type Target } from "../gnu/guest_program.ts";

const programs = "../../compartments/programs/";
const TARGETS: readonly Target[] = [
  { name: "libvault.so", source: `${programs}libvault.c` },
  { name: "libother.so", source: `${programs}libother.c`, flags: ["-lvault"] },
  { name: "keeper", source: `${programs}keeper.c`, flags: ["-lother", "-lvault"] },
  { name: "announced", source: `${programs}announced.c` },
];
const both: CompartmentsOptions = { assign: { vault: ["libvault.so"], other: ["libother.so"] } };

for (const arch of ["x86_64", "aarch64"] as Arch[]) {
  const root = debianRoot("bookworm", arch);
  const compiler = missingCompiler(arch);
  const missing = root === undefined ? "Debian roots" : compiler;
  // Built once for all tests of an architecture.
  let folder: GuestFolder | undefined;
  addEventListener("unload", () => folder?.[Symbol.dispose]());
  const test = (name: string, fn: (run: Run) => Promise<void>) =>
    Deno.test({
      name: `${name} on ${arch}` + (missing === undefined ? "" : ` (skipped: needs ${missing})`),
      ignore: missing !== undefined,
      fn: async () => {
        folder ??= new GuestFolder(arch, root!, TARGETS);
        const { mounts } = folder;
        await fn((argv, modules, options) =>
          runIn(root!, argv, {
            modules: [...linux(), ...modules],
            mounts,
            report() {},
            ...options,
          })
        );
      },
    });
  type Run = (
    argv: string[],
    modules: Module[],
    options?: RunOptions,
  ) => ReturnType<typeof runIn>;

  test("calls through gates: arguments, results, callbacks, nesting, threads, fork", async (run) => {
    const plain = await run(["/t/keeper", "use"], []);
    assertEquals(plain.exit, 0);
    assertStringIncludes(plain.stdout, "stack apart: 0");
    const lists: Module[][] = [[], [ifed.concatenate(), ifed.eliminateBranches()], [seccomp()]];
    for (const others of lists) {
      const kept = await run(["/t/keeper", "use"], [...others, compartments(both)]);
      const stdout = plain.stdout.replace("apart: 0", "apart: 1");
      assertEquals([kept.exit, kept.stdout], [0, stdout], kept.stderr);
      assert(kept.counters["linker.compartments.gates"] > 10);
      assert(kept.counters["keys.changes"] > 40);
    }
    for (const modules of [[], [compartments(both)]]) {
      const { exit, stdout } = await run(["/t/keeper", "fork"], modules);
      assertEquals([exit, stdout], [0, "1\n2 1\n"]);
    }
  });

  test("who looks into another compartment faults", async (run) => {
    for (const how of ["read", "write", "peek"]) {
      const { exit, stdout } = await run(["/t/keeper", how], [compartments(both)]);
      assertEquals([exit, stdout], [0, "signal 11 code 4 key 1 at the secret\n"], how);
    }
    // Without compartments nothing keeps them from it, and together in one neither.
    const together = { assign: { one: ["libvault.so", "libother.so"] } };
    for (const modules of [[], [compartments(together)]]) {
      assertEquals((await run(["/t/keeper", "peek"], modules)).stdout, "o\n");
    }
    // Nor does the kernel on the program's behalf.
    assertEquals((await run(["/t/keeper", "give"], [compartments(both)])).stdout, "write: -1\n");
  });

  test("a compartment's own heap works, and is closed to others", async (run) => {
    const own = compartments({ ...both, heap: "own" });
    for (const modules of [[], [compartments(both)], [own]]) {
      const { exit, stdout, counters } = await run(["/t/keeper", "heap"], modules);
      assertEquals([exit, stdout], [0, "errors: 0\n"]);
      // Who is in a compartment of its own leaves the C library's heap alone.
      assertEquals(counters["linker.patches"] > 100, modules[0] === own);
    }
    assertEquals((await run(["/t/keeper", "note"], [compartments(both)])).stdout, "m\n");
    const closed = await run(["/t/keeper", "note"], [own]);
    assertEquals(closed.stdout, "signal 11 code 4 key 1 at another place\n");
  });

  test("who jumps into a gate with rights of his own choice dies", async (run) => {
    const { exit, stdout } = await run(["/t/keeper", "forge"], [compartments(both)]);
    assertEquals([exit, stdout], [128 + 4, ""]);
  });

  test("a gate costs the same every time", async (run) => {
    const instructions = async (count: string, modules: Module[]) => {
      const { counters } = await run(["/t/keeper", "many", count], modules);
      return [counters.instructions, counters["keys.changes"]];
    };
    const [few, many] = [
      await instructions("100", [compartments(both)]),
      await instructions("1100", [compartments(both)]),
    ];
    const plain = (await instructions("1100", []))[0] - (await instructions("100", []))[0];
    assertEquals(many[1] - few[1], 2000);
    assertEquals((many[0] - few[0] - plain) % 1000, 0);
    assert(many[0] - few[0] - plain < 80_000);
  });

  test("what cannot be kept apart is one error, and nothing has started", async (run) => {
    const refused = async (assign: CompartmentsOptions["assign"], problem: string) => {
      await assertRejects(
        () => run(["/t/keeper", "use"], [compartments({ assign })]),
        LinkError,
        problem,
      );
    };
    await refused(
      { vault: ["libnope.so"] },
      "vault has libnope.so, which the program does not load",
    );
    await refused({ vault: ["keeper"] }, "keeper is the program itself");
    await refused({ a: ["libvault.so"], b: ["libvault.so"] }, "libvault.so is in a and in b");
    const names = Array.from({ length: 16 }, (_, i) => [`c${i}`, []] as const);
    await refused(Object.fromEntries(names), "there is no protection key for c");
  });

  test("the processor has keys where a module needs them", async (run) => {
    const keys = await run(["/t/announced"], [compartments({ assign: {} })]);
    assertEquals(keys.stdout, "announced 1\nkey 1\nread 7\n");
    const none = await run(["/t/announced"], []);
    assertEquals(none.stdout, "announced 0\nkey -1\n");
    assertEquals(none.exit, arch === "aarch64" ? 128 + 4 : 0);
    if (arch === "aarch64") return;
    await assertRejects(
      () => run(["/t/announced"], [compartments({ assign: {} })], { cpuLevel: 2 }),
      MachineError,
      "compartments needs protection keys",
    );
  });

  Deno.test(`libraries of a larger program in a compartment on ${arch}`, async () => {
    const guest = await manyGuest(arch);
    const many = expected.find(({ program, args }) =>
      program === "many/many" && args[0] === "1000" && args.length === 1
    )!;
    const box = compartments({ assign: { box: ["libm00.so", "libm01.so", "libm09.so"] } });
    const argv = ["/many/many", ...many.args];
    const { exit, stdout, counters } = await measure(argv, {
      root: guest,
      modules: [...linux(), box],
    });
    assertEquals([exit, stdout], [many.exit, many.stdout]);
    assert(counters["keys.changes"] > 1000);
  });
}
