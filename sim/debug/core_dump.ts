/**
 * Core dumps: a process at its end as an ELF file (core(5); fs/binfmt_elf.c, include/uapi/linux/elfcore.h). What
 * is dumped of its memory is what Linux dumps unless told otherwise: private memory that was written, shared
 * anonymous memory, and the first page of each mapped ELF file.
 */
import { ET_CORE, PF_R, PF_W, PF_X, PT_LOAD, PT_NOTE } from "../../lib/elf/constants.ts";
import type { Cpu } from "../cpu/cpu.ts";
import { FPCR, FPSR, vector } from "../cpu/layout.ts";
import { FPCR_MASK } from "../cpu/aarch64/float/status.ts";
import { infoCode, infoSigno } from "../kernel/abi/siginfo.ts";
import { saveArea } from "../kernel/abi/x86_64.ts";
import { XSAVE_SIZE } from "../cpu/x86_64/features.ts";
import { setNumber64 } from "../kernel/abi/struct.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { Process } from "../kernel/process.ts";
import type { SigSet } from "../kernel/signal_state.ts";
import type { Thread } from "../kernel/thread.ts";
import type { AddressSpace } from "../memory/address_space.ts";
import { peek } from "../memory/peek.ts";
import { Vm, type Vma } from "../memory/vma.ts";
import { auxiliaryVector } from "./auxiliary_vector.ts";
import { type Register, stateOf } from "./register.ts";
import { featuresOf, withThread } from "./registers.ts";

const EHDR_SIZE = 64, PHDR_SIZE = 56;
const NT_PRSTATUS = 1, NT_PRFPREG = 2, NT_PRPSINFO = 3, NT_AUXV = 6;
const NT_SIGINFO = 0x53494749, NT_FILE = 0x46494c45;
const NT_X86_XSTATE = 0x202, NT_ARM_TLS = 0x401;
/** Where the XSAVE area of a core says which components the system has enabled. */
const XSTATE_XCR0 = 464;
/** Bytes that are put together at a time. */
const PIECE = 2 ** 18;

/** Registers in the order of `struct user_regs_struct`, eight bytes each. */
const USER_REGISTERS = {
  // deno-fmt-ignore
  x86_64: [
    "r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi",
    "orig_rax", "rip", "cs", "eflags", "rsp", "ss", "fs_base", "gs_base", "ds", "es", "fs", "gs",
  ],
  aarch64: [...Array.from({ length: 31 }, (_, i) => `x${i}`), "sp", "pc", "cpsr"],
};

/** An area of memory, and how many bytes of it are in the file from `offset` on. */
interface Segment {
  readonly vma: Vma;
  readonly size: number;
  readonly offset: number;
}

/** The core of the process of `thread`, which is loaded and dies of the signal of `info`. */
export class CoreDump {
  /** Bytes in the file. */
  readonly size: number;
  readonly #notes: Uint8Array;
  readonly #segments: readonly Segment[];

