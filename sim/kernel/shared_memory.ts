/**
 * Segments of System V shared memory (ipc/shm.c, ipc/util.c). Who used a segment last and when are of
 * shmat and shmdt; Linux counts fork, exit and munmap too.
 */
import type { Memory } from "../memory/memory.ts";
import type { CachedFile, MappedFile } from "../memory/page_cache.ts";
import type { Credentials } from "./process.ts";
import { inGroup } from "./fs/permission.ts";

/** Bits of a segment's mode. */
const SHM_DEST = 0o1000;
/** An identifier is the index in the table and, above it, how often its place was given out. */
const INDEX_BITS = 15;
export const SHMMNI = 4096;

/** One segment: its pages are a file in memory that no directory has. */
export class Segment implements MappedFile {
  readonly path: string;
  readonly inMemory = true;
  readonly deviceMinor = 1;
  accessTime = 0;
  detachTime = 0;
  lastPid = 0;
  uid: number;
  gid: number;
  readonly #pages: CachedFile;

  constructor(
    readonly shmid: number,
    readonly key: number,
    readonly size: number,
    public mode: number,
    readonly creator: Credentials,
    readonly creatorPid: number,
    public changeTime: number,
    memory: Memory,
  ) {
    this.uid = creator.euid;
    this.gid = creator.egid;
    this.path = `/SYSV${(key >>> 0).toString(16).padStart(8, "0")} (deleted)`;
    this.#pages = memory.cache.open(this);
  }
  get id(): string {
    return `sysv shared memory ${this.shmid}`;
  }
  get inode(): number {
    return this.shmid;
  }
  readPage(): void {}

  /** Areas that map it. */
  get attached(): number {
    return this.#pages.mappings.size;
  }
  get removed(): boolean {
    return (this.mode & SHM_DEST) !== 0;
  }
  /** IPC_RMID: it goes with its last attachment. */
  remove(): void {
    this.mode |= SHM_DEST;
    if (this.attached === 0) this.unmapped();
  }
  unmapped(): void {
    if (this.removed) this.#pages.drop();
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
}

/** All segments of a machine. */
export class SharedMemory {
  readonly #places: (Segment | undefined)[] = [];
  readonly #sequence: number[] = [];

  /** Segments that have not gone. */
  get segments(): Segment[] {
    return this.#places.filter((segment) => segment !== undefined && !isGone(segment)) as Segment[];
  }
  byKey(key: number): Segment | undefined {
    return this.segments.find((segment) => segment.key === key && !segment.removed);
  }
  byId(shmid: number): Segment | undefined {
    return this.segments.find((segment) => segment.shmid === shmid);
  }

  /** A new segment; undefined if there are too many. */
  create(make: (shmid: number) => Segment): Segment | undefined {
    let place = 0;
    while (this.#places[place] !== undefined && !isGone(this.#places[place]!)) place++;
    if (place >= SHMMNI) return undefined;
    const sequence = this.#sequence[place] ?? 0;
    this.#sequence[place] = sequence + 1;
    return this.#places[place] = make((sequence << INDEX_BITS) | place);
  }
}

function isGone(segment: Segment): boolean {
  return segment.removed && segment.attached === 0;
}
