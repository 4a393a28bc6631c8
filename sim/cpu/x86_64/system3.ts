/** What level 3 adds for the system: RDTSCP, RDPID, RDRAND, FSGSBASE, protection keys, cache control. */
import type { Emitter } from "../ir/emitter.ts";
import type { Node } from "../ir/types.ts";
import { Flow } from "../ir/decoded.ts";
import { FS_BASE, GS_BASE, PKRU, RANDOM } from "../layout.ts";
import { ticks } from "../time.ts";
import { CF } from "./flags.ts";
import type { Instruction } from "./instruction.ts";
import { type Encoding, row, type Semantic } from "./row.ts";

/** TSC_AUX of Linux: the number of the processor, of which there is one. */
const PROCESSOR = 0;

const rdtscp: Semantic = (x) => {
  const e = x.e;
  const now = ticks(e);
  x.setGpr(0, e.wrap(now), 32);
  x.setGpr(2, e.wrap(e.shrU(now, e.i64(32))), 32);
  x.setGpr(1, e.i32(PROCESSOR), 32);
  e.fallthrough();
};
const rdpid: Semantic = (x) => x.setReg(x.register(0), x.e.i64(PROCESSOR), 64);

/** The machine's next random number: SplitMix64 (Steele, Lea and Flood, 2014). */
function random(e: Emitter): Node {
  const state = e.add(e.getState("i64", RANDOM), e.i64(0x9e3779b97f4a7c15n));
  e.setState(RANDOM, state);
  const mixed = (v: Node, by: number, factor: bigint): Node =>
    e.mul(e.xor(v, e.shrU(v, e.i64(by))), e.i64(factor));
  const z = mixed(mixed(state, 30, 0xbf58476d1ce4e5b9n), 27, 0x94d049bb133111ebn);
  return e.xor(z, e.shrU(z, e.i64(31)));
}
/** RDRAND, RDSEED: there is always a number, so CF is set and the other flags clear. */
const rdrand: Semantic = (x) => {
  const e = x.e;
  const value = random(e);
  x.setReg(x.register(0), x.size === 64 ? value : e.wrap(value), x.size);
  x.packed(e.i32(CF));
};

/** RDFSBASE, RDGSBASE. */
const readBase = (at: number): Semantic => (x) => {
  const base = x.e.getState("i64", at);
  x.setReg(x.register(0), x.size === 64 ? base : x.e.wrap(base), x.size);
};
/** WRFSBASE, WRGSBASE: a base that is not canonical is #GP. */
const writeBase = (at: number): Semantic => (x) => {
  const e = x.e;
  const value = x.wide(x.getReg(x.register(0), x.size));
  const extended = e.shrS(e.shl(value, e.i64(16)), e.i64(16));
  e.if(e.ne(extended, value), () => x.protection());
  e.setState(at, value);
};

const isZero = (x: Instruction, i: number): void => {
  x.e.if(x.e.ne(x.getGpr(i, 32), x.e.i32(0)), () => x.protection());
};
const rdpkru: Semantic = (x) => {
  isZero(x, 1);
  x.setGpr(0, x.e.getState("i32", PKRU), 32);
  x.setGpr(2, x.e.i32(0), 32);
};
/** WRPKRU: what was translated under the old rights is looked up anew. */
const wrpkru: Semantic = (x) => {
  isZero(x, 1);
  isZero(x, 2);
  x.e.setState(PKRU, x.getGpr(0, 32));
  x.e.exit("mode");
};

const nop: Semantic = () => {};
const STOP = { flow: Flow.Stop };

export const system3: readonly Encoding[] = [
  row("np.0f.01 f9", "rdtscp", rdtscp, STOP),
  row("f3.0f.c7 /7 r", "rdpid Rq", rdpid),
  row("np.0f.c7 /6 r", "rdrand Rv", rdrand),
  row("66.0f.c7 /6 r", "rdrand Rv", rdrand),
  row("np.0f.c7 /7 r", "rdseed Rv", rdrand),
  row("66.0f.c7 /7 r", "rdseed Rv", rdrand),
  row("f3.0f.ae /0 r", "rdfsbase Ry", readBase(FS_BASE)),
  row("f3.0f.ae /1 r", "rdgsbase Ry", readBase(GS_BASE)),
  row("f3.0f.ae /2 r", "wrfsbase Ry", writeBase(FS_BASE)),
  row("f3.0f.ae /3 r", "wrgsbase Ry", writeBase(GS_BASE)),
  row("np.0f.01 ee", "rdpkru", rdpkru),
  row("np.0f.01 ef", "wrpkru", wrpkru, STOP),
  row("66.0f.ae /7 m", "clflushopt Mb", nop),
  row("66.0f.ae /6 m", "clwb Mb", nop),
];
