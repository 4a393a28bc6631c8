/** Runs records (see native_harness.c) on this machine's processor and in our engine. */
import { type CpuExit, type CpuSpace } from "../../../../sim/cpu/cpu.ts";
import { Engine } from "../../../../sim/cpu/engine.ts";
import {
  MXCSR,
  RESERVED,
  vector,
  X87_CONTROL,
  X87_FDP,
  X87_FIP,
  X87_FOP,
  X87_REGISTERS,
  X87_STATUS,
  X87_TAGS,
  X87_TOP,
} from "../../../../sim/cpu/layout.ts";
import type { Isa } from "../../../../sim/cpu/ir/decoded.ts";
import { Evaluator } from "../../../../sim/cpu/ir/evaluator.ts";
import { SpaceMemory } from "../../../../sim/cpu/ir/space_memory.ts";
import { x86_64 } from "../../../../sim/cpu/x86_64/isa.ts";
import { AT, CODE, RECORD, WINDOW, WINDOW_SIZE } from "./random_instruction.ts";

/** Whether this machine can be the oracle. */
export const available = Deno.build.arch === "x86_64" && Deno.build.os === "linux" && hasGcc();

/** Features of this machine's processor as the kernel names them. */
export function features(): Set<string> {
  if (!available) return new Set();
  const text = Deno.readTextFileSync("/proc/cpuinfo");
  return new Set(/^flags\s*: (.*)$/m.exec(text)?.[1].split(" "));
}

function hasGcc(): boolean {
  try {
    return new Deno.Command("gcc", { args: ["--version"], stdout: "null" }).outputSync().success;
  } catch {
    return false;
  }
}

