import type { Architecture } from "../../lib/linker/mod.ts";

/** Bytes of a stub. */
export const STUB_SIZE = 16;

/** Code of an architecture's objects that a runner runs. */
export interface StubCode {
  /**
   * A function that enters a runner: puts its own address into the register for such code (r11, x16) and jumps to
   * the address in the word `slot` bytes from its beginning. A trap instruction, `trap` bytes in, follows.
   */
  stub(slot: number): Uint8Array;
  readonly trap: number;
  /** What a program without C library begins with: calls `main` (argc, argv), and exits with its result. */
  bareStart(main: number): Uint8Array;
  /**
   * What a program with glibc or musl begins with: calls through the word `slot` bytes from its beginning
   * `__libc_start_main` with `main` bytes from its beginning.
   */
  libcStart(main: number, slot: number): Uint8Array;
}

/** SDM volume 2. */
const x86_64: StubCode = {
  // lea r11, [rip - 7]; jmp [rip + …]; ud2; nop
  stub: (slot) => bytes([0x4c, 0x8d, 0x1d], -7, [0xff, 0x25], slot - 13, [0x0f, 0x0b, 0x90]),
  trap: 13,
  // xor ebp, ebp; mov rdi, [rsp]; lea rsi, [rsp + 8]; and rsp, -16; call …; mov edi, eax; mov eax, 231;
  // syscall; ud2
  bareStart: (main) =>
    bytes(
      [0x31, 0xed, 0x48, 0x8b, 0x3c, 0x24, 0x48, 0x8d, 0x74, 0x24, 0x08, 0x48, 0x83, 0xe4, 0xf0],
      [0xe8],
      main - 20,
      [0x89, 0xc7, 0xb8],
      231,
      [0x0f, 0x05, 0x0f, 0x0b],
    ),
  // xor ebp, ebp; mov r9, rdx; pop rsi; mov rdx, rsp; and rsp, -16; push rax; push rsp; xor r8d, r8d;
  // xor ecx, ecx; lea rdi, [rip + …]; call [rip + …]; ud2
  libcStart: (main, slot) =>
    bytes(
      [0x31, 0xed, 0x49, 0x89, 0xd1, 0x5e, 0x48, 0x89, 0xe2, 0x48, 0x83, 0xe4, 0xf0, 0x50, 0x54],
      [0x45, 0x31, 0xc0, 0x31, 0xc9, 0x48, 0x8d, 0x3d],
      main - 27,
      [0xff, 0x15],
      slot - 33,
      [0x0f, 0x0b],
    ),
};

/** DDI 0487, C6. */
const aarch64: StubCode = {
  // adr x16, .; ldr x17, …; br x17; udf
  stub: (slot) => words(0x10000010, load(17, slot - 4), 0xd61f0220, 0),
  trap: 12,
  // mov x29, 0; mov x30, 0; ldr x0, [sp]; add x1, sp, 8; bl …; mov x8, 94; svc 0; udf
  bareStart: (main) =>
    words(
      ...[0xd280001d, 0xd280001e, 0xf94003e0, 0x910023e1],
      0x94000000 | (main - 16) / 4 & 0x3ffffff,
      ...[0xd2800bc8, 0xd4000001, 0],
    ),
  // mov x29, 0; mov x30, 0; mov x5, x0; ldr x1, [sp]; add x2, sp, 8; mov x6, sp; adr x0, …; mov x3, 0;
  // mov x4, 0; ldr x17, …; blr x17; udf
  libcStart: (main, slot) =>
    words(
      ...[0xd280001d, 0xd280001e, 0xaa0003e5, 0xf94003e1, 0x910023e2, 0x910003e6],
      adr(0, main - 24),
      ...[0xd2800003, 0xd2800004, load(17, slot - 36), 0xd63f0220, 0],
    ),
};

export const STUBS: Record<Architecture, StubCode> = { x86_64, aarch64 };

/** ADR, and LDR of a literal: both reach 1 MiB. */
const adr = (register: number, offset: number) =>
  0x10000000 | (offset & 3) << 29 | (offset >> 2 & 0x7ffff) << 5 | register;
const load = (register: number, offset: number) =>
  0x58000000 | (offset / 4 & 0x7ffff) << 5 | register;

/** Bytes, and 32-bit numbers between them. */
function bytes(...parts: (number | readonly number[])[]): Uint8Array {
  return Uint8Array.from(
    parts.flatMap((part) =>
      typeof part === "number" ? [0, 8, 16, 24].map((shift) => part >> shift & 0xff) : part
    ),
  );
}

function words(...list: number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(list, (word) => word >>> 0).buffer);
}
