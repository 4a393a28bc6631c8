/** The processor of an architecture: its instructions, and what they announce. */
import type { Arch } from "../arch.ts";
import { commonHandlers } from "../cpu/common_handlers.ts";
import type { Isa } from "../cpu/ir/decoded.ts";
import type { Level } from "../cpu/x86_64/level.ts";
import type { CpuIdentity } from "../kernel/kernel_options.ts";
import { MachineError } from "./error.ts";

/** An architecture's instructions, and what they announce. */
interface Processor {
  readonly isa: Isa;
  readonly hwcap: number;
  readonly hwcap2?: number;
  readonly isaLevels?: readonly string[];
  readonly identity?: CpuIdentity;
  /** aarch64: MIDR_EL1. */
  readonly midr?: number;
  /** x86_64: XCR0. */
  readonly xcr0?: number;
}

/** The processor of an architecture; only the one in use is loaded. */
export async function processor(
  arch: Arch,
  models: boolean,
  level?: Level,
  keysFor?: string,
): Promise<Processor> {
  const common = await commonHandlers(arch, models);
  if (arch === "aarch64") {
    if (level !== undefined) {
      throw new MachineError("a CPU level is for x86_64; the program is for aarch64");
    }
    const { aarch64 } = await import("../cpu/aarch64/isa.ts");
    const { HWCAP, HWCAP2, MIDR_EL1 } = await import("../cpu/aarch64/id_registers.ts");
    const plain = { isa: { ...aarch64, common }, hwcap: HWCAP, hwcap2: HWCAP2, midr: MIDR_EL1 };
    if (keysFor === undefined) return plain;
    const { aarch64Poe, HWCAP2_POE } = await import("../cpu/aarch64/poe_isa.ts");
    const isa = { ...aarch64Poe, common };
    return { ...plain, isa, hwcap2: HWCAP2 + HWCAP2_POE, xcr0: 1 };
  }
  const chosen = level ?? (keysFor === undefined ? 2 : 3);
  if (keysFor !== undefined && chosen < 3) {
    throw new MachineError(
      `${keysFor} needs protection keys; a processor of level v${level} has none`,
    );
  }
  const isa = await x86Level(chosen);
  const { cpuid } = await import("../cpu/x86_64/cpuid.ts");
  const x = await import("../cpu/x86_64/features.ts");
  return {
    isa: { ...isa, common },
    hwcap: cpuid(1, 0, chosen)[3] >>> 0,
    hwcap2: x.hwcap2(chosen),
    isaLevels: [3, 2].filter((level) => level <= chosen).map((level) => `x86-64-v${level}`),
    identity: { ...x.signature(chosen), name: x.BRAND, flags: x.featureNames(chosen) },
    xcr0: x.xcr0(chosen),
  };
}

/** The x86-64 instruction set of a level. */
async function x86Level(level: Level): Promise<Isa> {
  if (level === 3) return (await import("../cpu/x86_64/level3_isa.ts")).x86_64_v3;
  const { instructionSet, rows, x86_64 } = await import("../cpu/x86_64/isa.ts");
  return level === 2 ? x86_64 : instructionSet(rows, 1);
}
