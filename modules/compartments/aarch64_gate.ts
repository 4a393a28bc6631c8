import {
  AREA,
  type GateCode,
  type GateSpec,
  HEADER,
  type Place,
  REGION,
  SLICE,
  STACK_ARGUMENTS,
} from "./gate.ts";

/** Linux's POR_EL0: everything with key 0, nothing with others. */
const KEY_0 = 7n;
/** Reading and writing. */
const READ_WRITE = 5n;
const SP = 31, LINK = 30;
const EQUAL = 0, UNEQUAL = 1, LOWER_OR_SAME = 9;

/** Machine code (DDI 0487, C6) with literals behind it, and jumps to a label at the end. */
class Code {
  readonly #words: number[] = [];
  readonly #literals: bigint[] = [];
  /** Words that name a literal, or jump to the end or ahead, and by how far their offset is shifted. */
  readonly #fixes: { readonly at: number; readonly to: number | "end" | "ahead" }[] = [];
  #ahead = 0;

  get here(): number {
    return this.#words.length;
  }

  put(...words: number[]): this {
    this.#words.push(...words);
    return this;
  }

  /** LDR of a literal. */
  load(register: number, value: number | bigint): this {
    this.#fixes.push({ at: this.here, to: this.#literals.push(BigInt(value)) - 1 });
    return this.put(0x58000000 | register);
  }

  /** B.cond to the end, where the process dies. */
  die(condition: number): this {
    this.#fixes.push({ at: this.here, to: "end" });
    return this.put(0x54000000 | condition);
  }

  /** CBZ or CBNZ to the end. */
  dieIf(zero: boolean, register: number): this {
    this.#fixes.push({ at: this.here, to: "end" });
    return this.put((zero ? 0xb4000000 : 0xb5000000) | register);
  }

  jumpAhead(condition: number): this {
    this.#fixes.push({ at: this.here, to: "ahead" });
    return this.put(0x54000000 | condition);
  }

  land(): this {
    this.#ahead = this.here;
    return this;
  }

