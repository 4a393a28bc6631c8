import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { serveCheckout } from "./static_server.ts";

/** The numbers of a row of a table, by its name, without the changes in percent. */
function row(text: string, name: string): number[] {
  const found = text.split("\n").find((line) => line.startsWith(`${name} `));
  if (found === undefined) throw new Error(`no row ${name} in\n${text}`);
  return found.slice(name.length).trim().split(/\s+/).filter((cell) => /^[\d,]+$/.test(cell))
    .map((cell) => Number(cell.replaceAll(",", "")));
}

Deno.test("experiments run from a URL, without packages", async (t) => {
  await using server = serveCheckout();
  const folder = await Deno.makeTempDir();
  /** What an experiment prints; what is fetched and compiled for one is there for the next. */
  const experiment = async (name: string): Promise<string> => {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", `${server.origin}/scripts/experiments/${name}.ts`],
      cwd: folder,
      env: { DENO_DIR: `${folder}/cache`, NO_COLOR: "1" },
    }).output();
    assertEquals(code, 0, new TextDecoder().decode(stderr));
    return new TextDecoder().decode(stdout).trim();
  };
  try {
    await t.step("ifed, of 25 lines at most", async () => {
      const script = await Deno.readTextFile(
        new URL("../../scripts/experiments/ifed.ts", import.meta.url),
      );
      assert(script.trimEnd().split("\n").length <= 25);
      const [x86_64, aarch64] = (await experiment("ifed")).split("\n\n");
      assertStringIncludes(x86_64, "x86_64, skylake-sp");
      assertStringIncludes(aarch64, "aarch64, neoverse-n1");
      for (const table of [x86_64, aarch64]) {
        // The guest's objects are too small for the first mode.
        const [base, align, concatenate, eliminate, both] = row(table, "itlb.misses");
        assertEquals(align, base);
        assert(concatenate < base / 2 && both < base / 2 && eliminate > 0);
        const indirect = row(table, "branches.indirect");
        assert(indirect[3] < indirect[0] / 2 && indirect[4] < indirect[0] / 2);
        assertEquals(indirect.slice(1, 3), [indirect[0], indirect[0]]);
      }
    });
    await t.step("seccomp", async () => {
      for (const table of (await experiment("seccomp")).split("\n\n")) {
        const line = table.split("\n").find((line) => line.startsWith("/many/many "));
        // The guest writes and exits; handlers of signals would need a third call.
        assertEquals(line?.split(/\s{2,}/).slice(1, 4), ["3", "2", "0"]);
        assert(line!.endsWith("yes"));
      }
    });
    await t.step("compartments", async () => {
      const tables = (await experiment("compartments")).split("\n\n");
      assertEquals(tables.length, 2);
      for (const table of tables) {
        // Everything is counted: what an entry costs is the same in every run, and two changes of rights.
        const perEntry = Number(/\ninstructions .* (\S+)\n/.exec(table)![1]);
        assert(perEntry > 40 && perEntry < 100, table);
        assert(/\nchanges of rights .* 2\.00\n/.test(table), table);
      }
    });
    assert(server.requests.includes("/mod.ts"));
    // A library import loads no third-party code.
    assert(!server.requests.includes("/scripts/deps.ts"));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
