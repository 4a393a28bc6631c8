/**
 * Classic BPF as seccomp(2) takes it: programs of `struct sock_filter` (8 bytes: code, jt, jf, k) over a
 * `struct seccomp_data`. Linux checks a program in net/core/filter.c (`bpf_check_classic`) and then in
 * kernel/seccomp.c (`seccomp_check_filter`); both sets of rules are here as one, since a program must
 * pass both.
 */

/** Most instructions of a program (BPF_MAXINSNS). */
export const BPF_MAXINSNS = 4096;
/** Bytes of an instruction. */
export const BPF_INSTRUCTION = 8;
/** Words of scratch memory (BPF_MEMWORDS). */
const MEMWORDS = 16;
/** sizeof(struct seccomp_data) */
const DATA_SIZE = 64;

// Instruction classes, sizes, modes and operations (include/uapi/linux/bpf_common.h).
const LD_W_ABS = 0x20, LD_W_LEN = 0x80, LDX_W_LEN = 0x81, LD_IMM = 0x00, LDX_IMM = 0x01;
const LD_MEM = 0x60, LDX_MEM = 0x61, ST = 0x02, STX = 0x03;
const RET_K = 0x06, RET_A = 0x16, TAX = 0x07, TXA = 0x87, NEG = 0x84;
const ADD = 0x04, SUB = 0x14, MUL = 0x24, DIV = 0x34, OR = 0x44, AND = 0x54, LSH = 0x64, RSH = 0x74;
const XOR = 0xa4;
const JA = 0x05, JEQ = 0x15, JGT = 0x25, JGE = 0x35, JSET = 0x45;
/** Bit of an opcode: the operand is X, not k. */
const X = 8;

const ALLOWED = new Set([
  ...[LD_W_ABS, LD_W_LEN, LDX_W_LEN, LD_IMM, LDX_IMM, LD_MEM, LDX_MEM, ST, STX],
  ...[RET_K, RET_A, TAX, TXA, NEG, JA],
  ...[ADD, SUB, MUL, DIV, OR, AND, LSH, RSH, XOR, JEQ, JGT, JGE, JSET].flatMap((
    op,
  ) => [op, op | X]),
]);

const CONDITIONAL = new Set([JEQ, JGT, JGE, JSET].flatMap((op) => [op, op | X]));

/** A program that Linux accepts as a seccomp filter. */
export class BpfProgram {
  readonly #code: Uint16Array;
  readonly #jumps: Uint8Array;
  readonly #k: Uint32Array;
  readonly #memory = new Uint32Array(MEMWORDS);
  /** Instructions that the last run executed. */
  executed = 0;

  private constructor(bytes: Uint8Array) {
    const count = bytes.length / BPF_INSTRUCTION;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#code = new Uint16Array(count);
    this.#jumps = new Uint8Array(2 * count);
    this.#k = new Uint32Array(count);
    for (let i = 0; i < count; i++) {
      this.#code[i] = view.getUint16(8 * i, true);
      this.#jumps[2 * i] = view.getUint8(8 * i + 2);
      this.#jumps[2 * i + 1] = view.getUint8(8 * i + 3);
      this.#k[i] = view.getUint32(8 * i + 4, true);
    }
  }

  /** The program in `bytes`, instructions of 8 bytes each; undefined if Linux would not take it. */
  static check(bytes: Uint8Array): BpfProgram | undefined {
    const count = bytes.length / BPF_INSTRUCTION;
    if (count === 0 || count > BPF_MAXINSNS || !Number.isInteger(count)) return undefined;
    const program = new BpfProgram(bytes);
    return program.#isSound() ? program : undefined;
  }

  get length(): number {
    return this.#code.length;
  }

  #isSound(): boolean {
    const last = this.#code[this.length - 1];
    if (last !== RET_K && last !== RET_A) return false;
    for (let pc = 0; pc < this.length; pc++) if (!this.#isAllowed(pc)) return false;
    return this.#storesBeforeLoads();
  }

