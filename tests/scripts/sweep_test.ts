import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { measure } from "../../mod.ts";
import { UsageError } from "../../scripts/cli/command.ts";
import { csv, jsonLines } from "../../scripts/sweep/export.ts";
import { keyed } from "../../scripts/sweep/keys.ts";
import { formatDuration } from "../../scripts/sweep/progress.ts";
import { ResultStore, type StoredRun } from "../../scripts/sweep/store.ts";
import { readStudy, runsOf, type Study } from "../../scripts/sweep/study.ts";
import { Slurm } from "./slurm.ts";

const main = new URL("../../mod.ts", import.meta.url).pathname;
const guests = new URL("../guests/prebuilt/", import.meta.url).pathname;

/** Runs that take a few milliseconds each, and one a second. */
const study: Study = {
  name: "small",
  machine: { root: guests },
  programs: {
    hello: ["/x86_64/hello_pie", "{word}"],
    many: ["/aarch64/many/many", "1"],
    input: { argv: ["/x86_64/hello"], stdin: "of {word}" },
  },
  modules: { base: [], direct: ["ifed.eliminateBranches"] },
  presets: ["neoverse-n1"],
  parameters: { "word": ["a", "b"], "core.tlb.stlb.0.entries": [640] },
  seeds: [1, 2],
};

function isthmus(...args: string[]): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-lock", main, ...args],
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.chmod(folder, 0o755); // For the guest, who is another user.
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Rows of the tables, as another program than ours finds them. */
function rows(file: string, query: string): Record<string, unknown>[] {
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    return database.prepare(query).all();
  } finally {
    database.close();
  }
}

Deno.test("a study has a run for each choice of one of every kind", () => {
  const runs = runsOf(study, "/nowhere/");
  // hello: words × seeds × modules; many: no words; input: words.
  assertEquals(runs.length, 2 * 2 * 2 + 2 * 2 + 2 * 2 * 2);
  const found = runs.find((run) =>
    run.program === "input" && run.parameters.word === "b" && run.seed === 2 &&
    run.modules === "direct" && run.parameters["core.tlb.stlb.0.entries"] === 640
  )!;
  assertEquals(found.job, {
    argv: ["/x86_64/hello"],
    values: {
      ...{ root: guests.replace(/\/$/, ""), cpu: "neoverse-n1", linker: "modular" },
      ...{ core: [["tlb.stlb.0.entries", 640]], module: ["ifed.eliminateBranches"] },
      ...{ seed: 2, layoutSeed: 2 },
    },
    stdin: "of b",
  });
  const [relative] = runsOf(
    {
      name: "r",
      programs: { p: ["/p"] },
      modules: { m: ["./my.ts:a=b"] },
      machine: { root: "x86_64" },
    },
    guests,
  );
  assertEquals(relative.job.values.root, `${guests}x86_64`);
  assertEquals(relative.job.values.module, [`${guests}my.ts:a=b`]);
});

Deno.test("what is wrong in a study is one line that names the field", async () => {
  const wrong = (change: Partial<Study>, problem: string) => {
    const error = assertThrows(() => runsOf({ ...study, ...change }, "/"), UsageError);
    assertStringIncludes(error.message, problem);
  };
  wrong({ parameters: { wird: ["a"] } }, "parameters.wird");
  wrong({ parameters: { ...study.parameters, thp: ["sometimes"] } }, "sometimes");
  wrong({ machine: { rood: "/" } }, "rood");
  await withFolder(async (folder) => {
    const file = `${folder}/study.json`;
    for (
      const [data, problem] of [
        [{ ...study, programs: { a: "b" } }, "programs.a is not a command line"],
        [{ ...study, seeds: ["1"] }, "seeds is not an array of whole numbers"],
        [{ ...study, seed: [1] }, "a study has no seed"],
        [[], "the study is not an object"],
      ] as const
    ) {
      await Deno.writeTextFile(file, JSON.stringify(data));
      const error = await assertRejects(() => readStudy(file), UsageError);
      assertStringIncludes(error.message, problem);
    }
    await assertRejects(() => readStudy(`${folder}/nothing.ts`), UsageError);
  });
});

