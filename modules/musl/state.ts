import type { Landing, LinkContext, LinkObject, StateKey } from "../../lib/linker/mod.ts";
import { RUNTIME_NAME } from "../sysv/runtime.ts";
import { GuestHeap } from "../gnu/guest_heap.ts";
import type { StandIn } from "../sysv/stand_in.ts";
import { ThreadVectors } from "./thread_vectors.ts";

/** What the passes and services for musl remember of one process. */
export class MuslState {
  /** musl's libc.so, which is its loader as well; undefined for a program that has none. */
  libc: LinkObject | undefined;
  /** The program as libc.so was shown it, and how that came back. */
  standIn: StandIn | undefined;
  landing: Landing | undefined;
  heap = new GuestHeap();
  vectors = new ThreadVectors();
  /** Guest addresses that stand for functions of musl, by their names. */
  services = new Map<string, number>();
  /** Guest address of each object's link map, which is its handle too. */
  maps = new Map<LinkObject, number>();
  /** The objects that every reference searches: those of the start, then those opened RTLD_GLOBAL. */
  globals: readonly LinkObject[] = [];
  /** Objects in the order in which their initialisers were begun. */
  constructed: LinkObject[] = [];
  /** Calls of dlopen that found something, as dl_iterate_phdr tells them. */
  opened = 0;
  /** The program's finalisers are running: nothing is opened any more. */
  exiting = false;
  /** The thread whose call of dlopen calls initialisers, by the record it works through. */
  records = new Map<number, number>();
  /** What dlerror is to say, and the string that it said last, by thread pointer. */
  errors = new Map<number, { message: string | undefined; shown: number | undefined }>();
}

const key: StateKey<MuslState> = {
  create: () => new MuslState(),
  fork: (state, link) => {
    const copy = Object.assign(new MuslState(), state);
    copy.heap = state.heap.copy();
    copy.vectors = state.vectors.copy(link);
    copy.services = new Map(state.services);
    copy.maps = new Map(state.maps);
    copy.constructed = [...state.constructed];
    copy.records = new Map(state.records);
    copy.errors = new Map([...state.errors].map(([thread, error]) => [thread, { ...error }]));
    return copy;
  },
};

export function muslStateOf(link: LinkContext): MuslState {
  return link.state(key);
}

/** The objects of the process that are the guest's, in load order: all but the one with our own code. */
export function guestObjects(link: LinkContext): LinkObject[] {
  return link.objects.filter((object) => object.elf.name !== RUNTIME_NAME);
}

/** An object's needs and theirs, breadth first, itself first. */
export function searchListOf(root: LinkObject): LinkObject[] {
  const list = [root];
  for (const object of list) {
    for (const needed of object.dependencies) {
      if (needed.elf.name !== RUNTIME_NAME && !list.includes(needed)) list.push(needed);
    }
  }
  return list;
}
