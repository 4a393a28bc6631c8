/** Compares answers of the harness and of our engine, without what the manual leaves undefined. */
import { AF, CF, OF, PF, SF, ZF } from "../../../../sim/cpu/x86_64/flags.ts";
import { NOT_SAID } from "./native_oracle.ts";
import { AT, type Case, usesX87, WINDOW_SIZE } from "./random_instruction.ts";
import { isIntel, MISALIGNED_MASK, variesByVendor } from "./vendor.ts";

const STATUS = CF | PF | AF | ZF | SF | OF;

/** BMI's, ABM's. */
const extended: Record<string, number> = {
  andn: AF | PF,
  blsr: AF | PF,
  blsmsk: AF | PF,
  blsi: AF | PF,
  bzhi: AF | PF,
  bextr: AF | SF | PF,
  tzcnt: OF | SF | PF | AF,
  lzcnt: OF | SF | PF | AF,
};

/** Flags that `c` leaves undefined (Intel SDM volume 2, "Flags affected"). */
function undefinedFlags(c: Case): number {
  const name = c.row.name.split(" ")[0];
  if (name in extended) return extended[name];
  const wide = c.count !== 1 ? OF : 0;
  switch (name) {
    case "and":
    case "or":
    case "xor":
    case "test":
      return AF;
    case "shl":
    case "shr":
    case "sar":
      return c.count === 0 ? 0 : AF | wide | (c.count >= c.size ? CF : 0);
    case "shld":
    case "shrd":
      if (c.count > c.size) return STATUS;
      return c.count === 0 ? 0 : AF | wide;
    case "rol":
    case "ror":
    case "rcl":
    case "rcr":
      return c.count === 0 ? 0 : wide;
    case "mul":
    case "imul":
      return SF | ZF | AF | PF;
    case "div":
    case "idiv":
      return STATUS;
    case "bsf":
    case "bsr":
      return CF | OF | SF | AF | PF;
    case "bt":
    case "bts":
    case "btr":
    case "btc":
      return OF | SF | AF | PF;
  }
  return 0;
}

/** Rows whose denormal-operand flag is exact outside the default mode. */
const EXACT_FLAGS =
  /^v?((add|sub|mul|div|sqrt|min|max|cmp|hadd|hsub|addsub)[ps][sd]|cvt(sd2ss|ss2sd|si2ss|si2sd|pd2ps|ps2pd|dq2ps))$/;
/** Rows whose steps' flags are not documented. */
const NO_FLAGS = /^v?(dpp[sd])$/;

/**
 * Whether the lanes at `at` agree where they need not be equal: estimates have 12 bits on
 * processors, and which NaN a dot product gives is not documented.
 */
function lanesMatch(name: string, e: DataView, a: DataView, at: number): boolean {
  const estimate = /^v?r(cp|sqrt)/.test(name);
  if (!estimate && !/^v?dpp[sd]$/.test(name)) return false;
  const step = name.endsWith("dppd") ? 8 : 4;
  for (let i = 0; i < 16; i += step) {
    const x = step === 4 ? e.getFloat32(at + i, true) : e.getFloat64(at + i, true);
    const y = step === 4 ? a.getFloat32(at + i, true) : a.getFloat64(at + i, true);
    // A tiny estimate becomes zero, where its exact value need not be tiny.
    const near = estimate && (Math.abs(x - y) <= Math.abs(x) * 2 ** -11 ||
      (Object.is(x, Math.sign(1 / y) * 0) && Math.abs(y) <= 2 ** -126 * (1 + 2 ** -11)));
    if (!Object.is(x, y) && !near) return false;
  }
  return true;
}

const TRANSCENDENTAL = /^f(2xm1|yl2x|yl2xp1|ptan|patan|sin|cos|sincos)$/;

/** Whether two 80-bit values differ by at most one unit in the last place. */
function withinOne(e: DataView, a: DataView, at: number): boolean {
  const value = (v: DataView): bigint =>
    (BigInt(v.getUint16(at + 8, true)) << 63n) + (v.getBigUint64(at, true) & ((1n << 63n) - 1n));
  const difference = value(e) - value(a);
  return difference >= -1n && difference <= 1n;
}

/** Differences in what the last x87 instruction was, which AMD's processors forget unless an exception waits. */
function comparePointers(e: DataView, a: DataView): string[] {
  const out: string[] = [];
  const pointers: [string, number][] = [["fip", 8], ["fdp", 16]];
  for (const [what, at] of pointers) {
    const [x, y] = [e, a].map((v) => hex(v.getBigUint64(AT.fx + at, true)));
    if (x !== y) out.push(`${what} ${x} not ${y}`);
  }
  const fop = [e, a].map((v) => v.getUint16(AT.fx + 6, true).toString(16));
  if (fop[0] !== fop[1]) out.push(`fop ${fop.join(" not ")}`);
  return out;
}

