import { X86Decoder } from "../ifed/x86_64_decoder.ts";
import { flow, type FlowGraph } from "./flow.ts";
import {
  type CodeReader,
  type FunctionFacts,
  type ImageReader,
  noFacts,
} from "./function_facts.ts";
import { ARGUMENTS, type Registers, type Value } from "./values.ts";
import {
  DEPTH,
  forget,
  int32,
  int8,
  RAX,
  RCX,
  RDI,
  RDX,
  RSI,
  STATE,
  TOP,
  X86Effects,
} from "./x86_64_effects.ts";

/** Registers of integer arguments, in order (System V psABI, 3.2.3). */
const ARGUMENT_REGISTERS = [RDI, RSI, RDX, RCX, 8, 9];
/**
 * Registers with a call's result. What else a call may change is left as it was: compiled code reads it
 * afterwards only if it knows that the function leaves it alone, or if the function never returns.
 */
const RESULTS = [RAX, RDX];

/** What an instruction does to control. */
const enum Kind {
  Plain,
  /** The instruction after it is reached too: conditional jumps. */
  Branch,
  Jump,
  Call,
  IndirectCall,
  IndirectJump,
  End,
  Syscall,
}

/** Reads x86_64 code (Intel SDM, volume 2). */
export const x86_64Code: CodeReader = {
  read: (start, code, known, image, thorough) =>
    new Reader(start, code, known, image).facts(thorough),
  entrySlot,
};

/** `endbr64`, `bnd`, `jmp *slot(%rip)` */
function entrySlot(address: number, image: ImageReader): number | undefined {
  const bytes = image.bytes(address, 16);
  let at = 0;
  if (bytes[0] === 0xf3 && bytes[1] === 0x0f && bytes[2] === 0x1e && bytes[3] === 0xfa) at = 4;
  if (bytes[at] === 0xf2) at++;
  if (bytes[at] !== 0xff || bytes[at + 1] !== 0x25) return undefined;
  return address + at + 6 + int32(bytes, at + 2);
}

class Reader implements FlowGraph {
  readonly #decoder = new X86Decoder();
  readonly #facts = noFacts();
  readonly #effects: X86Effects;
  /** By instruction: offset, length, kind, and the address that control goes to. */
  readonly #offsets: number[] = [];
  readonly #lengths: number[] = [];
  readonly #kinds: Kind[] = [];
  readonly #targets: number[] = [];
  readonly #at = new Map<number, number>();
  #leaders: number[] = [];
  #entries: number[] = [];
  /** Whether `step` notes what it sees. */
  #noting = false;

  constructor(
    readonly start: number,
    readonly code: Uint8Array,
    readonly known: boolean,
    readonly image: ImageReader,
  ) {
    const isInstruction = (at: number) => this.#at.has(at);
    this.#effects = new X86Effects(this.#decoder, start, code, isInstruction, image, this.#facts);
  }

  get count(): number {
    return this.#offsets.length;
  }
  get leaders(): readonly number[] {
    return this.#leaders;
  }
  get entries(): readonly number[] {
    return this.#entries;
  }

