/**
 * Runs one program on a simulated machine in this process, its streams being ours: what a
 * conformance run starts, so that a run that hangs or dies takes nothing with it.
 * usage: simulate.ts REQUEST-AS-JSON; writes the result to the request's `report` file.
 */
import type { Level } from "../../../sim/cpu/x86_64/level.ts";
import { Machine } from "../../../sim/machine.ts";
import type { Program } from "./program.ts";
import { commandLine, feed, type Outcome, type World } from "./reference.ts";

interface Request {
  readonly root: string;
  readonly inputs: string;
  readonly argv: readonly string[];
  readonly report: string;
  /** Absent: the default; "cold": never hot. */
  readonly heat?: number | "cold";
  readonly cpu?: string;
  readonly linker?: string;
  cpuLevel?: Level;
}

/** How a conformance run is done. */
export interface Way {
  readonly heat?: number | "cold";
  readonly cpu?: string;
  /** Who links programs: `guest` (default), `modular`, or `gnu-on-musl`. */
  readonly linker?: string;
  /** What an x86_64 processor has: v1, v2 (default) or v3. */
  readonly cpuLevel?: Level;
}

/** What a simulated run gave. */
export interface Simulated extends Outcome {
  readonly counters: Readonly<Record<string, number>>;
  readonly execution: Readonly<Record<string, number | string>>;
  /** Seconds of wall time, including the start of Deno. */
  readonly seconds: number;
  /** The last of what the run wrote to standard error. */
  readonly stderr: string;
}

/** Run a program on a simulated machine in a process of its own, for at most `limit` seconds. */
export async function simulate(
  program: Program,
  world: World,
  way: Way,
  limit: number,
): Promise<Simulated> {
  const report = await Deno.makeTempFile();
  const argv = commandLine(program, world.architecture);
  const request: Request = { root: world.root, inputs: world.inputs, argv, report, ...way };
  if (world.architecture !== "amd64") delete request.cpuLevel;
  const started = performance.now();
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", import.meta.url, JSON.stringify(request)],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const timer = setTimeout(() => child.kill("SIGKILL"), limit * 1000);
  await feed(child, program.stdin ?? "");
  const output = await child.output();
  clearTimeout(timer);
  const seconds = (performance.now() - started) / 1000;
  const written = await Deno.readTextFile(report);
  await Deno.remove(report);
  const { counters, execution } = written === ""
    ? { counters: {}, execution: {} }
    : JSON.parse(written);
  const stderr = new TextDecoder().decode(output.stderr).slice(-4000);
  return { code: output.code, stdout: output.stdout, counters, execution, seconds, stderr };
}

async function main(request: Request): Promise<number> {
  const { root, inputs, argv, report, heat, cpu, cpuLevel, linker = "guest" } = request;
  const onMusl = linker === "gnu-on-musl";
  const machine = await Machine.create({
    root,
    linker,
    linkers: onMusl
      ? { [linker]: (await import("../../../modules/mod.ts")).linux({ glibc: "musl" }) }
      : undefined,
    mounts: [{ host: inputs, guest: "/mnt" }],
    heat: heat === "cold" ? Infinity : heat,
    cpu,
    cpuLevel,
  });
  const result = await machine.run(argv);
  await Deno.writeTextFile(report, JSON.stringify(result));
  return result.exit;
}

if (import.meta.main) Deno.exit(await main(JSON.parse(Deno.args[0])));
