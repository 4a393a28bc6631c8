/**
 * XSAVE, XSAVEOPT, XSAVEC, XRSTOR, XGETBV (Intel SDM volume 1, chapter 13): x87, SSE, the upper halves of
 * AVX and PKRU, in the standard and the compacted form.
 *
 * Of the components, AVX's halves count as in use when one of them is not zero, PKRU when it is not
 * zero, the others always.
 */
import type { Node } from "../ir/types.ts";
import * as L from "../layout.ts";
import { Flow } from "../ir/decoded.ts";
import { AVX_OFFSET, AVX_SIZE, Component, PKRU_OFFSET, xcr0, XSAVE_SIZE } from "./features.ts";
import type { Instruction } from "./instruction.ts";
import { type Encoding, row, type Semantic } from "./row.ts";
import * as X from "./fxsave.ts";

const AVX = 1 << Component.Avx, PKRU = 1 << Component.Pkru;
const X87 = 1 << Component.X87, SSE = 1 << Component.Sse;
const MXCSR_RESET = 0x1f80, MXCSR_MASK = 0xffff;
const COMPACTED = 1n << 63n;

/** Where the header's words lie. */
const XSTATE_BV = 512, XCOMP_BV = 520;

/** Components that the instruction is asked for: EDX:EAX and XCR0. */
function requested(x: Instruction): Node {
  return x.e.and(x.getGpr(0, 32), x.e.i32(xcr0(x.level)));
}
const has = (x: Instruction, mask: Node, component: number): Node =>
  x.e.and(mask, x.e.i32(component));
const at = (x: Instruction, offset: number): Node => x.e.add(x.address(), x.e.i64(offset));

/** The area begins on a 64-byte boundary, or #GP (with RFLAGS.AC, #AC before). */
function align(x: Instruction): void {
  const e = x.e;
  x.alignmentCheck(4);
  e.if(e.and(e.wrap(x.address()), e.i32(63)), () => x.protection());
}

/** Components that are not in their initial configuration. */
function inUse(x: Instruction): Node {
  const e = x.e;
  let any = e.getVector(e.fixed(L.vector(16)));
  for (let i = 17; i < 32; i++) {
    any = e.op("v128.or", [any, e.getVector(e.fixed(L.vector(i)))]);
  }
  const avx = e.shl(e.op("v128.any_true", [any]), e.i32(Component.Avx));
  const key = e.ne(e.getState("i32", L.PKRU), e.i32(0));
  return e.or(e.or(avx, e.shl(key, e.i32(Component.Pkru))), e.i32(X87 | SSE));
}

/** Offset of PKRU: after AVX's part in the compacted form, if that has one. */
function pkruOffset(x: Instruction, compacted: boolean, mask: Node): Node {
  const e = x.e;
  if (!compacted) return e.i64(PKRU_OFFSET);
  return e.select(has(x, mask, AVX), e.i64(AVX_OFFSET + AVX_SIZE), e.i64(AVX_OFFSET));
}

/** Bytes from the start of the area to the end of the last component of `mask`, i32. */
function sizeOf(x: Instruction, compacted: boolean, mask: Node): Node {
  const e = x.e;
  const withAvx = e.select(has(x, mask, AVX), e.i32(AVX_OFFSET + AVX_SIZE), e.i32(AVX_OFFSET));
  const withKeys = compacted ? e.add(withAvx, e.i32(8)) : e.i32(XSAVE_SIZE);
  return e.select(has(x, mask, PKRU), withKeys, withAvx);
}

/** `every`: components that are not in use are written all the same. */
const save = (compacted: boolean, every: boolean): Semantic => (x) => {
  const e = x.e;
  align(x);
  const mask = requested(x);
  x.probeEnds(sizeOf(x, compacted, mask), true, true);
  const used = inUse(x);
  const old = compacted ? null : e.load("i64", at(x, XSTATE_BV));
  const written = every ? mask : e.and(mask, used);
  e.if(has(x, mask, X87), () => X.storeLegacy(x));
  e.if(has(x, mask, SSE | (compacted ? 0 : AVX)), () => {
    e.store(at(x, 24), e.getState("i32", L.MXCSR));
    e.store(at(x, 28), e.i32(MXCSR_MASK));
  });
  const vectors = (first: number, offset: number): void => {
    for (let i = 0; i < 16; i++) {
      e.store(at(x, offset + 16 * i), e.getVector(e.fixed(L.vector(first + i))));
    }
  };
  e.if(has(x, mask, SSE), () => vectors(0, 160));
  e.if(has(x, written, AVX), () => vectors(16, AVX_OFFSET));
  e.if(has(x, written, PKRU), () => {
    const to = e.add(x.address(), pkruOffset(x, compacted, mask));
    e.store(to, e.zext(e.getState("i32", L.PKRU)));
  });
  const now = e.zext(e.and(mask, used));
  if (old === null) {
    e.store(at(x, XSTATE_BV), now);
    e.store(at(x, XCOMP_BV), e.or(e.zext(mask), e.i64(COMPACTED)));
  } else {
    const kept = e.and(old, e.xor(e.zext(mask), e.i64(-1)));
    e.store(at(x, XSTATE_BV), e.or(kept, now));
  }
};

