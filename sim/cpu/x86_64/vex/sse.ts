/** AVX and AVX2 instructions that are SSE instructions on each 128 bits. */
import type { Instruction } from "../instruction.ts";
import { type Encoding, row, type Semantic } from "../row.ts";
import { sseConvert } from "../sse_convert.ts";
import { sseFloat } from "../sse_float.ts";
import { sseInteger } from "../sse_integer.ts";
import { sseMoves } from "../sse_moves.ts";
import { sseShuffle } from "../sse_shuffle.ts";
import { sseStrings } from "../sse_strings.ts";
import { vector } from "../../layout.ts";
import { type LaneOptions, lanewise } from "./lanes.ts";

const sse: readonly Encoding[] = [
  ...sseMoves,
  ...sseFloat,
  ...sseConvert,
  ...sseInteger,
  ...sseShuffle,
  ...sseStrings,
];

const mnemonic = (row: Encoding): string => row.name.slice(0, row.name.indexOf(" "));

/** Operand codes with a destination of its own: `Vx,Wx` becomes `Vx,Hx,Wx`, `Ux,Ub` `Hx,Ux,Ub`. */
function threeOperands(codes: string): string {
  const [first, ...rest] = codes.split(",");
  return first[0] === "U"
    ? [`H${first.slice(1)}`, first, ...rest].join(",")
    : [first, `H${first.slice(1)}`, ...rest].join(",");
}

/** The semantics of the SSE instruction with that name and encoding. */
export function semanticOf(name: string): Semantic {
  const found = sse.find((r) => r.name === name);
  if (found === undefined) throw new TypeError(`no SSE instruction ${name}`);
  return found.emit;
}

/** The VEX rows of SSE instructions; `bits` constrain VEX.L and VEX.W. */
function derive(mnemonics: string, bits: string, o: LaneOptions): Encoding[] {
  return mnemonics.split(" ").flatMap((name) => {
    const found = sse.filter((r) => mnemonic(r) === name);
    if (found.length === 0) throw new TypeError(`no SSE instruction ${name}`);
    return found.map((r) => {
      const codes = r.name.slice(name.length + 1);
      const operands = o.three === true ? threeOperands(codes) : codes;
      const [encoding, ...rest] = r.encoding.split(" ");
      const modifiers = [...rest, ...(bits === "" ? [] : bits.split(" "))];
      return row(
        [`vex.${encoding}`, ...modifiers].join(" "),
        `v${name} ${operands}`,
        lanewise(r.emit, o),
      );
    });
  });
}

const THREE = { three: true };
const FLOAT = { float: true };
const FLOAT3 = { three: true, float: true };

/** XMM0 is written: what lies above it goes. */
const toFirst = (emit: Semantic): Semantic => (x: Instruction) => {
  emit(x);
  x.e.setVector(x.e.upper(x.e.fixed(vector(0))), x.e.v128(new Uint8Array(16)));
};

export const vexSse: readonly Encoding[] = [
  // Packed floating point of 128 and 256 bits.
  ...derive(
    "addps addpd subps subpd mulps mulpd divps divpd minps minpd maxps maxpd cmpps cmppd " +
      "addsubps addsubpd haddps haddpd hsubps hsubpd dpps",
    "",
    FLOAT3,
  ),
  ...derive("sqrtps sqrtpd cvtdq2ps cvtps2dq cvttps2dq roundps roundpd", "", FLOAT),
  ...derive("rcpps rsqrtps movsldup movshdup", "", {}),
  ...derive(
    "andps andpd andnps andnpd orps orpd xorps xorpd unpcklps unpcklpd unpckhps unpckhpd shufps",
    "",
    THREE,
  ),
  ...derive("shufpd blendpd", "", { three: true, control: 2 }),
  ...derive("blendps", "", { three: true, control: 4 }),
  // Scalars, and what has 128 bits only.
  ...derive(
    "addss addsd subss subsd mulss mulsd divss divsd minss minsd maxss maxsd cmpss cmpsd " +
      "sqrtss sqrtsd cvtss2sd cvtsd2ss cvtsi2ss cvtsi2sd roundss roundsd",
    "LIG",
    FLOAT3,
  ),
  ...derive("rcpss rsqrtss", "LIG", THREE),
  ...derive(
    "cvtss2si cvtsd2si cvttss2si cvttsd2si ucomiss ucomisd comiss comisd",
    "LIG",
    FLOAT,
  ),
  ...derive("dppd", "L0", FLOAT3),
  ...derive("insertps pinsrb pinsrw pinsrd", "L0", THREE),
  ...derive(
    "movd phminposuw pextrb pextrw pextrd extractps pcmpestri pcmpistri maskmovdqu",
    "L0",
    {},
  ),
  row(
    "vex.66.0f3a.60 L0",
    "vpcmpestrm Vy,Wx,Kb",
    toFirst(lanewise(semanticOf("pcmpestrm Vy,Wx,Kb"))),
  ),
  row(
    "vex.66.0f3a.62 L0",
    "vpcmpistrm Vx,Wx,Kb",
    toFirst(lanewise(semanticOf("pcmpistrm Vx,Wx,Kb"))),
  ),
  // Integers.
  ...derive(
    "punpcklbw punpcklwd punpckldq punpcklqdq punpckhbw punpckhwd punpckhdq punpckhqdq packsswb " +
      "packssdw packuswb packusdw pcmpgtb pcmpgtw pcmpgtd pcmpgtq pcmpeqb pcmpeqw pcmpeqd pcmpeqq " +
      "paddb paddw paddd paddq psubb psubw psubd psubq psubusb psubusw paddusb paddusw psubsb psubsw " +
      "paddsb paddsw pminub pminsw pmaxub pmaxsw pminsb pminsd pminuw pminud pmaxsb pmaxsd pmaxuw " +
      "pmaxud pand pandn por pxor pavgb pavgw pmullw pmulld pmulhw pmulhuw pmuludq pmuldq pmaddwd " +
      "psadbw pshufb phaddw phaddd phaddsw pmaddubsw phsubw phsubd phsubsw psignb psignw psignd " +
      "pmulhrsw pblendw palignr psrldq pslldq",
    "",
    THREE,
  ),
  ...derive("mpsadbw", "", { three: true, control: 3 }),
  ...derive("pabsb pabsw pabsd pshufd pshuflw pshufhw", "", {}),
];
