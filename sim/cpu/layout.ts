/**
 * Where everything lies in *state memory*, the first `RESERVED` bytes of the one WebAssembly memory:
 * the running thread's registers at fixed addresses (so generated code uses constant offsets), then
 * the accelerators. Physical memory is the rest: frames below `RESERVED` are never given out, so a
 * physical address is an address of that memory.
 *
 * One memory, not two: engines keep the base and size of one in registers, and reload those of
 * others at every access. All offsets are bytes from its start.
 */

/** Bytes at the start of memory that hold state; the guest's frames begin here. */
export const RESERVED: number = 2 ** 30;

/** Reads as zero always: stands for aarch64 XZR and for an absent base or index register. 16 bytes. */
export const ZERO = 0x00;
/** Writes to it vanish: stands for aarch64 XZR as a destination. 16 bytes. */
export const TRASH = 0x10;
/** Program counter of the next instruction, u64; exact whenever generated code has returned. */
export const PC = 0x20;
/** Instructions that may still retire before the quantum ends, i64; charged at block entry. */
export const BUDGET = 0x28;
/** Lazy flags: the operation that last set them (`FlagKind`, u32), and its two operands (u64). */
export const FLAG_KIND = 0x30;
export const FLAG_A = 0x38;
export const FLAG_B = 0x40;
/** x86_64: direction flag as 0 or 1 (u32), and the remaining user-settable RFLAGS bits, TF, AC and ID (u32). */
export const DF = 0x48;
export const RFLAGS_OTHER = 0x4c;
export const RFLAGS_TF = 0x100;
export const RFLAGS_AC = 0x40000;
export const RFLAGS_ID = 0x200000;
/** Segment bases (x86_64); aarch64 TPIDR_EL0 is `FS_BASE` too: "the thread pointer". u64. */
export const FS_BASE = 0x50;
export const GS_BASE = 0x58;
export const TPIDR = FS_BASE;
/** MXCSR (x86_64), or FPCR and FPSR (aarch64). u32 each. */
export const MXCSR = 0x60;
export const FPCR = 0x60;
export const FPSR = 0x64;
/** aarch64: limits that results of floating point are compared with (`float/limits.ts`), 24 bytes. */
export const FLOAT_LIMITS = 0x80;
/** aarch64: PSTATE.BTYPE (u32) while no generated code runs. */
export const BTYPE = 0x98;
/** aarch64 exclusive monitor: address (u64, all ones when clear), the value loaded (two u64). */
export const MONITOR_ADDRESS = 0x68;
export const MONITOR_LOW = 0x70;
export const MONITOR_HIGH = 0x78;
/** x87: control word, status word with TOP kept apart, tag bits (1 = empty), TOP; u32 each. */
export const X87_CONTROL = 0x80;
export const X87_STATUS = 0x84;
export const X87_TAGS = 0x88;
export const X87_TOP = 0x8c;
/** x87 last instruction pointer, data pointer (u64) and opcode (u32). */
export const X87_FIP = 0x90;
export const X87_FDP = 0x98;
export const X87_FOP = 0xa0;
/** x86_64: PKRU (u32). */
export const PKRU = 0xa4;
/** x86_64: selectors of ES, DS, FS, GS (u32 each). */
export const SELECTORS = 0xa8;
/** aarch64: POR_EL0 (u64). */
export const POR = 0xa8;
/** Scratch for helpers: operands and results too wide for a value, 64 bytes. */
export const SCRATCH = 0xc0;
/** 32 general registers of 8 bytes. x86_64: RAX RCX RDX RBX RSP RBP RSI RDI R8–R15; aarch64: X0–X30, SP. */
export const GPR = 0x100;
/** 32 vector registers of 16 bytes: V0–V31, or XMM0–15 followed by the upper halves of YMM0–15. */
export const VECTOR = 0x200;
/** From a vector register to its upper half (x86_64). */
export const UPPER = 0x100;
/** Physical x87 registers R0–R7, 16 bytes each, 80 bits used: significand u64, sign and exponent u16. */
export const X87_REGISTERS = 0x400;
/** Bytes `0 .. THREAD_SIZE` are a thread's whole architectural state; a thread switch copies them. */
export const THREAD_SIZE = 0x480;