  #isAllowed(pc: number): boolean {
    const code = this.#code[pc];
    const k = this.#k[pc];
    const after = this.length - pc - 1;
    if (!ALLOWED.has(code)) return false;
    switch (code) {
      case LD_W_ABS:
        return k < DATA_SIZE && k % 4 === 0;
      case DIV:
        return k !== 0;
      case LSH:
      case RSH:
        return k < 32;
      case LD_MEM:
      case LDX_MEM:
      case ST:
      case STX:
        return k < MEMWORDS;
      case JA:
        return k < after;
      default:
        if (!CONDITIONAL.has(code)) return true;
        return this.#jumps[2 * pc] < after && this.#jumps[2 * pc + 1] < after;
    }
  }

  /** Whether no path loads a word of scratch memory that it has not stored (`check_load_and_stores`). */
  #storesBeforeLoads(): boolean {
    const reached = new Uint16Array(this.length).fill(0xffff);
    let valid = 0;
    for (let pc = 0; pc < this.length; pc++) {
      valid &= reached[pc];
      const code = this.#code[pc];
      const k = this.#k[pc];
      if (code === ST || code === STX) valid |= 1 << k;
      else if (code === LD_MEM || code === LDX_MEM) {
        if ((valid & (1 << k)) === 0) return false;
      } else if (code === JA) {
        reached[pc + 1 + k] &= valid;
        valid = 0xffff;
      } else if (CONDITIONAL.has(code)) {
        reached[pc + 1 + this.#jumps[2 * pc]] &= valid;
        reached[pc + 1 + this.#jumps[2 * pc + 1]] &= valid;
        valid = 0xffff;
      }
    }
    return true;
  }

  /** What the program returns for `data`, a `struct seccomp_data` in little-endian words. */
  run(data: Uint32Array): number {
    const code = this.#code, jumps = this.#jumps, ks = this.#k, memory = this.#memory;
    let a = 0, x = 0, executed = 0;
    for (let pc = 0;; pc++) {
      executed++;
      const op = code[pc];
      const k = ks[pc];
      const operand = (op & X) !== 0 ? x : k;
      switch (op) {
        case LD_W_ABS:
          a = data[k >> 2];
          break;
        case LD_W_LEN:
          a = DATA_SIZE;
          break;
        case LDX_W_LEN:
          x = DATA_SIZE;
          break;
        case LD_IMM:
          a = k;
          break;
        case LDX_IMM:
          x = k;
          break;
        case LD_MEM:
          a = memory[k];
          break;
        case LDX_MEM:
          x = memory[k];
          break;
        case ST:
          memory[k] = a;
          break;
        case STX:
          memory[k] = x;
          break;
        case TAX:
          x = a;
          break;
        case TXA:
          a = x;
          break;
        case NEG:
          a = -a >>> 0;
          break;
        case RET_K:
          this.executed = executed;
          return k;
        case RET_A:
          this.executed = executed;
          return a;
        case JA:
          pc += k;
          break;
        case JEQ:
        case JEQ | X:
          pc += jumps[2 * pc + (a === operand ? 0 : 1)];
          break;
        case JGT:
        case JGT | X:
          pc += jumps[2 * pc + (a > operand ? 0 : 1)];
          break;
        case JGE:
        case JGE | X:
          pc += jumps[2 * pc + (a >= operand ? 0 : 1)];
          break;
        case JSET:
        case JSET | X:
          pc += jumps[2 * pc + ((a & operand) !== 0 ? 0 : 1)];
          break;
        case DIV:
        case DIV | X:
          // A division by zero ends the program with 0.
          if (operand === 0) {
            this.executed = executed;
            return 0;
          }
          a = Math.floor(a / operand);
          break;
        default:
          a = arithmetic(op & ~X, a, operand);
      }
    }
  }
}

function arithmetic(op: number, a: number, b: number): number {
  switch (op) {
    case ADD:
      return (a + b) >>> 0;
    case SUB:
      return (a - b) >>> 0;
    case MUL:
      return Math.imul(a, b) >>> 0;
    case OR:
      return (a | b) >>> 0;
    case AND:
      return (a & b) >>> 0;
    case XOR:
      return (a ^ b) >>> 0;
    case LSH:
      return a << (b & 31) >>> 0;
    default:
      return a >>> (b & 31);
  }
}
