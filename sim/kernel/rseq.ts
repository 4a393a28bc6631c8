/** Restartable sequences (rseq(2)): the per-thread area and the abort of critical sections. */
import { Rseq, RseqCs } from "./abi/structs.ts";
import type { Kernel } from "./kernel.ts";
import type { Thread } from "./thread.ts";

const NO_CPU = 0xffffffff;

/** Write the CPU number into a freshly registered area. */
export function publishCpu(thread: Thread, cpu: number): number {
  if (!thread.rseq) return 0;
  const area = new Uint8Array(8);
  new DataView(area.buffer).setUint32(0, cpu === NO_CPU ? 0 : cpu, true);
  new DataView(area.buffer).setUint32(4, cpu, true);
  return thread.process.space.value.copyOut(thread.rseq.address, area);
}

/**
 * The loaded thread was preempted or is about to enter a signal handler: if it is inside a
 * critical section, continue at the section's abort address.
 */
export function abortRestartable(kernel: Kernel, thread: Thread): void {
  if (!thread.rseq) return;
  const space = thread.process.space.value;
  const area = new Uint8Array(Rseq.size);
  if (space.copyIn(thread.rseq.address, area) < 0) return;
  const section = Rseq.decode(area).criticalSection;
  if (section === 0) return;
  const bytes = new Uint8Array(RseqCs.size);
  if (space.copyIn(section, bytes) < 0) return;
  const { start, length, abort } = RseqCs.decode(bytes);
  const { pc } = kernel.cpu;
  space.copyOut(thread.rseq.address + Rseq.offset("criticalSection"), new Uint8Array(8));
  if (pc >= start && pc < start + length) kernel.cpu.pc = abort;
}
