/**
 * The one way from the linker to a process.
 *
 * `lib` declares this interface and the simulated kernel (or a test) implements it. Guest addresses
 * and sizes are JavaScript numbers (exact: user addresses stay below 2^53). Sizes are in bytes.
 * Methods that cannot do what is asked throw a `LinkTargetError`; none returns an errno.
 */

import type { LinkObject } from "./link_object.ts";

/** Access rights of a mapping: the `PROT_*` bits of `mman.h` or-ed together. */
export type Protection = number;
export const PROT_NONE = 0;
export const PROT_READ = 1;
export const PROT_WRITE = 2;
export const PROT_EXEC = 4;
/** aarch64, with PROT_EXEC: branches go to landing pads alone (FEAT_BTI). */
export const PROT_BTI = 0x10;

/** Architectures the linker knows, named as `Deno.build.arch` names them. */
export type Architecture = "x86_64" | "aarch64";

/** A regular file of the guest's file system, opened for the linker. */
export interface GuestFile {
  /** Absolute guest path it was opened by, before symlinks are followed. */
  readonly path: string;
  /** Absolute guest path with every symlink followed; `$ORIGIN` is its directory. */
  readonly realPath: string;
  /** Same value for the same inode: device and inode number, as `dev:ino`. */
  readonly identity: string;
  /** True if any execute bit is set. */
  readonly executable: boolean;
  /** The whole content. Must not be modified. */
  readonly bytes: Uint8Array;
  /** Of a file that a module made out of another one, as `Module.open` answers it. */
  readonly made?: MadeContent;
}

/** Content that is made as it is needed, such as that of a compressed file. */
export interface MadeContent {
  /** The file of the target that it is made from. */
  readonly from: GuestFile;
  /**
   * Makes the bytes `[offset, offset + length)` of the content right. Called before they are read, by the
   * linker and at page faults of the program, any number of times.
   */
  readonly fill: (offset: number, length: number) => void;
}

/** What the linker may ask of the guest's file system (the guest's view: its root, its mounts). */
export interface GuestFiles {
  /** Opens a regular file; undefined if there is none or it may not be read. */
  open(path: string): GuestFile | undefined;
  /** True if the path names anything, after following symlinks. */
  exists(path: string): boolean;
  /** Target of a symlink; undefined if the path is not one. */
  readlink(path: string): string | undefined;
}

/** log2 of the bytes of huge pages, by the size as one says it. A machine has those that its page tables can map. */
export const HUGE_PAGE_SHIFTS = { "2M": 21, "32M": 25, "512M": 29, "1G": 30 } as const;

/** Sizes of huge pages. */
export type HugePage = keyof typeof HUGE_PAGE_SHIFTS;

/** The smallest huge page there is with base pages of some bytes: what one entry above the last level maps. */
export function hugePageOf(pageSize: number): HugePage {
  return pageSize === 2 ** 12 ? "2M" : pageSize === 2 ** 14 ? "32M" : "512M";
}

/** Where the pages of a mapping come from and how large they are. */
export interface MapOptions {
  /**
   * Private (copy-on-write) mapping of `file` from byte `offset`, a multiple of the page size.
   * Bytes past the end of the file read as zero up to the end of its last page; absent, the
   * mapping is anonymous and reads as zero.
   */
  readonly source?: { readonly file: GuestFile; readonly offset: number };
  /**
   * Page size to back the mapping with, at once and not on a later promotion. Anonymous mappings
   * only; `at` and `size` must then be multiples of it. Default: the target's page size.
   */
  readonly huge?: HugePage;
  /** Name to show in `/proc/self/maps` for an anonymous mapping, without brackets. */
  readonly name?: string;
}

/**
 * Code on the host that guest execution enters; the machine reads and writes its registers. `target` is
 * the process that called: a fork has one of its own. A promise makes the machine stand still until
 * it is settled, or has the thread run guest code (`HostCall.invoke`).
 */
export type HostFunction = (call: HostCall, target: LinkTarget) => void | Promise<void>;

/** Which registers a value travels in: general ones (integers, pointers) or floating-point ones. */
export type ValueClass = "integer" | "float";

/** The 64 bits of a value that travels between guest functions; a narrower one is in the low bits. */
export interface GuestValue {
  readonly class: ValueClass;
  readonly bits: bigint;
}

/** A guest call that entered the host: arguments and result of the C calling convention. */
export interface HostCall {
  /** The `index`-th integer argument register (0..5) as an unsigned number if below 2^53. */
  argument(index: number): number;
  /** The same register as a signed number if within ±2^53. */
  signed(index: number): number;
  /** Sets the result register (rax, x0); negative values are two's complement. */
  result(value: number): void;
  /**
   * All 64 bits of each argument of a function that takes values of these classes, from registers and stack
   * (System V psABI, 3.2.3; AAPCS64, 6.8.2). Call it before `invoke`.
   */
  values(classes: readonly ValueClass[]): bigint[];
  /** Sets the result register of the value's class: rax or xmm0, x0 or v0. */
  answer(value: GuestValue): void;
  /** The register that code between a call and its function may use: r11, x16. It tells stubs apart. */
  readonly scratch: number;
  /** Guest address that execution continues at once the host function returns. */
  readonly returnAddress: number;
  /** Has execution continue elsewhere, such as at an instruction that faults. */
  continueAt(address: number): void;
  /** Thread pointer of the calling thread. */
  readonly threadPointer: number;
  /** Number of the calling thread, which no other living one has. */
  readonly thread: number;
  /**
   * Has the calling thread run a guest function as a call from here: on its own stack, as ordinary guest code
   * that may make system calls, block, and enter the host again. Answers the result register of class
   * `result`. The handler is one that returns a promise; other threads run meanwhile. A call that never
   * returns (the thread exits, or jumps out of it) leaves the promise as it is, for ever.
   */
  invoke(
    address: number,
    args: readonly GuestValue[],
    result?: ValueClass,
  ): Promise<bigint>;
  /** Has something done whenever `invoke` is about to let guest code run. */
  beforeInvoke(action: () => void): void;
}

