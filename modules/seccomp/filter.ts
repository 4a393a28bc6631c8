import type { Architecture } from "../../lib/linker/mod.ts";

/** What a filter does with a system call that is not allowed: actions of seccomp(2). */
export const ACTIONS = {
  kill: 0x80000000,
  trap: 0x00030000,
  /** EPERM. */
  errno: 0x00050001,
  log: 0x7ffc0000,
} as const;
export type Action = keyof typeof ACTIONS;

const ALLOW = 0x7fff0000;
const LD_W_ABS = 0x20, JA = 0x05, JEQ_K = 0x15, JGE_K = 0x35, RET_K = 0x06;
/** Offsets in `struct seccomp_data`. */
const NR = 0, ARCH = 4;
const AUDIT_ARCH = { x86_64: 0xc000003e, aarch64: 0xc00000b7 };
/** Furthest conditional jump. */
const FURTHEST = 255;

type Instruction = readonly [code: number, jt: number, jf: number, k: number];

/** From a number on, the calls that are treated alike. */
interface Span {
  readonly from: number;
  readonly allowed: boolean;
}

/**
 * The classic BPF program that lets the system calls `allowed` of one architecture through: numbers are
 * found by bisection. Another architecture's calls are refused, and so are x32's, whose numbers are high.
 */
export function filterOf(
  arch: Architecture,
  allowed: Iterable<number>,
  action: Action,
): Uint8Array {
  const spans: Span[] = [{ from: 0, allowed: false }];
  for (const number of [...new Set(allowed)].sort((a, b) => a - b)) {
    // The span of refused calls that begins here is empty.
    if (spans[spans.length - 1].from === number) spans.pop();
    if (!spans[spans.length - 1]?.allowed) spans.push({ from: number, allowed: true });
    spans.push({ from: number + 1, allowed: false });
  }
  const code: Instruction[] = [
    [LD_W_ABS, 0, 0, ARCH],
    [JEQ_K, 1, 0, AUDIT_ARCH[arch]],
    [RET_K, 0, 0, ACTIONS[action]],
    [LD_W_ABS, 0, 0, NR],
    ...bisect(spans, ACTIONS[action]),
  ];
  const bytes = new Uint8Array(8 * code.length);
  const view = new DataView(bytes.buffer);
  code.forEach(([op, jt, jf, k], i) => {
    view.setUint16(8 * i, op, true);
    view.setUint8(8 * i + 2, jt);
    view.setUint8(8 * i + 3, jf);
    view.setUint32(8 * i + 4, k, true);
  });
  return bytes;
}

function bisect(spans: readonly Span[], refuse: number): Instruction[] {
  if (spans.length === 1) return [[RET_K, 0, 0, spans[0].allowed ? ALLOW : refuse]];
  const middle = spans.length >> 1;
  const low = bisect(spans.slice(0, middle), refuse);
  const high = bisect(spans.slice(middle), refuse);
  const { from } = spans[middle];
  return low.length <= FURTHEST
    ? [[JGE_K, low.length, 0, from], ...low, ...high]
    : [[JGE_K, 0, 1, from], [JA, 0, 0, low.length], ...low, ...high];
}
