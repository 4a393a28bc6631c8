/** `isthmus seccomp`: which system calls a program can reach, and copies of its files that say so. */
import { ElfFile } from "../../lib/elf/mod.ts";
import { type GuestFile, type Module, syscallName } from "../../lib/linker/mod.ts";
import { linux, seccomp } from "../../modules/mod.ts";
import {
  analyse,
  decodeSummary,
  digestOf,
  type Policy,
  remember,
  SECTION,
  type Summary,
  withSummary,
} from "../../modules/seccomp/mod.ts";
import { Machine } from "../../sim/machine.ts";
import { formatCount } from "../../sim/study/table.ts";
import { type CommandSpec, jsonOption, type Parsed, printJson, UsageError } from "./command.ts";
import { readHostFile, writeHostFile } from "./host_files.ts";
import { machineOf, machineOptions, type MachineValues } from "./machine_options.ts";

const OPTIONS = ["--root", "--env", "--cwd", "--user", "--mount"];

interface Values extends MachineValues {
  readonly into?: string;
  readonly open?: string;
  readonly json?: boolean;
}

/** Ends a link when its policy is known. */
class Enough extends Error {}

/** The files that a program is linked from. */
async function filesOf(program: string, values: Values): Promise<GuestFile[]> {
  const files: GuestFile[] = [];
  const observer: Module = {
    name: "files",
    register: ({ file }) => {
      if (file !== undefined) files.push(file);
      return {};
    },
  };
  const machine = await Machine.create({
    ...await machineOf(values),
    modules: [...linux(), observer],
  });
  await machine.plan(program);
  return files;
}

/** The summary of a file: that of its copy in `into`, if the copy is of the same file, or a new one. */
async function summaryOf(file: GuestFile, into: string | undefined): Promise<[Summary, boolean]> {
  const elf = ElfFile.parse(file.bytes, file.realPath);
  const known = into === undefined ? elf : copyIn(into + file.realPath) ?? elf;
  const section = known.section(SECTION);
  if (section !== undefined) {
    const summary = decodeSummary(known.sectionBytes(section), section.offset, known.name);
    if (summary.digest === await digestOf(elf)) return [summary, true];
  }
  return [await analyse(elf), false];
}

function copyIn(path: string): ElfFile | undefined {
  try {
    Deno.statSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  return ElfFile.parse(readHostFile(path), path);
}

function store(into: string, file: GuestFile, summary: Summary): void {
  const path = into + file.realPath;
  try {
    Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  } catch (error) {
    throw new UsageError(`--into: cannot write ${path}: ${(error as Error).message}`);
  }
  writeHostFile(path, withSummary(file.bytes, summary, file.realPath));
}

/** The policy of a program: it is linked up to where that is known, and never started. */
async function policyOf(program: string, values: Values): Promise<Policy> {
  let policy: Policy | undefined;
  const report = (found: Policy): never => {
    policy = found;
    throw new Enough();
  };
  const machine = await Machine.create({
    ...await machineOf(values),
    modules: [...linux(), seccomp({ report, open: values.open?.split("+") })],
    report: () => {},
  });
  try {
    await machine.run([program]);
  } catch (error) {
    if (policy === undefined) throw error;
  }
  if (policy === undefined) throw new UsageError(`${program} needs no linker`);
  return policy;
}

async function run({ positional, values }: Parsed<Values>): Promise<number> {
  const { into } = values;
  const done = new Map<string, { file: string; summary: Summary; kept: boolean; ms: number }>();
  const policies: { program: string; arch: "x86_64" | "aarch64"; policy: Policy }[] = [];
  for (const program of positional) {
    let arch: Summary["arch"] = "x86_64";
    for (const file of await filesOf(program, values)) {
      const known = done.get(file.realPath);
      if (known === undefined) {
        const started = performance.now();
        const [summary, kept] = await summaryOf(file, into);
        remember(summary);
        if (into !== undefined && !kept) store(into, file, summary);
        const ms = Math.round(performance.now() - started);
        done.set(file.realPath, { file: file.realPath, summary, kept, ms });
        if (!values.json) console.log(line(file.realPath, summary, kept, ms));
      }
      arch = done.get(file.realPath)!.summary.arch;
    }
    policies.push({ program, arch, policy: await policyOf(program, values) });
  }
  if (values.json) {
    printJson({
      files: [...done.values()].map(({ file, summary, kept, ms }) => ({
        file,
        analysed: !kept,
        milliseconds: ms,
        ...summary.statistics,
      })),
      programs: policies.map(({ program, arch, policy }) => ({
        program,
        ...policy,
        names: policy.syscalls.map((number) => syscallName(arch, number) ?? String(number)),
      })),
    });
    return 0;
  }
  for (const { program, arch, policy } of policies) {
    const names = policy.syscalls.map((number) => syscallName(arch, number) ?? String(number));
    const { unknown, lookedUp } = policy;
    console.log(`\n${program}: ${names.length} system calls`);
    console.log(`  ${names.join(" ")}`);
    if (lookedUp.length > 0) console.log(`  ${lookedUp.length} functions may be looked up by name`);
    for (const { object, address, function: name } of unknown) {
      const place = `0x${address.toString(16)}${name === undefined ? "" : ` (${name})`}`;
      console.log(`  any, from ${place} of ${object}: its number is not known`);
    }
  }
  return 0;
}

function line(file: string, { statistics }: Summary, kept: boolean, ms: number): string {
  const { functions, syscalls, indirect, unknown } = statistics;
  const facts = [
    `${formatCount(functions)} functions`,
    `${formatCount(syscalls)} system calls`,
    `${formatCount(unknown)} of unknown number`,
    `${formatCount(indirect)} indirect calls`,
  ];
  return `${file}: ${facts.join(", ")}; ${kept ? "known" : `analysed in ${formatCount(ms)} ms`}`;
}

const spec: CommandSpec<Values> = {
  name: "seccomp",
  summary: "find the system calls that programs can reach, for the module seccomp",
  positional: [{ usage: "<programs...>", help: "paths in the guest, or names in PATH" }],
  options: [
    ...machineOptions.filter(({ flags }) => OPTIONS.includes(flags.split(" ")[0])),
    {
      flags: "--into <dir>",
      help: "write copies of all files, with their .seccomp sections, unless those there are right",
    },
    { flags: "--open <paths>", help: "libraries that a program may open later, + between them" },
    jsonOption,
  ],
  example: "isthmus seccomp --root ./root --into ./sections /usr/bin/git",
  run,
};

export default spec;
