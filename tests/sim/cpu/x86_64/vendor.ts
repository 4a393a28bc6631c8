/**
 * Where processors differ that all do as their manuals say. The simulated one does as Intel's; on another
 * vendor's these comparisons are left out.
 */

function vendorId(): string {
  try {
    return /^vendor_id\s*: (.*)$/m.exec(Deno.readTextFileSync("/proc/cpuinfo"))?.[1] ?? "";
  } catch {
    return "";
  }
}

/** Whether this machine's processor is Intel's. */
export const isIntel = vendorId() === "GenuineIntel";

/** MXCSR.MM, AMD's misaligned exception mask, in the upper half of a quadword of an FXSAVE area: in MXCSR_MASK. */
export const MISALIGNED_MASK = 1n << 49n;

/**
 * Whether an instruction that ended with `expected` on this processor, and with `actual` here (signals, 0 for none),
 * may do so by its vendor.
 */
export function variesByVendor(name: string, expected: number, actual: number): boolean {
  if (isIntel) return false;
  // A virtual machine of AMD's may report it as a fault.
  if (name === "int1") return true;
  // Operands that are not aligned do not fault.
  if (/^sha(1|256)/.test(name)) return expected === 0 && actual === 11;
  // MXCSR.MM is a bit of theirs alone, and reserved elsewhere.
  if (/^v?ldmxcsr|^fxrstor|^xrstor/.test(name)) return expected === 0 && actual === 11;
  // How much of the mask a fault shows as widened or done.
  return /^vp?gather/.test(name) && actual === 11;
}