Deno.test("the key of a run changes with the files that it is made from", async () => {
  await withFolder(async (folder) => {
    const module = (body: string) =>
      Deno.writeTextFile(
        `${folder}/m.ts`,
        `export default { name: "m", register: () => ${body} };`,
      );
    const own: Study = { ...study, modules: { base: [], own: ["./m.ts"] } };
    await module("({})");
    const before = await keyed(runsOf(own, folder));
    await module("null");
    const after = await keyed(runsOf(own, folder));
    before.forEach(({ key, modules }, i) => assertEquals(key === after[i].key, modules === "base"));
    assertEquals(new Set(before.map(({ key }) => key)).size, before.length);
  });
});

Deno.test("durations", () => {
  assertEquals([5, 65, 3725].map(formatDuration), ["0:05", "1:05", "1:02:05"]);
});

Deno.test("exports: JSON lines, and CSV with a column a counter", () => {
  const labels = { modules: "", preset: "", parameters: { word: 'a "b", c' }, seed: null };
  const results = [
    { number: 0, program: "p", ...labels, error: "no file\nat all" },
    {
      ...{ number: 1, program: "p", ...labels, exit: 0, output: "" },
      ...{ counters: { loads: 3 }, estimated: { cycles: 1.5 }, manifest: {} },
    },
  ] as unknown as StoredRun[];
  assertEquals(
    csv(results),
    "number,program,modules,preset,word,seed,exit,error,cycles,loads\r\n" +
      '0,p,,,"a ""b"", c",,,"no file\nat all",,\r\n' +
      '1,p,,,"a ""b"", c",,0,,1.5,3\r\n',
  );
  assertEquals(jsonLines(results).trimEnd().split("\n").map((l) => JSON.parse(l)), results);
});

Deno.test("a sweep killed in the middle and resumed has every result once, and the right one", async () => {
  await withFolder(async (folder) => {
    const [file, out] = [`${folder}/study.json`, `${folder}/results.sqlite`];
    await Deno.writeTextFile(file, JSON.stringify(study));
    const first = isthmus("sweep", file, "--out", out).spawn();
    // Killed as soon as some results are there; what is being written then does not matter.
    const reader = first.stderr.pipeThrough(new TextDecoderStream()).getReader();
    for (let seen = 0; seen < 6;) seen += (await reader.read()).value!.split("\n").length - 1;
    first.kill("SIGKILL");
    await reader.cancel();
    await first.stdout.cancel();
    await first.status;
    const before = rows(out, "SELECT key, counters FROM results");
    assert(before.length >= 6 && before.length < 20, `${before.length} results`);
    const again = await isthmus("sweep", file, "--out", out, "--json").output();
    assertEquals(again.code, 0, text(again.stderr));
    const made = 20 - before.length;
    assertEquals(JSON.parse(text(again.stdout)), { out, runs: 20, made, failed: 0 });
    // A line a run that was made: none was repeated.
    assertEquals(text(again.stderr).trimEnd().split("\n").length, made);
    const after = rows(out, "SELECT key, counters FROM results");
    assertEquals(after.length, 20);
    assertEquals(after.slice(0, before.length), before);
    assertEquals(new Set(after.map(({ key }) => key)).size, 20);
    // Its report, and one of the results of it made again.
    const report = await isthmus("report", out, "--csv", "-", "--jsonl", `${folder}/r.jsonl`)
      .output();
    assertEquals(text(report.stdout).trimEnd().split("\r\n").length, 21, text(report.stderr));
    const [line] = (await Deno.readTextFile(`${folder}/r.jsonl`)).split("\n");
    await Deno.writeTextFile(`${folder}/r.jsonl`, line);
    const reproduced = await isthmus("reproduce", `${folder}/r.jsonl`).output();
    assertEquals(reproduced.code, 0, text(reproduced.stderr) + text(reproduced.stdout));
    using store = new ResultStore(out);
    const result = store.results().find(({ program, seed }) => program === "hello" && seed === 2)!;
    if ("error" in result) throw new Error(result.error);
    const { counters, manifest } = await measure(["/x86_64/hello_pie", "a"], {
      root: guests,
      cpu: "neoverse-n1",
      linker: "modular",
      seed: 2,
      layoutSeed: 2,
    });
    assertEquals(result.counters, counters);
    assertEquals(result.manifest.files, manifest.files);
    // The view is for other programs' queries.
    const [{ sum }] = rows(
      out,
      "SELECT sum(value) AS sum FROM counts WHERE counter = 'instructions' AND program = 'many'",
    );
    const many = store.results().filter(({ program }) => program === "many");
    const instructions = many.map((run) => "error" in run ? NaN : run.counters.instructions);
    assertEquals(sum, instructions.reduce((a, b) => a + b));
  });
});

