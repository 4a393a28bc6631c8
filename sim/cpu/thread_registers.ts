/** The running thread's registers in state memory, as the kernel reads and writes them (`Cpu`). */
import type { Arch } from "../arch.ts";
import * as L from "./layout.ts";
import { StateMemory } from "./state_memory.ts";

/** Where PSTATE has BTYPE. */
const BTYPE_SHIFT = 10;

export abstract class ThreadRegisters {
  readonly stateBytes: Uint8Array;
  protected readonly memory: StateMemory;

  constructor(readonly arch: Arch, memory: WebAssembly.Memory) {
    this.memory = new StateMemory(memory);
    this.stateBytes = this.memory.u8.subarray(0, L.THREAD_SIZE);
  }

  /** The lazy flags packed as the architecture packs them. */
  protected abstract packFlags(kind: number, a: bigint, b: bigint): number;

  reg(i: number): bigint {
    return this.memory.view.getBigUint64(L.gpr(i), true);
  }
  setReg(i: number, value: bigint): void {
    this.memory.view.setBigUint64(L.gpr(i), BigInt.asUintN(64, value), true);
  }
  regNumber(i: number): number {
    return this.memory.signed(L.gpr(i));
  }
  setRegNumber(i: number, value: number): void {
    this.memory.put(L.gpr(i), value);
  }
  get exactPc(): bigint {
    return this.memory.view.getBigUint64(L.PC, true);
  }
  get pc(): number {
    return this.memory.unsigned(L.PC);
  }
  set pc(value: number) {
    this.memory.put(L.PC, value);
  }
  get threadPointer(): number {
    return this.memory.unsigned(L.FS_BASE);
  }
  set threadPointer(value: number) {
    this.memory.put(L.FS_BASE, value);
  }
  get flags(): number {
    const { u32, view } = this.memory;
    const kind = u32[L.FLAG_KIND >> 2];
    const packed = this.packFlags(
      kind,
      view.getBigInt64(L.FLAG_A, true),
      view.getBigInt64(L.FLAG_B, true),
    );
    if (this.arch === "aarch64") return (packed | u32[L.BTYPE >> 2] << BTYPE_SHIFT) >>> 0;
    // Bit 1 always reads as set, IF (bit 9) too in user mode.
    return packed | 0x202 | (u32[L.DF >> 2] << 10) | u32[L.RFLAGS_OTHER >> 2];
  }
  set flags(value: number) {
    const { memory } = this;
    memory.u32[L.FLAG_KIND >> 2] = 0;
    if (this.arch === "aarch64") {
      memory.put(L.FLAG_A, (value & 0xf0000000) >>> 0);
      memory.u32[L.BTYPE >> 2] = value >>> BTYPE_SHIFT & 3;
    } else {
      memory.put(L.FLAG_A, value & 0x8d5);
      memory.u32[L.DF >> 2] = (value >> 10) & 1;
      memory.u32[L.RFLAGS_OTHER >> 2] = value & (L.RFLAGS_TF | L.RFLAGS_AC | L.RFLAGS_ID);
    }
    memory.put(L.FLAG_B, 0);
  }
  save(into: Uint8Array): void {
    into.set(this.stateBytes);
  }
  load(from: Uint8Array): void {
    this.stateBytes.set(from);
  }
  clearMonitor(): void {
    this.memory.u32[L.MONITOR_ADDRESS >> 2] = 0xffffffff;
    this.memory.u32[(L.MONITOR_ADDRESS >> 2) + 1] = 0xffffffff;
  }
}