  facts(thorough: boolean): FunctionFacts {
    this.#decodeAll();
    if (this.count === 0) return this.#facts;
    const follow = thorough || this.#kinds.includes(Kind.Syscall);
    this.#findBlocks(follow);
    const registers: Value[] = new Array(STATE).fill(undefined);
    if (this.known) {
      ARGUMENT_REGISTERS.forEach((r, i) => registers[r] = ARGUMENTS[i]);
      registers[DEPTH] = 0;
    }
    const before = follow ? flow(this, registers) : [];
    this.#noting = true;
    const nothing: Value[] = new Array(STATE).fill(undefined);
    this.#leaders.forEach((leader, block) => {
      // A block that no path leads to may be a landing pad, or follow a call that does not return.
      const live = [...(before[block] ?? nothing)];
      const end = this.#leaders[block + 1] ?? this.count;
      for (let i = leader; i < end; i++) this.step(i, live);
    });
    return this.#facts;
  }

  #decodeAll(): void {
    const { code } = this;
    for (let at = isSignalReturn(code, 1) ? 1 : 0; at < code.length;) {
      const length = this.#decoder.decode(code, at, code.length);
      if (length === 0) {
        this.#facts.undecodable++;
        at++;
        continue;
      }
      this.#at.set(at, this.count);
      this.#offsets.push(at);
      this.#lengths.push(length);
      const [kind, target] = this.#classify(at, length);
      this.#kinds.push(kind);
      this.#targets.push(target);
      at += length;
    }
    this.#facts.instructions = this.count;
    let last = this.count - 1;
    while (last >= 0 && this.#isPadding(last)) last--;
    const kind = last < 0 ? Kind.End : this.#kinds[last];
    this.#facts.goesOn = kind === Kind.Plain || kind === Kind.Branch || kind === Kind.Syscall;
  }

  /** NOP of any length. */
  #isPadding(index: number): boolean {
    const at = this.#offsets[index];
    this.#decoder.decode(this.code, at, this.code.length);
    const { map: table, opcode } = this.#decoder;
    return table === 0 && opcode === 0x90 || table === 1 && opcode === 0x1f;
  }

  #classify(at: number, length: number): [Kind, number] {
    const { map: table, opcode, modrm, opcodeAt } = this.#decoder;
    const next = this.start + at + length;
    const bytes = this.code;
    if (table === 0) {
      if (opcode === 0xe8) return [Kind.Call, next + int32(bytes, at + length - 4)];
      if (opcode === 0xe9) return [Kind.Jump, next + int32(bytes, at + length - 4)];
      if (opcode === 0xeb) return [Kind.Jump, next + int8(bytes, at + length - 1)];
      if ((opcode & 0xf0) === 0x70 || (opcode >= 0xe0 && opcode <= 0xe3)) {
        return [Kind.Branch, next + int8(bytes, at + length - 1)];
      }
      if (opcode === 0xff && ((modrm >> 3) & 7) === 2) return [Kind.IndirectCall, 0];
      if (opcode === 0xff && ((modrm >> 3) & 7) === 4) return [Kind.IndirectJump, 0];
      if ([0xc2, 0xc3, 0xca, 0xcb, 0xcf, 0xf4, 0xcc].includes(opcode)) return [Kind.End, 0];
    } else if (table === 1) {
      if (opcode === 0x05) return [Kind.Syscall, 0];
      if (opcode === 0x0b) return [Kind.End, 0];
      if ((opcode & 0xf0) === 0x80 && bytes[at + opcodeAt] === 0x0f) {
        return [Kind.Branch, next + int32(bytes, at + length - 4)];
      }
    }
    return [Kind.Plain, 0];
  }

  /** Index of the instruction at an address of the function, or -1. */
  #indexOf(address: number): number {
    return this.#at.get(address - this.start) ?? -1;
  }

  #findBlocks(follow: boolean): void {
    const leaders = new Set([0]);
    const entries = new Set<number>();
    let jumpsAnywhere = false;
    for (let i = 0; i < this.count; i++) {
      const kind = this.#kinds[i];
      if (kind === Kind.Jump || kind === Kind.Branch) {
        const target = this.#indexOf(this.#targets[i]);
        if (target >= 0) leaders.add(target);
      }
      if (kind === Kind.Plain || kind === Kind.Syscall) continue;
      if (kind === Kind.Call || kind === Kind.IndirectCall) continue;
      if (kind === Kind.IndirectJump) jumpsAnywhere = true;
      if (i + 1 < this.count) {
        leaders.add(i + 1);
        if (!this.known && kind !== Kind.Branch) entries.add(i + 1);
      }
    }
    if (jumpsAnywhere && follow) {
      for (const target of this.#tableTargets()) {
        leaders.add(target);
        entries.add(target);
      }
      for (const leader of leaders) if (leader > 0) entries.add(leader);
    }
    this.#leaders = [...leaders].sort((a, b) => a - b);
    this.#entries = [...entries];
  }

  /** Instructions that tables of 32-bit offsets from their own beginning lead to. */
  *#tableTargets(): Generator<number> {
    for (let i = 0; i < this.count; i++) {
      const at = this.#offsets[i];
      this.#decoder.decode(this.code, at, this.code.length);
      if (this.#decoder.opcode !== 0x8d || this.#decoder.map !== 0) continue;
      if (!this.#decoder.isRipRelative) continue;
      const end = at + this.#lengths[i];
      const table = this.start + end + int32(this.code, end - 4);
      for (let entry = table;; entry += 4) {
        const bytes = this.image.bytes(entry, 4);
        const target = bytes.length < 4 ? -1 : this.#indexOf(table + int32(bytes, 0));
        if (target < 0) break;
        yield target;
      }
    }
  }

  successors(last: number): readonly number[] {
    const next = last + 1 < this.count ? [last + 1] : [];
    switch (this.#kinds[last]) {
      case Kind.Jump:
      case Kind.Branch: {
        const target = this.#indexOf(this.#targets[last]);
        const taken = target < 0 ? [] : [target];
        return this.#kinds[last] === Kind.Jump ? taken : [...taken, ...next];
      }
      case Kind.End:
      case Kind.IndirectJump:
        return [];
      default:
        return next;
    }
  }

  /** TEST of a register with itself, and a jump that asks for zero. */
  refine(last: number, leader: number, registers: Registers): void {
    if (last === 0 || this.#kinds[last] !== Kind.Branch) return;
    const { code } = this;
    const [test, jump] = [this.#offsets[last - 1], this.#offsets[last]];
    this.#decoder.decode(code, jump, code.length);
    const { opcode } = this.#decoder;
    const condition = opcode & 15;
    if (opcode >> 4 !== (this.#decoder.map === 0 ? 7 : 8) || condition >> 1 !== 2) return;
    const isTaken = this.#indexOf(this.#targets[last]) === leader;
    if (isTaken === (leader === last + 1) || isTaken === (condition === 5)) return;
    this.#decoder.decode(code, test, code.length);
    const { map: table, opcode: tested, modrm, opcodeAt } = this.#decoder;
    if (table !== 0 || tested !== 0x85 || modrm >> 6 !== 3) return;
    const rex = opcodeAt > 0 ? code[test + opcodeAt - 1] : 0;
    if (((modrm >> 3) & 7) !== (modrm & 7) || (rex & 5) === 1 || (rex & 5) === 4) return;
    registers[(modrm & 7) | (rex & 1) << 3] = 0;
  }

  step(index: number, registers: Registers): void {
    const at = this.#offsets[index];
    const length = this.#lengths[index];
    switch (this.#kinds[index]) {
      case Kind.Call:
        // A call of the next instruction only finds out the program counter.
        this.#leave(this.#targets[index], "address", registers);
        return forget(registers, RESULTS);
      case Kind.Jump:
      case Kind.Branch:
        if (this.#indexOf(this.#targets[index]) < 0) {
          this.#leave(this.#targets[index], "address", registers);
        }
        return;
      case Kind.IndirectCall:
      case Kind.IndirectJump: {
        this.#decoder.decode(this.code, at, this.code.length);
        const slot = this.#decoder.isRipRelative
          ? this.start + at + length + int32(this.code, at + length - 4)
          : -1;
        if (slot >= 0 && this.image.isSlot(slot)) this.#leave(slot, "slot", registers);
        else if (this.#noting) {
          this.#facts.indirect++;
          if (slot >= 0) this.#facts.accesses.add(slot);
        }
        if (this.#kinds[index] === Kind.IndirectCall) forget(registers, RESULTS);
        return;
      }
      case Kind.Syscall:
        if (this.#noting) {
          this.#facts.syscalls.push({ at: this.start + at, number: registers[RAX] });
        }
        return forget(registers, [RAX, RCX, 11]);
      case Kind.End:
        return;
    }
    this.#decoder.decode(this.code, at, this.code.length);
    this.#effects.apply(at, length, registers, this.#noting);
  }

  #leave(target: number, through: "address" | "slot", registers: Registers): void {
    if (!this.#noting) return;
    const args = [...ARGUMENT_REGISTERS, TOP].map((register) => registers[register]);
    this.#facts.calls.push({ target, through, arguments: args });
  }
}

/** The code that ends signal handlers in glibc; its unwind entry begins one byte before it. */
function isSignalReturn(code: Uint8Array, at: number): boolean {
  return [0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f, 0x05].every((byte, i) => code[at + i] === byte);
}
