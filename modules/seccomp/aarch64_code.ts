import { flow, type FlowGraph } from "./flow.ts";
import {
  type CodeReader,
  type FunctionFacts,
  type ImageReader,
  isSmall,
  noFacts,
} from "./function_facts.ts";
import { ARGUMENTS, join, map, numbersOf, type Registers, type Value } from "./values.ts";

/** Instruction patterns of the Arm ARM (DDI 0487), chapter C4 and C6. */
const isBranch = (w: number) => (w & 0x7c000000) === 0x14000000; // B, BL
const isLink = (w: number) => w >>> 31 === 1;
const isBlr = (w: number) =>
  (w & 0xfffff81f) >>> 0 === 0xd63f0000 || (w & 0xfefff800) >>> 0 === 0xd63f0800;
const isBr = (w: number) =>
  (w & 0xfffff81f) >>> 0 === 0xd61f0000 || (w & 0xfefff800) >>> 0 === 0xd61f0800;
const isRet = (w: number) =>
  (w & 0xfffff81f) >>> 0 === 0xd65f0000 || (w & 0xfffffbff) >>> 0 === 0xd65f0bff;
const isBreak = (w: number) => (w & 0xffe0001f) >>> 0 === 0xd4200000 || w >>> 16 === 0; // BRK, UDF
const isAdr = (w: number) => (w & 0x1f000000) === 0x10000000; // ADR, ADRP
const isConditional = (w: number) =>
  (w & 0xff000000) >>> 0 === 0x54000000 || (w & 0x7e000000) === 0x34000000;
const isTest = (w: number) => (w & 0x7e000000) === 0x36000000;
const isSvc = (w: number) => (w & 0xffe0001f) >>> 0 === 0xd4000001;
const isLoadStore = (w: number) => (w & 0x0a000000) === 0x08000000;
/** Register, unsigned scaled offset: integer and vector. */
const isScaled = (w: number) => (w & 0x3b000000) === 0x39000000;
const isPair = (w: number) => (w & 0x3a000000) === 0x28000000;
const isExclusive = (w: number) => (w & 0x3f000000) === 0x08000000;
const NUMBER = 8, SP = 31, LINK = 30, IP1 = 17;
const NOP = 0xd503201f;
const BTI_C = 0xd503245f;

/** Reads aarch64 code. */
export const aarch64Code: CodeReader = {
  read: (start, code, known, image) => new Reader(start, code, known, image).facts(),
  entrySlot,
};

/** `bti c`, `adrp x16`, `ldr x17`, `add x16`, `br x17` */
function entrySlot(address: number, image: ImageReader): number | undefined {
  const bytes = image.bytes(address, 20);
  if (bytes.length < 16) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const at = view.getUint32(0, true) === BTI_C ? 4 : 0;
  const page = view.getUint32(at, true);
  const load = view.getUint32(at + 4, true);
  if (!isAdr(page) || page >>> 31 === 0 || (load & 0xffc00000) >>> 0 !== 0xf9400000) {
    return undefined;
  }
  if ((load & 31) !== IP1) return undefined;
  return adrTarget(page, address + at) + ((load >>> 10) & 0xfff) * 8;
}

class Reader implements FlowGraph {
  readonly #facts = noFacts();
  readonly #view: DataView;
  readonly count: number;
  #leaders: number[] = [];
  #entries: number[] = [];
  #noting = false;

  constructor(
    readonly start: number,
    code: Uint8Array,
    readonly known: boolean,
    readonly image: ImageReader,
  ) {
    this.count = code.length >> 2;
    this.#view = new DataView(code.buffer, code.byteOffset, code.length);
    this.#facts.instructions = this.count;
  }

  get leaders(): readonly number[] {
    return this.#leaders;
  }
  get entries(): readonly number[] {
    return this.#entries;
  }

