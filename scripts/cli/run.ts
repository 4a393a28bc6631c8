/** `isthmus run`: one program on one machine. */
import { Machine } from "../../sim/machine.ts";
import type { Result } from "../../sim/machine/result.ts";
import type { Roi } from "../../sim/roi.ts";
import type { Manifest } from "../../sim/study/manifest.ts";
import { type CommandSpec, type Parsed, printJson, UsageError } from "./command.ts";
import { writeText } from "./host_files.ts";
import { machineOf, machineOptions, type MachineValues } from "./machine_options.ts";
import { profileFile } from "./profile_kinds.ts";
import { gdbOption } from "./gdb_option.ts";
import type { GdbAddress } from "../../sim/debug/gdb_listener.ts";
import { Lines } from "./lines.ts";
import { roiOption } from "./roi_option.ts";
import { traceOptions, Traces, type TraceValues } from "./trace_options.ts";

interface Values extends MachineValues, TraceValues {
  readonly stats?: string;
  readonly profile?: readonly string[];
  readonly missCurves?: string;
  readonly strace?: boolean;
  readonly roi?: Roi;
  readonly bindings?: string;
  readonly searches?: string;
  readonly gdb?: GdbAddress;
  readonly coreFile?: string;
  readonly tty?: boolean;
  readonly json?: boolean;
}

async function run({ positional, values }: Parsed<Values>): Promise<number> {
  if (values.gdb !== undefined && values.roi !== undefined) {
    throw new UsageError("--gdb does not go with --roi");
  }
  if (values.tty && (values.gdb !== undefined || values.json)) {
    throw new UsageError(`--tty does not go with ${values.json ? "--json" : "--gdb"}`);
  }
  const traces = await Traces.of(values, () => machine);
  const { strace, observeLinks, close } = await watching(values, traces);
  const options = await machineOf(values);
  const measured = values.json || values.stats !== undefined;
  const recorded = measured && !values.tty ? await recording() : undefined;
  using seat = values.tty ? await sitDown() : undefined;
  const machine: Machine = await Machine.create({
    ...{ ...options, streams: recorded?.streams, strace, observeLinks },
    ...seat === undefined ? {} : { streams: seat.streams, env: { ...seat.env, ...options.env } },
    ...{ roi: values.roi, gdb: values.gdb, coreFile: values.coreFile },
    readers: traces.readers,
    attribution: values.profile !== undefined,
    missCurves: values.missCurves !== undefined,
  });
  let result: Result;
  try {
    result = await machine.run(positional);
  } finally {
    close();
  }
  if (values.profile !== undefined) {
    const { writeProfile } = await import("./profile_files.ts");
    for (const file of values.profile) await writeProfile(file, result);
  }
  if (values.missCurves !== undefined) {
    writeText("--miss-curves", values.missCurves, JSON.stringify(result.missCurves) + "\n");
  }
  const files = [...values.json ? ["-"] : [], ...values.stats === undefined ? [] : [values.stats]];
  if (files.length > 0) {
    const { manifestOf } = await import("../../sim/study/manifest.ts");
    const { withRecipe } = await import("../sweep/recipe.ts");
    const made = await manifestOf(machine, positional, result);
    // What was typed, and when, is not kept: such a run cannot be made again.
    const manifest = values.tty
      ? made
      : await withRecipe(made, values, await recorded?.stdin.bytes());
    for (const file of new Set(files)) writeStats(file, result, manifest);
  }
  return result.exit;
}

/** Who prints system calls and links, to where the options say. */
async function watching(values: Values, traces: Traces) {
  const { bindings, searches } = values;
  const opened = (option: string, path: string | undefined): Lines[] =>
    path === undefined ? [] : [new Lines(option, path)];
  const own = [opened("--bindings", bindings), opened("--searches", searches)];
  const calls = traces.linesOf("syscalls");
  const links = traces.linesOf("links");
  let strace;
  if (values.strace || calls !== undefined) {
    const { StraceText } = await import("../../sim/kernel/strace/text.ts");
    strace = traces.ofThreads(
      new StraceText((line) => {
        if (values.strace) console.error(line);
        calls?.add(line);
      }),
    );
  }
  let observeLinks;
  if (own.flat().length > 0 || links !== undefined) {
    const { LinkTrace } = await import("./link_trace.ts");
    const both = links === undefined ? [] : [links];
    observeLinks = new LinkTrace([...own[0], ...both], [...own[1], ...both]).observe;
  }
  const close = () => {
    for (const lines of own.flat()) lines.close();
    traces.close();
  };
  return { strace, observeLinks, close };
}

/** This process's streams, of which the input is kept: a result is reproduced from it. */
async function recording() {
  const { hostStreams } = await import("../../sim/kernel/fs/streams.ts");
  const { RecordingInput } = await import("../sweep/recipe.ts");
  const streams = hostStreams();
  const stdin = new RecordingInput(streams.stdin);
  return { stdin, streams: { ...streams, stdin } };
}

/** This process's terminal, as the machine's. */
async function sitDown() {
  const { hostStreams } = await import("../../sim/kernel/fs/streams.ts");
  const { TerminalSeat } = await import("./terminal_seat.ts");
  const terminal = new TerminalSeat();
  const type = Deno.env.get("TERM");
  return {
    streams: { ...hostStreams(), terminal },
    env: type === undefined ? undefined : { TERM: type },
    [Symbol.dispose]: () => terminal[Symbol.dispose](),
  };
}

function writeStats(file: string, result: Result, manifest: Manifest): void {
  const { arch, program, exit, signal, counters, estimated, cores, execution } = result;
  const stats = { arch, program, exit, signal, counters, estimated, cores, execution, manifest };
  if (file === "-") return printJson(stats);
  writeText("--stats", file, JSON.stringify(stats, null, 2) + "\n");
}

const spec: CommandSpec<Values> = {
  name: "run",
  summary: "run a program; its streams and exit code are the guest's",
  positional: [
    { usage: "<program>", help: "path in the guest, or a name to look for in PATH" },
    { usage: "[args...]", help: "its arguments" },
  ],
  options: [
    ...machineOptions,
    { flags: "--stats <file>", help: "write counters and estimates as JSON; - is standard output" },
    {
      flags: "--bindings <file>",
      help: "write what the modular linker bound, as LD_DEBUG=bindings does; - is standard error",
    },
    {
      flags: "--searches <file>",
      help: "write where it looked for libraries, as LD_DEBUG=libs does; - is standard error",
    },
    { flags: "--strace", help: "print system calls on standard error" },
    {
      flags: "--tty",
      help:
        "let the program use this terminal, in real time: shells, editors; Ctrl-] three times hangs up",
    },
    {
      flags: "--profile <file>",
      help:
        "write where events happened: .folded or .EVENT.folded, .pb.gz (pprof), .speedscope.json, .json, .txt",
      repeated: true,
      parse: profileFile,
    },
    {
      flags: "--miss-curves <file>",
      help: "write the misses of TLBs of every size as JSON",
    },
    roiOption,
    ...traceOptions,
    gdbOption,
    {
      flags: "--core-file <file>",
      help: "write a core dump of every process that crashes; %p, %e, %s: its pid, name, signal",
    },
    { flags: "--json", help: "the same as --stats -" },
  ],
  example: "isthmus run --root ./root --cpu neoverse-n1 --stats - -- /bin/ls -l /usr",
  passThrough: true,
  run,
};

export default spec;