/** Why generated code returned, beyond its return code: fault address (u64), access kind and size. */
export const FAULT_ADDRESS = 0x480;
export const FAULT_ACCESS = 0x488;
/** Record at which an exit or fault happened (u32), and the link slot to patch (u32). */
export const EXIT_RECORD = 0x490;
export const EXIT_SLOT = 0x494;
/** Base of the running address space's link slots in state memory (u32). */
export const LINKS = 0x498;
/** Instructions of the blocks that were entered in the cold tier, i64. */
export const COLD_RETIRED = 0x4b8;
/** How often a region was left in the middle of a block (u32, wraps). */
export const SIDE_EXITS = 0x4b0;
/** Modelled time for RDTSC and CNTVCT: ticks at the start of the quantum (u64), ticks an instruction (f64). */
export const CLOCK = 0x4c0;
export const CLOCK_RATE = 0x4c8;

/** Bases of the running address space's dispatch hashes (u32), one for each type of branch (PSTATE.BTYPE). */
export const DISPATCH = 0x4d0;
/** aarch64: the budget (i64) when a branch of each type, from 1 on, was last executed; the first is not used. */
export const BRANCHED = 0x560;

/** Byte offset of general register `i`. */
export const gpr = (i: number): number => GPR + 8 * i;
/** Byte offset of vector register `i`. */
export const vector = (i: number): number => VECTOR + 16 * i;
/** aarch64 stack pointer's register number in this layout. */
export const SP = 31;

/** A value that an out-of-line store hands to the host. 32 bytes. */
export const STORE_VALUE = 0x4e0;

/**
 * Models. An access's *ordinal* is 64 × (1 + instructions retired before its instruction) plus its
 * number within the instruction: 0 and 1 are the fetch, data accesses count from 2.
 *
 * ORDINAL_BASE (i64): 64 × (1 + retired at the start of the quantum + the quantum's budget).
 * NOW (i64): ordinal of the first instruction of the running block.
 */
export const ORDINAL_BASE = 0x500;
export const NOW = 0x508;
/** i64 each, low half and high half are two counts: loads and stores; accesses over two pages apart. */
export const ACCESSES = 0x510;
/** All and mispredicted conditional branches; mispredicted and all returns. */
export const BRANCHES = 0x518;
export const RETURNS = 0x520;
/** gshare history (u32), of which the low bits count; return stack: offset of its top in `RETURN_STACK` (u32). */
export const HISTORY = 0x528;
export const RETURN_TOP = 0x530;
/** Where the last indirect jump or call went (u64). */
export const BRANCH_TARGET = 0x538;
/** Instructions that were fetched from two pages (u32). */
export const FETCH_STRADDLES = 0x540;
/** All and mispredicted indirect jumps and calls (i64, as above). */
export const INDIRECTS = 0x580;
/** Budget of the running quantum (i64); what RDRAND goes on from (u64). */
export const QUANTUM = 0x548;
export const RANDOM = 0x550;
/** x86_64: the processor's XCR0 (u32), 0 without XSAVE; aarch64: 1 with FEAT_S1POE. */
export const XCR0 = 0x558;
/**
 * Modelled TLBs for `wasm/refill.ts`. `TLB_MISSES`: misses that were refilled (u32 each), in those of 4 KiB pages for
 * instructions and for data, and in level 2 of instructions and of data, which may be the same. An entry is the stamp
 * (u64) and the tag (u64, all ones when empty): the page's number, log2 of
 * its size from `TAG_BITS_SHIFT` on, its space from `TAG_SPACE_SHIFT` on. `SPACE_TAG` (u64) is the tag of
 * page 0 of 4 KiB in the running space.
 */
export const TLB_MISSES = 0x5b0;
export const TLB_ENTRY = 16;
export const TLB_STAMP = 0;
export const TLB_TAG = 8;
export const TAG_BITS_SHIFT = 37;
export const TAG_SPACE_SHIFT = 42;
export const SPACE_TAG = 0x590;
/** Whether the soft TLB of fetches may hold anything (u32). */
export const FETCHED = 0x598;
/** Event stream (`wasm/event_stream.ts`): where the next event goes (u32). */
export const EVENTS = 0x5a0;
/**
 * With attribution (`wasm/site_nodes.ts`): the node that counts, the site record of the running block where an event
 * may ask for it (u32).
 */
export const SITE_NODE = 0x5a4;
export const SITE_BLOCK = 0x5a8;
/** Return stack (`wasm/return_stack.ts`): up to 64 addresses. */
export const RETURN_STACK = 0x600;

/**
 * With filtered accesses (`wasm/line_filter.ts`): for each set of the level-1 data cache, the address of the line that
 * was used last (u32), 0 if it is not known; at most `MOST_SETS`.
 */
