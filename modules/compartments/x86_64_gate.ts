import { AREA, type GateCode, type GateSpec, HEADER, type Place, REGION, SLICE } from "./gate.ts";
import { STACK_ARGUMENTS } from "./gate.ts";

/** Linux's PKRU: key 0 alone. */
const KEY_0 = 0x55555554;

/** Machine code with jumps to one label that is set at the end. */
class Code {
  readonly bytes: number[] = [];
  readonly #bad: number[] = [];
  #ahead = -1;

  constructor(readonly at: number) {}

  hex(text: string): this {
    for (const pair of text.replaceAll(" ", "").match(/../g) ?? []) {
      this.bytes.push(parseInt(pair, 16));
    }
    return this;
  }

  u32(value: number): this {
    for (let i = 0; i < 4; i++) this.bytes.push((value >>> (8 * i)) & 255);
    return this;
  }

  u64(value: number): this {
    return this.u32(value % 2 ** 32).u32(Math.floor(value / 2 ** 32));
  }

  /** The displacement of `address` from the end of the instruction, which it ends. */
  relative(address: number): this {
    return this.u32((address - (this.at + this.bytes.length + 4)) | 0);
  }

  /** A conditional jump to the end of the gate, where the process dies. */
  die(condition: number): this {
    this.hex("0f").hex((0x80 + condition).toString(16));
    this.#bad.push(this.bytes.length);
    return this.u32(0);
  }

  /** A conditional jump to where `land` is called. */
  jumpAhead(condition: number): this {
    this.hex("0f").hex((0x80 + condition).toString(16));
    this.#ahead = this.bytes.length;
    return this.u32(0);
  }

