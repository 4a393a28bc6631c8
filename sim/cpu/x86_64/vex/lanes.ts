/**
 * VEX instructions that do to every 128 bits what an SSE instruction does: its semantics run once for
 * each half, on a view of the instruction in which the half is all there is.
 *
 * Writing a vector register clears what lies above (Intel SDM volume 1, section 14.1.2); with VEX.L that
 * is nothing.
 */
import type { Node, Reg } from "../../ir/types.ts";
import { EXTRA_SHIFT, Form, Instruction, LONG } from "../instruction.ts";
import { type Encoding, File, Place, type Semantic } from "../row.ts";

/** How the operands of a VEX instruction follow from those of the SSE instruction. */
export interface LaneOptions {
  /** The destination is an operand of its own, before the sources. */
  readonly three?: boolean;
  /** Bits of the immediate that the lower half uses; the upper half uses those above. */
  readonly control?: number;
  /** It may raise SSE exceptions; both halves are computed before one faults. */
  readonly float?: boolean;
  /** The memory operand must be aligned to its size. */
  readonly aligned?: boolean;
}

/** Rows as their sources alone, what an SSE instruction calls its operands. */
const views = new Map<Encoding, Encoding>();

function sourcesOf(row: Encoding): Encoding {
  let view = views.get(row);
  if (view === undefined) {
    view = { ...viewed(row), operands: row.operands.slice(1) };
    views.set(row, view);
  }
  return view;
}

/** The properties of a row that instructions ask for, and some that they do not. */
function viewed(row: Encoding): Encoding {
  const { encoding, name, emit, options, immediate, size, map, prefix, opcode, count } = row;
  const { operands, modrm, digit, memory, register, exact, exactCount, vex, length, wide } = row;
  const decoding = { modrm, digit, memory, register, exact, exactCount, vex, length, wide };
  return {
    ...{ encoding, name, emit, options, immediate, size, map, prefix, opcode, count, operands },
    ...decoding,
  };
}

/** One half. */
class Half extends Instruction {
  /** What the semantics wrote to operand 0. */
  result: Node | null = null;
  readonly #whole: Instruction;
  readonly #upper: boolean;
  /** This half of a 256-bit memory operand. */
  readonly #memory: Node | null;
  constructor(
    whole: Instruction,
    o: LaneOptions,
    upper: boolean,
    memory: Node | null,
  ) {
    let { statics } = whole;
    if (upper && o.control !== undefined) {
      statics = (statics & ~LONG & ((1 << EXTRA_SHIFT) - 1)) | LONG |
        (whole.extra >> o.control << EXTRA_SHIFT);
    }
    const row = o.three === true ? sourcesOf(whole.row) : whole.row;
    super(whole.e, row, statics, whole.level);
    this.#whole = whole;
    this.#upper = upper;
    this.#memory = memory;
  }

  override address(): Node {
    return this.#whole.address();
  }
  override register(i: number): Reg {
    const reg = super.register(i);
    return this.#upper && this.row.operands[i].file === File.Vector ? this.e.upper(reg) : reg;
  }
  override vector(i: number): Node {
    if (!this.inMemory(i)) return this.e.getVector(this.register(i));
    return this.#memory ?? this.e.load("v128", this.address());
  }
  override setVector(_: number, value: Node): void {
    this.result = value;
  }
  override align16(): void {}
  override report(report: Node): void {
    this.#whole.report(report);
  }
}

/** Write vector register operand `i`: 256 bits, or with `high` null 128 and zeros above. */
export function writeVector(x: Instruction, i: number, low: Node, high: Node | null): void {
  const e = x.e;
  const reg = x.register(i);
  e.setVector(reg, low);
  e.setVector(e.upper(reg), high ?? e.v128(new Uint8Array(16)));
}

/** Both halves of vector operand `i` of a 256-bit instruction. */
export function readPair(x: Instruction, i: number): [Node, Node] {
  const e = x.e;
  if (x.inMemory(i)) return e.loadPair(x.address());
  const reg = x.register(i);
  return [e.getVector(reg), e.getVector(e.upper(reg))];
}

/** Refuse a memory operand that is not aligned to the vector's size: #GP. */
export function alignVector(x: Instruction): void {
  const e = x.e;
  e.if(e.and(e.wrap(x.address()), e.i32(x.long ? 31 : 15)), () => x.protection());
}

/** The semantics `emit` on each half. */
export function lanewise(emit: Semantic, o: LaneOptions = {}): Semantic {
  return (x) => {
    const e = x.e;
    const inMemory = x.form !== Form.Register &&
      x.row.operands.some((v) => v.place === Place.Rm && v.bits === 128);
    if (inMemory && o.aligned === true) alignVector(x);
    const memory = inMemory && x.long ? e.loadPair(x.address()) : null;
    const low = new Half(x, o, false, memory?.[0] ?? null);
    const high = x.long ? new Half(x, o, true, memory?.[1] ?? null) : null;
    const run = (): void => {
      emit(low);
      if (high !== null) emit(high);
    };
    if (x.long && o.float === true) x.together(run);
    else run();
    if (low.result !== null) writeVector(x, 0, low.result, high?.result ?? null);
  };
}