/** Differences of the x87 state: control, status, tags and the registers in use. */
function compareX87(c: Case, name: string, e: DataView, a: DataView): string[] {
  const out: string[] = [];
  const input = new DataView(c.record.buffer);
  if (name === "fyl2xp1" && (input.getUint16(AT.fx + 40, true) & 0x7fff) > 16380) return out;
  // Whether a transcendental result was rounded up depends on its last bit.
  const status = TRANSCENDENTAL.test(name) ? 0xfdff : 0xffff;
  const fields: [string, number, number][] = [["control", 0, 0xffff], ["status", 2, status], [
    "tags",
    4,
    0xff,
  ]];
  for (const [what, at, mask] of fields) {
    const x = e.getUint16(AT.fx + at, true) & mask, y = a.getUint16(AT.fx + at, true) & mask;
    if (x !== y) out.push(`${what} ${x.toString(16)} not ${y.toString(16)}`);
  }
  if (isIntel) out.push(...comparePointers(e, a));
  const top = (e.getUint16(AT.fx + 2, true) >> 11) & 7;
  for (let i = 0; i < 8; i++) {
    if (!((e.getUint8(AT.fx + 4) >> ((top + i) & 7)) & 1)) continue;
    const text = (v: DataView): string =>
      v.getUint16(AT.fx + 40 + 16 * i, true).toString(16) + ":" +
      hex(v.getBigUint64(AT.fx + 32 + 16 * i, true));
    if (TRANSCENDENTAL.test(name) && withinOne(e, a, AT.fx + 32 + 16 * i)) continue;
    if (text(e) !== text(a)) out.push(`st${i} ${text(e)} not ${text(a)}`);
  }
  return out;
}

/** What differs, or "". */
export function compare(c: Case, expected: Uint8Array, actual: Uint8Array): string {
  const e = new DataView(expected.buffer, expected.byteOffset);
  const a = new DataView(actual.buffer, actual.byteOffset);
  const out: string[] = [];
  const signal = [e.getUint32(AT.signal, true), a.getUint32(AT.signal, true)];
  const name = c.row.name.split(" ")[0];
  if (variesByVendor(name, signal[0], signal[1])) return "";
  if (signal[0] !== signal[1]) return `signal ${signal.join(" not ")}`;
  if (signal[0] !== 0) {
    const code = [e, a].map((v) => Number(v.getBigUint64(AT.signalCode, true)) & 0xff);
    if (code[0] !== code[1]) out.push(`si_code ${code.join(" not ")}`);
    ["si_addr", "trapno", "error", "rip"].forEach((what, i) => {
      const [x, y] = [e, a].map((v) => hex(v.getBigUint64(AT.fault + 8 * i, true)));
      if (BigInt(`0x${y}`) === BigInt(NOT_SAID)) return;
      if (x !== y) out.push(`${what} ${x} not ${y}`);
    });
  }
  if (/^sh[lr]d/.test(name) && c.count > c.size) return "";
  for (let i = 0; i < 16; i++) {
    const x = e.getBigUint64(AT.gpr + 8 * i, true), y = a.getBigUint64(AT.gpr + 8 * i, true);
    if (x !== y) out.push(`r${i} ${hex(x)} not ${hex(y)}`);
  }
  const mask = STATUS & ~undefinedFlags(c) | 0x400;
  const flags = [e.getUint32(AT.rflags, true) & mask, a.getUint32(AT.rflags, true) & mask];
  if (signal[0] === 0 && flags[0] !== flags[1]) {
    out.push(`flags ${flags.map((f) => f.toString(16)).join(" not ")}`);
  }
  for (let i = 0; i < 32; i++) {
    const at = i < 16 ? AT.fx + 160 + 16 * i : AT.upper + 16 * (i - 16);
    if (lanesMatch(name, e, a, at)) continue;
    const x = hex(e.getBigUint64(at + 8, true)) + hex(e.getBigUint64(at, true));
    const y = hex(a.getBigUint64(at + 8, true)) + hex(a.getBigUint64(at, true));
    if (x !== y) out.push(`${i < 16 ? "xmm" : "upper"}${i & 15} ${x} not ${y}`);
  }
  if (usesX87(c.row)) out.push(...compareX87(c, name, e, a));
  const mode = e.getUint32(AT.fx + 24, true);
  // DE of operations with ordinary results is not kept in the default mode; see sse_float.ts.
  const before = new DataView(c.record.buffer).getUint32(AT.fx + 24, true);
  const lazy = (before & 0xffc0) === 0x1f80 || !EXACT_FLAGS.test(name);
  const sticky = NO_FLAGS.test(name) ? 0 : lazy ? 0x3d : 0x3f;
  const flagged = (mode ^ a.getUint32(AT.fx + 24, true)) & (~0x3f | sticky);
  if (flagged !== 0) {
    out.push(`mxcsr ${mode.toString(16)} not ${a.getUint32(AT.fx + 24, true).toString(16)}`);
  }
  for (let i = 0; i < WINDOW_SIZE; i += 8) {
    const x = e.getBigUint64(AT.window + i, true), y = a.getBigUint64(AT.window + i, true);
    if (!isIntel && /^fxsave/.test(name) && (x ^ y) === MISALIGNED_MASK) continue;
    if (x !== y) out.push(`window+${i} ${hex(x)} not ${hex(y)}`);
  }
  return out.join(", ");
}

function hex(x: bigint): string {
  return x.toString(16).padStart(16, "0");
}

/** A failure as text: instruction, inputs, difference. */
export function describe(c: Case, difference: string): string {
  const view = new DataView(c.record.buffer);
  const bytes = c.bytes.map((b) => b.toString(16).padStart(2, "0")).join(" ");
  const gpr = Array.from({ length: 16 }, (_, i) => hex(view.getBigUint64(AT.gpr + 8 * i, true)));
  return `${c.row.name} [${bytes}]: ${difference}\n    in ${gpr.join(" ")} flags ${
    view.getUint32(AT.rflags, true).toString(16)
  }`;
}
