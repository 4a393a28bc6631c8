/** AES-NI, PCLMULQDQ and SHA-NI, and the VEX forms of the first two. */
import { mix, substituteBytes, substituteRows } from "../aes.ts";
import { polynomialProduct } from "../carryless.ts";
import type { Emitter } from "../ir/emitter.ts";
import type { Helper, Node, Type } from "../ir/types.ts";
import { vector } from "../layout.ts";
import { type Encoding, row, type Semantic } from "./row.ts";
import { lanewise } from "./vex/lanes.ts";

// ---- AES ---------------------------------------------------------------------------------

const xor = (e: Emitter, a: Node, b: Node): Node => e.op("v128.xor", [a, b]);

/** AESENC, AESDEC and the last rounds: the state is the destination, the key the source. */
const round = (inverse: 0 | 1, last: boolean): Semantic => (x) => {
  const e = x.e;
  const key = x.vector(1);
  const rows = e.call(substituteRows[inverse], x.vector(0));
  x.setVector(0, xor(e, last ? rows : e.call(mix[inverse], rows), key));
};
const inverseMix: Semantic = (x) => x.setVector(0, x.e.call(mix[1], x.vector(1)));

/** AESKEYGENASSIST: words 1 and 3 substituted, and rotated with the constant added. */
const keygen: Semantic = (x) => {
  const e = x.e;
  const bytes = e.call(substituteBytes, x.vector(1));
  const order = [4, 5, 6, 7, 5, 6, 7, 4, 12, 13, 14, 15, 13, 14, 15, 12];
  const words = e.op("i8x16.shuffle", [bytes, bytes], order);
  const constant = e.v128(Array.from({ length: 16 }, (_, i) => i === 4 || i === 12 ? x.extra : 0));
  x.setVector(0, xor(e, words, constant));
};

/** PCLMULQDQ: a half of each operand. */
const product: Semantic = (x) => {
  const e = x.e;
  const b = x.vector(1), a = x.vector(0);
  const half = (v: Node, i: number): Node => e.op("i64x2.extract_lane", [v], i);
  x.setVector(
    0,
    e.call(polynomialProduct, half(a, x.extra & 1), half(b, (x.extra >> 4) & 1)),
  );
};

const aes: [opcode: string, name: string, emit: Semantic][] = [
  ["dc", "aesenc", round(0, false)],
  ["dd", "aesenclast", round(0, true)],
  ["de", "aesdec", round(1, false)],
  ["df", "aesdeclast", round(1, true)],
];

// ---- SHA (FIPS 180-4) --------------------------------------------------------------------

const words = (e: Emitter, v: Node): Node[] =>
  [0, 1, 2, 3].map((i) => e.op("i32x4.extract_lane", [v], i));
const vectorOf = (e: Emitter, parts: readonly Node[]): Node =>
  parts.reduce(
    (v, w, i) => e.op("i32x4.replace_lane", [v, w], i),
    e.v128(new Uint8Array(16)),
  );
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

function vectorHelper(
  name: string,
  arity: number,
  build: (e: Emitter, ...v: Node[]) => Node,
): Helper {
  const params = Array.from({ length: arity }, (): Type => "v128");
  const result = "v128";
  return { name: `x86_${name}`, params, result, reads: [], writes: [], build };
}
/** An instruction that is one function of destination and source. */
const of = (name: string, build: (e: Emitter, a: Node, b: Node) => Node): Semantic => {
  const helper = vectorHelper(name, 2, build);
  return (x) => {
    const b = x.vector(1);
    x.setVector(0, x.e.call(helper, x.vector(0), b));
  };
};

