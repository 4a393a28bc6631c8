/** A processor's registers as debuggers number and group them. */
import type { Arch } from "../arch.ts";
import type { Cpu } from "../cpu/cpu.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { Thread } from "../kernel/thread.ts";
import { aarch64Features } from "./registers_aarch64.ts";
import { x86_64Features } from "./registers_x86_64.ts";
import type { RegisterFeature } from "./register.ts";

/** Features of the processor of `cpu`. */
export function featuresOf(cpu: Cpu): readonly RegisterFeature[] {
  return cpu.arch === "x86_64" ? x86_64Features(cpu) : aarch64Features;
}

const ARCHITECTURE: Readonly<Record<Arch, string>> = {
  x86_64: "i386:x86-64",
  aarch64: "aarch64",
};

/** The target description of `features` (GDB manual, "Target Description Format"). */
export function targetDescription(arch: Arch, features: readonly RegisterFeature[]): string {
  const lines = [
    '<?xml version="1.0"?>',
    '<!DOCTYPE target SYSTEM "gdb-target.dtd">',
    "<target>",
    `<architecture>${ARCHITECTURE[arch]}</architecture>`,
    "<osabi>GNU/Linux</osabi>",
  ];
  let number = 0;
  for (const { name, types = "", registers } of features) {
    lines.push(`<feature name="${name}">`, types);
    for (const register of registers) {
      const { size, type = size === 4 ? "int" : "int64", group } = register;
      const grouped = group === undefined ? "" : ` group="${group}"`;
      lines.push(
        `<reg name="${register.name}" bitsize="${8 * size}" type="${type}" ` +
          `regnum="${number++}"${grouped}/>`,
      );
    }
    lines.push("</feature>");
  }
  return lines.concat("</target>", "").join("\n");
}

/**
 * Do `work` with the registers of `thread` in the processor, as the kernel's own thread switches do not
 * notice; what it changes is the thread's.
 */
export function withThread<T>(kernel: Kernel, thread: Thread, work: (cpu: Cpu) => T): T {
  const { cpu } = kernel;
  if (kernel.current === thread) return work(cpu);
  const live = cpu.stateBytes.slice();
  cpu.stateBytes.set(thread.state);
  try {
    return work(cpu);
  } finally {
    thread.state.set(cpu.stateBytes);
    cpu.stateBytes.set(live);
  }
}
