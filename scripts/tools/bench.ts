/**
 * Compares CPU and wall time of real programs run natively, by qemu-user, by cachegrind and by this
 * simulator, in one go on one machine, and checks that every guest printed the same.
 */
import { parseArgs } from "node:util";
import { cc1, makeWork, type Work, workNames } from "./bench_work.ts";
import { available, CommandError } from "./command.ts";
import { measure, type Measurement } from "./measure.ts";

const defaultModes =
  "native,qemu,cachegrind,off,reference,reference:attribution,reference:detail,neoverse-n1";

const help = `Compares CPU time (user + system, all threads) and wall time of real programs.

usage: deno task bench [options]

  --work LIST     of: ${workNames.join(", ")} (default: all)
  --modes LIST    of: native, qemu, plugin, cachegrind, off, or a CPU preset's name
                  (default: ${defaultModes});
                  off is this simulator without models, plugin is qemu with the reference model;
                  PRESET:detail has caches too, PRESET:attribution says where events happen
  --scale F       amount of work, 3 by default: seconds each under qemu (0.1 for a quick look)
  --repeat N      runs of each; the fastest counts (default 1)
  --root DIR      an amd64 root (default .cache/roots/bookworm-amd64; see rootfs.ts)
  --json          everything measured, as JSON, instead of tables
  --help          this text

Every program's output is compared with the first mode's. The exit code is 1 if any run failed or
printed something else.

example: only the interpreters, models off against qemu
  deno task bench --work python,lua --modes qemu,off
`;

/** A way to run a guest program. */
interface Mode {
  readonly name: string;
  command(work: Work): string[];
}

interface Cell {
  readonly cpu?: number;
  readonly wall?: number;
  /** Why there is no time. */
  readonly wrong?: string;
}

interface Setting {
  readonly root: string;
  readonly folder: string;
}

const project = new URL("../..", import.meta.url).pathname;

function hostPath(work: Work, root: string): string {
  return work.host ? work.program : root + work.program;
}

/** The root's program on the bare machine: started by the root's own dynamic linker. */
function onThisMachine(work: Work, { root }: Setting): string[] {
  const program = hostPath(work, root);
  if (work.host) return [program, ...work.args];
  const libraries = `${root}/usr/lib/x86_64-linux-gnu`;
  const loader = `${root}/lib64/ld-linux-x86-64.so.2`;
  return [loader, "--library-path", libraries, program, ...work.args];
}

/** `cpu` is a preset and, after a colon, what else is asked of it. */
function simulated(work: Work, { root, folder }: Setting, cpu: string | undefined): string[] {
  const [name, more] = cpu?.split(":") ?? [];
  const preset = name === undefined ? [] : ["--cpu", name];
  if (more === "detail") preset.push("--detail");
  if (more === "attribution") preset.push("--profile", `${folder}/profile.txt`);
  const world = ["--root", root, "--linker", "guest", "--mount", `${folder}:${folder}`];
  const program = work.host ? `/bench/${work.program.split("/").at(-1)}` : work.program;
  if (work.host) world.push("--mount", `${work.program}:${program}`);
  return [
    ...[
      Deno.execPath(),
      "run",
      "-A",
      `${project}scripts/cli/main.ts`,
      "run",
      ...world,
      ...preset,
      "--",
    ],
    ...[program, ...work.args],
  ];
}

function modeOf(name: string, setting: Setting): Mode {
  const qemu = (work: Work, more: string[]) => {
    return ["qemu-x86_64", "-L", setting.root, ...more, hostPath(work, setting.root), ...work.args];
  };
  switch (name) {
    case "native":
      return { name, command: (work) => onThisMachine(work, setting) };
    case "qemu":
      return { name, command: (work) => qemu(work, []) };
    case "plugin": {
      const plugin = `file=${project}.cache/oracles/reference.so,out=/dev/null`;
      return { name, command: (work) => qemu(work, ["-plugin", plugin]) };
    }
    case "cachegrind": {
      const options = ["--tool=cachegrind", "--branch-sim=yes", "--cachegrind-out-file=/dev/null"];
      return {
        name,
        command: (work) => ["valgrind", "-q", ...options, ...onThisMachine(work, setting)],
      };
    }
    case "off":
      return { name, command: (work) => simulated(work, setting, undefined) };
    default:
      return { name, command: (work) => simulated(work, setting, name) };
  }
}

