/**
 * Fused multiply-add in software and its reference evaluation, against the host's own instruction:
 * the C library's `fma` and `fmaf`, called through Deno's foreign function interface.
 */
import { assertEquals } from "@std/assert";
import { aarch64 } from "../../../../sim/cpu/aarch64/isa.ts";
import { software } from "../../../../sim/cpu/aarch64/float/fused.ts";
import { fusedMultiplyAdd } from "../../../../sim/cpu/ir/exact_fma.ts";
import { setScalar } from "../../../../sim/cpu/aarch64/registers.ts";
import type { Isa } from "../../../../sim/cpu/ir/decoded.ts";
import { CODE, STATE_SIZE, Subject, V, WORDS } from "./machine_state.ts";
import { Random } from "./random_instructions.ts";

type Fused = (a: number, b: number, c: number) => number;

/** `fma` and `fmaf` of the host. */
function hostLibrary(): { double: Fused; single: Fused } | null {
  for (const name of ["libm.so.6", "libSystem.dylib"]) {
    try {
      const { symbols } = Deno.dlopen(name, {
        fma: { parameters: ["f64", "f64", "f64"], result: "f64" },
        fmaf: { parameters: ["f32", "f32", "f32"], result: "f32" },
      });
      return { double: symbols.fma, single: symbols.fmaf };
    } catch {
      // Not this library: try the next.
    }
  }
  return null;
}
const host = hostLibrary();

/** AArch64 whose FMADD is the software function, whatever the host can do. */
const inSoftware: Isa = {
  ...aarch64,
  emit(row, statics, e) {
    if (!aarch64.rows[row].name.startsWith("FMADD")) return aarch64.emit(row, statics, e);
    const double = statics & 1;
    const read = (i: number) => double ? e.getF64(e.reg(i)) : e.getF32(e.reg(i));
    setScalar(e, 0, e.call(software[double], read(3), read(1), read(2)));
  },
};

/** FMADD V0, V1, V2, V3 as (a, b, addend). */
function compiled(precision: 0 | 1): Fused {
  const subject = new Subject(undefined, inSoftware);
  const before = new Uint8Array(STATE_SIZE);
  const view = new DataView(before.buffer);
  const NOP = 0xd503201f;
  const FMADD = 0x1f020c20 | (precision << 22);
  for (let i = 0; i < WORDS; i++) view.setUint32(CODE + 4 * i, i === 0 ? FMADD : NOP, true);
  return (...operands) => {
    operands.forEach((x, i) => {
      if (precision === 1) view.setFloat64(V + 16 * (i + 1), x, true);
      else view.setFloat32(V + 16 * (i + 1), x, true);
    });
    const after = new DataView(subject.run(before).buffer);
    return precision === 1 ? after.getFloat64(V, true) : after.getFloat32(V, true);
  };
}

/** Numbers of all magnitudes, many of them close to cancelling. */
function triple(random: Random, single: boolean): [number, number, number] {
  const view = new DataView(new ArrayBuffer(8));
  const number = (): number => {
    const style = random.below(4);
    if (style === 0) return (random.next() - 2 ** 31) / 2 ** random.below(40);
    if (style === 1) return random.pick([0, -0, 1, -1, 0.5, 2 ** -1074, 2 ** 1000, 2 ** -140]);
    view.setUint32(0, random.next());
    view.setUint32(4, random.next());
    // Half of the random patterns have moderate exponents.
    if (style === 2) {
      view.setUint16(0, (view.getUint16(0) & 0x800f) | ((random.below(80) + 983) << 4));
    }
    return view.getFloat64(0);
  };
  const round = single ? Math.fround : (x: number): number => x;
  const [a, b] = [round(number()), round(number())];
  const near = random.below(3) === 0;
  return [a, b, near ? round(-a * b * (1 + random.below(3) * 2 ** -50)) : round(number())];
}

for (const precision of [0, 1] as const) {
  const name = precision === 0 ? "single" : "double";
  Deno.test({
    name: `fused multiply-add, ${name}${host === null ? " (skipped: needs the C library)" : ""}`,
    ignore: host === null,
    fn: () => {
      const reference = precision === 0 ? host!.single : host!.double;
      const ours = compiled(precision);
      const random = new Random(7 + precision);
      for (let i = 0; i < 30_000; i++) {
        const [a, b, c] = triple(random, precision === 0);
        const want = reference(a, b, c);
        const what = `fma(${a}, ${b}, ${c})`;
        assertEquals(ours(a, b, c), want, what);
        const exact = precision === 0
          ? fusedMultiplyAdd(a, b, c, 24, -149)
          : fusedMultiplyAdd(a, b, c, 53, -1074);
        // Overflow is the caller's: a single is rounded once more to become infinite.
        assertEquals(precision === 0 ? Math.fround(exact) : exact, want, `exact ${what}`);
      }
    },
  });
}
