/**
 * Exclusives, acquire and release, and the LSE atomics (DDI 0487, C4.1.94). Without FEAT_LSE2 all of
 * them want addresses that are multiples of what they access (B2.5.2).
 */
import type { Emitter } from "../ir/emitter.ts";
import type { Node } from "../ir/types.ts";
import { MONITOR_ADDRESS, MONITOR_HIGH, MONITOR_LOW } from "../layout.ts";
import { set, wide } from "./registers.ts";
import { row } from "./row.ts";

const SIGBUS = 7;
const BUS_ADRALN = 1;

/** An address that must be a multiple of 1 << size; a tag is not shown. */
export function aligned(e: Emitter, address: Node, size: number): Node {
  if (size === 0) return address;
  e.if(e.and(e.wrap(address), e.i32((1 << size) - 1)), () => {
    const byte = e.i64(8);
    e.fault(SIGBUS, BUS_ADRALN, e.shrS(e.shl(address, byte), byte));
  });
  return address;
}
/** The address in register operand `i`, aligned. */
const addressIn = (e: Emitter, i: number, size: number): Node =>
  aligned(e, e.get64(e.reg(i)), size);

/** Load of 1 << size bytes, zero-extended, as i32 or i64. */
function load(e: Emitter, address: Node, size: number): Node {
  return e.load(size === 3 ? "i64" : "i32", address, 8 << size);
}
/** Low 1 << size bytes of general operand `i`, zero-extended, in the type that `load` gives. */
function operand(e: Emitter, i: number, size: number): Node {
  const reg = e.reg(i);
  return size === 3
    ? e.get64(reg)
    : size === 2
    ? e.get32(reg)
    : size === 1
    ? e.get16(reg)
    : e.get8(reg);
}

/**
 * The monitor watches an address. Whatever could let another thread write in between (a switch of
 * threads, an exception) clears it, so a matching address is enough for a store to succeed.
 */
function storeExclusive(e: Emitter, status: number, address: Node, store: () => void): void {
  const failed = e.variable("i32", e.i32(1));
  e.if(e.eq(e.getState("i64", MONITOR_ADDRESS), address), () => {
    store();
    e.assign(failed, e.i32(0));
  });
  e.setState(MONITOR_ADDRESS, e.i64(-1));
  set(e, status, e.read(failed));
}

const exclusives = [
  row("STXR/STLXR", "size:2 001000 0 0 0 rs:5 o0:1 11111 rn:5 rt:5", (f) => ({
    regs: [f.rs.out, f.rt.x, f.rn.sp],
    statics: ["size"],
    emit: (e, { size }) => {
      const address = addressIn(e, 2, size);
      const value = operand(e, 1, size);
      storeExclusive(e, 0, address, () => e.store(address, value, 8 << size));
    },
  })),
  row("LDXR/LDAXR", "size:2 001000 0 1 0 11111 o0:1 11111 rn:5 rt:5", (f) => ({
    regs: [f.rt.out, f.rn.sp],
    statics: ["size"],
    emit: (e, { size }) => {
      const address = addressIn(e, 1, size);
      const value = load(e, address, size);
      e.setState(MONITOR_ADDRESS, address);
      e.setState(MONITOR_LOW, wide(e, value));
      set(e, 0, value);
    },
  })),
  row("STXP/STLXP", "1 sz:1 001000 0 0 1 rs:5 o0:1 rt2:5 rn:5 rt:5", (f) => ({
    regs: [f.rs.out, f.rt.x, f.rt2.x, f.rn.sp],
    statics: ["sz"],
    emit: (e, { sz }) => {
      const address = addressIn(e, 3, 3 + sz);
      const first = operand(e, 1, 2 + sz);
      const second = operand(e, 2, 2 + sz);
      storeExclusive(e, 0, address, () => {
        e.store(address, first);
        e.store(e.add(address, e.i64(4 << sz)), second);
      });
    },
  })),
  row("LDXP/LDAXP", "1 sz:1 001000 0 1 1 11111 o0:1 rt2:5 rn:5 rt:5", (f) => ({
    regs: [f.rt.out, f.rt2.out, f.rn.sp],
    statics: ["sz"],
    emit: (e, { sz }) => {
      const address = addressIn(e, 2, 3 + sz);
      const first = load(e, address, 2 + sz);
      const second = load(e, e.add(address, e.i64(4 << sz)), 2 + sz);
      e.setState(MONITOR_ADDRESS, address);
      e.setState(MONITOR_LOW, wide(e, first));
      e.setState(MONITOR_HIGH, wide(e, second));
      set(e, 0, first);
      set(e, 1, second);
    },
  })),
];

