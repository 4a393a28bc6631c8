/**
 * What the tiers ask of a statement tree: its accesses for the models, its use of the lazy flags.
 * Which events models watch is decided when the machine is made; code for others is never emitted.
 */
import { type Node, NodeKind, type Statement } from "../ir/types.ts";

/** Where the entries of a modelled TLB lie in state memory, and its geometry. */
export interface ModelledTlb {
  readonly address: number;
  readonly sets: number;
  readonly ways: number;
}
/** Level 1 and level 2 of a side; the latter may be of both. */
export type ModelledTlbs = Readonly<Record<"instructions" | "data", readonly ModelledTlb[]>>;

/** What the models need of generated code. */
export interface Instrumentation {
  /** log2 of gshare's counters, and its history's length. */
  readonly historyBits: number;
  /** Low bits of instruction addresses that never differ. */
  readonly pcShift: number;
  /** Geometry of the target buffer. */
  readonly targets: { readonly sets: number; readonly ways: number };
  /** The TLBs of base pages that generated code refills; null if the host does. */
  readonly tlbs: ModelledTlbs | null;
  /** Entries of the return stack, at most 64. */
  readonly returnStack: number;
  /** Whether branches are watched at all. */
  readonly branches: boolean;
  /** Whether it is told where events happen (`site_events.ts`). */
  readonly sites: boolean;
}

/** Number of the first data access of an instruction within its ordinals. */
export const FIRST_ACCESS = 2;

/** Whether control may leave the instruction inside `s` without a fault. */
export function mayLeave(s: Statement): boolean {
  switch (s.kind) {
    case "jump":
    case "fallthrough":
    case "branch":
    case "indirect":
    case "exit":
      return true;
    case "if":
      return s.then.some(mayLeave) || s.else.some(mayLeave);
    case "loop":
      return s.body.some(mayLeave);
    default:
      return false;
  }
}

/**
 * Loads and stores that happen on every execution of an instruction that does not fault: those at
 * the top level, up to where control may leave it. They are charged with the block; all others
 * count themselves.
 */
export function accessesOf(body: readonly Statement[]): { loads: number; stores: number } {
  let loads = 0;
  let stores = 0;
  for (const s of body) {
    if (s.kind === "load") loads++;
    else if (s.kind === "store") stores++;
    else if (mayLeave(s)) break;
  }
  return { loads, stores };
}

/** One load or store in the packed ACCESSES. */
export const ONE_LOAD = 1n;
export const ONE_STORE = 1n << 32n;

/** The flag kind that a statement tree leaves: -1 untouched, -2 not the same on all paths. */
export function kindSetBy(body: readonly Statement[]): number {
  let kind = -1;
  for (const s of body) {
    if (s.kind === "setFlags") kind = s.flag;
    else if (s.kind === "if") {
      if (kindSetBy(s.then) !== -1 || kindSetBy(s.else) !== -1) kind = -2;
    } else if (s.kind === "loop") {
      if (kindSetBy(s.body) !== -1) kind = -2;
    } else if (s.kind === "call" && s.helper.flags === true) kind = -2;
  }
  return kind;
}

/** Whether a statement tree reads the lazy flags. */
export function readsFlags(body: readonly Statement[]): boolean {
  return body.some((s) =>
    s.kind === "def"
      ? s.node.kind === NodeKind.Condition || s.node.kind === NodeKind.Flags
      : s.kind === "if"
      ? readsFlags(s.then) || readsFlags(s.else)
      : s.kind === "loop" && readsFlags(s.body)
  );
}

/** Whether a statement tree stores to an address that it loads from, or vice versa. */
export function updatesMemory(body: readonly Statement[]): boolean {
  const loaded = new Set<Node>();
  const stored = new Set<Node>();
  const collect = (statements: readonly Statement[]): void => {
    for (const s of statements) {
      if (s.kind === "load") loaded.add(s.address);
      else if (s.kind === "store") stored.add(s.address);
      else if (s.kind === "if") [s.then, s.else].forEach(collect);
      else if (s.kind === "loop") collect(s.body);
    }
  };
  collect(body);
  return !loaded.isDisjointFrom(stored);
}

/** Whether an instruction has accesses that its block is not charged for. */
export function countsItself(body: readonly Statement[]): boolean {
  const { loads, stores } = accessesOf(body);
  return loads + stores !== allAccesses(body);
}
/** Whether statements neither access memory nor may fault or leave. */
export function isPlain(body: readonly Statement[]): boolean {
  return body.every((s) =>
    s.kind === "def" || s.kind === "assign" || s.kind === "setReg" || s.kind === "setFlags" ||
    s.kind === "setState" ||
    (s.kind === "if" && isPlain(s.then) && isPlain(s.else))
  );
}
/** Loads and stores among statements. */
export function allAccesses(body: readonly Statement[]): number {
  let n = 0;
  for (const s of body) {
    if (s.kind === "load" || s.kind === "store") n++;
    else if (s.kind === "if") n += allAccesses(s.then) + allAccesses(s.else);
    else if (s.kind === "loop") n += allAccesses(s.body);
  }
  return n;
}
