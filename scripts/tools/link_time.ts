/**
 * How long programs take until their `main` begins: linked by the modular linker, and by the guest's own
 * in the machine.
 */
import { parseArgs } from "node:util";
import process from "node:process";
import { CapturedOutput, linux, Machine, type Module, weak } from "../../mod.ts";
import { BytesInput } from "../../sim/kernel/fs/streams.ts";

const help = `Prints a table of link times: until the first instruction of main.

usage: deno task linktime [options] [NAME…]

  NAME          programs: true, python3, git, php, curl, gdb, node, ffmpeg (default: those there are)
  --root DIR    a root with them (default .cache/roots/bookworm-programs-amd64; see rootfs.ts --set programs)
  --repeat N    runs of each; the fastest counts (default 3)
  --help        this text

Every run is a process of its own, without models. Per program: objects, relocations that name a symbol and
those that do not, CPU seconds of the linker (all phases, the loader's own start in the guest included), then for
both linkers CPU seconds and millions of guest instructions from execve to main, constructors included.

example: deno task linktime ffmpeg
`;

const PROGRAMS: Readonly<Record<string, string>> = {
  true: "/bin/true",
  python3: "/usr/bin/python3",
  git: "/usr/bin/git",
  php: "/usr/bin/php8.2",
  curl: "/usr/bin/curl",
  gdb: "/usr/bin/gdb",
  node: "/usr/bin/node",
  ffmpeg: "/usr/bin/ffmpeg",
};

/** What one process measures. */
interface Job {
  readonly root: string;
  readonly program: string;
  readonly linker: "guest" | "modular";
  /** Instructions to run; absent: until main, to find out how many that is. */
  readonly instructions?: number;
}

interface Outcome {
  readonly instructions: number;
  /** CPU seconds of the run, compiler threads included. */
  readonly cpu: number;
  /** CPU seconds from the first pass of the link to the last. */
  readonly linking: number;
  readonly counters: Readonly<Record<string, number>>;
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

async function perform({ root, program, linker, instructions }: Job): Promise<Outcome> {
  let [begun, linking] = [0, 0];
  const clock: Module = {
    name: "clock",
    register: ({ isProgram }) => {
      if (!isProgram) return {};
      begun = cpuSeconds();
      return { "start": weak(() => void (linking = cpuSeconds() - begun)) };
    },
  };
  const quiet = () => new CapturedOutput();
  const machine = await Machine.create({
    root,
    ...(linker === "guest" ? { linker } : { modules: [...linux(), clock] }),
    env: { LD_BIND_NOW: "1", PATH: "/usr/bin:/bin" },
    streams: { stdin: new BytesInput(), stdout: quiet(), stderr: quiet() },
    report: () => {},
    ...(instructions === undefined
      ? { roi: { from: { instruction: 0 }, to: { symbol: "main" } } }
      : { maxInstructions: instructions }),
  });
  const before = cpuSeconds();
  const { counters } = await machine.run([program, "--version"]);
  return { instructions: counters.instructions, cpu: cpuSeconds() - before, linking, counters };
}

async function inProcess(job: Job): Promise<Outcome> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", import.meta.url, "--job", JSON.stringify(job)],
  }).output();
  const text = new TextDecoder().decode(success ? stdout : stderr);
  if (!success) throw new Error(`${job.program}, ${job.linker}: ${text}`);
  return JSON.parse(text);
}

/** The fastest of some runs. */
async function fastest(job: Job, repeat: number): Promise<Outcome> {
  let best = await inProcess(job);
  for (let run = 1; run < repeat; run++) {
    const other = await inProcess(job);
    const linking = Math.min(best.linking, other.linking);
    best = { ...(other.cpu < best.cpu ? other : best), linking };
  }
  return best;
}

function relocationsOf({ counters }: Outcome): { named: number; relative: number } {
  let [named, relative] = [0, 0];
  for (const [name, count] of Object.entries(counters)) {
    if (!name.startsWith("linker.relocations.")) continue;
    if (name.endsWith(".relative")) relative += count;
    else named += count;
  }
  return { named, relative };
}

async function rowOf(name: string, root: string, repeat: number): Promise<string> {
  const job = { root, program: PROGRAMS[name] };
  const cells = [];
  let modular: Outcome | undefined;
  for (const linker of ["modular", "guest"] as const) {
    const { instructions, counters } = await inProcess({ ...job, linker });
    const timed = await fastest({ ...job, linker, instructions }, repeat);
    if (linker === "modular") modular = { ...timed, counters };
    cells.push(timed.cpu.toFixed(2), (instructions / 1e6).toFixed(2));
  }
  const { named, relative } = relocationsOf(modular!);
  const objects = modular!.counters["linker.objects"];
  return `| ${
    [name, objects, named, relative, modular!.linking.toFixed(2), ...cells].join(" | ")
  } |`;
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    args: Deno.args,
    allowPositionals: true,
    options: {
      root: { type: "string", default: ".cache/roots/bookworm-programs-amd64" },
      repeat: { type: "string", default: "3" },
      job: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(help);
    Deno.exit(0);
  }
  if (values.job !== undefined) {
    console.log(JSON.stringify(await perform(JSON.parse(values.job))));
    Deno.exit(0);
  }
  const { root } = values;
  const unknown = positionals.find((name) => !Object.hasOwn(PROGRAMS, name));
  if (unknown !== undefined) {
    console.error(`link_time: there is no program ${unknown} in this table`);
    Deno.exit(2);
  }
  const wanted = positionals.length > 0 ? positionals : Object.keys(PROGRAMS);
  console.log("| program | objects | named | relative | linking | modular s | M | guest's s | M |");
  console.log("|---|---|---|---|---|---|---|---|---|");
  for (const name of wanted) {
    const there = await Deno.lstat(root + PROGRAMS[name]).then(() => true, () => false);
    if (there) console.log(await rowOf(name, root, Number(values.repeat)));
    else console.error(`link_time: no ${PROGRAMS[name]} in ${root}`);
  }
}
