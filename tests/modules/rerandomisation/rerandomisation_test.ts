/** Functions that move while programs run: the same output as with the guest's own linker, and stale addresses die. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { type Arch, ifed, linux, Machine, measure, rerandomisation } from "../../../mod.ts";
import { manyGuest } from "../../../scripts/experiments/guests_data.ts";
import expected from "../../guests/expected.json" with { type: "json" };
import { debianRoot, runIn } from "../gnu/gnu_run.ts";
import { GuestFolder, missingCompiler } from "../gnu/guest_program.ts";

const sources = new URL("programs/", import.meta.url).pathname;
const many = expected.find(({ program }) => program === "many/many")!;
const argv = ["/many/many", ...many.args];

for (const arch of ["x86_64", "aarch64"] as Arch[]) {
  const root = debianRoot("bookworm", arch);
  const lacking = root === undefined ? " (skipped: needs the root of bookworm)" : "";
  const missing = root === undefined ? "the root of bookworm" : missingCompiler(arch, true);
  const skipped = missing === undefined ? "" : ` (skipped: needs ${missing})`;

  Deno.test({
    name: `an address that has leaked leads to a trap after a move, ${arch}${skipped}`,
    ignore: missing !== undefined,
    fn: async () => {
      using folder = new GuestFolder(arch, root!, [
        { name: "libback.so", source: `${sources}libback.c` },
        { name: "leak", source: `${sources}leak.c`, flags: ["-lback"] },
      ]);
      const machine = { root: root!, mounts: folder.mounts };
      const guest = await runIn(root!, ["/t/leak"], { ...machine, linker: "guest" });
      assertEquals([guest.exit, guest.stderr], [0, "moved 0\n"]);
      const module = rerandomisation({ libraries: ["libback.so", "program"], every: 7 });
      const modules = [...linux(), module];
      const moved = await runIn(root!, ["/t/leak"], { ...machine, modules });
      assertEquals([moved.exit, moved.stdout, moved.stderr], [0, guest.stdout, "moved 1\n"]);
      assert(moved.counters["linker.rerandomisation.moves"] > 4);
      assert(moved.counters["linker.rerandomisation.functions.moved"] > 3);
      const attacked = await runIn(root!, ["/t/leak", "jump"], { ...machine, modules });
      // Killed by SIGTRAP.
      assertEquals([attacked.exit, attacked.stdout], [128 + 5, guest.stdout]);
      // Nothing moves but when a script says.
      const still = rerandomisation({ libraries: ["libback.so"], every: Infinity });
      const options = { ...machine, modules: [...linux(), still], report: () => {} };
      const unmoved = await runIn(root!, ["/t/leak"], options);
      assertEquals([unmoved.stderr, unmoved.counters["linker.rerandomisation.moves"]], [
        "moved 0\n",
        undefined,
      ]);
      const machineOfScript = await Machine.create(options);
      machineOfScript.syscalls.on("getppid", { enter: () => still.move() });
      const { counters } = await machineOfScript.run(["/t/leak"]);
      assertEquals(counters["linker.rerandomisation.moves"], 30);
    },
  });

  Deno.test({
    name: `${
      arch === "x86_64" ? "cancelled threads" : "exceptions"
    } go through functions that move, ${arch}${skipped}`,
    ignore: missing !== undefined,
    fn: async () => {
      const cplusplus = ["-l:libstdc++.so.6", "-l:libgcc_s.so.1"];
      using folder = new GuestFolder(arch, root!, [
        { name: "libthrows.so", source: "libthrows.cc", flags: cplusplus },
        { name: "liblatethrows.so", source: "libthrows.cc", flags: cplusplus },
        {
          name: "exceptions",
          source: "exceptions.cc",
          flags: ["-pthread", "-rdynamic", "-lthrows", ...cplusplus],
        },
        { name: "libthrough.so", flags: ["-fexceptions", "-l:libgcc_s.so.1"] },
        { name: "cancel", flags: ["-fexceptions", "-pthread", "-l:libgcc_s.so.1"] },
      ]);
      const machine = { root: root!, mounts: folder.mounts, report: () => {} };
      // The other one of each is in the tests of reorder, which copies functions in the same way.
      const [program, library] = arch === "x86_64"
        ? ["/t/cancel", "program"]
        : ["/t/exceptions", "libthrows.so"];
      const { counters: _, ...guest } = await runIn(root!, [program], {
        ...machine,
        linker: "guest",
      });
      const libraries = [library, "libgcc_s.so.1"];
      const { counters, ...moved } = await runIn(root!, [program], {
        ...machine,
        modules: [...linux(), rerandomisation({ libraries, every: 2 })],
      });
      assertEquals(moved, guest);
      assert(counters["linker.rerandomisation.moves"] > 5);
    },
  });

  Deno.test({
    name: (arch === "x86_64" ? "sqlite3" : "a shell and its children") +
      ` with a library that moves, ${arch}${lacking}`,
    ignore: root === undefined,
    fn: async () => {
      const query =
        "create table t(x); insert into t values (4), (5); select sum(x), upper('a') from t;";
      const shell = ["/bin/dash", "-c", "for i in 1 2; do echo $i | /bin/cat; done"];
      const [library, every, argv] = arch === "x86_64"
        ? ["libsqlite3.so.0", 5, ["/usr/bin/sqlite3", ":memory:", query]] as const
        : ["libc.so.6", 40, shell] as const;
      const { counters: _, ...base } = await runIn(root!, argv, { modules: linux() });
      const { counters, ...moved } = await runIn(root!, argv, {
        modules: [...linux(), rerandomisation({ libraries: [library], every })],
      });
      assertEquals(moved, base);
      assert(counters["linker.rerandomisation.moves"] > 1);
      assert(counters["linker.rerandomisation.moved"] > 1000);
    },
  });
}

Deno.test("rerandomisation combines with iFed's passes; a library that is not there is an error", async () => {
  const root = await manyGuest("x86_64");
  const moving = rerandomisation({ libraries: ["libm03.so", "program"], every: 1 });
  const passes = [ifed.concatenate(), ifed.eliminateBranches(), moving];
  const run = await measure(argv, { root, modules: [...linux(), ...passes] });
  assertEquals([run.exit, run.stdout], [many.exit, many.stdout]);
  assert(run.counters["linker.rerandomisation.moves"] > 0);
  const { manifest } = run;
  assertEquals((manifest.options.settings as Record<string, unknown>).rerandomisation, {
    libraries: "libm03.so+program",
    every: 1,
    seed: 1,
    area: 2 ** 24,
  });
  const absent = rerandomisation({ libraries: ["libabsent.so"] });
  const error = await assertRejects(() => measure(argv, { root, modules: [...linux(), absent] }));
  assertStringIncludes(
    (error as Error).message,
    "the program does not load libabsent.so, which is to move",
  );
});
