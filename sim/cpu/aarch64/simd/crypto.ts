/** AES, SHA-1 and SHA-256 instructions (FEAT_AES, FEAT_SHA1, FEAT_SHA256). */
import type { Emitter } from "../../ir/emitter.ts";
import type { Helper, Node, Type } from "../../ir/types.ts";
import { mix, substituteRows } from "../../aes.ts";
import { pure } from "../multiply.ts";
import { familyRow, row } from "../row.ts";
import { extract, permute, replace, result, vec, xor, zeros } from "./lanes.ts";

// ---- AES (FIPS 197) ----------------------------------------------------------------------

function vectorHelper(
  name: string,
  arity: number,
  build: (e: Emitter, ...v: Node[]) => Node,
): Helper {
  const params = Array.from({ length: arity }, (): Type => "v128");
  return pure(`aarch64.${name}`, params, "v128", build);
}

const aes = [
  row("AESE/AESD", "01001110 00 10100 0010 inverse:1 10 rn:5 rd:5", (f) => ({
    regs: [f.rd.v, f.rn.v],
    statics: ["inverse"],
    emit: (e, { inverse }) => {
      const state = xor(e, vec(e, 0), vec(e, 1));
      result(e, e.call(substituteRows[inverse], state), 128);
    },
  })),
  row("AESMC/AESIMC", "01001110 00 10100 0011 inverse:1 10 rn:5 rd:5", (f) => ({
    regs: [f.rd.v, f.rn.v],
    statics: ["inverse"],
    emit: (e, { inverse }) => result(e, e.call(mix[inverse], vec(e, 1)), 128),
  })),
];

// ---- SHA (FIPS 180-4) --------------------------------------------------------------------

const sum = (e: Emitter, ...terms: Node[]): Node => terms.reduce((a, b) => e.add(a, b));
const parity = (e: Emitter, x: Node, y: Node, z: Node): Node => e.xor(e.xor(x, y), z);
const choice = (e: Emitter, x: Node, y: Node, z: Node): Node => e.xor(e.and(e.xor(y, z), x), z);
const majority = (e: Emitter, x: Node, y: Node, z: Node): Node =>
  e.or(e.and(x, y), e.and(e.or(x, y), z));
/** XOR of right rotations; `shift` is a right shift instead of the last one. */
function sigma(e: Emitter, x: Node, a: number, b: number, c: number, shift: boolean): Node {
  const last = shift ? e.shrU(x, e.i32(c)) : e.rotr(x, e.i32(c));
  return e.xor(e.xor(e.rotr(x, e.i32(a)), e.rotr(x, e.i32(b))), last);
}

const words = (e: Emitter, v: Node): Node[] => [0, 1, 2, 3].map((i) => extract(e, 2, v, i));
function vector(e: Emitter, words: readonly Node[]): Node {
  return words.reduce((v, w, i) => replace(e, 2, v, i, w), zeros(e));
}

/** SHA1C, SHA1P, SHA1M: four rounds. */
const sha1 = [choice, parity, majority].map((mix, i) =>
  vectorHelper(`sha1_${"cpm"[i]}`, 3, (e, d, n, m) => {
    let x = words(e, d);
    let y = extract(e, 2, n, 0);
    for (const w of words(e, m)) {
      y = sum(e, y, e.rotl(x[0], e.i32(5)), mix(e, x[1], x[2], x[3]), w);
      const next = [y, x[0], e.rotl(x[1], e.i32(30)), x[2]];
      y = x[3];
      x = next;
    }
    return vector(e, x);
  })
);

/** SHA256H and SHA256H2: four rounds; the first returns `x`, the second `y`. */
const sha256 = [0, 1].map((second) =>
  vectorHelper(second ? "sha256h2" : "sha256h", 3, (e, first, other, m) => {
    let x = words(e, first);
    let y = words(e, other);
    for (const w of words(e, m)) {
      const t = sum(
        e,
        y[3],
        sigma(e, y[0], 6, 11, 25, false),
        choice(e, y[0], y[1], y[2]),
        w,
      );
      const top = sum(e, t, sigma(e, x[0], 2, 13, 22, false), majority(e, x[0], x[1], x[2]));
      [x, y] = [[top, x[0], x[1], x[2]], [e.add(t, x[3]), y[0], y[1], y[2]]];
    }
    return vector(e, second ? y : x);
  })
);