  constructor(readonly kernel: Kernel, readonly thread: Thread, readonly info: Uint8Array) {
    this.#notes = this.#allNotes();
    const areas = thread.process.space.value.areas.items
      .filter(({ flags }) => (flags & Vm.DontDump) === 0);
    const headers = EHDR_SIZE + PHDR_SIZE * (1 + areas.length);
    const { granule } = thread.process.space.value;
    let offset = granule.pageUp(headers + this.#notes.length);
    this.#segments = areas.map((vma) => {
      const segment = { vma, size: dumpedBytes(vma), offset };
      offset += segment.size;
      return segment;
    });
    this.size = offset;
  }

  /** The file's contents in order; bytes between the pieces, and after the last, are zero. */
  *pieces(): Generator<{ readonly offset: number; readonly bytes: Uint8Array }> {
    yield { offset: 0, bytes: this.#headers() };
    const buffer = new Uint8Array(PIECE);
    for (const { vma, size, offset } of this.#segments) {
      for (let done = 0; done < size; done += PIECE) {
        const bytes = buffer.subarray(0, Math.min(PIECE, size - done));
        bytes.fill(0);
        peek(vma.space, vma.start + done, bytes);
        if (bytes.some((byte) => byte !== 0)) yield { offset: offset + done, bytes };
      }
    }
  }

  #headers(): Uint8Array {
    const segments = this.#segments;
    const start = EHDR_SIZE + PHDR_SIZE * (1 + segments.length);
    const bytes = new Uint8Array(start + this.#notes.length);
    const view = new DataView(bytes.buffer);
    bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
    view.setUint16(16, ET_CORE, true);
    view.setUint16(18, this.kernel.abi.elfMachine, true);
    view.setUint32(20, 1, true);
    setNumber64(view, 32, EHDR_SIZE);
    view.setUint16(52, EHDR_SIZE, true);
    view.setUint16(54, PHDR_SIZE, true);
    view.setUint16(56, 1 + segments.length, true);
    programHeader(view, EHDR_SIZE, PT_NOTE, 0, {
      ...{ offset: start, address: 0, fileSize: this.#notes.length, size: 0, align: 4 },
    });
    segments.forEach(({ vma, size, offset }, i) => {
      const { start, end, flags } = vma;
      const rights = ((flags & Vm.Read) !== 0 ? PF_R : 0) |
        ((flags & Vm.Write) !== 0 ? PF_W : 0) | ((flags & Vm.Execute) !== 0 ? PF_X : 0);
      programHeader(view, EHDR_SIZE + PHDR_SIZE * (1 + i), PT_LOAD, rights, {
        ...{
          offset,
          address: start,
          fileSize: size,
          size: end - start,
          align: vma.space.granule.size,
        },
      });
    });
    bytes.set(this.#notes, start);
    return bytes;
  }

  // ---- notes --------------------------------------------------------------------------------

  #allNotes(): Uint8Array {
    const { thread, info } = this;
    const { process } = thread;
    const space = process.space.value;
    const notes = [
      note("CORE", NT_PRSTATUS, this.#status(thread)),
      note("CORE", NT_PRPSINFO, processInformation(process, thread)),
      note("CORE", NT_SIGINFO, info),
      note("CORE", NT_AUXV, auxiliaryVector(process.auxv, space.objects[0])),
      note("CORE", NT_FILE, mappedFiles(space)),
      ...this.#moreRegisters(thread),
    ];
    for (const other of process.threads) {
      if (other === thread) continue;
      notes.push(note("CORE", NT_PRSTATUS, this.#status(other)), ...this.#moreRegisters(other));
    }
    return joined(notes);
  }

  /** struct elf_prstatus. */
  #status(thread: Thread): Uint8Array {
    const { kernel, info } = this;
    const { process } = thread;
    const names = USER_REGISTERS[kernel.abi.arch];
    const registers = 112;
    const bytes = new Uint8Array(registers + 8 * names.length + 8);
    const view = new DataView(bytes.buffer);
    view.setInt32(0, infoSigno(info), true);
    view.setInt32(4, infoCode(info), true);
    view.setUint16(12, infoSigno(info), true);
    setMask(view, 24, thread.mask);
    [thread.tid, process.parent?.pid ?? 0, process.pgid, process.sid].forEach((id, i) =>
      view.setInt32(32 + 4 * i, id, true)
    );
    withThread(kernel, thread, (cpu) => {
      const all = registersByName(cpu);
      names.forEach((name, i) => {
        const { size, read } = all.get(name)!;
        read(cpu, new DataView(bytes.buffer, registers + 8 * i, size), thread);
      });
    });
    view.setInt32(registers + 8 * names.length, 1, true);
    return bytes;
  }

  /** Floating point, vectors, thread pointer. */
  #moreRegisters(thread: Thread): Uint8Array[] {
    return withThread(this.kernel, thread, (cpu) => {
      if (cpu.arch === "aarch64") {
        return [
          note("CORE", NT_PRFPREG, vectors(cpu)),
          note("LINUX", NT_ARM_TLS, word64(cpu.threadPointer)),
        ];
      }
      const area = saveArea(cpu);
      const image = note("CORE", NT_PRFPREG, area.subarray(0, 512));
      if (area.length < XSAVE_SIZE) return [image];
      const extended = area.slice(0, XSAVE_SIZE);
      const features = new DataView(area.buffer).getUint32(XSTATE_XCR0 + 8, true);
      extended.fill(0, XSTATE_XCR0, 512);
      setNumber64(new DataView(extended.buffer), XSTATE_XCR0, features);
      return [image, note("LINUX", NT_X86_XSTATE, extended)];
    });
  }
}

/** How much of an area is dumped: all, its first page, or nothing. */
function dumpedBytes(vma: Vma): number {
  const { file, start, end, flags, anonymous, isPrivate } = vma;
  const size = end - start;
  if (file === null || (isPrivate && anonymous !== null)) return size;
  if (file.file.inMemory && file.file.path === undefined) return size;
  if (vma.pageOffset !== 0 || (flags & Vm.Read) === 0) return 0;
  const head = new Uint8Array(4);
  peek(vma.space, start, head);
  return head[0] === 0x7f && head[1] === 0x45 && head[2] === 0x4c && head[3] === 0x46
    ? vma.space.granule.size
    : 0;
}

function programHeader(
  view: DataView,
  at: number,
  type: number,
  flags: number,
  where: { offset: number; address: number; fileSize: number; size: number; align: number },
): void {
  view.setUint32(at, type, true);
  view.setUint32(at + 4, flags, true);
  setNumber64(view, at + 8, where.offset);
  setNumber64(view, at + 16, where.address);
  setNumber64(view, at + 32, where.fileSize);
  setNumber64(view, at + 40, where.size);
  setNumber64(view, at + 48, where.align);
}

function note(name: string, type: number, contents: Uint8Array): Uint8Array {
  const padded = (length: number): number => Math.ceil(length / 4) * 4;
  const at = 12 + padded(name.length + 1);
  const bytes = new Uint8Array(at + padded(contents.length));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, name.length + 1, true);
  view.setUint32(4, contents.length, true);
  view.setUint32(8, type, true);
  bytes.set(new TextEncoder().encode(name), 12);
  bytes.set(contents, at);
  return bytes;
}

/** struct elf_prpsinfo. */
function processInformation(process: Process, thread: Thread): Uint8Array {
  const bytes = new Uint8Array(136);
  const view = new DataView(bytes.buffer);
  bytes[1] = "R".charCodeAt(0);
  view.setInt8(3, thread.nice);
  const { uid, gid } = process.credentials;
  [uid, gid, process.pid, process.parent?.pid ?? 0, process.pgid, process.sid].forEach((id, i) =>
    view.setInt32(16 + 4 * i, id, true)
  );
  const text = (value: string, most: number): Uint8Array =>
    new TextEncoder().encode(value).subarray(0, most - 1);
  bytes.set(text(process.name, 16), 40);
  bytes.set(text(process.argv.join(" "), 80), 56);
  return bytes;
}

/** NT_FILE: ranges of addresses, where they lie in files, and the files' names. */
function mappedFiles({ areas, granule }: AddressSpace): Uint8Array {
  const mapped = areas.items.flatMap((vma) => {
    const path = vma.source?.path ?? vma.file?.file.path;
    return vma.file === null || path === undefined ? [] : [{ vma, path }];
  });
  const names = new TextEncoder().encode(mapped.map(({ path }) => path + "\0").join(""));
  const bytes = new Uint8Array(16 + 24 * mapped.length + names.length);
  const view = new DataView(bytes.buffer);
  setNumber64(view, 0, mapped.length);
  setNumber64(view, 8, granule.size);
  mapped.forEach(({ vma: { start, end, pageOffset } }, i) =>
    [start, end, pageOffset].forEach((value, j) => setNumber64(view, 16 + 24 * i + 8 * j, value))
  );
  bytes.set(names, 16 + 24 * mapped.length);
  return bytes;
}

/** struct user_fpsimd_state. */
function vectors(cpu: Cpu): Uint8Array {
  const bytes = new Uint8Array(528);
  const view = new DataView(bytes.buffer);
  const state = stateOf(cpu);
  bytes.set(cpu.stateBytes.subarray(vector(0), vector(32)));
  view.setUint32(512, state.getUint32(FPSR, true), true);
  view.setUint32(516, state.getUint32(FPCR, true) & FPCR_MASK, true);
  return bytes;
}

function word64(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  setNumber64(new DataView(bytes.buffer), 0, value);
  return bytes;
}

function setMask(view: DataView, at: number, { low, high }: SigSet): void {
  view.setInt32(at, low, true);
  view.setInt32(at + 4, high, true);
}

function registersByName(cpu: Cpu): ReadonlyMap<string, Register> {
  return new Map(featuresOf(cpu).flatMap(({ registers }) => registers.map((r) => [r.name, r])));
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