/** Run all records natively. */
export async function native(records: Uint8Array): Promise<Uint8Array> {
  const folder = Deno.makeTempDirSync();
  try {
    const source = new URL("./native_harness.c", import.meta.url).pathname;
    const built = new Deno.Command("gcc", {
      args: ["-O1", "-no-pie", "-o", `${folder}/harness`, source],
    }).outputSync();
    if (!built.success) throw new Error(new TextDecoder().decode(built.stderr));
    const child = new Deno.Command(`${folder}/harness`, { stdin: "piped", stdout: "piped" })
      .spawn();
    const output = child.output();
    const writer = child.stdin.getWriter();
    await writer.write(records);
    await writer.close();
    const result = await output;
    if (!result.success) throw new Error(`harness failed: ${result.code}`);
    return result.stdout;
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** Stands for a trap number and error code that the reference evaluation does not have. */
export const NOT_SAID = 0xffff;
const SI_KERNEL = 0x80;

const CODE_PHYSICAL = RESERVED + 0x100000;
const DATA_PHYSICAL = RESERVED + 0x10000;
const DATA = 0x20000000;
const MEMORY_PAGES = RESERVED / 65536 + 0x500;

/** The harness's address space: code pages and one data page. */
class HarnessSpace implements CpuSpace {
  readonly id = 1;
  readonly resolved = { physical: 0, pageShift: 12, writable: true };
  resolve(va: number): number {
    if (va >= CODE && va < CODE + 0x4000000) this.resolved.physical = va - CODE + CODE_PHYSICAL;
    else if (va >= DATA && va < DATA + 4096) this.resolved.physical = va - DATA + DATA_PHYSICAL;
    else return (11 << 8) | 1;
    return 0;
  }
  peekExecutable(va: number): number {
    return this.resolve(va) === 0 ? this.resolved.physical : -1;
  }
}

/** Our engine, or the reference evaluation on its state, behind the harness's records. */
export class Simulated {
  readonly #physical = new WebAssembly.Memory({ initial: MEMORY_PAGES, maximum: MEMORY_PAGES });
  readonly #bytes = new Uint8Array(this.#physical.buffer);
  readonly space: CpuSpace = new HarnessSpace();
  readonly cpu: Engine;
  readonly #state: DataView;
  readonly #evaluator: Evaluator | null;

  /** `heat`: see EngineOptions. `evaluated`: nothing is compiled. */
  constructor(heat?: number, isa: Isa = x86_64, evaluated = false) {
    this.cpu = new Engine({ isa, physical: this.#physical, heat });
    this.#state = new DataView(this.cpu.stateBytes.buffer);
    const memory = new SpaceMemory("x86_64", this.space, this.#bytes);
    this.#evaluator = evaluated ? new Evaluator(isa, this.#state, memory) : null;
  }

  /** Interpret until something is raised. */
  #evaluate(evaluator: Evaluator): CpuExit {
    for (;;) {
      const end = evaluator.step();
      if (end.kind !== "fault") continue;
      const trap = this.cpu.isa.trap?.(
        end.signal,
        end.code,
        end.access,
        this.#state,
        evaluator.bytes,
      );
      // Page faults are made by the engine's memory.
      return end.access && end.code !== SI_KERNEL ? end : { ...end, ...trap };
    }
  }

  /** Execute the record and write the answer in place. */
  run(record: Uint8Array, times = 1): void {
    const view = new DataView(record.buffer, record.byteOffset, record.length);
    const end = Number(view.getBigUint64(AT.address, true)) + view.getUint32(AT.length, true);
    const { cpu } = this;
    let signal = 0, code = 0;
    let fault: bigint[] = [];
    for (let n = 0; n < times; n++) {
      this.prepare(record);
      const exit = this.#evaluator ? this.#evaluate(this.#evaluator) : cpu.run(this.space, 100000);
      if (exit.kind !== "fault") throw new Error(`unexpected exit ${exit.kind}`);
      const done = exit.signal === 5 && cpu.pc === end + 1;
      signal = done ? 0 : exit.signal;
      code = done ? 0 : exit.code & 0xff;
      fault = done ? [0n, 0n, 0n, 0n] : [
        exit.address,
        BigInt(exit.trapno ?? NOT_SAID),
        BigInt(exit.error ?? NOT_SAID),
        BigInt(cpu.pc),
      ];
    }
    fault.forEach((v, i) => view.setBigUint64(AT.fault + 8 * i, v, true));
    view.setUint32(AT.signal, signal, true);
    view.setBigUint64(AT.signalCode, BigInt(code), true);
    this.#collect(record, view);
  }

  /** Put the record's code, data and registers where they belong, and pc at its start. */
  prepare(record: Uint8Array): void {
    const view = new DataView(record.buffer, record.byteOffset, record.length);
    const start = Number(view.getBigUint64(AT.address, true));
    const length = view.getUint32(AT.length, true);
    const at = start - CODE + CODE_PHYSICAL;
    const code = [...record.subarray(AT.code, AT.code + length), 0xcc];
    if (code.some((byte, i) => this.#bytes[at + i] !== byte)) {
      this.#bytes.set(code, at);
      this.cpu.frameWritten(at, code.length);
    }
    const state = this.#state;
    const { cpu } = this;
    for (let i = 0; i < 16; i++) cpu.setReg(i, view.getBigUint64(AT.gpr + 8 * i, true));
    cpu.flags = Number(view.getBigUint64(AT.rflags, true));
    for (let i = 0; i < 32; i++) {
      state.setBigUint64(vector(0) + 8 * i, view.getBigUint64(AT.fx + 160 + 8 * i, true), true);
      state.setBigUint64(vector(16) + 8 * i, view.getBigUint64(AT.upper + 8 * i, true), true);
    }
    state.setUint32(MXCSR, view.getUint32(AT.fx + 24, true), true);
    this.#loadX87(view);
    const window = WINDOW - DATA + DATA_PHYSICAL;
    this.#bytes.set(record.subarray(AT.window, AT.window + WINDOW_SIZE), window);
    cpu.pc = start;
  }

  /** The data page. */
  get data(): Uint8Array {
    return this.#bytes.subarray(DATA_PHYSICAL, DATA_PHYSICAL + 4096);
  }

  #collect(record: Uint8Array, view: DataView): void {
    const state = this.#state;
    const { cpu } = this;
    for (let i = 0; i < 16; i++) view.setBigUint64(AT.gpr + 8 * i, cpu.reg(i), true);
    view.setBigUint64(AT.rflags, BigInt(cpu.flags), true);
    for (let i = 0; i < 32; i++) {
      view.setBigUint64(AT.fx + 160 + 8 * i, state.getBigUint64(vector(0) + 8 * i, true), true);
      view.setBigUint64(AT.upper + 8 * i, state.getBigUint64(vector(16) + 8 * i, true), true);
    }
    view.setUint32(AT.fx + 24, state.getUint32(MXCSR, true), true);
    this.#saveX87(view);
    const window = WINDOW - DATA + DATA_PHYSICAL;
    record.set(this.#bytes.subarray(window, window + WINDOW_SIZE), AT.window);
  }

  #loadX87(view: DataView): void {
    const state = this.#state;
    const status = view.getUint16(AT.fx + 2, true);
    const top = (status >> 11) & 7;
    state.setUint32(X87_CONTROL, view.getUint16(AT.fx, true), true);
    state.setUint32(X87_STATUS, status & ~0x3800, true);
    state.setUint32(X87_TOP, top, true);
    state.setUint32(X87_FOP, view.getUint16(AT.fx + 6, true), true);
    state.setBigUint64(X87_FIP, view.getBigUint64(AT.fx + 8, true), true);
    state.setBigUint64(X87_FDP, view.getBigUint64(AT.fx + 16, true), true);
    state.setUint32(X87_TAGS, ~view.getUint8(AT.fx + 4) & 0xff, true);
    for (let i = 0; i < 8; i++) {
      const to = X87_REGISTERS + 16 * ((top + i) & 7), from = AT.fx + 32 + 16 * i;
      state.setBigUint64(to, view.getBigUint64(from, true), true);
      state.setBigUint64(to + 8, BigInt(view.getUint16(from + 8, true)), true);
    }
  }

  #saveX87(view: DataView): void {
    const state = this.#state;
    const top = state.getUint32(X87_TOP, true) & 7;
    view.setUint16(AT.fx, state.getUint32(X87_CONTROL, true), true);
    view.setUint16(AT.fx + 2, state.getUint32(X87_STATUS, true) | (top << 11), true);
    view.setUint8(AT.fx + 4, ~state.getUint32(X87_TAGS, true) & 0xff);
    view.setUint16(AT.fx + 6, state.getUint32(X87_FOP, true), true);
    view.setBigUint64(AT.fx + 8, state.getBigUint64(X87_FIP, true), true);
    view.setBigUint64(AT.fx + 16, state.getBigUint64(X87_FDP, true), true);
    for (let i = 0; i < 8; i++) {
      const from = X87_REGISTERS + 16 * ((top + i) & 7), to = AT.fx + 32 + 16 * i;
      view.setBigUint64(to, state.getBigUint64(from, true), true);
      view.setUint16(to + 8, state.getUint16(from + 8, true), true);
    }
  }
}

/** Split a buffer into records. */
export function split(buffer: Uint8Array): Uint8Array[] {
  const out: Uint8Array[] = [];
  for (let at = 0; at < buffer.length; at += RECORD) out.push(buffer.subarray(at, at + RECORD));
  return out;
}
