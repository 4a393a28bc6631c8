/** Resource usage as rusage and times report it: modelled time, page faults, resident memory. */
import type { Values } from "./abi/struct.ts";
import type { Rusage } from "./abi/structs.ts";
import type { Kernel } from "./kernel.ts";
import type { Process } from "./process.ts";

export type RusageValues = typeof Rusage extends { decode(bytes: Uint8Array): infer V } ? V
  : Values<string>;

/** rusage of a process itself, of its waited-for children, or of both. */
export function usageOf(
  kernel: Kernel,
  process: Process,
  who: "self" | "children" | "both",
): Partial<RusageValues> {
  const self = who !== "children";
  const children = who !== "self" ? process.childrenUsage : null;
  const instructions = (self ? process.instructions : 0) + (children?.instructions ?? 0);
  const time = kernel.nanoseconds(instructions);
  return {
    utimeSec: Math.floor(time / 1e9),
    utimeUsec: Math.floor(time % 1e9 / 1000),
    maxrss: self ? process.space.value.resident * 4 : 0,
    minflt: (self ? process.usage.minorFaults : 0) + (children?.minorFaults ?? 0),
    majflt: (self ? process.usage.majorFaults : 0) + (children?.majorFaults ?? 0),
  };
}
