/** The options of `run` that trace: what, of it which part, and where to. */
import type { CodeFilter } from "../../sim/debug/code_trace.ts";
import type { EventReader } from "../../sim/cpu/event_buffer.ts";
import type { Machine } from "../../sim/machine.ts";
import type { StracePrinter } from "../../sim/kernel/strace/printer.ts";
import { Thread } from "../../sim/kernel/thread.ts";
import { oneOf, type OptionSpec, UsageError, wholeNumber } from "./command.ts";
import { Lines } from "./lines.ts";

const KINDS = ["instructions", "blocks", "syscalls", "links"] as const;
export type TraceKind = typeof KINDS[number];

export interface TraceValues {
  readonly trace?: readonly TraceKind[];
  readonly traceIn?: readonly CodeFilter[];
  readonly traceThread?: readonly number[];
  readonly traceFirst?: number;
  readonly traceLast?: number;
  readonly traceFile?: string;
}

function place(text: string): CodeFilter {
  const [, from, to] = /^(0x[\da-f]+)-(0x[\da-f]+)$/i.exec(text) ?? [];
  if (from !== undefined) {
    if (Number(from) >= Number(to)) throw new UsageError(`--trace-in: ${text} is an empty range`);
    return { start: Number(from), end: Number(to) };
  }
  const at = text.lastIndexOf(":");
  if (text === "" || at === 0 || at === text.length - 1) {
    throw new UsageError(
      `--trace-in: ${JSON.stringify(text)} is no SYMBOL, LIBRARY, LIBRARY:SYMBOL or 0xFROM-0xTO`,
    );
  }
  return at < 0 ? { either: text } : { object: text.slice(0, at), symbol: text.slice(at + 1) };
}

export const traceOptions: readonly OptionSpec[] = [
  {
    flags: "--trace <kind>",
    help: `print a line for each of: ${KINDS.join(", ")}; may be given more than once`,
    repeated: true,
    parse: oneOf("--trace", KINDS),
  },
  {
    flags: "--trace-in <place>",
    help: "of instructions and blocks those in SYMBOL, LIBRARY, LIBRARY:SYMBOL, 0xFROM-0xTO",
    repeated: true,
    parse: place,
  },
  {
    flags: "--trace-thread <tid>",
    help: "of instructions, blocks and syscalls those of a thread (the first is 100)",
    repeated: true,
    parse: wholeNumber("--trace-thread", 1),
  },
  {
    flags: "--trace-first <n>",
    help: "the first lines alone",
    parse: wholeNumber("--trace-first"),
  },
  {
    flags: "--trace-last <n>",
    help: "the last lines alone, at the end",
    parse: wholeNumber("--trace-last"),
  },
  { flags: "--trace-file <file>", help: "where to (default: -, standard error)" },
];

/** The traces that the options ask for, for the machine that `machine` answers once it is there. */
export class Traces {
  readonly lines: Lines | undefined;
  readonly readers: EventReader[] = [];
  readonly #values: TraceValues;

  private constructor(values: TraceValues) {
    this.#values = values;
    const { trace, traceFile = "-", traceFirst: first, traceLast: last } = values;
    if (trace !== undefined) this.lines = new Lines("--trace-file", traceFile, { first, last });
  }

  static async of(values: TraceValues, machine: () => Machine): Promise<Traces> {
    const { trace = [], traceIn = [], traceThread = [], ...limits } = values;
    const code = trace.filter((kind) => kind === "instructions" || kind === "blocks");
    if (trace.length === 0 && (traceIn.length > 0 || traceThread.length > 0 || given(limits))) {
      throw new UsageError("--trace-in, -thread, -first, -last and -file are for --trace");
    }
    if (traceIn.length > 0 && code.length === 0) {
      throw new UsageError("--trace-in is for --trace instructions and --trace blocks");
    }
    const traces = new Traces(values);
    if (code.length === 0) return traces;
    const { CodeTrace } = await import("../../sim/debug/code_trace.ts");
    for (const kind of code) {
      traces.readers.push(
        new CodeTrace({
          kind,
          places: traceIn,
          threads: traceThread,
          machine: () => ({ isa: machine().isa, thread: machine().kernel.current }),
          print: (line) => traces.lines!.add(line),
        }),
      );
    }
    return traces;
  }

  /** Where lines of `kind` go, if it is traced. */
  linesOf(kind: TraceKind): Lines | undefined {
    return this.#values.trace?.includes(kind) ? this.lines : undefined;
  }

  /** `printer` for the threads that are traced. */
  ofThreads(printer: StracePrinter): StracePrinter {
    const { traceThread = [] } = this.#values;
    if (traceThread.length === 0) return printer;
    return new Proxy(printer, {
      get(target, name) {
        const method = Reflect.get(target, name, target);
        if (typeof method !== "function") return method;
        return (subject: unknown, ...rest: unknown[]) => {
          if (subject instanceof Thread && !traceThread.includes(subject.tid)) return;
          return method.call(target, subject, ...rest);
        };
      },
    });
  }

  close(): void {
    this.lines?.close();
  }
}

function given(values: object): boolean {
  return Object.entries(values).some(([key, value]) =>
    key.startsWith("trace") && value !== undefined
  );
}
