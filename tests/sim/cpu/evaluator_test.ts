/**
 * The reference evaluation against both compiled tiers: random instances of every decode row, and what
 * follows them, end in the same state: registers, lazy flags as they are kept, memory, exit and count.
 */
import { assert, assertEquals } from "@std/assert";
import type { CpuExit, CpuSpace } from "../../../sim/cpu/cpu.ts";
import type { Engine } from "../../../sim/cpu/engine.ts";
import { Evaluator } from "../../../sim/cpu/ir/evaluator.ts";
import { SpaceMemory } from "../../../sim/cpu/ir/space_memory.ts";
import { PC, THREAD_SIZE, TRASH } from "../../../sim/cpu/layout.ts";
import { rows as baseRows, x86_64 } from "../../../sim/cpu/x86_64/isa.ts";
import { rows as allRows, x86_64_v3 } from "../../../sim/cpu/x86_64/level3_isa.ts";
import { Subject } from "./aarch64/machine_state.ts";
import * as arm from "./aarch64/random_instructions.ts";
import { Simulated } from "./x86_64/native_oracle.ts";
import { CODE, instance, Random } from "./x86_64/random_instruction.ts";

const PER_ROW = Number(Deno.env.get("PER_ROW") ?? 2);
const SEED = Number(Deno.env.get("SEED") ?? 1);
const ONLY = new RegExp(Deno.env.get("ONLY") ?? ".");
/** Rows whose result depends on how often they ran. */
const STATEFUL = /^(rdrand|rdseed)/;
/** Instructions that are run: a branch leads anywhere, into zeros as a rule. */
const BUDGET = 40;
const SI_KERNEL = 0x80;
/** Runs after which the hot tier has compiled what it runs. */
const HOT_RUNS = 4;

/** An engine in its surroundings, made ready for a case by `prepare`. */
interface Setting {
  readonly cpu: Engine;
  readonly space: CpuSpace;
  readonly data: Uint8Array;
  prepare(input: Uint8Array): void;
}

/** State and exit as text, a line each. */
function outcome({ cpu, data }: Setting, exit: CpuExit, retired: number): string[] {
  const hex = (bytes: Uint8Array) =>
    Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  const how = exit.kind === "fault"
    ? `fault ${exit.signal} ${exit.code} ${exit.address.toString(16)}`
    : exit.kind;
  const lines = [how, `retired ${retired}`, `pc ${hex(cpu.stateBytes.subarray(PC, PC + 8))}`];
  for (let at = 0; at < THREAD_SIZE; at += 16) {
    // Writes to nowhere, pc and budget, which only the engine keeps.
    if (at === TRASH || at === PC) continue;
    lines.push(`${at.toString(16)}: ${hex(cpu.stateBytes.subarray(at, at + 16))}`);
  }
  for (let at = 0; at < data.length; at += 16) {
    lines.push(`data ${at.toString(16)}: ${hex(data.subarray(at, at + 16))}`);
  }
  return lines;
}

function compiled(setting: Setting, input: Uint8Array, times: number): string[] {
  for (let i = 1; i < times; i++) {
    setting.prepare(input);
    setting.cpu.run(setting.space, BUDGET);
  }
  setting.prepare(input);
  const exit = setting.cpu.run(setting.space, BUDGET);
  return outcome(setting, exit, setting.cpu.retired);
}

function evaluated(setting: Setting, evaluator: Evaluator, input: Uint8Array): string[] {
  setting.prepare(input);
  for (let retired = 0; retired < BUDGET; retired++) {
    const end = evaluator.step();
    if (end.kind === "fault") {
      // What the host makes of an exception.
      const { isa, stateBytes } = setting.cpu;
      const view = new DataView(stateBytes.buffer, stateBytes.byteOffset);
      const trap = isa.trap?.(end.signal, end.code, end.access, view, evaluator.bytes);
      const exit = end.access && end.code !== SI_KERNEL ? end : { ...end, ...trap };
      return outcome(setting, exit, end.after ? retired + 1 : retired);
    }
    if (end.kind === "exit" && end.reason !== "mode") {
      return outcome(setting, { kind: end.reason as "syscall" }, retired + 1);
    }
  }
  return outcome(setting, { kind: "quantum" }, BUDGET);
}

function agree(
  make: (heat?: number) => Setting,
  cases: readonly { name: string; input: Uint8Array }[],
) {
  const reference = make();
  const { cpu, space } = reference;
  const { buffer } = cpu.state;
  const memory = new SpaceMemory(cpu.arch, space, new Uint8Array(buffer));
  const evaluator = new Evaluator(cpu.isa, new DataView(buffer), memory);
  const cold = make();
  const functions = make(100);
  const hot = make(1);
  const failures: string[] = [];
  for (const { name, input } of cases) {
    const expected = evaluated(reference, evaluator, input);
    for (
      const [tier, actual] of [
        ["cold", compiled(cold, input, 1)],
        ["functions of blocks", compiled(functions, input, HOT_RUNS)],
        ["regions", compiled(hot, input, HOT_RUNS)],
      ] as const
    ) {
      const wrong = expected.flatMap((line, i) =>
        line === actual[i] ? [] : [`  ${line}\n  ${actual[i]}`]
      );
      if (wrong.length > 0) failures.push(`${name}, ${tier}:\n${wrong.join("\n")}`);
    }
  }
  assert(functions.cpu.functions.counts.blocks > 0 && functions.cpu.regions.counts.regions === 0);
  assert(hot.cpu.hotRetired > cases.length, `${hot.cpu.hotRetired} instructions were hot`);
  assertEquals(failures.slice(0, 20).join("\n"), "", `${failures.length} differ`);
}

for (
  const [name, isa, rows] of [
    ["x86_64", x86_64, baseRows],
    ["x86_64-v3", x86_64_v3, allRows],
  ] as const
) {
  Deno.test(`${name}: every row evaluates as it is compiled`, () => {
    const random = new Random(SEED);
    const cases = rows.filter((row) => ONLY.test(row.name) && !STATEFUL.test(row.name)).flatMap((
      row,
    ) => Array.from({ length: PER_ROW }, () => row)).map((row, i) => {
      const { record, bytes } = instance(row, CODE + 64 * i, random);
      const hex = bytes.map((b) => b.toString(16).padStart(2, "0")).join(" ");
      return { name: `${row.name} [${hex}]`, input: record };
    });
    agree((heat) => new Simulated(heat, isa), cases);
  });
}

Deno.test("aarch64: every row evaluates as it is compiled", () => {
  const random = new arm.Random(SEED);
  const cases = arm.rows.filter((row) => ONLY.test(row.name)).flatMap((row) =>
    Array.from({ length: PER_ROW }, () => {
      const word = arm.instance(row, random);
      if (word === null) throw new Error(`no instance of ${row.name}`);
      const input = arm.randomState([word], arm.kindOf(row) === "zva", random);
      return { name: `${row.name} ${(word >>> 0).toString(16)}`, input };
    })
  );
  agree((heat) => {
    const subject = new Subject(heat);
    return {
      cpu: subject.engine,
      space: subject.space,
      get data() {
        return subject.data;
      },
      prepare: (input) => subject.prepare(input),
    };
  }, cases);
});
