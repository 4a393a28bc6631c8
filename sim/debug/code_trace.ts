/** A line for every instruction or block that retires: a reader of the event stream. */
import type { CodeBlock, StreamContext } from "../cpu/event_buffer.ts";
import type { Isa } from "../cpu/ir/decoded.ts";
import { type CodePlace, codePlace } from "../code_places.ts";
import type { Thread } from "../kernel/thread.ts";
import type { AddressSpace } from "../memory/address_space.ts";
import { StreamModel } from "../models/stream_model.ts";
import { isCalled } from "../symbol_places.ts";
import { instructionText } from "./disassemble.ts";

/** Code by address, or by function, by object (as in `FunctionName`), or by either. */
export type CodeFilter =
  | { readonly start: number; readonly end: number }
  | { readonly object: string; readonly symbol: string }
  | { readonly either: string };

/** What is traced. */
export interface CodeTraceOptions {
  /** A line for each instruction, or for each basic block. */
  readonly kind: "instructions" | "blocks";
  /** Code that is traced; empty for all. */
  readonly places: readonly CodeFilter[];
  /** Threads that are traced, by number; empty for all. */
  readonly threads: readonly number[];
  /** What runs: asked while it does. */
  readonly machine: () => { readonly isa: Isa; readonly thread: Thread | null };
  /**
   * Takes the lines, whose columns are separated by tabs: thread, address, object with function and offset;
   * then bytes and text of the instruction, or the number of the block's instructions that retired.
   */
  readonly print: (line: string) => void;
}

/**
 * The trace. It says what retired, in order, whichever tier ran it; an instruction that faults is not in it
 * until it is run again and retires.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { CodeTrace, Machine } from "../../mod.ts";
 *
 * const blocks: string[] = [];
 * const trace = new CodeTrace({
 *   kind: "blocks",
 *   places: [],
 *   threads: [],
 *   machine: () => ({ isa: machine.isa, thread: machine.kernel.current }),
 *   print: (line) => void blocks.push(line),
 * });
 * const root = "tests/guests/prebuilt";
 * const machine: Machine = await Machine.create({ root, readers: [trace] });
 * await machine.run(["/aarch64/hello"]);
 * assertEquals(blocks[0].split("\t"), ["100", "0x400170", "hello:0x400170", "5"]);
 * ```
 */
export class CodeTrace extends StreamModel {
  /** Blocks, which the stream has with accesses; branches are not needed. */
  readonly kinds = { accesses: true, branches: false };
  readonly #lines = new WeakMap<CodeBlock, readonly (string | null)[]>();
  #memory: Uint8Array = new Uint8Array(0);

  /** A trace with these options, to be given to a machine as one of its `readers`. */
  constructor(readonly options: CodeTraceOptions) {
    super();
  }

  /** Called by the machine before the first event. */
  override attach(context: StreamContext): void {
    super.attach(context);
    this.#memory = new Uint8Array(context.memory.buffer);
  }

  /** Prints what retired of the block that is under way. */
  protected override retired(): void {
    const { block, count, options } = this;
    const { thread } = options.machine();
    const tid = thread?.tid ?? 0;
    if (options.threads.length > 0 && !options.threads.includes(tid)) return;
    const lines = this.#linesOf(block);
    if (options.kind === "blocks") {
      if (lines[0] !== null) options.print(`${tid}\t${lines[0]}\t${count}`);
      return;
    }
    for (let i = 0; i < count; i++) {
      if (lines[i] !== null) options.print(`${tid}\t${lines[i]}`);
    }
  }

  /** A line for each instruction of `block`, or for itself; null where it is not traced. */
  #linesOf(block: CodeBlock): readonly (string | null)[] {
    let lines = this.#lines.get(block);
    if (lines === undefined) {
      const count = this.options.kind === "blocks" ? 1 : block.count;
      lines = Array.from({ length: count }, (_, i) => this.#line(block, i));
      this.#lines.set(block, lines);
    }
    return lines;
  }

  #line(block: CodeBlock, i: number): string | null {
    const { kind, places, machine } = this.options;
    const pc = block.pc + block.offsets[i];
    const place = codePlace(this.context.running as AddressSpace, pc);
    if (places.length > 0 && !places.some((filter) => isIn(filter, pc, place))) return null;
    const where = `0x${pc.toString(16)}\t${placeText(place)}`;
    if (kind === "blocks") return where;
    const bytes = this.#bytes(block, block.offsets[i], block.offsets[i + 1]);
    const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
    return `${where}\t${hex}\t${instructionText(machine().isa, bytes, pc)}`;
  }

  /** Bytes `[from, to)` of a block, which may go on on a second page. */
  #bytes({ physical, physical2 }: CodeBlock, from: number, to: number): Uint8Array {
    return Uint8Array.from({ length: to - from }, (_, i) => {
      const at = physical + from + i;
      const beyond = at - (Math.floor(physical / 4096) + 1) * 4096;
      return this.#memory[beyond < 0 || physical2 < 0 ? at : physical2 + beyond];
    });
  }

  /** Nothing: what is fetched has not retired. */
  protected fetch(): void {}
  /** Nothing: only what retires is printed. */
  protected access(): void {}
  /** Nothing: blocks say where they go. */
  protected branch(): void {}
  /** Nothing: no state depends on mappings. */
  invalidate(): void {}
  /** Nothing: the instruction that faults is printed when it retires. */
  pageFault(): void {}
}

function placeText({ object, symbol, offset }: CodePlace): string {
  const file = object.slice(object.lastIndexOf("/") + 1);
  return `${file}:${symbol}${offset === 0 ? "" : `+0x${offset.toString(16)}`}`;
}

function isIn(filter: CodeFilter, pc: number, { object, symbol }: CodePlace): boolean {
  if ("start" in filter) return pc >= filter.start && pc < filter.end;
  if ("either" in filter) return symbol === filter.either || isCalled(object, filter.either);
  return symbol === filter.symbol && isCalled(object, filter.object);
}