Deno.test("an error of a run is its result; --retry makes it again; another study is refused", async () => {
  await withFolder(async (folder) => {
    const [file, out] = [`${folder}/study.json`, `${folder}/results.sqlite`];
    const sweep = async (change: Partial<Study>, ...options: string[]) => {
      const small = { name: "small", machine: { root: folder }, programs: { a: ["/hello"] } };
      await Deno.writeTextFile(file, JSON.stringify({ ...small, ...change }));
      return await isthmus("sweep", file, "--out", out, "--json", ...options).output();
    };
    await Deno.copyFile(`${guests}x86_64/hello`, `${folder}/hello`);
    await Deno.chmod(`${folder}/hello`, 0o644);
    const refused = await sweep({});
    assertEquals(refused.code, 1);
    assertEquals(JSON.parse(text(refused.stdout)), { out, runs: 1, made: 1, failed: 1 });
    assertStringIncludes(text(refused.stderr), "1/1 a: cannot run /hello: Permission denied");
    assertEquals(JSON.parse(text((await sweep({})).stdout)).made, 0);
    await Deno.chmod(`${folder}/hello`, 0o755);
    const retried = await sweep({}, "--retry");
    assertEquals(retried.code, 0, text(retried.stderr));
    assertEquals(JSON.parse(text(retried.stdout)), { out, runs: 1, made: 1, failed: 0 });
    const other = await sweep({ name: "other" });
    assertEquals([other.code, text(other.stdout)], [2, ""]);
    assertEquals(text(other.stderr), `isthmus: ${out} has results of the study small\n`);
    const wrong = await sweep({ machine: { root: folder, module: ["nonsense"] } });
    assertEquals(wrong.code, 2);
  });
});

const needs = await Slurm.missing();
Deno.test({
  name: `a study as an array job of Slurm: the same counters${needs}`,
  ignore: needs !== "",
}, async () => {
  await withFolder(async (folder) => {
    await using slurm = await Slurm.start(folder);
    const [file, out] = [`${folder}/study.json`, `${folder}/results.sqlite`];
    const small: Study = { ...study, parameters: { word: ["a"] }, seeds: [1] };
    await Deno.writeTextFile(file, JSON.stringify(small));
    const submitted = await slurm.run(
      ...[Deno.execPath(), "run", "-A", "--no-lock", main, "submit", file, "--out", out],
      ...["--tasks", "2", "--wait", "--json"],
    );
    assertEquals([submitted.tasks, submitted.failed], [2, false]);
    const gathered = await isthmus("gather", out, "--json").output();
    const logs = await Promise.all(
      [0, 1].map((i) => Deno.readTextFile(`${out}.log-${i}`).catch(() => "no log\n")),
    );
    assertEquals(
      text(gathered.stdout),
      '{\n  "runs": 6,\n  "done": 6,\n  "parts": 2\n}\n',
      `${logs}`,
    );
    const local = `${folder}/local.sqlite`;
    assertEquals((await isthmus("sweep", file, "--out", local).output()).code, 0);
    const query =
      "SELECT number, key, counters, estimated, output FROM runs JOIN results USING (key)";
    assertEquals(rows(out, `${query} ORDER BY number`), rows(local, `${query} ORDER BY number`));
  });
});
