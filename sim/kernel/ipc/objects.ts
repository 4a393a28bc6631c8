/**
 * What the objects of System V IPC have in common (ipc/util.c): identifiers, keys, owners, rights.
 */
import { inGroup } from "../fs/permission.ts";
import type { Credentials } from "../process.ts";

export const IPC_PRIVATE = 0;
/** An identifier is the index in the table and, above it, how often the indices have gone round. */
const INDEX_BITS = 15;
const LAST_SEQUENCE = 2 ** (31 - INDEX_BITS) - 1;
/** Fewest indices that are given out one after the other before one comes again (ipc_min_cycle). */
const SHORTEST_CYCLE = 64;

/** Index of the object that an identifier names. */
export const indexOf = (id: number): number => id & (2 ** INDEX_BITS - 1);
/** How often the indices had gone round when it was named (ipc_perm.seq). */
export const sequenceOf = (id: number): number => id >>> INDEX_BITS;

/** Who makes an object, and with what. */
export interface Creation {
  readonly identifier: number;
  readonly key: number;
  /** Permission bits. */
  readonly mode: number;
  readonly creator: Credentials;
  readonly creatorPid: number;
  /** Seconds since 1970. */
  readonly time: number;
}

/** A set of semaphores, a message queue or a segment. */
export abstract class IpcObject {
  readonly identifier: number;
  /** IPC_PRIVATE once nobody is to find it any more. */
  key: number;
  mode: number;
  uid: number;
  gid: number;
  readonly creator: Credentials;
  changeTime: number;

  constructor({ identifier, key, mode, creator, time }: Creation) {
    this.identifier = identifier;
    this.key = key;
    this.mode = mode;
    this.creator = { ...creator };
    this.uid = creator.euid;
    this.gid = creator.egid;
    this.changeTime = time;
  }

  /** Whether `who` has all rights of `wanted` (4 read, 2 write). */
  permits(who: Credentials, wanted: number): boolean {
    if (who.euid === 0) return true;
    const owner = who.euid === this.uid || who.euid === this.creator.euid;
    const groups = { uid: who.euid, gid: who.egid, groups: who.groups };
    const group = inGroup(groups, this.gid) || inGroup(groups, this.creator.egid);
    const granted = (this.mode >> (owner ? 6 : group ? 3 : 0)) & 7;
    return (wanted & ~granted) === 0;
  }

  /** Whether `who` may change or remove it. */
  ownedBy({ euid }: Credentials): boolean {
    return euid === 0 || euid === this.uid || euid === this.creator.euid;
  }
}

/** All objects of one kind by index. */
export class IpcTable<T extends IpcObject> {
  readonly #objects: Map<number, T> = new Map();
  #last = -1;
  #sequence = 0;

  /** @param limit how many there may be */
  constructor(readonly limit: number) {}

  get size(): number {
    return this.#objects.size;
  }
  /** By index, the lowest first. */
  get objects(): readonly T[] {
    return [...this.#objects.values()].sort((a, b) =>
      indexOf(a.identifier) - indexOf(b.identifier)
    );
  }
  /** Highest index in use, 0 if there is none. */
  get lastIndex(): number {
    return Math.max(0, ...this.#objects.keys());
  }
  byKey(key: number): T | undefined {
    for (const object of this.#objects.values()) if (object.key === key) return object;
    return undefined;
  }
  byId(id: number): T | undefined {
    const object = this.#objects.get(indexOf(id));
    return object?.identifier === id ? object : undefined;
  }
  byIndex(index: number): T | undefined {
    return this.#objects.get(indexOf(index));
  }

  /** Add what `make` makes of a fresh identifier; undefined if there are too many (ipc_idr_alloc). */
  create(make: (identifier: number) => T): T | undefined {
    if (this.size >= this.limit) return undefined;
    const cycle = Math.min(this.limit, Math.max(SHORTEST_CYCLE, Math.floor(this.size * 3 / 2)));
    let index = (this.#last + 1) % cycle;
    while (this.#objects.has(index)) index = (index + 1) % cycle;
    if (index <= this.#last) this.#sequence = (this.#sequence + 1) % (LAST_SEQUENCE + 1);
    this.#last = index;
    const made = make(this.#sequence << INDEX_BITS | index);
    this.#objects.set(index, made);
    return made;
  }

  delete(object: T): void {
    this.#objects.delete(indexOf(object.identifier));
  }
}
