/**
 * Compares random instances of every decode row, and sequences, with an outsider: this machine's
 * processor for x86_64, qemu for aarch64. Prints which rows were executed and compared.
 */
import { parseArgs } from "node:util";
import { rows as x86Rows, x86_64_v3 } from "../../../sim/cpu/x86_64/level3_isa.ts";
import * as arm from "./aarch64/cases.ts";
import { Evaluated, Subject, wordsOf } from "./aarch64/machine_state.ts";
import * as qemu from "./aarch64/qemu.ts";
import * as armRandom from "./aarch64/random_instructions.ts";
import * as x86 from "./x86_64/native_cases.ts";
import { available, Simulated } from "./x86_64/native_oracle.ts";
import { CODE, Random } from "./x86_64/random_instruction.ts";

const help = `Compares random instructions with this processor (x86_64) and with qemu (aarch64).

usage: deno task prove [options]

  --count N    instructions for each architecture (default: 1000000)
  --arch A     x86_64 or aarch64 alone
  --seed N     another choice of instructions
  --tier T     cold (default), hot, or reference: the evaluation that compiles nothing
  --help       this text

example: twenty thousand of each
  deno task prove --count 20000
`;

/** Cases that one run of the outsider gets. */
const BATCH = 10_000;
/** Batches after which compiled code is let go: the hot tier's takes a megabyte for each hundred instructions. */
const BATCHES_OF_A_MACHINE = 8;
/** Of all instructions, the part that is in sequences; a sequence has about ten, on aarch64 four. */
const IN_SEQUENCES = 0.1;

/** What was done for one architecture. */
interface Report {
  readonly arch: string;
  readonly against: string;
  readonly rows: readonly { readonly name: string }[];
  /** Why a row is not compared, or null. */
  readonly reason: (row: number) => string | null;
  /** How often each row was executed; sequences have rows that are not compared alone. */
  readonly executed: Map<number, number>;
  instructions: number;
  readonly failures: string[];
}

function print(report: Report, seconds: number): void {
  const { executed } = report;
  const reasons = report.rows.map((_, i) =>
    executed.has(i) ? null : report.reason(i) ?? "NOT EXECUTED"
  );
  const compared = reasons.filter((reason) => reason === null).length;
  console.log(`${report.arch}, against ${report.against}`);
  console.log(`  rows          ${report.rows.length}`);
  const least = Math.min(...executed.values());
  console.log(`  executed      ${executed.size}, each at least ${least} times`);
  console.log(`  compared      ${compared}, in ${report.instructions} instructions`);
  console.log(`  not compared  ${report.rows.length - compared}`);
  const grouped = new Map<string, string[]>();
  reasons.forEach((reason, i) => {
    if (reason === null) return;
    const group = grouped.get(reason) ?? [];
    grouped.set(reason, group);
    group.push(report.rows[i].name);
  });
  for (const [reason, names] of grouped) {
    console.log(`    ${reason}: ${[...new Set(names)].join("; ")}`);
  }
  console.log(`  differences   ${report.failures.length}  (${seconds.toFixed(0)} s)`);
  for (const failure of report.failures.slice(0, 50)) console.log(`    ${failure}`);
}

type Tier = "cold" | "hot" | "reference";

/** Says on standard error how far `report` is. */
function progress({ arch, instructions, failures }: Report, count: number, tier: Tier): void {
  const percent = Math.floor(100 * instructions / count);
  console.error(`${arch} ${tier}: ${percent}%, ${failures.length} differences`);
}

async function proveX86(count: number, seed: number, tier: Tier): Promise<Report> {
  const hot = tier === "hot";
  const executed = new Map<number, number>();
  const report: Report = {
    arch: "x86_64",
    against: "this processor",
    rows: x86Rows,
    reason: (row) => x86.reasonAgainst(x86Rows[row]),
    instructions: 0,
    failures: [],
    executed,
  };
  const random = new Random(seed);
  const machine = () => new Simulated(hot ? 1 : undefined, x86_64_v3, tier === "reference");
  let simulated = machine();
  let batches = 0;
  const run = async (cases: Parameters<typeof x86.disagreements>[0], each: number) => {
    for (const row of x86.rowsOf(cases, x86_64_v3)) executed.set(row, (executed.get(row) ?? 0) + 1);
    report.failures.push(...await x86.disagreements(cases, simulated, hot ? 3 : 1));
    report.instructions += each * cases.length;
    progress(report, count, tier);
    if (++batches % BATCHES_OF_A_MACHINE === 0) simulated = machine();
  };
  const comparable = x86Rows.filter((row) => x86.reasonAgainst(row) === null).length;
  const alone = count * (1 - IN_SEQUENCES);
  while (report.instructions < alone) {
    const perRow = Math.min(BATCH, alone - report.instructions) / comparable;
    await run(x86.rowCases(x86Rows, Math.ceil(perRow), random), 1);
  }
  const pool = x86.sequencePool(x86Rows);
  while (report.instructions < count) {
    const many = Math.min(BATCH, Math.ceil((count - report.instructions) / 10));
    const at = (i: number): number => CODE + 128 * i;
    await run(Array.from({ length: many }, (_, i) => x86.sequence(pool, at(i), random)), 10);
  }
  return report;
}