  #word(index: number): number {
    return this.#view.getUint32(4 * index, true);
  }

  facts(): FunctionFacts {
    if (this.count === 0) return this.#facts;
    this.#findBlocks();
    let last = this.count - 1;
    while (last >= 0 && this.#word(last) === NOP) last--;
    const word = last < 0 ? 0 : this.#word(last);
    const isEnd = isBranch(word) || isBlr(word) || isBr(word) || isRet(word) || isBreak(word);
    this.#facts.goesOn = !isEnd;
    const registers: Value[] = new Array(32).fill(undefined);
    if (this.known) ARGUMENTS.forEach((argument, i) => registers[i] = argument);
    const before = flow(this, registers);
    this.#noting = true;
    const nothing: Value[] = new Array(32).fill(undefined);
    this.#leaders.forEach((leader, block) => {
      const live = [...(before[block] ?? nothing)];
      const end = this.#leaders[block + 1] ?? this.count;
      for (let i = leader; i < end; i++) this.step(i, live);
    });
    return this.#facts;
  }

  /** Where a direct branch goes, as an index of the function, or -1. */
  #target(index: number, word: number): number {
    const at = this.start + 4 * index;
    const address = targetOf(word, at);
    const offset = address - this.start;
    return offset >= 0 && offset < 4 * this.count ? offset / 4 : -1;
  }

  #findBlocks(): void {
    const leaders = new Set([0]);
    const entries = new Set<number>();
    let jumpsAnywhere = false;
    for (let i = 0; i < this.count; i++) {
      const word = this.#word(i);
      const isJump = isBranch(word) && !isLink(word);
      const isChoice = isConditional(word) || isTest(word);
      if (isJump || isChoice) {
        const target = this.#target(i, word);
        if (target >= 0) leaders.add(target);
      }
      if (isBr(word)) jumpsAnywhere = true;
      const ends = isJump || isBr(word) || isRet(word) || isBreak(word);
      if ((ends || isChoice) && i + 1 < this.count) {
        leaders.add(i + 1);
        if (ends && !this.known) entries.add(i + 1);
      }
    }
    if (jumpsAnywhere) { for (const leader of leaders) if (leader > 0) entries.add(leader); }
    this.#leaders = [...leaders].sort((a, b) => a - b);
    this.#entries = [...entries];
  }

  successors(last: number): readonly number[] {
    const word = this.#word(last);
    const next = last + 1 < this.count ? [last + 1] : [];
    const isJump = isBranch(word) && !isLink(word);
    if (isJump || isConditional(word) || isTest(word)) {
      const target = this.#target(last, word);
      const taken = target < 0 ? [] : [target];
      return isJump ? taken : [...taken, ...next];
    }
    return isBr(word) || isRet(word) || isBreak(word) ? [] : next;
  }

  step(index: number, registers: Registers): void {
    const word = this.#word(index);
    const at = this.start + 4 * index;
    if (isBranch(word)) {
      if (isLink(word) || this.#target(index, word) < 0) {
        this.#leave(targetOf(word, at), "address", registers);
      }
      if (isLink(word)) forgetResults(registers);
      return;
    }
    if (isConditional(word) || isTest(word)) {
      if (this.#target(index, word) < 0) this.#leave(targetOf(word, at), "address", registers);
      return;
    }
    if (isBlr(word) || isBr(word)) {
      if (this.#noting) this.#facts.indirect++;
      if (isBlr(word)) forgetResults(registers);
      return;
    }
    if (isSvc(word)) {
      if (this.#noting) this.#facts.syscalls.push({ at, number: registers[NUMBER] });
      registers[0] = undefined;
      return;
    }
    if (isRet(word) || isBreak(word)) return;
    if (isLoadStore(word)) return this.#memory(word, registers);
    this.#compute(word, at, registers);
  }

  #leave(target: number, through: "address" | "slot", registers: Registers): void {
    if (this.#noting) {
      this.#facts.calls.push({ target, through, arguments: registers.slice(0, ARGUMENTS.length) });
    }
  }

  #memory(word: number, registers: Registers): void {
    const target = word & 31;
    const base = (word >>> 5) & 31;
    const isVector = (word & 0x04000000) !== 0;
    const isStore = isScaled(word) ? ((word >>> 22) & 3) === 0 : (word & 0x00400000) === 0;
    if ((word & 0x3b000000) === 0x18000000) { // LDR of a literal
      if (!isVector) registers[target] = undefined;
      return;
    }
    if (this.#noting && isScaled(word)) {
      const scale = isVector ? 0 : 2 ** (word >>> 30);
      const offset = ((word >>> 10) & 0xfff) * scale;
      for (const address of numbersOf(registers[base]) ?? []) {
        // An access of a vector is at least somewhere after its base.
        this.#facts.accesses.add(address + offset);
      }
    }
    if (this.#noting && isStore && !isVector) {
      const values = isPair(word) ? [target, (word >>> 10) & 31] : [target];
      for (const register of values) {
        // Register 31 stores zero, which is a number of a system call too.
        const numbers = register === 31 ? [0] : numbersOf(registers[register]) ?? [];
        for (const number of numbers) if (isSmall(number)) this.#facts.stored.add(number);
      }
    }
    const plainStore = isStore && (isScaled(word) || isPair(word));
    if (!plainStore && !isVector) {
      registers[target] = undefined;
      if (isPair(word) || isExclusive(word)) registers[(word >>> 10) & 31] = undefined;
      if (isExclusive(word) || !isScaled(word)) registers[(word >>> 16) & 31] = undefined;
    }
    if (!isScaled(word) && base !== SP) registers[base] = undefined;
  }

  /** Data processing: what is not computed is forgotten. */
  #compute(word: number, at: number, registers: Registers): void {
    const target = word & 31;
    const first = (word >>> 5) & 31;
    const second = (word >>> 16) & 31;
    const wide = word >>> 31 === 1;
    const put = (value: Value): void => {
      if (target === 31) return;
      registers[target] = wide || typeof value === "object"
        ? value
        : map(value, (number) => ((number % 2 ** 32) + 2 ** 32) % 2 ** 32);
    };
    const operand = (register: number): Value => register === 31 ? 0 : registers[register];
    if (isAdr(word)) {
      const address = adrTarget(word, at);
      if (this.#noting && word >>> 31 === 0) this.#facts.addresses.add(address);
      if (target !== 31) registers[target] = address;
      return;
    }
    const group = (word & 0x7f800000) >>> 0;
    if (group === 0x52800000) return put(immediate16(word)); // MOVZ
    if (group === 0x12800000) return put(-immediate16(word) - 1); // MOVN
    if (group === 0x72800000) { // MOVK
      const shift = 2 ** (16 * ((word >>> 21) & 3));
      const bits = (word >>> 5) & 0xffff;
      return put(map(registers[target], (number) => {
        const old = Math.floor(number / shift) % 0x10000;
        return number + (bits - old) * shift;
      }));
    }
    if ((word & 0x3f800000) === 0x11000000) { // ADD, SUB of a number, without flags
      const number = ((word >>> 10) & 0xfff) * ((word >>> 22) & 1 ? 4096 : 1);
      const sign = (word & 0x40000000) === 0 ? 1 : -1;
      const sum = first === SP
        ? undefined
        : map(registers[first], (value) => value + sign * number);
      // Moves to and from the stack pointer are additions of 0.
      if (target === SP) return;
      registers[target] = sum;
      if (this.#noting) {
        for (const address of numbersOf(sum) ?? []) this.#facts.addresses.add(address);
      }
      return;
    }
    if ((word & 0x7fe0ffe0) === 0x2a0003e0) return put(operand(second)); // MOV, as ORR
    if ((word & 0xfffffc00) >>> 0 === 0xd3407c00 || (word & 0xfffffc00) >>> 0 === 0x93407c00) {
      if (target !== 31) registers[target] = operand(first); // UXTW, SXTW
      return;
    }
    if ((word & 0x7fe00c00) === 0x1a800000) return put(join(operand(first), operand(second))); // CSEL
    if (target !== 31) registers[target] = undefined;
  }
}

/**
 * Forgets registers with a call's result. What else a call may change is left as it was: compiled code
 * reads it afterwards only if it knows that the function leaves it alone, or if the function never returns.
 */
function forgetResults(registers: Registers): void {
  for (const register of [0, 1, 16, 17, LINK]) registers[register] = undefined;
}

function immediate16(word: number): number {
  return ((word >>> 5) & 0xffff) * 2 ** (16 * ((word >>> 21) & 3));
}

/** Target of ADR, or of ADRP, whose unit is 4 KiB. */
function adrTarget(word: number, at: number): number {
  const offset = ((word << 8) >> 13) * 4 + ((word >>> 29) & 3);
  return word >>> 31 === 0 ? at + offset : at - (at % 4096) + offset * 4096;
}

/** Target of B, BL, B.cond, CBZ, CBNZ, TBZ or TBNZ. */
function targetOf(word: number, at: number): number {
  if (isBranch(word)) return at + ((word << 6) >> 6) * 4;
  return isTest(word) ? at + ((word << 13) >> 18) * 4 : at + ((word << 8) >> 13) * 4;
}
