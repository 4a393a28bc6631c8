/**
 * String instructions: MOVS, STOS, LODS, CMPS, SCAS, with REP, REPE and REPNE.
 *
 * A repeated instruction executes one iteration at a time: it jumps to itself while more remain, so
 * interrupts and faults between iterations see exact registers.
 */
import type { Node } from "../ir/types.ts";
import { DF } from "../layout.ts";
import { Kind } from "./flags.ts";
import { type Instruction, intType } from "./instruction.ts";
import { type Encoding, row, type Semantic } from "./row.ts";

const RAX = 0, RCX = 1, RSI = 6, RDI = 7;

/** Prefix in `extra`: F3 (REP, REPE) and F2 (REPNE). */
const REPE = 1;

function pointer(x: Instruction, i: number): Node {
  return x.address32 ? x.e.zext(x.getGpr(i, 32)) : x.getGpr(i, 64);
}

/** Move an index register over one element, as the direction flag says. */
function advance(x: Instruction, i: number, from: Node): void {
  const e = x.e;
  const bytes = x.size / 8;
  const step = e.select(e.getState("i32", DF), e.i64(-bytes), e.i64(bytes));
  const to = e.add(from, step);
  if (x.address32) x.setGpr(i, e.wrap(to), 32);
  else x.setGpr(i, to, 64);
}

/** What an iteration compared; the flags are set by the last one alone, so that a fault leaves those of before. */
interface Compared {
  readonly a: Node;
  readonly b: Node;
}

/** Run `body` once, or once per iteration. */
function iterate(x: Instruction, body: () => Compared | null): void {
  const setFlags = (compared: Compared | null): void => {
    if (compared !== null) x.flags(Kind.Sub, compared.a, compared.b);
  };
  if (x.extra === 0) return setFlags(body());
  const e = x.e;
  const bits = x.address32 ? 32 : 64;
  const count = x.getGpr(RCX, bits);
  e.if(e.eqz(count), () => e.fallthrough(), () => {
    const compared = body();
    const left = e.sub(count, x.constant(1, count));
    x.setGpr(RCX, left, bits);
    const more = e.ne(left, x.constant(0, left));
    const again = compared === null ? more : e.and(more, goesOn(x, compared));
    e.if(again, () => e.jump(), () => {
      setFlags(compared);
      e.fallthrough();
    });
  });
}

const movs: Semantic = (x) =>
  iterate(x, () => {
    const from = pointer(x, RSI), to = pointer(x, RDI);
    x.e.store(to, x.e.load(intType(x.size), x.segmented(from), x.size), x.size);
    advance(x, RSI, from);
    advance(x, RDI, to);
    return null;
  });

const stos: Semantic = (x) =>
  iterate(x, () => {
    const to = pointer(x, RDI);
    x.e.store(to, x.getGpr(RAX), x.size);
    advance(x, RDI, to);
    return null;
  });

const lods: Semantic = (x) =>
  iterate(x, () => {
    const from = pointer(x, RSI);
    const value = x.e.load(intType(x.size), x.segmented(from), x.size);
    x.setGpr(RAX, value);
    advance(x, RSI, from);
    return null;
  });

/** Whether the repeat prefix goes on. */
function goesOn(x: Instruction, { a, b }: Compared): Node {
  return x.extra === REPE ? x.e.eq(a, b) : x.e.ne(a, b);
}

const cmps: Semantic = (x) =>
  iterate(x, () => {
    const from = pointer(x, RSI), to = pointer(x, RDI);
    const a = x.e.load(intType(x.size), x.segmented(from), x.size, true);
    const b = x.e.load(intType(x.size), to, x.size, true);
    advance(x, RSI, from);
    advance(x, RDI, to);
    return { a, b };
  });

const scas: Semantic = (x) =>
  iterate(x, () => {
    const to = pointer(x, RDI);
    const b = x.e.load(intType(x.size), to, x.size, true);
    advance(x, RDI, to);
    return { a: x.getGpr(RAX, x.size, true), b };
  });

const REP = { rep: true };

export const strings: readonly Encoding[] = [
  row("a4", "movs Yb,Xb", movs, REP),
  row("a5", "movs Yv,Xv", movs, REP),
  row("a6", "cmps Xb,Yb", cmps, REP),
  row("a7", "cmps Xv,Yv", cmps, REP),
  row("aa", "stos Yb,AL", stos, REP),
  row("ab", "stos Yv,rAX", stos, REP),
  row("ac", "lods AL,Xb", lods, REP),
  row("ad", "lods rAX,Xv", lods, REP),
  row("ae", "scas AL,Yb", scas, REP),
  row("af", "scas rAX,Yv", scas, REP),
];
