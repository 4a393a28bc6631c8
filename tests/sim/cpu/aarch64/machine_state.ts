/**
 * The machine state that the qemu harness (`harness.s`) reads and writes, and our engine as its
 * equal: the same bytes in, four instructions, the same bytes out.
 */
import { Access, type CpuSpace } from "../../../../sim/cpu/cpu.ts";
import { Engine } from "../../../../sim/cpu/engine.ts";
import { Evaluator } from "../../../../sim/cpu/ir/evaluator.ts";
import { SpaceMemory } from "../../../../sim/cpu/ir/space_memory.ts";
import type { Isa } from "../../../../sim/cpu/ir/decoded.ts";
import { setStatus, UNSEEN } from "../../../../sim/cpu/aarch64/float/status.ts";
import { FPCR, FPSR, gpr, RESERVED, vector } from "../../../../sim/cpu/layout.ts";
import { aarch64 } from "../../../../sim/cpu/aarch64/isa.ts";

/** Offsets in a state. */
export const X = 0;
export const STACK = 248;
export const NZCV = 256;
export const CONTROL = 264;
export const STATUS = 272;
export const CODE = 280;
export const V = 304;
export const MEMORY = 816;
export const MEMORY_SIZE = 304;
export const STATE_SIZE = 1120;
/** Guest addresses. */
export const SLOT = 0x410000;
export const STATE = 0x420000;
/** Instructions in the slot. */
export const WORDS = 4;
const SVC = 0xd4000001;

/** The instructions of a state. */
export function wordsOf(state: Uint8Array): Uint32Array {
  return new Uint32Array(state.slice(CODE, CODE + 4 * WORDS).buffer);
}

/** Pages from 64 KiB to 8 MiB where they are. */
class FlatSpace implements CpuSpace {
  readonly id = 1;
  readonly resolved = { physical: 0, pageShift: 12, writable: true };
  peekExecutable(va: number): number {
    return va < 0x800000 ? RESERVED + va : -1;
  }
  resolve(va: number, _access: Access): number {
    if (va < 0x10000 || va >= 0x800000) return (11 << 8) | 1;
    this.resolved.physical = RESERVED + va;
    return 0;
  }
}

/** Wasm pages: state memory and 8 MiB. */
const PAGES = RESERVED / 65536 + 128;

/** The engine with the harness's addresses. */
export class Subject {
  readonly #physical = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES });
  readonly #bytes = new Uint8Array(this.#physical.buffer, RESERVED);
  readonly space: CpuSpace = new FlatSpace();
  readonly engine: Engine;

  constructor(heat?: number, isa: Isa = aarch64) {
    this.engine = new Engine({ isa, physical: this.#physical, heat, batch: 1 });
    new DataView(this.#physical.buffer, RESERVED).setUint32(SLOT + 4 * WORDS, SVC, true);
  }

  /** State after the four instructions of `before`; throws if they fault. */
  run(before: Uint8Array, times = 1): Uint8Array {
    for (let i = 0; i < times; i++) {
      this.prepare(before);
      let exit: { readonly kind: string };
      do exit = this.execute(); while (exit.kind === "yield");
      if (exit.kind !== "syscall") {
        throw new Error(
          `stopped by ${
            JSON.stringify(exit, (_, v) => typeof v === "bigint" ? v.toString(16) : v)
          }`,
        );
      }
    }
    return this.#outcome();
  }

  /** Go on until something needs the host. */
  protected execute(): { readonly kind: string } {
    return this.engine.run(this.space, 1000);
  }

  #outcome(): Uint8Array {
    const { engine } = this;
    const state = engine.stateBytes;
    const after = this.#bytes.slice(STATE, STATE + STATE_SIZE);
    after.set(state.subarray(gpr(0), gpr(32)), X);
    after.set(state.subarray(vector(0), vector(32)), V);
    new DataView(after.buffer).setUint32(NZCV, engine.flags, true);
    after.set(state.subarray(FPCR, FPCR + 4), CONTROL);
    after[CONTROL] &= ~UNSEEN;
    after.set(state.subarray(FPSR, FPSR + 4), STATUS);
    return after;
  }

  /** Put the state's code, data and registers where they belong, and pc at the code. */
  prepare(before: Uint8Array): void {
    const { engine } = this;
    const state = engine.stateBytes;
    const view = new DataView(before.buffer, before.byteOffset, before.length);
    const code = before.subarray(CODE, CODE + 4 * WORDS);
    if (code.some((byte, i) => this.#bytes[SLOT + i] !== byte)) {
      this.#bytes.set(code, SLOT);
      engine.frameWritten(RESERVED + SLOT, 4 * WORDS);
    }
    this.#bytes.set(before, STATE);
    state.set(before.subarray(X, X + 256), gpr(0));
    state.set(before.subarray(V, V + 512), vector(0));
    setStatus(
      new DataView(state.buffer, state.byteOffset),
      view.getUint32(CONTROL, true),
      view.getUint32(STATUS, true),
    );
    engine.flags = view.getUint32(NZCV, true);
    engine.clearMonitor();
    engine.pc = SLOT;
  }

  /** The state in guest memory. */
  get data(): Uint8Array {
    return this.#bytes.subarray(STATE, STATE + STATE_SIZE);
  }
}

/** The same, by the reference evaluation of what semantics emit. */
export class Evaluated extends Subject {
  readonly #evaluator: Evaluator;

  constructor() {
    super();
    const { engine } = this;
    const { buffer } = engine.state;
    const memory = new SpaceMemory("aarch64", this.space, new Uint8Array(buffer));
    this.#evaluator = new Evaluator(engine.isa, new DataView(buffer), memory);
  }

  protected override execute(): { readonly kind: string } {
    for (;;) {
      const end = this.#evaluator.step();
      if (end.kind === "fault") return end;
      if (end.kind === "exit" && end.reason !== "mode") return { kind: end.reason };
    }
  }
}