/** A process under construction, on one architecture. */
export interface LinkTarget {
  readonly arch: Architecture;
  /** Base page size, in bytes. */
  readonly pageSize: number;
  /** `AT_PLATFORM`, the value of `$PLATFORM` in library paths. */
  readonly platform: string;
  /** `AT_HWCAP` and `AT_HWCAP2` (below 2^53), which IFUNC resolvers are given on aarch64. */
  readonly hwcap: number;
  readonly hwcap2: number;
  /** Names of the instruction set's levels that the processor has, best first: `x86-64-v2` and the like. */
  readonly isaLevels: readonly string[];
  /** The machine's date: seconds since 1970. */
  readonly time: number;
  readonly files: GuestFiles;

  /**
   * Sets aside `size` bytes of address space at a multiple of `align`, inaccessible and costing no
   * memory. Without `hint` the target chooses the address (seeded ASLR); with it, exactly that
   * address is meant, and it is an error if anything is mapped there.
   */
  reserve(size: number, align: number, hint?: number): number;
  /** Maps over whatever is there (`MAP_FIXED | MAP_PRIVATE`); `at` and `size` are page multiples. */
  map(at: number, size: number, protection: Protection, options?: MapOptions): void;
  unmap(at: number, size: number): void;
  /** Changes rights, and with `key` the protection key of the pages (pkeys(7)). */
  protect(at: number, size: number, protection: Protection, key?: number): void;
  /** Gives out a protection key that nobody has; undefined if there is none left, or none at all. */
  allocateKey(): number | undefined;

  /** Copies guest memory out, whatever its protection. Unmapped bytes are an error. */
  read(at: number, size: number): Uint8Array;
  /** Copies into guest memory, whatever its protection, with copy-on-write done as for a store. */
  write(at: number, bytes: Uint8Array): void;
  /** As `write`, for the runtime services that may write after the protect phase; counted by reason. */
  patch(at: number, bytes: Uint8Array, reason: string): void;

  /**
   * Makes a guest address whose execution enters `handler` and then returns to the caller. The same name
   * and handler have the same address in every process.
   */
  provide(name: string, handler: HostFunction): number;
  /**
   * Calls a guest function by the C calling convention on a scratch stack and returns its result
   * register as an unsigned number. Arguments of 2^53 and more are given as bigint. For IFUNC resolvers
   * alone: more than `limit` instructions, a fault, a blocking syscall, a fork or a thread switch is an
   * error.
   */
  call(address: number, args: readonly (number | bigint)[], limit: number): number;

  /**
   * Starts the process before it is linked, so that guest code may prepare it: builds its stack, tells
   * `prepare` the stack pointer, and runs from `start.entry` until control reaches `landing`.
   * The link's own start then goes on from there with the registers as they are. At most once.
   */
  enter(start: Start, prepare: (stackPointer: number) => void): Promise<Landing>;
  /** Guest address at which a process that was entered early comes back to the linker. */
  readonly landing: number;
  /** Number of the process. */
  readonly processId: number;
  /**
   * Addresses in `[start, end)` that the process holds: aligned words of its writable memory and of the registers of
   * its threads.
   */
  mentions(start: number, end: number): ReadonlySet<number>;
  /** Has `told` called whenever a system call of the process is over; all its threads stand still. */
  afterEachCall(told: () => void): void;
  /** Thread pointers of the live threads of the process. */
  readonly threadPointers: readonly number[];
  /** Makes the stacks of all live threads executable. */
  allowCodeOnStacks(): void;
  /** Writes to standard output (1) or standard error (2) of the process. */
  print(descriptor: 1 | 2, text: string): void;
  /** Told which objects the process has, whenever that has changed and all of them are linked. */
  objectsChanged(objects: readonly LinkObject[]): void;
}

/** What a process entered early came back with. */
export interface Landing {
  readonly stackPointer: number;
  readonly threadPointer: number;
}

/** How a linked program starts; the machine builds the stack and the initial registers from it. */
export interface Start {
  /**
   * First guest instruction. Entered as the kernel enters a new image: the stack pointer at argc,
   * other registers zero. It runs the initialisers as ordinary guest frames, then jumps to the
   * program's own entry point.
   */
  readonly entry: number;
  /** Value of the thread pointer (fs base, tpidr_el0); undefined leaves it zero. */
  readonly threadPointer: number | undefined;
  /** Entries of the auxiliary vector that differ from or add to what the machine writes. */
  readonly auxv: ReadonlyMap<number, number>;
  /** First address after the program's own segments, page aligned, where the heap (brk) starts. */
  readonly heap: number;
  /**
   * Filters of system calls that the program starts with and cannot get rid of, each a classic BPF program
   * as seccomp(2) takes it: instructions of 8 bytes. Absent: none.
   */
  readonly filters?: readonly Uint8Array[];
}

/** Auxiliary vector types that the linker sets, from `elf.h`. */
export const AT_PHDR = 3;
export const AT_PHENT = 4;
export const AT_PHNUM = 5;
export const AT_BASE = 7;
export const AT_ENTRY = 9;

/** A target could not do what the linker asked: no address space, no memory, a failed guest call. */
export class LinkTargetError extends Error {
  override readonly name = "LinkTargetError";
}
