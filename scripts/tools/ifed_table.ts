/**
 * iFed's table: its three modes on programs of Debian 12, for both architectures and three presets (one
 * execution serves all three), each over several layouts.
 *
 *     deno run -A scripts/tools/ifed_table.ts --results ifed.jsonl
 *     deno run -A scripts/tools/ifed_table.ts --results ifed.jsonl --table docs/ifed-table.md
 */
import { parseArgs } from "node:util";
import type { Arch } from "../../sim/arch.ts";
import { type Run, run } from "./ifed/run.ts";
import { tables } from "./ifed/table.ts";
import { modes, works } from "./ifed/work.ts";

const help = `Measures iFed's modes on programs of Debian 12, and makes tables of what was measured.

usage: deno run -A scripts/tools/ifed_table.ts [options]

  --results FILE   a line of JSON for each run; runs that are in it are not made again (default ifed.jsonl)
  --layouts N      seeded layouts of each program (default 5)
  --arch LIST      x86_64, aarch64 (default both)
  --program LIST   of ${works.map(({ name }) => name).join(", ")} (default all)
  --roots DIR      where roots of \`rootfs.ts --set programs\` are (default .cache/roots)
  --table FILE     run nothing; write the tables, Markdown, of all results
  --json FILE      run nothing; write medians and ranges of all results
  --help           this text

Two processes may share the work, one for each architecture, and even the file.
`;

const DEBIAN: Record<Arch, string> = { x86_64: "amd64", aarch64: "arm64" };

const { values } = parseArgs({
  options: {
    results: { type: "string", default: "ifed.jsonl" },
    layouts: { type: "string", default: "5" },
    arch: { type: "string", default: "x86_64,aarch64" },
    program: { type: "string" },
    roots: { type: "string", default: ".cache/roots" },
    table: { type: "string" },
    json: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

async function readResults(): Promise<Run[]> {
  const text = await Deno.readTextFile(values.results).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  });
  return text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
}

const keyOf = (run: Pick<Run, "arch" | "program" | "mode" | "layout">): string =>
  [run.arch, run.program, run.mode, run.layout].join("|");

async function measureAll(): Promise<void> {
  const done = new Set((await readResults()).map(keyOf));
  const names = values.program?.split(",");
  // Whole tables of fewer layouts come first.
  const jobs = Array.from(
    { length: Number(values.layouts) },
    (_, layout) =>
      (values.arch.split(",") as Arch[]).flatMap((arch) =>
        works.filter(({ name }) => names?.includes(name) ?? true).flatMap((work) =>
          modes.filter(({ only }) => only === undefined || only === work.name).map((mode) => ({
            ...{ arch, work, mode, layout },
            key: keyOf({ arch, program: work.name, mode: mode.name, layout }),
          }))
        )
      ),
  ).flat().filter(({ key }) => !done.has(key));
  const started = performance.now();
  for (const [index, { arch, work, mode, layout }] of jobs.entries()) {
    const elapsed = (performance.now() - started) / 60_000;
    const left = index === 0
      ? ""
      : `, ${(elapsed / index * (jobs.length - index)).toFixed(0)} min left`;
    console.error(
      `${index + 1}/${jobs.length}${left}: ${arch} ${work.name}, ${mode.name}, layout ${layout}`,
    );
    const root = `${values.roots}/bookworm-programs-${DEBIAN[arch]}`;
    const line = JSON.stringify(await run(arch, root, work, mode, layout));
    await Deno.writeTextFile(values.results, `${line}\n`, { append: true });
  }
}

if (values.help) {
  console.log(help);
} else if (values.table === undefined && values.json === undefined) {
  await measureAll();
} else {
  const { markdown, data } = tables(await readResults());
  if (values.table !== undefined) await Deno.writeTextFile(values.table, markdown);
  if (values.json !== undefined) await Deno.writeTextFile(values.json, JSON.stringify(data));
}