const schedule1 = vectorHelper("sha1su1", 2, (e, d, n) => {
  const t = words(e, xor(e, d, permute(e, 2, n, zeros(e), (i) => i + 1)));
  const r = t.map((w) => e.rotl(w, e.i32(1)));
  r[3] = e.xor(r[3], e.rotl(t[0], e.i32(2)));
  return vector(e, r);
});
const schedule256 = [
  vectorHelper("sha256su0", 2, (e, d, n) => {
    const old = words(e, d);
    const next = [old[1], old[2], old[3], extract(e, 2, n, 0)];
    return vector(e, next.map((w, i) => e.add(sigma(e, w, 7, 18, 3, true), old[i])));
  }),
  vectorHelper("sha256su1", 3, (e, d, n, m) => {
    const old = words(e, d);
    const middle = words(e, permute(e, 2, n, m, (i) => i + 1));
    const last = words(e, m).slice(2);
    const r: Node[] = [];
    for (let i = 0; i < 4; i++) {
      const w = i < 2 ? last[i] : r[i - 2];
      r.push(sum(e, sigma(e, w, 17, 19, 10, true), old[i], middle[i]));
    }
    return vector(e, r);
  }),
];

const hashes = [
  ...["000", "001", "010"].map((opcode, i) =>
    familyRow(`SHA1${"CPM"[i]}`, `01011110 000 rm:5 0 ${opcode} 00 rn:5 rd:5`, (f) => ({
      regs: [f.rd.v, f.rn.v, f.rm.v],
      emit: (e) => result(e, e.call(sha1[i], vec(e, 0), vec(e, 1), vec(e, 2)), 128),
    }))
  ),
  row("SHA1SU0", "01011110 000 rm:5 0 011 00 rn:5 rd:5", (f) => ({
    regs: [f.rd.v, f.rn.v, f.rm.v],
    emit: (e) => {
      const [d, n, m] = [vec(e, 0), vec(e, 1), vec(e, 2)];
      result(e, xor(e, xor(e, permute(e, 2, d, n, (i) => i + 2), d), m), 128);
    },
  })),
  row("SHA256H", "01011110 000 rm:5 0 100 00 rn:5 rd:5", (f) => ({
    regs: [f.rd.v, f.rn.v, f.rm.v],
    emit: (e) => result(e, e.call(sha256[0], vec(e, 0), vec(e, 1), vec(e, 2)), 128),
  })),
  row("SHA256H2", "01011110 000 rm:5 0 101 00 rn:5 rd:5", (f) => ({
    regs: [f.rd.v, f.rn.v, f.rm.v],
    emit: (e) => result(e, e.call(sha256[1], vec(e, 1), vec(e, 0), vec(e, 2)), 128),
  })),
  row("SHA256SU1", "01011110 000 rm:5 0 110 00 rn:5 rd:5", (f) => ({
    regs: [f.rd.v, f.rn.v, f.rm.v],
    emit: (e) => result(e, e.call(schedule256[1], vec(e, 0), vec(e, 1), vec(e, 2)), 128),
  })),
  row("SHA1H", "01011110 00 10100 00000 10 rn:5 rd:5", (f) => ({
    regs: [f.rd.v, f.rn.v],
    emit: (e) => {
      const w = e.rotl(extract(e, 2, vec(e, 1), 0), e.i32(30));
      result(e, replace(e, 2, zeros(e), 0, w), 128);
    },
  })),
  row("SHA1SU1", "01011110 00 10100 00001 10 rn:5 rd:5", (f) => ({
    regs: [f.rd.v, f.rn.v],
    emit: (e) => result(e, e.call(schedule1, vec(e, 0), vec(e, 1)), 128),
  })),
  row("SHA256SU0", "01011110 00 10100 00010 10 rn:5 rd:5", (f) => ({
    regs: [f.rd.v, f.rn.v],
    emit: (e) => result(e, e.call(schedule256[0], vec(e, 0), vec(e, 1)), 128),
  })),
];

export const rows = [...aes, ...hashes];
