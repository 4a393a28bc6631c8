import type {
  Definition,
  Landing,
  LinkContext,
  LinkObject,
  StateKey,
} from "../../lib/linker/mod.ts";
import type { StandIn } from "../sysv/stand_in.ts";
import { GuestHeap } from "./guest_heap.ts";
import type { MapLayout } from "./map_layout.ts";
import { ThreadBlocks } from "./thread_blocks.ts";

/** What a list of functions that the guest is calling for the linker ends with. */
export interface Pending {
  /** The block that holds the list. */
  readonly record: number;
  finish(link: LinkContext): void;
}

/** How a batch is opened. */
export interface Opening {
  /** Its objects search their own list first. */
  readonly deep: boolean;
  /** All its slots are bound at once. */
  readonly now: boolean;
  readonly namespace: number;
}

/** One thread's last error. */
export interface ThreadError {
  /** What dlerror is still to say. */
  message: string | undefined;
  /** What was being done, for an error that ends the program. */
  occasion?: string;
  /** The string that dlerror answered with last. */
  shown: number | undefined;
}

/** What the GNU passes and services remember of one process. */
export class GnuState {
  /** The guest's own loader, whose state libc reads; undefined for a program that has none. */
  loader: LinkObject | undefined;
  /** The object with the guest code of our services. */
  runtime: LinkObject | undefined;
  /** The program as the guest's loader was shown it, and how that loader came back. */
  standIn: StandIn | undefined;
  landing: Landing | undefined;
  heap = new GuestHeap();
  blocks = new ThreadBlocks();

  /** Where the guest's loader keeps p_flags of the stack; undefined if that was not found. */
  stackFlags: number | undefined;
  /** Where the parts of a `struct link_map` are, as found in the one that the loader made. */
  layout: MapLayout | undefined;
  /** Guest address of each object's `struct link_map`. */
  maps = new Map<LinkObject, number>();

  /** Guest addresses that stand for functions of glibc, by their names. */
  services = new Map<string, number>();
  /** Definitions that serve the whole process (STB_GNU_UNIQUE), by name. */
  unique = new Map<string, Definition>();
  /** Objects whose functions a late object uses beside its own dependencies, by user. */
  bindings = new Map<LinkObject, Set<LinkObject>>();

  /**
   * By namespace, the objects that every reference in it searches: those of the start (in another
   * namespace than the first, those of its first object), then those opened RTLD_GLOBAL.
   */
  globals: (readonly LinkObject[])[] = [];
  /** Objects of other namespaces than 0. */
  namespaces = new Map<LinkObject, number>();
  /** Objects whose definitions come before those of an object (DT_FILTER, DT_AUXILIARY). */
  filtees = new Map<LinkObject, readonly LinkObject[]>();
  /** Breadth-first search lists of the program and of every object opened by name. */
  searchLists = new Map<LinkObject, readonly LinkObject[]>();
  /** The same objects in the order of their finalisers. */
  orders = new Map<LinkObject, readonly LinkObject[]>();
  /** The objects opened by name whose search lists a late object searches, the one it came with first. */
  roots = new Map<LinkObject, readonly LinkObject[]>();
  /** Late objects that search their own lists before the global one (RTLD_DEEPBIND). */
  deep = new Set<LinkObject>();
  /** Calls of dlopen that were not yet undone, by object. */
  opened = new Map<LinkObject, number>();
  /** Objects that stay until the end. */
  pinned = new Set<LinkObject>();
  /** Objects whose initialisers were called, or are about to be. */
  initialised = new Set<LinkObject>();
  /** Loads and unloads so far, as dl_iterate_phdr tells them. */
  loads = 0;
  unloads = 0;

  /** How dlopen is loading the batch at work. */
  opening: Opening = { deep: false, now: false, namespace: 0 };
  /** The thread that opens or closes objects, and how deep its calls are nested. */
  lock: { readonly owner: number; depth: number } | undefined;
  /** Lists of functions that the guest is calling, by the address of their record. */
  pending = new Map<number, Pending>();
  /** Set when a finaliser has closed something while objects are being closed. */
  closing: "no" | "yes" | "again" = "no";
  /** What dlerror will say, and the string that it said last, by thread pointer. */
  errors = new Map<number, ThreadError>();
  /** The error that was raised last in the guest: its blocks. */
  raised: readonly number[] = [];
}

const key: StateKey<GnuState> = {
  create: () => new GnuState(),
  fork: (state, link) => {
    const copy = Object.assign(new GnuState(), state);
    copy.heap = state.heap.copy();
    copy.blocks = state.blocks.copy(link);
    copy.maps = new Map(state.maps);
    copy.services = new Map(state.services);
    copy.unique = new Map(state.unique);
    copy.bindings = new Map([...state.bindings].map(([user, used]) => [user, new Set(used)]));
    copy.globals = [...state.globals];
    copy.namespaces = new Map(state.namespaces);
    copy.filtees = new Map(state.filtees);
    copy.searchLists = new Map(state.searchLists);
    copy.orders = new Map(state.orders);
    copy.roots = new Map(state.roots);
    copy.deep = new Set(state.deep);
    copy.opened = new Map(state.opened);
    copy.pinned = new Set(state.pinned);
    copy.initialised = new Set(state.initialised);
    copy.pending = new Map(state.pending);
    copy.errors = new Map([...state.errors].map(([thread, error]) => [thread, { ...error }]));
    copy.lock = state.lock && { ...state.lock };
    return copy;
  },
};

export function gnuStateOf(link: LinkContext): GnuState {
  return link.state(key);
}
