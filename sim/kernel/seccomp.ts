/**
 * Secure computing of a thread (seccomp(2), kernel/seccomp.c): strict mode, or filters that form a chain.
 * A new thread shares its maker's chain and goes on with its own.
 */
import type { BpfProgram } from "./bpf.ts";
import { KernelError } from "./kernel_error.ts";

export const SECCOMP_MODE_DISABLED = 0;
export const SECCOMP_MODE_STRICT = 1;
export const SECCOMP_MODE_FILTER = 2;

// Actions, from the one that wins on (include/uapi/linux/seccomp.h).
export const RET_KILL_PROCESS = 0x80000000;
export const RET_KILL_THREAD = 0;
export const RET_TRAP = 0x00030000;
export const RET_ERRNO = 0x00050000;
export const RET_USER_NOTIF = 0x7fc00000;
export const RET_TRACE = 0x7ff00000;
export const RET_LOG = 0x7ffc0000;
export const RET_ALLOW = 0x7fff0000;
const ACTION = 0xffff0000 | 0;
const DATA = 0xffff;

/** AUDIT_ARCH of `struct seccomp_data` (include/uapi/linux/audit.h). */
export const AUDIT_ARCH = { x86_64: 0xc000003e, aarch64: 0xc00000b7 } as const;

/** Most instructions of all filters of a thread (MAX_INSNS_PER_PATH), and what each filter adds. */
const PATH_INSTRUCTIONS = (1 << 18) / 8;
const FILTER_PENALTY = 4;

/** One filter, and those that were there before it. */
export interface Filter {
  readonly program: BpfProgram;
  readonly previous: Filter | null;
  /** Filters of the chain. */
  readonly count: number;
  /** Instructions of the chain, each filter's penalty included. */
  readonly total: number;
  /** Refusals are logged (SECCOMP_FILTER_FLAG_LOG). */
  readonly log: boolean;
}

/** A thread's mode, and its filters if that is filter mode. */
export interface Seccomp {
  readonly mode: number;
  readonly filter: Filter | null;
}

export const SECCOMP_OFF: Seccomp = { mode: SECCOMP_MODE_DISABLED, filter: null };

/** What a chain of filters decides. */
export interface Verdict {
  readonly action: number;
  /** SECCOMP_RET_DATA. */
  readonly data: number;
  /** Instructions executed. */
  readonly executed: number;
}

/** `filter` put before the thread's own; null if there would be too many instructions (ENOMEM). */
export function addFilter(current: Seccomp, program: BpfProgram, log: boolean): Seccomp | null {
  const previous = current.filter;
  const total = program.length + (previous === null ? 0 : previous.total + FILTER_PENALTY);
  if (total > PATH_INSTRUCTIONS) return null;
  const count = (previous?.count ?? 0) + 1;
  return { mode: SECCOMP_MODE_FILTER, filter: { program, previous, count, total, log } };
}

/** Whether `chain` is `other` or continues it: what a thread must satisfy to be given `other`'s filters. */
export function continues(chain: Filter | null, other: Filter | null): boolean {
  if (other === null) return true;
  for (let at = chain; at !== null; at = at.previous) if (at === other) return true;
  return false;
}

/** Run all filters, the newest first; the action of lowest value wins, and of equals the newest. */
export function judge(newest: Filter, data: Uint32Array): Verdict {
  let verdict = RET_ALLOW | 0;
  let executed = 0;
  for (let filter: Filter | null = newest; filter !== null; filter = filter.previous) {
    const answer = filter.program.run(data) | 0;
    executed += filter.program.executed;
    if ((answer & ACTION) < (verdict & ACTION)) verdict = answer;
  }
  return { action: (verdict & ACTION) >>> 0, data: verdict & DATA, executed };
}

/** Gives a thread the filters that its program starts with; it can have no new privileges then. */
export function installFilters(
  thread: { seccomp: Seccomp; noNewPrivileges: boolean },
  programs: readonly BpfProgram[] = [],
): void {
  for (const program of programs) {
    const next = addFilter(thread.seccomp, program, false);
    if (next === null) throw new KernelError("the filters of a program are too many");
    thread.seccomp = next;
    thread.noNewPrivileges = true;
  }
}
