/**
 * The event stream is the trace: a program's events, made one instruction at a time, equal those that
 * both tiers append, in order.
 */
import { assert, assertEquals } from "@std/assert";
import { BytesInput, CapturedOutput, Machine, type MachineOptions } from "../../../mod.ts";
import type { CodeBlock } from "../../../sim/cpu/event_buffer.ts";
import { Side } from "../../../sim/models/hierarchy.ts";
import { BranchKind, StreamModel } from "../../../sim/models/stream_model.ts";
import type { TraceSink } from "../../../sim/trace.ts";

const guests = new URL("../../guests/prebuilt/", import.meta.url).pathname;

/** A sequence of events: its length, and a hash. */
class Sequence {
  length = 0;
  hash = 0;
  /** The hash at every so many events. */
  readonly marks: number[] = [];
  add(kind: string, a: number, b: number, c: number): void {
    let h = this.hash;
    for (const n of [kind.charCodeAt(0), a % 4294967296, Math.floor(a / 4294967296), b, c]) {
      h = Math.imul(((h << 5) | (h >>> 27)) ^ n, 0x9e3779b1);
    }
    this.hash = h;
    if (++this.length % 1000 === 0) this.marks.push(h);
  }
}

/** Branches as a trace has them. */
const NAMES: Readonly<Record<number, string>> = {
  [BranchKind.NotTaken]: "not taken",
  [BranchKind.Taken]: "taken",
  [BranchKind.Jump]: "jump",
  [BranchKind.Call]: "call",
  [BranchKind.IndirectJump]: "indirect jump",
  [BranchKind.IndirectCall]: "indirect call",
  [BranchKind.Return]: "return",
};

/** A trace tells of a branch after the page fault of the fetch that it leads to, so it is a sequence apart. */
class Events {
  readonly accesses = new Sequence();
  readonly branches = new Sequence();
}

/** Which byte of a page a fault names is not the same for all. */
const pageOf = (va: number): number => Math.floor(va / 4096);

class Recorder extends StreamModel {
  override readonly kinds = { accesses: true, branches: true };
  constructor(readonly out: Events) {
    super();
  }
  protected override fetch(from: number, to: number): void {
    const { pc, offsets } = this.block;
    for (let i = from; i < to; i++) {
      this.out.accesses.add(
        "fetch",
        pc + offsets[i],
        offsets[i + 1] - offsets[i],
        this.context.space,
      );
    }
  }
  protected override access(address: number, size: number, write: boolean): void {
    this.out.accesses.add(write ? "store" : "load", address, size, 0);
  }
  protected override branch(kind: BranchKind, block: CodeBlock, index: number, target: number) {
    const { pc, offsets } = block;
    const to = kind === BranchKind.NotTaken
      ? pc + offsets[index + 1]
      : kind <= BranchKind.Call
      ? block.target
      : target;
    this.out.branches.add(NAMES[kind], pc + offsets[index], to % 4294967296, 0);
  }
  override invalidate(space: number, from: number, to: number): void {
    this.out.accesses.add("invalidate", from, to - from, space);
  }
  override pageFault(side: Side, va: number): void {
    this.out.accesses.add(
      side === Side.Data ? "fault" : "Fault",
      pageOf(va),
      0,
      this.context.space,
    );
  }
}

/** The same sequence from a trace. */
function sinkOf({ accesses: out, branches }: Events): TraceSink {
  return {
    fetch: (pc, length, space) => out.add("fetch", pc, length, space),
    access: (address, size, write) => out.add(write ? "store" : "load", address, size, 0),
    branch: (kind, pc, to) => branches.add(kind, pc, to % 4294967296, 0),
    pageFault: (va, kind, space) =>
      out.add(kind === "data" ? "fault" : "Fault", pageOf(va), 0, space),
    shootdown: (address, size, space) => out.add("invalidate", address, size, space),
  };
}

interface Program {
  readonly argv: readonly string[];
  readonly folder: string;
  /** Least share of hot instructions that makes the test worth something. */
  readonly hot: number;
}

function programs(arch: "x86_64" | "aarch64"): Program[] {
  const debian = arch === "x86_64" ? "amd64" : "arm64";
  const root = new URL(`../../../.cache/roots/bookworm-${debian}`, import.meta.url).pathname;
  const own = (hot: number, ...argv: string[]) => ({ argv, folder: `${guests}/${arch}`, hot });
  return [
    own(0.5, "/kernel"),
    own(0, "/signals"),
    own(0, "/forks"),
    own(0, "/self_modify"),
    own(0, "/hugepages"),
    own(0, "/threads"),
    { argv: ["/usr/bin/python3", "-S", "-c", "print(1)"], folder: root, hot: 0.4 },
  ];
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

for (const arch of ["x86_64", "aarch64"] as const) {
  for (const { argv, folder, hot } of programs(arch)) {
    const missing = exists(folder + argv[0]) ? "" : `needs ${folder}${argv[0]}`;
    Deno.test({
      name: `${arch} ${argv[0]}: the event stream is the trace` +
        (missing === "" ? "" : ` (skipped: ${missing})`),
      ignore: missing !== "",
      fn: async (t) => {
        const run = async (options: MachineOptions) => {
          const streams = {
            stdin: new BytesInput(),
            stdout: new CapturedOutput(),
            stderr: new CapturedOutput(),
          };
          const machine = await Machine.create({
            ...{ root: folder, linker: "guest", streams, maxInstructions: 300_000 },
            ...options,
          });
          return await machine.run(argv);
        };
        const expected = new Events();
        await run({ trace: sinkOf(expected) });
        assert(expected.accesses.length > 1000 && expected.branches.length > 100);
        for (const heat of [Infinity, 2, 50]) {
          await t.step(heat === Infinity ? "cold tier" : `hot after ${heat}`, async () => {
            const seen = new Events();
            const { execution } = await run({ heat, readers: [new Recorder(seen)] });
            for (const part of ["accesses", "branches"] as const) {
              const [a, b] = [seen[part], expected[part]];
              const differs = a.marks.findIndex((hash, i) => hash !== b.marks[i]);
              assertEquals(differs, -1, `${part} differ in the ${differs}th thousand`);
              assertEquals([a.length, a.hash], [b.length, b.hash], part);
            }
            if (heat === 2) {
              assert(execution["hot.share"] >= hot, `${execution["hot.share"]} hot`);
            }
          });
        }
      },
    });
  }
}
