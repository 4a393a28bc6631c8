/** One register of a processor as debuggers see it, and the kinds that both architectures have. */
import type { Cpu } from "../cpu/cpu.ts";
import type { Thread } from "../kernel/thread.ts";

/** One register; `read` and `write` see the thread's state in the processor. */
export interface Register {
  readonly name: string;
  /** Size in bytes; values are little-endian. */
  readonly size: number;
  /** Type in gdb's target descriptions; default an integer of its size. */
  readonly type?: string;
  /** Group in gdb's listings, where its feature does not say it. */
  readonly group?: string;
  read(cpu: Cpu, into: DataView, thread: Thread): void;
  write(cpu: Cpu, from: DataView): void;
}

/** A group of registers that gdb knows by a standard name (GDB manual, "Standard Target Features"). */
export interface RegisterFeature {
  readonly name: string;
  /** Definitions of types, as XML. */
  readonly types?: string;
  readonly registers: readonly Register[];
}

/** A register that lies in the thread's state at `offset`, as it is. */
export function stored(
  name: string,
  offset: number,
  size: number,
  more: Pick<Register, "type" | "group"> = {},
): Register {
  return {
    ...{ name, size, ...more },
    read({ stateBytes }, into) {
      bytesOf(into).set(stateBytes.subarray(offset, offset + size));
    },
    write({ stateBytes }, from) {
      stateBytes.set(bytesOf(from), offset);
    },
  };
}

/** The program counter. */
export function programCounter(name: string): Register {
  return {
    ...{ name, size: 8, type: "code_ptr" },
    read: (cpu, into) => into.setBigUint64(0, cpu.exactPc, true),
    write: (cpu, from) => cpu.pc = Number(from.getBigUint64(0, true)),
  };
}

export function bytesOf({ buffer, byteOffset, byteLength }: DataView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** The live state, for words in it. */
export function stateOf({ stateBytes }: Cpu): DataView {
  return new DataView(stateBytes.buffer, stateBytes.byteOffset, stateBytes.byteLength);
}