async function digest(result: Measurement): Promise<string> {
  const hash = await crypto.subtle.digest("SHA-256", result.stdout as Uint8Array<ArrayBuffer>);
  return `${result.exit} ${new Uint8Array(hash).toHex()}`;
}

async function environment(root: string): Promise<Record<string, string>> {
  const inherited = ["PATH", "HOME", "DENO_DIR"];
  const env: Record<string, string> = {};
  for (const name of inherited) {
    const value = Deno.env.get(name);
    if (value !== undefined) env[name] = value;
  }
  // Outside the simulator Python would otherwise find this machine's library.
  return await Deno.stat(`${root}/usr/bin/python3`).then(
    () => ({ ...env, PYTHONHOME: `${root}/usr` }),
    () => env,
  );
}

/** `table[work][mode]`. */
type Table = Map<string, Map<string, Cell>>;

async function measureAll(
  work: readonly Work[],
  modes: readonly Mode[],
  env: Record<string, string>,
  repeat: number,
  log: (line: string) => void,
): Promise<Table> {
  const table: Table = new Map();
  for (const piece of work) {
    const row = new Map<string, Cell>();
    table.set(piece.name, row);
    let expected: string | undefined;
    for (const mode of modes) {
      let cell: Cell = {};
      for (let run = 0; run < repeat; run++) {
        const result = await measure(mode.command(piece), env);
        const printed = await digest(result);
        expected ??= printed;
        if (result.exit !== 0 || printed !== expected) {
          const why = result.exit !== 0 ? `exit ${result.exit}` : "other output";
          const said = result.stderr.trim().split("\n").at(-1) ?? "";
          cell = { wrong: `${why}: ${said.slice(0, 160)}` };
          break;
        }
        if (cell.cpu === undefined || result.cpu < cell.cpu) cell = result;
      }
      row.set(mode.name, { cpu: cell.cpu, wall: cell.wall, wrong: cell.wrong });
      log(`${piece.name} ${mode.name}: ${cell.wrong ?? `${cell.cpu} s CPU, ${cell.wall} s wall`}`);
    }
  }
  return table;
}

/** Comparisons that the project has goals for: how many times as fast as `slow` is `fast`. */
interface Comparison {
  readonly title: string;
  readonly slow: string;
  readonly fast: string;
}

function comparisons(modes: readonly string[]): Comparison[] {
  const presets = modes.filter((name) =>
    !["native", "qemu", "plugin", "cachegrind", "off"].includes(name)
  );
  const pairs = [
    ["qemu", "off"],
    ...presets.map((preset) => ["cachegrind", preset]),
    ...presets.map((preset) => ["plugin", preset]),
    ...presets.map((preset) => [preset, "off"]),
    ...presets.map((preset) => [preset, preset.split(":")[0]]).filter(([a, b]) => a !== b),
    ["off", "native"],
  ];
  return pairs.filter((pair) => pair.every((name) => modes.includes(name)))
    .map(([slow, fast]) => ({ title: `${slow} / ${fast}`, slow, fast }));
}

function geometricMean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}

function ratios(table: Table, { slow, fast }: Comparison, field: "cpu" | "wall") {
  return [...table.values()].map((row) => {
    const [a, b] = [row.get(slow)?.[field], row.get(fast)?.[field]];
    return a === undefined || b === undefined || b === 0 ? undefined : a / b;
  });
}

function print(rows: string[][]): void {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  for (const row of rows) {
    const cells = row.map((cell, i) => i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]));
    console.log(cells.join("  "));
  }
  console.log();
}