async function proveAarch64(count: number, seed: number, tier: Tier): Promise<Report> {
  const hot = tier === "hot";
  const executed = new Map<number, number>();
  const report: Report = {
    arch: "aarch64",
    against: "qemu-aarch64",
    rows: armRandom.rows,
    reason: (row) => armRandom.reasonAgainst(armRandom.rows[row]),
    executed,
    instructions: 0,
    failures: [],
  };
  const random = new armRandom.Random(seed);
  const machine = () => tier === "reference" ? new Evaluated() : new Subject(hot ? 2 : undefined);
  let subject = machine();
  let batches = 0;
  const directory = await Deno.makeTempDir();
  try {
    const harness = await qemu.buildHarness(directory);
    const run = async (cases: readonly arm.Case[], cpu: string, each: number) => {
      const failures = await arm.disagreements(harness, cases, cpu, subject, hot ? 5 : 1);
      report.failures.push(...failures);
      report.instructions += each * cases.length;
      for (const { state } of cases) {
        for (const word of wordsOf(state).subarray(0, each)) {
          const row = armRandom.rowOf(word);
          executed.set(row, (executed.get(row) ?? 0) + 1);
        }
      }
      progress(report, count, tier);
      if (++batches % BATCHES_OF_A_MACHINE === 0) subject = machine();
    };
    const comparable = armRandom.rows.filter((row) => armRandom.kindOf(row) !== null).length;
    const alone = count * (1 - IN_SEQUENCES);
    while (report.instructions < alone) {
      const perRow = Math.ceil(Math.min(BATCH, alone - report.instructions) / comparable);
      await run(arm.instances(perRow, random, arm.older), "neoverse-n1", 1);
      await run(arm.instances(perRow, random, arm.newer), "max", 1);
    }
    while (report.instructions < count) {
      await run(arm.flagCases(10, random), "neoverse-n1", 4);
      await run(arm.sequenceCases(200, random), "neoverse-n1", 4);
      await run(arm.threadPointerCases(50, random), "neoverse-n1", 2);
      await run(arm.straightCases(2000, random), "neoverse-n1", 4);
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
  return report;
}

if (import.meta.main) {
  const { values } = parseArgs({
    args: Deno.args,
    options: {
      count: { type: "string", default: "1000000" },
      arch: { type: "string" },
      seed: { type: "string", default: "1" },
      tier: { type: "string", default: "cold" },
      help: { type: "boolean" },
    },
  });
  if (values.help) {
    console.log(help);
    Deno.exit(0);
  }
  const { tier } = values;
  if (tier !== "cold" && tier !== "hot" && tier !== "reference") {
    console.error(`prove: --tier ${tier} is none of cold, hot and reference`);
    Deno.exit(2);
  }
  const toolsOfAarch64 = ["qemu-aarch64", "aarch64-linux-gnu-gcc"].every(qemu.available);
  let failed = false;
  for (
    const [arch, possible, prove] of [
      ["x86_64", available && x86.hasLevel3, proveX86],
      ["aarch64", toolsOfAarch64, proveAarch64],
    ] as const
  ) {
    if (values.arch !== undefined && values.arch !== arch) continue;
    if (!possible) {
      console.error(`prove: nothing to compare ${arch} with here`);
      failed = true;
      continue;
    }
    const started = performance.now();
    const report = await prove(Number(values.count), Number(values.seed), tier);
    print(report, (performance.now() - started) / 1000);
    failed ||= report.failures.length > 0;
  }
  Deno.exit(failed ? 1 : 0);
}
