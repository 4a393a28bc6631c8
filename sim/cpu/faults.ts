/** Faults of the program: thrown through generated code, turned into an exit with everything exact. */
import type { Block, Blocks } from "./blocks.ts";
import { Access, type CpuExit } from "./cpu.ts";
import type { EventBuffer } from "./event_buffer.ts";
import type { Isa } from "./ir/decoded.ts";
import * as L from "./layout.ts";
import type { Sites } from "./sites.ts";
import type { SpaceLinks } from "./space_links.ts";
import type { StateMemory } from "./state_memory.ts";
import type { Tail } from "./tail.ts";
import { FAULT_AFTER, FAULT_HAS_ADDRESS } from "./wasm/cold.ts";
import * as R from "./wasm/records.ts";
import { HEAD_SLOT } from "./wasm/runtime.ts";
import type { Watch } from "./watch.ts";

/** Signal numbers and codes that the engine itself raises (Linux, include/uapi/asm-generic/siginfo.h). */
export const SIGBUS = 7;
const SIGILL = 4;
const ILL_ILLOPC = 1;
const SIGSEGV = 11;
export const BUS_ADRALN = 1;
const SEGV_MAPERR = 1;
const SI_KERNEL = 0x80;
/** x86_64: the upper 17 bits of the kernel's addresses. */
const KERNEL_HALF = 0x1ffff;
const U32 = 4294967296;

/** Thrown through generated code when an access faults; one reused instance. */
class MemoryFault extends Error {
  signal = 0;
  code = 0;
  addressLow = 0;
  addressHigh = 0;
  access: Access = Access.Read;
}

/** What faults need of an engine. */
export interface FaultParts {
  readonly isa: Isa;
  readonly memory: StateMemory;
  readonly blocks: Blocks;
  readonly links: SpaceLinks;
  readonly tail: Tail;
  readonly watch: Watch | null;
  readonly stream: EventBuffer | null;
  readonly sites: Sites | null;
}

export class Faults {
  readonly thrown = new MemoryFault("guest memory fault");
  readonly #isa: Isa;
  readonly #memory: StateMemory;
  readonly #blocks: Blocks;
  readonly #links: SpaceLinks;
  readonly #tail: Tail;
  readonly #watch: Watch | null;
  readonly #stream: EventBuffer | null;
  readonly #sites: Sites | null;
  /** Addresses from here on are no program's. */
  readonly #end: number;

  constructor({ isa, memory, blocks, links, tail, watch, stream, sites }: FaultParts) {
    this.#isa = isa;
    this.#memory = memory;
    this.#blocks = blocks;
    this.#links = links;
    this.#tail = tail;
    this.#watch = watch;
    this.#stream = stream;
    this.#sites = sites;
    this.#end = isa.arch === "x86_64" ? 2 ** 47 : 2 ** 48;
  }

  /** Whether a program may have something at `va`. */
  isUser(va: number): boolean {
    return va < this.#end;
  }
  /** x86_64: whether the address with the upper half `high` is one that processors translate. */
  isCanonical(high: number): boolean {
    return high >>> 15 === 0 || high >>> 15 === KERNEL_HALF;
  }

  /**
   * Throw what `CpuSpace.resolve` answered, or -1 where it was not asked, for an access of `record` (0: a fetch)
   * to `high:low`.
   */
  refuse(result: number, low: number, high: number, access: Access, record: number): never {
    const f = this.thrown;
    f.signal = result < 0 ? SIGSEGV : result >> 8;
    f.code = result < 0 ? SEGV_MAPERR : result & 0xff;
    f.addressLow = low;
    f.addressHigh = high;
    f.access = access;
    if (result < 0 && this.#isa.arch === "aarch64") {
      // Tags are not shown: the top byte is what bit 55 says.
      f.addressHigh = (high << 8) >> 8;
    } else if (result < 0 && high >>> 15 !== KERNEL_HALF) {
      // Not canonical: a general protection fault, which has no address.
      f.code = SI_KERNEL;
      f.addressLow = f.addressHigh = 0;
    }
    this.#memory.u32[L.EXIT_RECORD >> 2] = record;
    throw f;
  }

