/** Layouts by seed, as the guest's own /proc/self/maps shows them. */
import {
  assert,
  assertEquals,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { type Arch, ifed, layoutRandomisation, linux, measure } from "../../../mod.ts";
import { manyGuest } from "../../../scripts/experiments/guests_data.ts";
import { debianRoot } from "../gnu/gnu_run.ts";

/** Where each file's first mapping begins, in order of address. */
function places(maps: string): [string, number][] {
  const found = new Map<string, number>();
  for (const line of maps.split("\n")) {
    const [, start, path] = /^([0-9a-f]+)-.* (\/\S+(?:bin\/\w+|\.so\S*))$/.exec(line) ?? [];
    if (path !== undefined && !found.has(path)) found.set(path, parseInt(start, 16));
  }
  return [...found];
}

for (const arch of ["x86_64", "aarch64"] as Arch[]) {
  const root = debianRoot("bookworm", arch);
  Deno.test({
    name: `objects lie where the seed says, ${arch}` +
      (root === undefined ? " (skipped: needs the root of bookworm)" : ""),
    ignore: root === undefined,
    fn: async () => {
      const cat = ["/bin/sed", "", "/proc/self/maps"];
      const run = async (argv: string[], options: Parameters<typeof layoutRandomisation>[0]) => {
        const modules = [...linux(), layoutRandomisation(options)];
        const { exit, stdout, manifest } = await measure(argv, { root: root!, modules });
        assertEquals(exit, 0);
        return { stdout, manifest };
      };
      const [first, again, other] = [
        await run(cat, { seed: 1 }),
        await run(cat, { seed: 1 }),
        await run(cat, { seed: 2 }),
      ];
      assertEquals(again.stdout, first.stdout);
      const names = (maps: string) => places(maps).map(([name]) => name);
      assert(names(first.stdout).length >= 4);
      assertEquals(names(other.stdout).sort(), names(first.stdout).sort());
      assertNotEquals(names(other.stdout), names(first.stdout));
      assertNotEquals(places(other.stdout), places(first.stdout));
      assertEquals(first.manifest.options.settings, {
        "layout-randomisation": { seed: 1, gap: 65536, pages: "4K" },
      });
      const huge = await run(cat, { seed: 3, pages: "2M" });
      for (const [name, start] of places(huge.stdout)) assertEquals(start % 2 ** 21, 0, name);
      // Each program that a shell starts has a layout of its own.
      const twice = "/bin/sed '' /proc/self/maps; echo; /bin/sed '' /proc/self/maps";
      const { stdout } = await run(["/bin/dash", "-c", twice], { seed: 1 });
      const [one, two] = stdout.split("\n\n").map(places);
      assertEquals(one.length, two.length);
      assertNotEquals(one, two);
    },
  });
}

Deno.test("layout-randomisation and concatenate conflict by name", async () => {
  const modules = [...linux(), layoutRandomisation(), ifed.concatenate()];
  const root = await manyGuest("x86_64");
  const error = await assertRejects(() => measure(["/many/many"], { root, modules }));
  assertStringIncludes(
    (error as Error).message,
    "ifed.concatenate and layout-randomisation conflict",
  );
});