/** Constants and functions of the four stages of SHA-1. */
const stages: [number, typeof choice][] = [
  [0x5a827999, choice],
  [0x6ed9eba1, parity],
  [0x8f1bbcdc, majority],
  [0xca62c1d6, parity],
];
/** SHA1RNDS4: four rounds; A lies in the highest word, E is in the highest word of the source. */
const sha1rounds = stages.map(([constant, f], stage) =>
  vectorHelper(`sha1rnds4_${stage}`, 2, (e, state, message) => {
    let [d, c, b, a] = words(e, state);
    let rest = e.i32(0);
    for (const w of words(e, message).reverse()) {
      const next = sum(e, f(e, b, c, d), e.rotl(a, e.i32(5)), w, rest, e.i32(constant | 0));
      [a, b, c, d, rest] = [next, a, e.rotl(b, e.i32(30)), c, d];
    }
    return vectorOf(e, [d, c, b, a]);
  })
);
const sha1rnds4: Semantic = (x) => {
  const b = x.vector(1);
  x.setVector(0, x.e.call(sha1rounds[x.extra & 3], x.vector(0), b));
};
const sha1nexte = of("sha1nexte", (e, a, b) => {
  const rotated = e.rotl(words(e, a)[3], e.i32(30));
  return e.op("i32x4.replace_lane", [b, e.add(words(e, b)[3], rotated)], 3);
});
const sha1msg1 = of("sha1msg1", (e, a, b) => {
  const [w0, w1, w2, w3] = words(e, a).reverse();
  const [, , w5, w4] = words(e, b);
  return vectorOf(e, [e.xor(w5, w3), e.xor(w4, w2), e.xor(w3, w1), e.xor(w2, w0)]);
});
const sha1msg2 = of("sha1msg2", (e, a, b) => {
  const [a0, a1, a2, a3] = words(e, a);
  const [b0, b1, b2] = words(e, b);
  const rotate = (x: Node, y: Node): Node => e.rotl(e.xor(x, y), e.i32(1));
  const w16 = rotate(a3, b2);
  return vectorOf(e, [rotate(a0, w16), rotate(a1, b0), rotate(a2, b1), w16]);
});

/** SHA256RNDS2: two rounds on ABEF (source) and CDGH (destination); XMM0 has the message. */
const sha256rounds = vectorHelper("sha256rnds2", 3, (e, cdgh, abef, message) => {
  let [h, g, d, c] = words(e, cdgh);
  let [f, ee, b, a] = words(e, abef);
  for (const w of words(e, message).slice(0, 2)) {
    const t = sum(e, h, sigma(e, ee, 6, 11, 25, false), choice(e, ee, f, g), w);
    const top = sum(e, t, sigma(e, a, 2, 13, 22, false), majority(e, a, b, c));
    [a, b, c, d, ee, f, g, h] = [top, a, b, c, e.add(t, d), ee, f, g];
  }
  return vectorOf(e, [f, ee, b, a]);
});
const sha256rnds2: Semantic = (x) => {
  const e = x.e;
  const b = x.vector(1);
  x.setVector(0, e.call(sha256rounds, x.vector(0), b, e.getVector(e.fixed(vector(0)))));
};
const sha256msg1 = of("sha256msg1", (e, a, b) => {
  const w = [...words(e, a), words(e, b)[0]];
  return vectorOf(
    e,
    [0, 1, 2, 3].map((i) => e.add(w[i], sigma(e, w[i + 1], 7, 18, 3, true))),
  );
});
const sha256msg2 = of("sha256msg2", (e, a, b) => {
  const [a0, a1, a2, a3] = words(e, a);
  const [, , w14, w15] = words(e, b);
  const next = (x: Node, y: Node): Node => e.add(x, sigma(e, y, 17, 19, 10, true));
  const w16 = next(a0, w14), w17 = next(a1, w15);
  return vectorOf(e, [w16, w17, next(a2, w16), next(a3, w17)]);
});

export const crypto: readonly Encoding[] = [
  ...aes.flatMap(([opcode, name, emit]) => [
    row(`66.0f38.${opcode}`, `${name} Vx,Wx`, emit),
    row(`vex.66.0f38.${opcode}`, `v${name} Vx,Hx,Wx`, lanewise(emit, { three: true })),
  ]),
  row("66.0f38.db", "aesimc Vx,Wx", inverseMix),
  row("vex.66.0f38.db L0", "vaesimc Vx,Wx", lanewise(inverseMix)),
  row("66.0f3a.df", "aeskeygenassist Vx,Wx,Kb", keygen),
  row("vex.66.0f3a.df L0", "vaeskeygenassist Vx,Wx,Kb", lanewise(keygen)),
  row("66.0f3a.44", "pclmulqdq Vx,Wx,Kb", product),
  row("vex.66.0f3a.44", "vpclmulqdq Vx,Hx,Wx,Kb", lanewise(product, { three: true })),
  row("np.0f3a.cc", "sha1rnds4 Vx,Wx,Kb", sha1rnds4),
  row("np.0f38.c8", "sha1nexte Vx,Wx", sha1nexte),
  row("np.0f38.c9", "sha1msg1 Vx,Wx", sha1msg1),
  row("np.0f38.ca", "sha1msg2 Vx,Wx", sha1msg2),
  row("np.0f38.cb", "sha256rnds2 Vx,Wx", sha256rnds2),
  row("np.0f38.cc", "sha256msg1 Vx,Wx", sha256msg1),
  row("np.0f38.cd", "sha256msg2 Vx,Wx", sha256msg2),
];