export const DATA_LINES = 0x800;
export const MOST_SETS = 256;
/**
 * With filtered fetches (`wasm/fetch_filter.ts`): the same of the level-1 instruction cache; `Told`, of the running block
 * (u32); for a block that is not told, where its events begin (u32); instructions on two lines in such blocks (u32).
 */
export const FETCH_LINES = 0x4000;
export const FETCH_TOLD = 0x4a8;
export const QUIET_EVENTS = 0x4a0;
export const QUIET_STRADDLES = 0x4a4;

/**
 * More of attribution: frames of calls that have not returned, as addresses of the last one, of what lies below the first, and
 * of the last that there is room for (u32); the ordinal up to which nodes were charged, at which the timeline's
 * stretch ends, and beyond which regions enter no block (i64); the running space over page numbers, an event's address (u64).
 */
export const SITE_TOP = 0xc00;
export const SITE_BASE = 0xc04;
export const SITE_LIMIT = 0xc08;
export const SITE_CHARGED = 0xc10;
export const SITE_STRETCH_END = 0xc18;
export const SITE_END = 0xc30;
export const SITE_SPACE = 0xc20;
export const SITE_ADDRESS = 0xc28;

/**
 * Soft TLBs (`soft_tlb.ts`). That of data has an entry of 32 bytes for each page number modulo 2^20: the page's address if
 * loads may use it, the same if stores may (u64 each), its physical address, the address of the modelled entry's stamp,
 * and, in models, where level 2 had it last (u32 each). An access reads one cache line of it, whatever comes of that.
 * That of fetches has few entries, of 16 bytes: the page's address (u64), and the address of the stamp.
 */
export const READ_TLB = 0x1000000;
export const WRITE_TLB: number = READ_TLB + 8;
export const SOFT_PHYSICAL: number = READ_TLB + 16;
export const SOFT_STAMP: number = READ_TLB + 20;
export const SOFT_SECOND: number = READ_TLB + 24;
/** An address shifted right by `SOFT_SHIFT`, and `SOFT_MASK`, is the byte offset of its entry of 32 bytes. */
export const SOFT_SHIFT = 7;
export const SOFT_MASK = 0x1ffffe0;
/** Over the page's address: its modelled entry was evicted, its translation still holds. */
export const SOFT_EVICTED: bigint = 1n << 63n;
export const FETCH_TLB = 0x30000;
export const FETCH_STAMP = 12;
export const FETCH_BITS = 12;
export const FETCH_ENTRIES: number = 1 << FETCH_BITS;
/** Byte offset of the place of address `va` in the soft TLB of data. */
export const dataPlace = (va: number): number => (va >>> SOFT_SHIFT) & SOFT_MASK;
/** Byte offset of the place of `page` (va / 4096) in the soft TLB of fetches; high bits are folded in. */
export const fetchPlace = (page: number): number =>
  ((page ^ Math.floor(page / FETCH_ENTRIES)) & (FETCH_ENTRIES - 1)) << 4;
/** Two-bit counters of gshare, a byte each, up to 2^17; stamps of the modelled TLBs. */
export const GSHARE = 0x40000;
export const STAMPS = 0x60000;
/** From here up, the engine allocates: link slots, dispatch hashes, records. */
export const ARENA = 0x3000000;
/** With attribution, records end here, and its nodes, frames and tables follow. */
export const SITES = 0x14000000;
/** How often regions left through each link (u32 at the link's offset). */
export const LINK_HEAT = 0x400000;
/** How often a cluster of accesses lay on two pages (u32), by the low bits of its record's number. */
export const CROSSINGS = 0x800000;
export const CROSSINGS_MASK = 0xffff;
/** With models, in the same way: how often an access left its region because the soft TLB did not know its page. */
export const SIDE_HEAT = 0x840000;
/** Byte offset of a record's count in both. */
export const heatPlace = (record: number): number => (record >>> 3) & (CROSSINGS_MASK << 2);
/**
 * The event stream's buffer, and from where on it is full: a block is begun only below, and what follows
 * holds the events of the longest.
 */
export const EVENT_BUFFER = 0x900000;
export const EVENT_LIMIT = 0x940000;
export const EVENT_END = 0x9c0000;
/**
 * The modelled target buffer (`wasm/target_buffer.ts`), entries of 16 bytes: the branch's address, inverted, and its last
 * target (u64 each). Of a set, the entry that was used last comes first.
 */
export const TARGETS = 0x9c0000;
export const TARGET_ENTRY = 16;
export const TARGET_ADDRESS = 8;
