/** Nested calls of guest functions while a program is being linked. */
import { LinkTargetError } from "../lib/linker/target.ts";
import type { CpuExit } from "./cpu/cpu.ts";
import { THREAD_SIZE } from "./cpu/layout.ts";
import type { Kernel } from "./kernel/kernel.ts";
import { signalName } from "./kernel/signal_numbers.ts";
import { argumentRegister } from "./link_values.ts";
import { MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE } from "./memory/abi.ts";
import type { AddressSpace } from "./memory/address_space.ts";
import { Domain } from "./memory/memory.ts";

/** Bytes of the scratch stack. */
const STACK = 0x1_0000;
/** aarch64: the link register. */
const X30 = 30;

/**
 * Call the function at `address` in `space` on a scratch stack until it returns to `returnAddress`.
 * Its instructions retire as the program's own, as they do when a loader in the process makes the
 * call. Throws a `LinkTargetError` if it does anything but compute, or needs more than `limit`
 * instructions.
 */
export function callGuest(
  kernel: Kernel,
  space: AddressSpace,
  address: number,
  args: readonly (number | bigint)[],
  limit: number,
  returnAddress: number,
): number {
  const { cpu, abi, memory } = kernel;
  const stack = space.mmap(0, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
  if (stack < 0) throw new LinkTargetError("no room for the stack of a nested call");
  const saved = new Uint8Array(THREAD_SIZE);
  cpu.save(saved);
  const { domain } = memory;
  try {
    // The psABI wants rsp + 8 a multiple of 16 at a function's entry, sp itself on aarch64.
    const top = stack + STACK - 64;
    abi.start(cpu, address, abi.arch === "x86_64" ? top - 8 : top);
    if (abi.arch === "aarch64") cpu.setRegNumber(X30, returnAddress);
    else space.writeU64(top - 8, returnAddress);
    args.forEach((value, i) => cpu.setReg(argumentRegister(kernel, i), BigInt(value)));
    memory.domain = Domain.Program;
    for (let left = limit; left > 0;) {
      const exit = cpu.run(space, left);
      left -= cpu.retired;
      kernel.instructions += cpu.retired;
      kernel.clock.advance(cpu.retired);
      if (exit.kind === "host" && cpu.pc === returnAddress) {
        return Number(BigInt.asUintN(64, cpu.reg(abi.result)));
      }
      const problem = problemOf(exit, cpu.pc);
      if (problem !== undefined) {
        throw new LinkTargetError(`the function at 0x${address.toString(16)} ${problem}`);
      }
    }
    throw new LinkTargetError(
      `the function at 0x${address.toString(16)} did not return within ${limit} instructions`,
    );
  } finally {
    memory.domain = domain;
    cpu.load(saved);
    cpu.clearMonitor();
    space.munmap(stack, STACK);
  }
}

/** What a function that may only compute did instead; undefined if it may go on. */
function problemOf(exit: CpuExit, pc: number): string | undefined {
  const at = `at 0x${pc.toString(16)}`;
  switch (exit.kind) {
    case "quantum":
    case "yield":
    case "break":
      return undefined;
    case "syscall":
      return `made a system call ${at}`;
    case "host":
      return `called into the host ${at}`;
    case "fault":
      return `failed ${at}: ${signalName(exit.signal)}${exit.detail ? `, ${exit.detail}` : ""}`;
  }
}
