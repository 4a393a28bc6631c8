import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { BytesInput, measure } from "../../mod.ts";
import { UsageError } from "../../scripts/cli/command.ts";
import { type RecipeValues, RecordingInput, withRecipe } from "../../scripts/sweep/recipe.ts";
import { moduleGraph } from "../../scripts/imports.ts";
import { type RecordedResult, reproduce, resultsIn } from "../../scripts/sweep/reproduce.ts";
import { inProcess } from "./in_process.ts";

const guests = new URL("../guests/prebuilt", import.meta.url).pathname;

/** A result of /hello of a folder, with a module of that folder. */
async function recorded(folder: string, values: RecipeValues = {}): Promise<RecordedResult> {
  await Deno.chmod(folder, 0o755); // For the guest, who is another user.
  await Deno.copyFile(`${guests}/x86_64/hello_pie`, `${folder}/hello`);
  await Deno.writeTextFile(
    `${folder}/m.ts`,
    `import { name } from "./name.ts";\nexport default { name, register: () => ({}) };`,
  );
  await Deno.writeTextFile(`${folder}/name.ts`, `export { m as name } from "./names/m.ts";`);
  await Deno.mkdir(`${folder}/names`);
  await Deno.writeTextFile(`${folder}/names/m.ts`, `export const m = "m";`);
  const file = `${folder}/result.json`;
  const options = Object.entries(values).flatMap(([name, value]) => [`--${name}`, `${value}`]);
  const { code } = await inProcess(
    ...["run", "--root", folder, "--cpu", "zen3", "--module", `${folder}/m.ts`, ...options],
    ...["--stats", file, "--", "/hello"],
  );
  assertEquals(code, 0);
  return JSON.parse(await Deno.readTextFile(file));
}

Deno.test("a result is reproduced from its file; what differs is named", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const result = await recorded(folder, { seed: 7 });
    const file = `${folder}/result.json`;
    const counters = Object.keys(result.counters).length + Object.keys(result.estimated).length;
    assertEquals(await inProcess("reproduce", file), {
      ...{ code: 0, out: `/hello: the same, ${counters} counters`, err: "" },
    });
    const now = result.counters["dtlb.misses"];
    const changed = { ...result, counters: { ...result.counters, "dtlb.misses": now + 1 } };
    await Deno.writeTextFile(file, JSON.stringify(changed));
    assertEquals(await inProcess("reproduce", file), {
      ...{ code: 1, out: `/hello: counters["dtlb.misses"] is ${now}, was ${now + 1}`, err: "" },
    });
    // The same bytes elsewhere are the same inputs.
    await Deno.mkdir(`${folder}/elsewhere`);
    await Deno.rename(`${folder}/hello`, `${folder}/elsewhere/hello`);
    const root = `${folder}/elsewhere`;
    assertEquals((await reproduce(result, { root })).difference, undefined);
    await Deno.writeTextFile(`${root}/hello`, "\n", { append: true });
    await assertRejects(() => reproduce(result, { root }), UsageError, `${root}/hello has SHA-256`);
    const { err, code } = await inProcess("reproduce", file, "--root", "/nonexistent");
    assertEquals([err, code], [
      "isthmus: there is no /nonexistent: say by --root where the guest's files are",
      2,
    ]);
    // What a module imports is checked as the module is.
    await Deno.writeTextFile(`${folder}/names/m.ts`, " ", { append: true });
    await assertRejects(() => reproduce(result), UsageError, `${folder}/names/m.ts has SHA-256`);
    await Deno.remove(`${folder}/names/m.ts`);
    await assertRejects(() => reproduce(result), UsageError, "names/m.ts is no longer there");
    await Deno.writeTextFile(`${folder}/m.ts`, "// changed", { append: true });
    await assertRejects(() => reproduce(result), UsageError, `${folder}/m.ts has SHA-256`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("imports of a module are followed to its own files, not to Isthmus or packages", async () => {
  const sources: Record<string, string> = {
    "m.ts": `import a from "./a.ts"; import * as x from "npm:x@1"; import "https://elsewhere/k.ts";
      import { weak } from "/isthmus/mod.ts";
      import data from "../data.json" with { type: "json" };
      import type { Absent } from "./absent.ts";`,
    "a.ts": 'export * from "./b.js"; import "./m.ts";',
    "b.js": 'await import("./c.ts");',
    "c.ts": "",
    "../data.json": '"import \\"./none.ts\\";"',
  };
  const base = "file:///user/modules/";
  const files = new Map(Object.entries(sources).map(([k, v]) => [new URL(k, base).href, v]));
  const asked: string[] = [];
  const read = (url: string) => {
    asked.push(url);
    const text = files.get(url);
    return Promise.resolve(text === undefined ? undefined : new TextEncoder().encode(text));
  };
  const graph = await moduleGraph([`${base}m.ts`], read, ["file:///isthmus/"]);
  assertEquals([...graph.keys()].sort(), [...files.keys()].sort());
  assertEquals(asked.sort(), [...files.keys(), `${base}absent.ts`].sort());
});

Deno.test("a module by URL is fetched, and is what it was", async () => {
  let body = `export default { name: "u", register: () => ({}) };`;
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => new Response(body, { headers: { "content-type": "application/typescript" } }),
  );
  const url = `http://127.0.0.1:${server.addr.port}/u.ts`;
  const file = await Deno.makeTempFile();
  // Processes of their own: what is fetched here would stand in the lock file.
  const isthmus = async (...args: string[]) => {
    const mod = new URL("../../mod.ts", import.meta.url).pathname;
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-lock", "--no-check", mod, ...args],
      env: { NO_COLOR: "1" },
    }).output();
    return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  };
  await isthmus("run", "--root", guests, "--module", url, "--stats", file, "/x86_64/hello_pie");
  const { counters } = JSON.parse(await Deno.readTextFile(file));
  assertEquals(
    await isthmus("reproduce", file),
    `/x86_64/hello_pie: the same, ${Object.keys(counters).length} counters\n`,
  );
  body += " ";
  assertStringIncludes(await isthmus("reproduce", file), `isthmus: ${url} has SHA-256`);
  await Deno.remove(file);
});

