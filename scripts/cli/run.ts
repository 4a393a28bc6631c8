/** `isthmus run`: one program on one machine. */
import { Machine, type Result } from "../../sim/machine.ts";
import type { Roi } from "../../sim/roi.ts";
import type { Manifest } from "../../sim/study/manifest.ts";
import { type CommandSpec, type Parsed, printJson } from "./command.ts";
import { writeText } from "./host_files.ts";
import { machineOf, machineOptions, type MachineValues } from "./machine_options.ts";
import { profileFile } from "./profile_kinds.ts";
import { gdbOption } from "./gdb_option.ts";
import type { GdbAddress } from "../../sim/debug/gdb_listener.ts";
import { roiOption } from "./roi_option.ts";

interface Values extends MachineValues {
  readonly stats?: string;
  readonly profile?: readonly string[];
  readonly missCurves?: string;
  readonly strace?: boolean;
  readonly roi?: Roi;
  readonly bindings?: string;
  readonly searches?: string;
  readonly gdb?: GdbAddress;
  readonly coreFile?: string;
  readonly json?: boolean;
}

async function run({ positional, values }: Parsed<Values>): Promise<number> {
  let strace;
  if (values.strace) {
    const { StraceText } = await import("../../sim/kernel/strace/text.ts");
    strace = new StraceText((line) => console.error(line));
  }
  const { bindings, searches } = values;
  const watched = bindings !== undefined || searches !== undefined;
  const { LinkTrace } = watched ? await import("./link_trace.ts") : {};
  const trace = LinkTrace && new LinkTrace(bindings, searches);
  const observeLinks = trace?.observe;
  const options = await machineOf(values);
  const recorded = values.json || values.stats !== undefined ? await recording() : undefined;
  const machine = await Machine.create({
    ...{ ...options, streams: recorded?.streams, strace, observeLinks },
    ...{ roi: values.roi, gdb: values.gdb, coreFile: values.coreFile },
    attribution: values.profile !== undefined,
    missCurves: values.missCurves !== undefined,
  });
  const result = await machine.run(positional);
  if (values.profile !== undefined) {
    const { writeProfile } = await import("./profile_files.ts");
    for (const file of values.profile) await writeProfile(file, result);
  }
  if (values.missCurves !== undefined) {
    writeText("--miss-curves", values.missCurves, JSON.stringify(result.missCurves) + "\n");
  }
  trace?.close();
  const files = [...values.json ? ["-"] : [], ...values.stats === undefined ? [] : [values.stats]];
  if (files.length > 0) {
    const { manifestOf } = await import("../../sim/study/manifest.ts");
    const { withRecipe } = await import("../sweep/recipe.ts");
    const made = await manifestOf(machine, positional, result);
    const manifest = await withRecipe(made, values, await recorded?.stdin.bytes());
    for (const file of new Set(files)) writeStats(file, result, manifest);
  }
  return result.exit;
}

/** This process's streams, of which the input is kept: a result is reproduced from it. */
async function recording() {
  const { hostStreams } = await import("../../sim/kernel/fs/streams.ts");
  const { RecordingInput } = await import("../sweep/recipe.ts");
  const streams = hostStreams();
  const stdin = new RecordingInput(streams.stdin);
  return { stdin, streams: { ...streams, stdin } };
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
