/**
 * Where arguments and results of guest functions are: System V x86_64 (psABI 3.2.3) and AAPCS64 (6.8.2), for
 * values of one register each.
 */
import type { GuestValue, ValueClass } from "../lib/linker/target.ts";
import { LinkTargetError } from "../lib/linker/target.ts";
import { vector } from "./cpu/layout.ts";
import type { Kernel } from "./kernel/kernel.ts";
import type { AddressSpace } from "./memory/address_space.ts";

/** General registers of arguments: rdi rsi rdx rcx r8 r9, or x0 to x7. */
const INTEGERS = { x86_64: [7, 6, 2, 1, 8, 9], aarch64: [0, 1, 2, 3, 4, 5, 6, 7] } as const;
/** Vector registers of arguments, from the first on. */
const VECTORS = 8;
/** Register that code between a call and its function may use: r11, x16. */
const SCRATCH = { x86_64: 11, aarch64: 16 } as const;
/** x86_64: a function with variable arguments is told in al how many vector registers are used. */
const RAX = 0;
const WORD = 8;

type Place = { readonly kind: ValueClass | "stack"; readonly index: number };

/** Where each argument of a function is: a register of its class, or the next word of the stack. */
function places(arch: "x86_64" | "aarch64", classes: readonly ValueClass[]): Place[] {
  const used = { integer: 0, float: 0, stack: 0 };
  const room = { integer: INTEGERS[arch].length, float: VECTORS };
  return classes.map((kind) =>
    used[kind] < room[kind] ? { kind, index: used[kind]++ } : { kind: "stack", index: used.stack++ }
  );
}

/** Integer argument registers of the C calling convention, of which both architectures have six. */
export function argumentRegister({ abi }: Kernel, index: number): number {
  if (index < 0 || index > 5) throw new LinkTargetError(`no integer argument ${index}`);
  return INTEGERS[abi.arch][index];
}

/** Value of the register that tells stubs apart. */
export function scratchRegister({ abi, cpu }: Kernel): number {
  return cpu.regNumber(SCRATCH[abi.arch]);
}

/** The arguments of the function that was called, when its stack arguments begin at `stack`. */
export function readValues(
  { abi, cpu }: Kernel,
  space: AddressSpace,
  classes: readonly ValueClass[],
  stack: number,
): bigint[] {
  const state = viewOf(cpu.stateBytes);
  return places(abi.arch, classes).map(({ kind, index }) => {
    if (kind === "integer") return cpu.reg(INTEGERS[abi.arch][index]);
    if (kind === "float") return state.getBigUint64(vector(index), true);
    const bytes = new Uint8Array(WORD);
    if (space.copyIn(stack + WORD * index, bytes) < 0) {
      throw new LinkTargetError("a host function was called without its stack arguments");
    }
    return viewOf(bytes).getBigUint64(0, true);
  });
}

/** Puts the arguments of a call where its function looks for them; answers the stack pointer of the call. */
export function writeValues(
  { abi, cpu }: Kernel,
  space: AddressSpace,
  values: readonly GuestValue[],
  stack: number,
): number {
  const at = places(abi.arch, values.map((value) => value.class));
  const words = at.filter(({ kind }) => kind === "stack").length;
  const pointer = stack - stack % 16 - 16 * Math.ceil(words / 2);
  const state = viewOf(cpu.stateBytes);
  let vectors = 0;
  at.forEach(({ kind, index }, i) => {
    const { bits } = values[i];
    if (kind === "integer") cpu.setReg(INTEGERS[abi.arch][index], BigInt.asUintN(64, bits));
    else if (kind === "float") {
      vectors++;
      writeVector(state, index, bits);
    } else {
      const word = new Uint8Array(WORD);
      viewOf(word).setBigUint64(0, BigInt.asUintN(64, bits), true);
      if (space.copyOut(pointer + WORD * index, word) < 0) {
        throw new LinkTargetError("no room on the stack for the arguments of a guest function");
      }
    }
  });
  if (abi.arch === "x86_64") cpu.setRegNumber(RAX, vectors);
  return pointer;
}

export function readResult({ abi, cpu }: Kernel, kind: ValueClass): bigint {
  return kind === "integer"
    ? cpu.reg(abi.result)
    : viewOf(cpu.stateBytes).getBigUint64(vector(0), true);
}

export function writeResult({ abi, cpu }: Kernel, { class: kind, bits }: GuestValue): void {
  if (kind === "integer") cpu.setReg(abi.result, BigInt.asUintN(64, bits));
  else writeVector(viewOf(cpu.stateBytes), 0, bits);
}

function writeVector(state: DataView, index: number, bits: bigint): void {
  state.setBigUint64(vector(index), bits, true);
  state.setBigUint64(vector(index) + WORD, 0n, true);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