  /** The block of an instruction's record. */
  blockOf(record: number): Block {
    const { u32 } = this.#memory;
    return this.#blocks.all[u32[(this.#headOf(record) + R.BLOCK) >> 2]];
  }
  /** Which instruction of its block a record is of. */
  indexOf(record: number): number {
    return this.#memory.view.getUint16(record + R.INDEX, true);
  }
  #headOf(record: number): number {
    return record - (this.indexOf(record) + 1) * R.RECORD_SIZE;
  }

  /** Refund what the block of `record` was charged beyond it, and set pc to it (or past it). */
  rewindTo(record: number, after: boolean): void {
    const memory = this.#memory;
    const index = this.indexOf(record);
    const head = this.#headOf(record);
    const count = memory.view.getUint16(head + R.COUNT, true);
    const block = this.blockOf(record);
    const done = after ? index + 1 : index;
    memory.put(L.BUDGET, memory.signed(L.BUDGET) + count - done);
    if (memory.u32[(head + R.HANDLER) >> 2] === HEAD_SLOT || block === this.#tail.block) {
      memory.put(L.COLD_RETIRED, memory.signed(L.COLD_RETIRED) - (count - done));
    }
    this.#stream?.cut(block, done);
    this.#sites?.cut(block, done);
    if (this.#watch !== null) {
      // A straddling instruction is a block of its own.
      if (block.frame2 >= 0 && done === 0) this.#watch.counts.fetchStraddles--;
      for (let i = done; i < count; i++) {
        const { loads, stores } = this.#blocks.accessesOf(block, i);
        this.#watch.refund(loads, stores);
      }
    }
    const offset = after && done === block.count ? block.bytes : this.#blocks.offsetOf(block, done);
    memory.put(L.PC, block.pc + offset);
  }

  /** The exit of the access or fetch that was refused. */
  ofAccess(): CpuExit {
    const { signal, code, access, addressHigh, addressLow } = this.thrown;
    const { u32, view: state } = this.#memory;
    const record = u32[L.EXIT_RECORD >> 2];
    if (record !== 0) this.rewindTo(record, false);
    const address = (BigInt(addressHigh >>> 0) << 32n) | BigInt(addressLow >>> 0);
    const bytes = record === 0 ? undefined : this.bytesOf(record);
    const fault = { kind: "fault", signal, code, address, resume: true } as const;
    if (code === SI_KERNEL && bytes !== undefined && this.#isa.trap !== undefined) {
      return { ...fault, ...this.#isa.trap(signal, code, true, state, bytes) };
    }
    const va = (addressHigh >>> 0) * U32 + (addressLow >>> 0);
    const end = this.isUser(va) ? this.#links.current!.walkEnd?.(va) ?? -1 : -1;
    const walk = { present: end >= 0, level: end < 0 ? ~end : end };
    const report = this.#isa.accessFault?.({ signal, code, access, va, ...walk, state, bytes });
    return { ...fault, ...report };
  }

  /** The exit of a branch to `pc` that is no landing pad: Linux's do_el0_bti, which shows no syndrome. */
  ofBranch(pc: number): CpuExit {
    const bytes = this.bytesAt(pc);
    const what = this.#isa.describe(bytes, 0, bytes.length, pc);
    const detail = `${what}, to which no such branch may go (BTI)`;
    return { kind: "fault", signal: SIGILL, code: ILL_ILLOPC, address: BigInt(pc), detail };
  }

  /** The exit of a fault that semantics raised. */
  ofSemantics(): CpuExit {
    const memory = this.#memory;
    const record = memory.u32[L.EXIT_RECORD >> 2];
    const info = memory.u32[L.FAULT_ACCESS >> 2];
    const bytes = this.bytesOf(record);
    const after = (info & FAULT_AFTER) !== 0;
    this.rewindTo(record, after);
    const pc = memory.unsigned(L.PC);
    const address = (info & FAULT_HAS_ADDRESS) !== 0
      ? memory.view.getBigUint64(L.FAULT_ADDRESS, true)
      : BigInt(pc);
    const signal = info & 0xff, code = (info >> 8) & 0xff;
    const trap = this.#isa.trap?.(signal, code, false, memory.view, bytes) ?? { signal, code };
    const detail = this.#isa.describe(bytes, 0, bytes.length, pc);
    return { kind: "fault", address, detail, resume: !after, ...trap };
  }

  /** The bytes of the instruction of `record`, and some that follow: 15. */
  bytesOf(record: number): Uint8Array {
    const block = this.blockOf(record);
    const pc = block.pc + this.#blocks.offsetOf(block, this.indexOf(record));
    const physical = block.frame * 4096 + (pc % 4096);
    return this.#bytesIn(physical, block.frame2 < 0 ? -1 : block.frame2 * 4096);
  }

  /** The same of the instruction at `pc`, which was executed just now. */
  bytesAt(pc: number): Uint8Array {
    const space = this.#links.current!;
    const next = (Math.floor(pc / 4096) + 1) * 4096;
    return this.#bytesIn(space.peekExecutable(pc), space.peekExecutable(next));
  }

  /** 15 bytes from `physical` on; those of another page are at `second`, if that is not -1. */
  #bytesIn(physical: number, second: number): Uint8Array {
    const bytes = new Uint8Array(15);
    if (physical < 0) return bytes;
    const { u8 } = this.#memory;
    const room = Math.min(15, 4096 - physical % 4096);
    bytes.set(u8.subarray(physical, physical + room));
    if (room < 15 && second >= 0) bytes.set(u8.subarray(second, second + 15 - room), room);
    return bytes;
  }
}