/** The components of `mask`, from memory if the header has them, else their initial values. */
function restoreForm(x: Instruction, compacted: boolean, header: Node, form: Node): void {
  const e = x.e;
  const mask = requested(x);
  const present = e.and(e.wrap(header), mask);
  const xmm = has(x, present, SSE), ymm = has(x, present, AVX);
  // All loads before all writes.
  const vectors = (condition: Node, offset: number) =>
    Array.from({ length: 16 }, (_, i) => {
      const v = e.variable("v128", e.v128(new Uint8Array(16)));
      e.if(condition, () => e.assign(v, e.load("v128", at(x, offset + 16 * i))));
      return v;
    });
  const mxcsr = e.variable("i32", e.i32(MXCSR_RESET));
  const loaded = compacted ? xmm : has(x, mask, SSE | AVX);
  e.if(loaded, () => {
    e.assign(mxcsr, e.load("i32", at(x, 24)));
    e.if(e.gtU(e.read(mxcsr), e.i32(MXCSR_MASK)), () => x.protection());
  });
  const lower = vectors(xmm, 160), upper = vectors(ymm, AVX_OFFSET);
  const keys = e.variable("i32", e.i32(0));
  e.if(has(x, present, PKRU), () => {
    const from = e.add(x.address(), pkruOffset(x, compacted, e.wrap(form)));
    e.assign(keys, e.load("i32", from));
  });
  e.if(has(x, mask, X87), () => {
    e.if(has(x, present, X87), () => X.loadLegacy(x), () => X.resetLegacy(x));
  });
  e.if(compacted ? has(x, mask, SSE) : loaded, () => e.setState(L.MXCSR, e.read(mxcsr)));
  const write = (component: number, values: typeof lower, first: number): void =>
    e.if(has(x, mask, component), () => {
      values.forEach((v, i) => e.setVector(e.fixed(L.vector(first + i)), e.read(v)));
    });
  write(SSE, lower, 0);
  write(AVX, upper, 16);
  e.if(has(x, mask, PKRU), () => e.setState(L.PKRU, e.read(keys)));
}

const restore: Semantic = (x) => {
  const e = x.e;
  align(x);
  const form = e.load("i64", at(x, XCOMP_BV));
  const header = e.load("i64", at(x, XSTATE_BV));
  const supported = xcr0(x.level);
  const refuse = (condition: Node): void => e.if(condition, () => x.protection());
  const other = (v: Node): Node => e.ne(e.and(v, e.i64(~BigInt(supported))), e.i64(0));
  refuse(other(header));
  const compacted = e.ltS(form, e.i64(0));
  // The rest of the header is reserved, in the standard form bytes 8–23 of it.
  refuse(e.ne(e.load("i64", at(x, XCOMP_BV + 8)), e.i64(0)));
  e.if(compacted, () => {
    for (let i = 24; i < 64; i += 8) {
      refuse(e.ne(e.load("i64", at(x, XSTATE_BV + i)), e.i64(0)));
    }
    const components = e.and(form, e.i64(COMPACTED - 1n));
    refuse(other(components));
    refuse(e.ne(e.and(header, e.xor(components, e.i64(-1))), e.i64(0)));
    restoreForm(x, true, header, components);
  }, () => {
    refuse(e.ne(form, e.i64(0)));
    restoreForm(x, false, header, form);
  });
  // PKRU may have changed.
  e.exit("mode");
};

/** XGETBV: XCR0, or (ECX = 1) the components of it in use. */
const getbv: Semantic = (x) => {
  const e = x.e;
  const index = x.getGpr(1, 32);
  e.if(e.gtU(index, e.i32(1)), () => x.protection());
  const all = e.i32(xcr0(x.level));
  const value = e.select(index, e.and(inUse(x), all), all);
  x.setGpr(0, value, 32);
  x.setGpr(2, e.i32(0), 32);
};

/** They check the area's alignment themselves. */
const UNALIGNED = { unaligned: true };

export const xsave: readonly Encoding[] = [
  row("np.0f.ae /4 m", "xsave My", save(false, true), UNALIGNED),
  row("np.0f.ae /5 m", "xrstor My", restore, { ...UNALIGNED, flow: Flow.Stop }),
  row("np.0f.ae /6 m", "xsaveopt My", save(false, false), UNALIGNED),
  row("np.0f.c7 /4 m", "xsavec My", save(true, false), UNALIGNED),
  row("np.0f.01 d0", "xgetbv", getbv),
];