Deno.test("standard input is recorded as it is read, and given again", async () => {
  const bytes = new TextEncoder().encode("some input");
  const input = new RecordingInput(new BytesInput(bytes));
  input.read(new Uint8Array(4));
  assertEquals(new TextDecoder().decode(await input.bytes()), "some");
  input.read(new Uint8Array(100));
  assertEquals(await input.bytes(), bytes);
  const argv = ["/x86_64/hello_pie"];
  const made = await measure(argv, { root: guests });
  const long = new Uint8Array(100_000);
  const manifest = await withRecipe(made.manifest, { root: guests }, long);
  assertEquals(manifest.recipe.stdin!.base64, undefined);
  const result = { ...made, manifest };
  await assertRejects(() => reproduce(result), UsageError, "--stdin FILE");
  await assertRejects(
    () => reproduce(result, { stdin: bytes }),
    UsageError,
    "not what the run read",
  );
  assertEquals((await reproduce(result, { stdin: long })).difference, undefined);
});

Deno.test("a comparison on layouts: its report, its objects, both sides reproduced", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const mod = new URL("../../mod.ts", import.meta.url).pathname;
    // A process of its own: `compare` reads standard input to its end.
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "-A", "--no-lock", mod, "compare", "--root", guests, "--cpu", "neoverse-n1"],
        ...["--with", "ifed.eliminateBranches", "--layouts", "2", "--json", "--objects"],
        ...["--html", `${folder}/compared.html`, "--csv", `${folder}/compared.csv`],
        ...["--", "/aarch64/many/many", "1"],
      ],
      stdin: "null",
    }).output();
    await Deno.writeFile(`${folder}/compared.json`, stdout);
    const { base } = JSON.parse(new TextDecoder().decode(stdout));
    const instructions = base.objects.map((one: { counts: Record<string, number> }) =>
      one.counts.instructions ?? 0
    );
    assertEquals(
      instructions.reduce((a: number, b: number) => a + b),
      base.counters.instructions,
    );
    assertStringIncludes(
      await Deno.readTextFile(`${folder}/compared.csv`),
      `,instructions,${base.counters.instructions},`,
    );
    const html = await Deno.readTextFile(`${folder}/compared.html`);
    assert(html.split("<svg").length > 10 && html.includes("over layouts"));
    const again = await inProcess("reproduce", `${folder}/compared.json`);
    assertEquals(again.code, 0, again.out);
    assertEquals(again.out.split("\n").length, 2);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("files without results are refused in one line", () => {
  const wrong = (text: string, problem: string) => {
    const error = assertThrows(() => resultsIn(text, "r.json"), UsageError);
    assertStringIncludes(error.message, problem);
  };
  wrong("nonsense", "r.json is not JSON");
  wrong("{}", "no results");
  wrong("[1, 2]", "no results");
  wrong('{ "counters": {}, "manifest": {} }', "made by a script");
});