const ordered = [
  row("STLR/STLLR", "size:2 001000 1 0 0 11111 o0:1 11111 rn:5 rt:5", (f) => ({
    regs: [f.rt.x, f.rn.sp],
    statics: ["size"],
    emit: (e, { size }) => e.store(addressIn(e, 1, size), operand(e, 0, size), 8 << size),
  })),
  row("LDAR/LDLAR", "size:2 001000 1 1 0 11111 o0:1 11111 rn:5 rt:5", (f) => ({
    regs: [f.rt.out, f.rn.sp],
    statics: ["size"],
    emit: (e, { size }) => set(e, 0, load(e, addressIn(e, 1, size), size)),
  })),
  row("LDAPR", "size:2 111 0 00 1 0 1 11111 1 100 00 rn:5 rt:5", (f) => ({
    regs: [f.rt.out, f.rn.sp],
    statics: ["size"],
    emit: (e, { size }) => set(e, 0, load(e, addressIn(e, 1, size), size)),
  })),
];

/** LD<op>: the value to store, of the old one and the operand. */
function combined(e: Emitter, opc: number, size: number, old: Node, x: Node): Node {
  // Small values compare as signed ones when both are shifted to the top.
  const top = size < 2 ? 32 - (8 << size) : 0;
  const high = (v: Node): Node => top === 0 ? v : e.shl(v, e.i32(top));
  switch (opc) {
    case 0:
      return e.add(old, x);
    case 1:
      return e.and(old, e.not(x));
    case 2:
      return e.xor(old, x);
    case 3:
      return e.or(old, x);
    case 4:
      return e.select(e.gtS(high(old), high(x)), old, x);
    case 5:
      return e.select(e.ltS(high(old), high(x)), old, x);
    case 6:
      return e.select(e.gtU(old, x), old, x);
    default:
      return e.select(e.ltU(old, x), old, x);
  }
}

const lse = [
  row("LD<op>", "size:2 111 0 00 a:1 r:1 1 rs:5 0 opc:3 00 rn:5 rt:5", (f) => ({
    regs: [f.rt.out, f.rs.x, f.rn.sp],
    statics: ["size", "opc"],
    emit: (e, { size, opc }) => {
      const address = addressIn(e, 2, size);
      const x = operand(e, 1, size);
      const old = load(e, address, size);
      e.store(address, combined(e, opc, size, old, x), 8 << size);
      set(e, 0, old);
    },
  })),
  row("SWP", "size:2 111 0 00 a:1 r:1 1 rs:5 1 000 00 rn:5 rt:5", (f) => ({
    regs: [f.rt.out, f.rs.x, f.rn.sp],
    statics: ["size"],
    emit: (e, { size }) => {
      const address = addressIn(e, 2, size);
      const x = operand(e, 1, size);
      const old = load(e, address, size);
      e.store(address, x, 8 << size);
      set(e, 0, old);
    },
  })),
  row("CAS", "size:2 001000 1 l:1 1 rs:5 o0:1 11111 rn:5 rt:5", (f) => ({
    regs: [f.rs.out, f.rs.x, f.rt.x, f.rn.sp],
    statics: ["size"],
    emit: (e, { size }) => {
      const address = addressIn(e, 3, size);
      const expected = operand(e, 1, size);
      const value = operand(e, 2, size);
      const old = load(e, address, size);
      // Whether it writes what it read is free, but for the fault of a page that is read-only.
      e.store(address, e.select(e.eq(old, expected), value, old), 8 << size);
      set(e, 0, old);
    },
  })),
  row("CASP", "0 sz:1 001000 0 l:1 1 rs:5 o0:1 11111 rn:5 rt:5", (f) => ({
    regs: [f.rs.x, f.rs.nextX, f.rt.x, f.rt.nextX, f.rn.sp, f.rs.nextOut],
    statics: ["sz"],
    valid: (w) => ((f.rs.of(w) | f.rt.of(w)) & 1) === 0,
    emit: (e, { sz }) => {
      const size = 2 + sz;
      const address = addressIn(e, 4, 1 + size);
      const second = e.add(address, e.i64(1 << size));
      const expected = [operand(e, 0, size), operand(e, 1, size)];
      const value = [operand(e, 2, size), operand(e, 3, size)];
      const old = [load(e, address, size), load(e, second, size)];
      const equal = e.and(e.eq(old[0], expected[0]), e.eq(old[1], expected[1]));
      e.store(address, e.select(equal, value[0], old[0]));
      e.store(second, e.select(equal, value[1], old[1]));
      set(e, 0, old[0]);
      set(e, 5, old[1]);
    },
  })),
];

export const rows = [...exclusives, ...ordered, ...lse];
