import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { serveCheckout } from "./static_server.ts";

/** The numbers of a row of a table, by its name, without the changes in percent. */
function row(text: string, name: string): number[] {
  const found = text.split("\n").find((line) => line.startsWith(`${name} `));
  if (found === undefined) throw new Error(`no row ${name} in\n${text}`);
  return found.slice(name.length).trim().split(/\s+/).filter((cell) => /^[\d,]+$/.test(cell))
    .map((cell) => Number(cell.replaceAll(",", "")));
}

Deno.test("the iFed experiment runs from a URL, of 25 lines at most, without packages", async () => {
  await using server = serveCheckout();
  const script = await Deno.readTextFile(
    new URL("../../scripts/experiments/ifed.ts", import.meta.url),
  );
  assert(script.trimEnd().split("\n").length <= 25);
  const folder = await Deno.makeTempDir();
  try {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", `${server.origin}/scripts/experiments/ifed.ts`],
      cwd: folder,
      env: { DENO_DIR: `${folder}/cache`, NO_COLOR: "1" },
    }).output();
    const text = new TextDecoder().decode(stdout);
    assertEquals(code, 0, new TextDecoder().decode(stderr));
    const [x86_64, aarch64] = text.split("\n\n");
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
    assert(server.requests.includes("/mod.ts"));
    // A library import loads no third-party code.
    assert(!server.requests.includes("/scripts/deps.ts"));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("the seccomp experiment runs from a URL, without packages", async () => {
  await using server = serveCheckout();
  const folder = await Deno.makeTempDir();
  try {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", `${server.origin}/scripts/experiments/seccomp.ts`],
      cwd: folder,
      env: { DENO_DIR: `${folder}/cache`, NO_COLOR: "1" },
    }).output();
    assertEquals(code, 0, new TextDecoder().decode(stderr));
    for (const table of new TextDecoder().decode(stdout).trim().split("\n\n")) {
      const line = table.split("\n").find((line) => line.startsWith("/many/many "));
      // The guest writes and exits; handlers of signals would need a third call.
      assertEquals(line?.split(/\s{2,}/).slice(1, 4), ["3", "2", "0"]);
      assert(line!.endsWith("yes"));
    }
    assert(!server.requests.includes("/scripts/deps.ts"));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("the compartments experiment runs from a URL, without packages", async () => {
  await using server = serveCheckout();
  const folder = await Deno.makeTempDir();
  try {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", `${server.origin}/scripts/experiments/compartments.ts`],
      cwd: folder,
      env: { DENO_DIR: `${folder}/cache`, NO_COLOR: "1" },
    }).output();
    assertEquals(code, 0, new TextDecoder().decode(stderr));
    const tables = new TextDecoder().decode(stdout).trim().split("\n\n");
    assertEquals(tables.length, 2);
    for (const table of tables) {
      // Everything is counted: what an entry costs is the same in every run, and two changes of rights.
      const perEntry = Number(/\ninstructions .* (\S+)\n/.exec(table)![1]);
      assert(perEntry > 40 && perEntry < 100, table);
      assert(/\nchanges of rights .* 2\.00\n/.test(table), table);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