function report(table: Table, modes: readonly string[]): void {
  const number = (value: number | undefined) => value === undefined ? "-" : value.toFixed(2);
  for (const [field, title] of [["cpu", "CPU s"], ["wall", "wall s"]] as const) {
    const body = [...table].map(([name, row]) => [
      name,
      ...modes.map((mode) => number(row.get(mode)?.[field])),
    ]);
    print([[title, ...modes], ...body]);
  }
  const names = [...table.keys()];
  const wanted = comparisons(modes);
  for (const [field, title] of [["cpu", "CPU ratio"], ["wall", "wall ratio"]] as const) {
    const body = wanted.map((one) => {
      const values = ratios(table, one, field);
      const known = values.filter((value) => value !== undefined);
      const mean = known.length === 0 ? undefined : geometricMean(known);
      return [one.title, ...values.map(number), number(mean)];
    });
    if (body.length > 0) print([[title, ...names, "geo-mean"], ...body]);
  }
}

/** Cells without a time. */
function problems(table: Table): string[] {
  return [...table].flatMap(([name, row]) =>
    [...row].filter(([, cell]) => cell.wrong !== undefined)
      .map(([mode, cell]) => `${name} ${mode}: ${cell.wrong}`)
  );
}

function usage(message: string): never {
  console.error(`bench: ${message} (--help explains)`);
  Deno.exit(2);
}

async function main(args: string[]): Promise<void> {
  let values;
  try {
    values = parseArgs({
      args,
      options: {
        work: { type: "string", default: workNames.join(",") },
        modes: { type: "string", default: defaultModes },
        scale: { type: "string", default: "3" },
        repeat: { type: "string", default: "1" },
        root: { type: "string", default: `${project}.cache/roots/bookworm-amd64` },
        json: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    }).values;
  } catch (error) {
    usage((error as Error).message);
  }
  if (values.help) return console.log(help.trimEnd());
  const only = values.work.split(",");
  const unknown = only.find((name) => !(workNames as readonly string[]).includes(name));
  if (unknown !== undefined) usage(`unknown work ${unknown}: ${workNames.join(", ")}`);
  const [scale, repeat] = [Number(values.scale), Number(values.repeat)];
  if (!(scale > 0)) usage(`--scale ${values.scale}: not a positive number`);
  if (!Number.isInteger(repeat) || repeat < 1) usage(`--repeat ${values.repeat}: not a count`);
  const root = await Deno.realPath(values.root).catch(() =>
    usage(`no root ${values.root}; make it with deno run -A scripts/tools/rootfs.ts --arch amd64`)
  );
  const modes = values.modes.split(",");
  const odd = modes.find((mode) => !/^[^:]+(:(detail|attribution))?$/.test(mode));
  if (odd !== undefined) usage(`mode ${odd}: PRESET:detail or PRESET:attribution`);
  for (const [mode, tool] of [["qemu", "qemu-x86_64"], ["cachegrind", "valgrind"]]) {
    if (modes.includes(mode) && !(await available(tool))) usage(`mode ${mode} needs ${tool}`);
  }
  const folder = await Deno.makeTempDir({ prefix: "bench-" });
  const setting: Setting = { root, folder };
  const log = (line: string) => console.error(line);
  try {
    const preprocess = Deno.build.arch === "x86_64"
      ? onThisMachine({ name: "cc1", program: cc1, args: [] }, setting)
      : ["qemu-x86_64", "-L", root, root + cc1];
    const state = `${project}.cache/bench-apt`;
    const work = await makeWork({
      root,
      suite: "bookworm",
      folder,
      state,
      preprocess,
      scale,
      only,
    });
    const chosen = modes.map((name) => modeOf(name, setting));
    const table = await measureAll(work, chosen, await environment(root), repeat, log);
    if (values.json) {
      const plain = Object.fromEntries([...table].map(([name, row]) => [
        name,
        Object.fromEntries(row),
      ]));
      console.log(JSON.stringify({ scale, repeat, deno: Deno.version, work: plain }, null, 1));
    } else {
      report(table, modes);
    }
    const wrong = problems(table);
    for (const line of wrong) console.error(`bench: ${line}`);
    if (wrong.length > 0) Deno.exitCode = 1;
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    console.error(`bench: ${error.message}`);
    Deno.exitCode = 1;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

if (import.meta.main) await main(Deno.args);
