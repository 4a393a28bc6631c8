import {
  type LinkContext,
  type LinkObject,
  PROT_EXEC,
  PROT_READ,
  type StateKey,
} from "../../lib/linker/mod.ts";
import { GuestHeap } from "../gnu/guest_heap.ts";
import type { Caller } from "./caller.ts";
import type { Instance, OwnFunction, Prepared } from "./instance.ts";
import { STUB_SIZE, STUBS } from "./stub_code.ts";
import type { Signature } from "./types.ts";
import type { Carried } from "./wrap.ts";

/** What guest code enters a runner for. */
export interface Entry {
  readonly object: LinkObject;
  readonly function:
    | { readonly kind: "export"; readonly name: string; readonly signature: Signature }
    | { readonly kind: "own"; readonly own: OwnFunction }
    | { readonly kind: "main" | "initialise" };
}

/** An object that a runner runs, in one process. */
export interface Running {
  readonly carried: Carried;
  readonly prepared: Prepared;
  /** There from post-relocate on. */
  instance?: Instance;
  /** The thread that runs it, and how many of its calls are at work: an instance runs for one at a time. */
  owner?: number;
  depth: number;
  /** Why it runs no more. */
  failed?: string;
  /** Stubs of functions that it gave to the guest. */
  readonly own: Map<string, number>;
  /** Bytes of memory that were counted. */
  counted: number;
}

/** The runners' state of one process. */
export interface RunnerState {
  readonly running: Map<LinkObject, Running>;
  /** What each stub is for, by its guest address. */
  readonly entries: Map<number, Entry>;
  readonly heap: GuestHeap;
  /** Guest addresses of blocks with strings that were results, by function and thread. */
  readonly results: Map<string, number>;
  /** Guest addresses of the code that makes system calls and of the word that threads wait at. */
  syscall: number;
  wait: number;
  /** Threads that wait there. */
  waiting: number;
  /** Where stubs go, by the name of the runner. */
  readonly enter: Map<string, number>;
  /** Ends a program of a runner's; undefined: as exit_group(2). */
  exit?: (caller: Caller, status: number) => Promise<never>;
  /** Memory for stubs that is left. */
  free: { at: number; end: number };
}

const key: StateKey<RunnerState> = {
  create: () => ({
    running: new Map(),
    entries: new Map(),
    heap: new GuestHeap(),
    results: new Map(),
    syscall: 0,
    wait: 0,
    waiting: 0,
    enter: new Map(),
    free: { at: 0, end: 0 },
  }),
  fork: (state) => ({
    ...state,
    running: new Map(
      [...state.running].map(([object, { owner: _, ...running }]) => [object, {
        ...running,
        instance: running.instance?.fork(),
        depth: 0,
        own: new Map(running.own),
      }]),
    ),
    waiting: 0,
    entries: new Map(state.entries),
    heap: state.heap.copy(),
    results: new Map(state.results),
    enter: new Map(state.enter),
    free: { ...state.free },
  }),
};

export function runnerStateOf(link: LinkContext): RunnerState {
  return link.state(key);
}

/** Bytes of memory for stubs that is asked for at once. */
const CHUNK = 2 ** 16;
const WORD = 8;

/** Guest address of a function of a runner's own: a stub made when the function is first given away. */
export function stubFor(
  link: LinkContext,
  state: RunnerState,
  object: LinkObject,
  own: OwnFunction,
): number {
  const running = state.running.get(object)!;
  const name = `${own.id} ${JSON.stringify(own.signature)}`;
  let at = running.own.get(name);
  if (at !== undefined) return at;
  if (state.free.end - state.free.at < 2 * STUB_SIZE) {
    const chunk = link.allocate(CHUNK, PROT_READ | PROT_EXEC, "runner stubs");
    state.free = { at: chunk, end: chunk + CHUNK };
  }
  at = state.free.at;
  state.free.at += 2 * STUB_SIZE;
  const bytes = new Uint8Array(STUB_SIZE + WORD);
  bytes.set(STUBS[link.arch].stub(STUB_SIZE));
  const enter = state.enter.get(running.carried.kind)!;
  new DataView(bytes.buffer).setBigUint64(STUB_SIZE, BigInt(enter), true);
  link.patch(at, bytes, "runner");
  running.own.set(name, at);
  state.entries.set(at, { object, function: { kind: "own", own } });
  link.counters.count("callbacks", 1, "runner");
  return at;
}

const FUTEX_WAIT_PRIVATE = 128;
const FUTEX_WAKE_PRIVATE = 129;
const ALL = 2 ** 31 - 1;

/** Waits until `ready`, asked whenever a thread has called `wakeAll`. */
export async function waitUntil(caller: Caller, ready: () => boolean): Promise<void> {
  const { link, state } = caller;
  while (!ready()) {
    const seen = link.readU32(state.wait);
    state.waiting++;
    await caller.syscall("futex", state.wait, FUTEX_WAIT_PRIVATE, seen, 0);
    state.waiting--;
  }
}

/** Has all threads that wait ask again. */
export async function wakeAll(caller: Caller): Promise<void> {
  const { link, state } = caller;
  if (state.waiting === 0) return;
  const word = new Uint8Array(4);
  new DataView(word.buffer).setUint32(0, link.readU32(state.wait) + 1 >>> 0, true);
  link.patch(state.wait, word, "runner");
  await caller.syscall("futex", state.wait, FUTEX_WAKE_PRIVATE, ALL);
}
