/**
 * Records: predecoded guest code in state memory, 32 bytes each. A translated block is a *head*,
 * one *instruction* record per guest instruction, and an *exits* record with the two link slots. With attribution
 * a *site* record of twice the size follows.
 *
 * Every record starts with the table slot of the function that executes it, `(record) -> exit code`.
 */
export const RECORD_SIZE = 32;

/** u32, all records: slot in the function table. */
export const HANDLER = 0;

/** Instruction record: six u16 register operands. */
export const REGS = 4;
/** i64 and i32 immediates. */
export const IMM0 = 16;
export const IMM1 = 24;
/** u16: index of the instruction in its block. */
export const INDEX = 28;
/** u16: byte offset of the instruction from the block's start. */
export const PC_OFFSET = 30;

/** Head record: i32 executions left until the block is hot. */
export const HEAT = 4;
/** u16 each: instructions, loads, stores that happen unconditionally. */
export const COUNT = 8;
export const LOAD_COUNT = 10;
export const STORE_COUNT = 12;
/** u16: 1 if an instruction of the block straddles two pages. */
export const STRADDLES = 14;
/** u64: guest address of the block. */
export const HEAD_PC = 16;
/**
 * u32: number of the block; which of its region's entries it is, or the slot of its own function while
 * its handler is the warm head.
 */
export const BLOCK = 24;
export const ENTRY = 28;

/** Exits record: u32 byte offsets into the link area for the target and the next instruction. */
export const TARGET_LINK = 4;
export const NEXT_LINK = 8;
/** u64: guest addresses of the two; after an indirect transfer, where it last went. */
export const TARGET_PC = 16;
export const NEXT_PC = 24;

/** Site record: how often the block was entered outside regions, i64; number of its function, i32. */
export const SITE_WHOLE = 0;
export const SITE_FUNCTION = 8;
/** Address of counts of its instructions' events, u32, 0 while there are none; number of the block, u32. */
export const SITE_EVENTS = 12;
export const SITE_NUMBER = 16;
/** 1 if its call is indirect, u32. */
export const SITE_INDIRECT = 20;
/** How often the branch at its end was mispredicted, i64. */
export const SITE_WRONG = 24;
/** The context in which control last ran into it from another function, u32, `NO_CONTEXT` at first; the node there, u32. */
export const SITE_CONTEXT = 32;
export const SITE_NODE = 36;
export const NO_CONTEXT = -1;
/** Where its call last led to that the caller's node had no room for: the caller's node, 0 at first, and the other, u32. */
export const SITE_CALLER = 40;
export const SITE_CALLEE = 44;
/** Where regions count how often they entered it, u32, 0 until one does; the count itself, i64, if there was no other room. */
export const SITE_ENTERED = 48;
export const SITE_ENTERINGS = 56;
export const SITE_SIZE = 64;
/** Address of the site record of a block of `count` instructions. */
export const siteRecord = (head: number, count: number): number => head + RECORD_SIZE * (count + 2);

/**
 * What a block's own function returns to `run` beside exits: the link to go through, with this bit set; or that
 * control goes to the pc, plus the branch's type, which is less than 4.
 */
export const TO_LINK = 2;
export const TO_PC = 17;
/** The last of these. */
export const LAST_TO_PC = 20;
/** Exits are less than this, link slots' offsets more. */
export const EXITS = 16;

/** What generated code returns to the engine. */
export const enum Exit {
  /** Too little budget for the next block: pc is its start. */
  Quantum = 0,
  /** A direct link is not yet made: `EXIT_SLOT` is the link's offset, pc its target. */
  Link = 1,
  /** The dispatch hash does not know pc. */
  Lookup = 2,
  Syscall = 3,
  Yield = 4,
  Host = 5,
  /** How to go on may have changed; pc is next. */
  Mode = 6,
  /** A guest fault raised by semantics; see `FAULT_*`. */
  Fault = 7,
  /** The block at `EXIT_RECORD` became hot; pc is its start, nothing was charged. */
  Hot = 8,
  /** The records of a shortened block ran out: pc is next. */
  Stop = 9,
  /** The rest of this block was invalidated: go on at `EXIT_RECORD`'s own pc. */
  Resync = 10,
  /**
   * The link at `EXIT_SLOT` was gone through often by a region, whose entry's head is `EXIT_RECORD`;
   * pc is its target.
   */
  HotLink = 11,
  /** Accesses of the block of the record at `EXIT_RECORD` often lie on two pages; it is to go on there. */
  Crossing = 12,
  /** The access at `EXIT_RECORD` often leaves its region, for want of its page in the modelled TLB; it is to go on there. */
  Missing = 14,
  /** Thrown, not returned: a store of a block's own function may change the block; it is to go on at `EXIT_RECORD`. */
  Changing = 13,
}