  finish(): Uint8Array {
    const end = this.here;
    this.put(0); // UDF
    if (this.here % 2 === 1) this.put(0);
    const pool = this.here;
    const bytes = new Uint8Array(4 * pool + 8 * this.#literals.length);
    const view = new DataView(bytes.buffer);
    this.#words.forEach((word, i) => view.setUint32(4 * i, word >>> 0, true));
    for (const { at, to } of this.#fixes) {
      const target = to === "end" ? end : to === "ahead" ? this.#ahead : pool + 2 * to;
      const offset = ((target - at) & 0x7ffff) << 5;
      view.setUint32(4 * at, (this.#words[at] | offset) >>> 0, true);
    }
    this.#literals.forEach((value, i) => view.setBigUint64(4 * pool + 8 * i, value, true));
    return bytes;
  }
}

const loadAt = (t: number, n: number, at: number) => 0xf9400000 | at / 8 << 10 | n << 5 | t;
const storeAt = (t: number, n: number, at: number) => 0xf9000000 | at / 8 << 10 | n << 5 | t;
const pair = (op: number, a: number, b: number, n: number, at: number) =>
  op | (at / 8 & 0x7f) << 15 | b << 10 | n << 5 | a;
const push = (a: number, b: number, n: number) => pair(0xa9800000, a, b, n, -16);
const pop = (a: number, b: number, n: number) => pair(0xa8c00000, a, b, n, 16);
const move = (d: number, n: number) => 0x91000000 | n << 5 | d; // ADD of 0: SP may be either
const compare = (n: number, m: number) => 0xeb00001f | m << 16 | n << 5;
const branchTo = (n: number) => 0xd61f0000 | n << 5;
const call = (n: number) => 0xd63f0000 | n << 5;
const readRights = (t: number) => 0xd53ba280 | t;
const writeRights = (t: number) => 0xd51ba280 | t;
const threadPointer = (t: number) => 0xd53bd040 | t;
const ISB = 0xd5033fdf, RET = 0xd65f03c0, ZERO = 31;
const RIGHTS_MASK = 0xffffffe0;

/** Sets POR_EL0, and dies if it has another value then: who jumped to MSR gets no further. */
function setRights(code: Code, rights: bigint): void {
  code.load(9, rights).put(writeRights(9), ISB, readRights(10)).load(11, rights);
  code.put(compare(10, 11)).die(UNEQUAL);
}

/** x9 becomes what leads to the thread's region, x10 the thread pointer. */
function loadRegion(code: Code, { slot }: Place): void {
  code.load(9, slot).put(loadAt(9, 9, 0), threadPointer(10), 0xf8606800 | 9 << 16 | 10 << 5 | 9);
}

/**
 * x9 becomes the thread's region in the compartment whose rights are in force; dies if it is not in the
 * compartment's area or not the thread's own.
 */
function findRegion(code: Code, place: Place, givesNew: boolean): void {
  const begin = code.here;
  loadRegion(code, place);
  if (givesNew) {
    code.put(0xb5000000 | 6 << 5 | 9); // cbnz x9, over the call
    code.put(push(LINK, ZERO, SP)).load(11, place.service).put(call(11), pop(LINK, ZERO, SP));
    code.put(0x14000000 | ((begin - code.here) & 0x3ffffff)); // again
  } else code.dieIf(true, 9);
  code.load(11, place.area).put(0xca000000 | 9 << 16 | 11 << 5 | 11); // eor x11, x11, x9
  code.put(0xd340fc00 | Math.log2(AREA) << 16 | 11 << 5 | 11).dieIf(false, 11); // lsr x11, x11, …
  code.put(0xf2400000 | (Math.log2(REGION) - 1) << 10 | 9 << 5 | ZERO).die(UNEQUAL); // tst x9, …
  code.put(loadAt(11, 9, HEADER.owner), compare(11, 10)).die(UNEQUAL);
}

/** The gates of aarch64: POR_EL0 of FEAT_S1POE, with the checks that the gates of x86_64 have. */
export const aarch64Gates: GateCode = {
  rights: (key) => key === undefined ? KEY_0 : KEY_0 | READ_WRITE << BigInt(4 * key),

  code({ target, to, from, outside }: GateSpec): Uint8Array {
    const code = new Code();
    const rights = to.rights as bigint;
    const first = from === undefined ? 0 : 16;
    if (from === undefined) {
      // A function of the program that the compartment has called back is in it already.
      code.load(9, rights).put(readRights(10), compare(10, 9)).jumpAhead(EQUAL);
      setRights(code, rights);
    } else {
      // Where the caller's own stack goes on, in its own region: nobody else can change that.
      loadRegion(code, from);
      code.put(loadAt(10, 9, HEADER.pending), push(10, LINK, SP), move(11, SP));
      code.put(storeAt(11, 9, HEADER.pending));
      // While arguments are copied from the caller's stack, the rights are those of both.
      setRights(code, rights | (from.rights as bigint));
    }
    findRegion(code, to, true);
    code.put(loadAt(12, 9, HEADER.top), compare(12, 9)).die(LOWER_OR_SAME);
    code.put(0xd1400000 | SLICE / 4096 << 10 | 12 << 5 | 13); // sub x13, x12, SLICE
    code.put(storeAt(13, 9, HEADER.top), move(13, SP));
    code.put(push(13, LINK, 12), push(9, ZERO, 12));
    for (let word = STACK_ARGUMENTS - 2; word >= 0; word -= 2) {
      code.put(pair(0xa9400000, 14, 15, 13, first + 8 * word), push(14, 15, 12));
    }
    code.put(move(SP, 12));
    if (from !== undefined) setRights(code, rights);
    code.load(16, target).put(call(16));
    code.put(0x91000000 | 8 * STACK_ARGUMENTS << 10 | SP << 5 | SP); // add sp, sp, …
    code.put(pop(9, ZERO, SP), pop(13, LINK, SP), loadAt(10, 9, HEADER.top));
    code.put(0x91400000 | SLICE / 4096 << 10 | 10 << 5 | 10); // add x10, x10, SLICE
    code.put(storeAt(10, 9, HEADER.top), move(SP, 13));
    setRights(code, (from?.rights ?? outside) as bigint);
    if (from !== undefined) {
      findRegion(code, from, false);
      code.put(loadAt(13, 9, HEADER.pending)).dieIf(true, 13).put(move(SP, 13));
      code.put(pop(10, LINK, SP), storeAt(10, 9, HEADER.pending));
    }
    code.put(RET);
    if (from === undefined) code.land().load(16, target).put(branchTo(16));
    return code.finish();
  },

  heapCode({ area, bits, service, target }) {
    const code = new Code();
    code.put(0xb4000000 | 5 << 5); // cbz x0, to the service
    code.load(16, area).put(0xca000000 | 16 << 16 | 17); // eor x17, x0, x16
    code.put(0xd340fc00 | bits << 16 | 17 << 5 | 17); // lsr x17, x17, …
    code.put(0xb5000000 | 3 << 5 | 17); // cbnz x17, over the service
    for (const to of [service, target]) code.load(16, to).put(branchTo(16));
    return code.finish();
  },

  changesOfRights(code) {
    const view = new DataView(code.buffer, code.byteOffset, code.length);
    let found = 0;
    for (let at = 0; at + 4 <= code.length; at += 4) {
      if ((view.getUint32(at, true) & RIGHTS_MASK) >>> 0 === writeRights(0) >>> 0) found++;
    }
    return found;
  },
};