  land(): this {
    const distance = this.bytes.length - (this.#ahead + 4);
    for (let i = 0; i < 4; i++) this.bytes[this.#ahead + i] = (distance >>> (8 * i)) & 255;
    return this;
  }

  finish(): Uint8Array {
    const end = this.bytes.length;
    this.hex("0f0b"); // ud2
    const bytes = Uint8Array.from(this.bytes);
    const view = new DataView(bytes.buffer);
    for (const at of this.#bad) view.setInt32(at, end - (at + 4), true);
    return bytes;
  }
}

const EQUAL = 4, UNEQUAL = 5, BELOW_OR_EQUAL = 6;
const log2 = (value: number): string => Math.log2(value).toString(16).padStart(2, "0");

/** Sets PKRU, and dies if it has another value then: who jumped to WRPKRU gets no further. */
function setRights(code: Code, rights: number): Code {
  return code.hex("31c9 31d2") // xor ecx, ecx; xor edx, edx
    .hex("b8").u32(rights) // mov eax, rights
    .hex("0f01ef") // wrpkru
    .hex("3d").u32(rights).die(UNEQUAL); // cmp eax, rights
}

/** Sets PKRU where rax, rcx and rdx may be arguments. */
function enterWith(code: Code, rights: number): void {
  code.hex("664c0f6ef2 4989ca 4189c3"); // movq xmm14, rdx; mov r10, rcx; mov r11d, eax
  setRights(code, rights);
  code.hex("4489d8 4c89d1 664c0f7ef2"); // mov eax, r11d; mov rcx, r10; movq rdx, xmm14
}

/** r11 becomes what leads to the thread's region. */
function loadRegion(code: Code, { slot }: Place): Code {
  // mov r11, slot; mov r11, [r11]; mov r11, fs:[r11]
  return code.hex("49bb").u64(slot).hex("4d8b1b 644d8b1b");
}

/**
 * r11 becomes the thread's region in the compartment whose rights are in force; dies if it is not in the
 * compartment's area or not the thread's own.
 */
function findRegion(code: Code, place: Place, givesNew: boolean): Code {
  const begin = code.bytes.length;
  loadRegion(code, place);
  code.hex("4d85db"); // test r11, r11
  if (givesNew) {
    code.hex("7512"); // jnz over the call
    code.hex("49bb").u64(place.service).hex("41ffd3"); // mov r11, service; call r11
    code.hex("e9").relative(code.at + begin); // again
  } else code.die(EQUAL);
  code.hex("49ba").u64(place.area); // mov r10, area
  code.hex("4d31da"); // xor r10, r11
  code.hex(`49c1ea${log2(AREA)}`).die(UNEQUAL); // shr r10, …
  code.hex("41f7c3").u32(REGION - 1).die(UNEQUAL); // test r11d, …
  code.hex("f3490faec2"); // rdfsbase r10
  return code.hex(`4d3953${byte(HEADER.owner)}`).die(UNEQUAL); // cmp [r11 + owner], r10
}

const byte = (value: number): string => (value & 255).toString(16).padStart(2, "0");

/** The gates of x86_64: WRPKRU (Intel SDM, volume 2), with the checks after it that ERIM has (USENIX Security 2019). */
export const x86_64Gates: GateCode = {
  rights: (key) => key === undefined ? KEY_0 : (KEY_0 & ~(3 << (2 * key))) >>> 0,

  code({ at, target, to, from, outside }: GateSpec): Uint8Array {
    const code = new Code(at);
    // Where the caller's own stack goes on, in its own region: nobody else can change that.
    if (from !== undefined) {
      loadRegion(code, from);
      code.hex(`41ff73${byte(HEADER.pending)}`); // push [r11 + pending]
      code.hex(`498963${byte(HEADER.pending)}`); // mov [r11 + pending], rsp
    }
    // While arguments are copied from the stack of another compartment, the rights are those of both.
    const rights = to.rights as number;
    if (from === undefined) {
      // A function of the program that the compartment has called back is in it already.
      code.hex("664c0f6ef2 4989ca 4189c3"); // movq xmm14, rdx; mov r10, rcx; mov r11d, eax
      code.hex("31c9 0f01ee"); // xor ecx, ecx; rdpkru
      code.hex("3d").u32(rights).jumpAhead(EQUAL); // cmp eax, rights
      code.hex("b8").u32(rights).hex("0f01ef"); // mov eax, rights; wrpkru
      code.hex("3d").u32(rights).die(UNEQUAL); // cmp eax, rights
      code.hex("4489d8 4c89d1 664c0f7ef2"); // mov eax, r11d; mov rcx, r10; movq rdx, xmm14
    } else enterWith(code, (rights & (from.rights as number)) >>> 0);
    findRegion(code, to, true);
    code.hex("4989e2 498b23"); // mov r10, rsp; mov rsp, [r11 + top]
    code.hex("4c39dc").die(BELOW_OR_EQUAL); // cmp rsp, r11
    code.hex("49812b").u32(SLICE); // sub qword [r11 + top], SLICE
    code.hex("4152 4153"); // push r10; push r11
    const first = from === undefined ? 8 : 16;
    for (let word = STACK_ARGUMENTS - 1; word >= 0; word--) {
      code.hex(`41ff72${byte(first + 8 * word)}`); // push [r10 + …]
    }
    if (from !== undefined) enterWith(code, rights);
    code.hex("49bb").u64(target).hex("41ffd3"); // mov r11, target; call r11
    code.hex(`4883c4${byte(8 * STACK_ARGUMENTS)} 415b 415a`); // add rsp, …; pop r11; pop r10
    code.hex("498103").u32(SLICE); // add qword [r11 + top], SLICE
    code.hex("4c89d4 4889c7 4989d0"); // mov rsp, r10; mov rdi, rax; mov r8, rdx
    setRights(code, (from?.rights ?? outside) as number);
    if (from !== undefined) {
      findRegion(code, from, false);
      code.hex(`498b63${byte(HEADER.pending)}`); // mov rsp, [r11 + pending]
      code.hex("4885e4").die(EQUAL); // test rsp, rsp
      code.hex(`418f43${byte(HEADER.pending)}`); // pop [r11 + pending]
    }
    code.hex("4889f8 4c89c2 c3"); // mov rax, rdi; mov rdx, r8; ret
    if (from === undefined) {
      code.land().hex("4489d8 4c89d1 664c0f7ef2"); // mov eax, r11d; mov rcx, r10; movq rdx, xmm14
      code.hex("49bb").u64(target).hex("41ffe3"); // mov r11, target; jmp r11
    }
    return code.finish();
  },

  heapCode({ area, bits, service, target }) {
    const code = new Code(0);
    code.hex("4885ff 7416"); // test rdi, rdi; jz to the service
    code.hex("49bb").u64(area).hex("4989fa 4d31da"); // mov r11, area; mov r10, rdi; xor r10, r11
    code.hex(`49c1ea${byte(bits)} 750d`); // shr r10, …; jnz over the service
    for (const to of [service, target]) code.hex("49bb").u64(to).hex("41ffe3"); // mov r11, to; jmp r11
    return code.finish();
  },

  changesOfRights(code) {
    let found = 0;
    for (let i = 0; i + 2 < code.length; i++) {
      if (code[i] !== 0x0f) continue;
      // WRPKRU; XRSTOR of memory, which may restore PKRU.
      if (code[i + 1] === 0x01 && code[i + 2] === 0xef) found++;
      else if (code[i + 1] === 0xae && (code[i + 2] & 0x38) === 0x28 && code[i + 2] < 0xc0) found++;
    }
    return found;
  },
};
