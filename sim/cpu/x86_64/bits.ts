/** Bit instructions: BT, BTS, BTR, BTC, BSF, BSR, POPCNT, CRC32. */
import type { Node } from "../ir/types.ts";
import { Kind, OF } from "./flags.ts";
import type { Instruction } from "./instruction.ts";
import { type Encoding, Imm, row, type Semantic } from "./row.ts";

type Change = (x: Instruction, value: Node, mask: Node) => Node;

/** BT (`change` null) and its kin. CF is the bit; the other flags stay. */
function bitTest(change: Change | null): Semantic {
  return (x) => {
    const e = x.e;
    const shift = Math.log2(x.size);
    const offset = x.row.immediate === Imm.Ub ? null : x.get(1, true);
    let address: Node | null = null;
    if (x.inMemory(0)) {
      address = x.address();
      if (offset !== null) {
        // A register offset reaches outside the operand: signed, in units of the operand.
        const words = e.shrS(offset, x.number(shift));
        const wide = words.type === "i64" ? words : e.sext(words);
        address = e.add(address, e.shl(wide, e.i64(shift - 3)));
      }
    }
    const type = x.size === 64 ? "i64" : "i32";
    const value = address ? e.load(type, address, x.size) : x.get(0);
    const immediate = x.size === 64 ? e.imm(1) : e.imm32(1);
    const n = e.and(offset ?? immediate, x.number(x.size - 1));
    const bit = x.low(e.and(e.shrU(value, n), x.number(1)));
    if (change !== null) {
      const next = change(x, value, e.shl(x.number(1), n));
      if (address) e.store(address, next, x.size);
      else x.set(0, next);
    }
    const old = e.packedFlags();
    e.setFlags(Kind.Merge, e.zext(e.or(bit, e.and(old, e.i32(OF)))), e.zext(old));
  };
}

const set: Change = (x, v, mask) => x.e.or(v, mask);
const reset: Change = (x, v, mask) => x.e.and(v, x.e.not(mask));
const complement: Change = (x, v, mask) => x.e.xor(v, mask);

/** BSF and BSR: a zero source sets ZF and leaves the destination. */
function scan(forward: boolean): Semantic {
  return (x) => {
    const e = x.e;
    const v = x.get(1);
    const found = forward ? e.ctz(v) : e.xor(e.clz(v), x.number(x.size === 64 ? 63 : 31));
    e.if(x.size === 64 ? e.ne(v, e.i64(0)) : v, () => x.set(0, found));
    x.flags(Kind.Logic, v, x.number(0));
  };
}

const popcnt: Semantic = (x) => {
  const e = x.e;
  const v = x.get(1);
  x.set(0, e.op(`${v.type}.popcnt`, [v]));
  x.packed(e.shl(e.eqz(v), e.i32(6)));
};

/** CRC-32C, bit by bit on the reflected polynomial. */
const POLYNOMIAL = 0x82f63b78;

/** CRC32: the checksum register is operand 0, the data operand 1. */
const crc32: Semantic = (x) => {
  const e = x.e;
  const bits = x.bits(1);
  const data = x.get(1);
  const from = x.getReg(x.register(0), 32);
  // Bit by bit in a loop over the data, lowest bit first.
  const crc = e.variable("i32", bits === 64 ? e.xor(from, e.wrap(data)) : e.xor(from, data));
  const steps = (n: number): void => {
    const left = e.variable("i32", e.i32(n));
    e.loop(() => {
      const c = e.read(crc);
      const poly = e.and(e.neg(e.and(c, e.i32(1))), e.i32(POLYNOMIAL));
      e.assign(crc, e.xor(e.shrU(c, e.i32(1)), poly));
      e.assign(left, e.sub(e.read(left), e.i32(1)));
      e.continueIf(e.read(left));
    });
  };
  steps(Math.min(bits, 32));
  if (bits === 64) {
    e.assign(crc, e.xor(e.read(crc), e.wrap(e.shrU(data, e.i64(32)))));
    steps(32);
  }
  // The upper half of the destination is cleared for every size.
  x.setReg(x.register(0), e.read(crc), 32);
};

const LOCK = { lock: true };
const bt = bitTest(null), bts = bitTest(set), btr = bitTest(reset), btc = bitTest(complement);

export const bits: readonly Encoding[] = [
  row("0f.a3", "bt Ev,Gv", bt),
  row("0f.ab", "bts Ev,Gv", bts, LOCK),
  row("0f.b3", "btr Ev,Gv", btr, LOCK),
  row("0f.bb", "btc Ev,Gv", btc, LOCK),
  row("0f.ba /4", "bt Ev,Ub", bt),
  row("0f.ba /5", "bts Ev,Ub", bts, LOCK),
  row("0f.ba /6", "btr Ev,Ub", btr, LOCK),
  row("0f.ba /7", "btc Ev,Ub", btc, LOCK),
  row("0f.bc", "bsf Gv,Ev", scan(true)),
  row("0f.bd", "bsr Gv,Ev", scan(false)),
  row("f3.0f.b8", "popcnt Gv,Ev", popcnt),
  row("f2.0f38.f0", "crc32 Gy,Eb", crc32),
  row("f2.0f38.f1", "crc32 Gy,Ev", crc32),
];
