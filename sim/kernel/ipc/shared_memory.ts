/**
 * Segments of System V shared memory (ipc/shm.c). Who used a segment last and when are of shmat and
 * shmdt; Linux counts fork, exit and munmap too.
 */
import type { Memory } from "../../memory/memory.ts";
import type { CachedFile, MappedFile } from "../../memory/page_cache.ts";
import { type Creation, IPC_PRIVATE, IpcObject } from "./objects.ts";

/** Bit of a segment's mode: it goes with its last attachment. */
const SHM_DEST = 0o1000;
export const SHMMNI = 4096;
/** Linux's default SHMMAX and SHMALL: ULONG_MAX less 2^24. */
export const SHMMAX = 2 ** 64 - 2 ** 24;

/** One segment: its pages are a file in memory that no directory has. */
export class Segment extends IpcObject implements MappedFile {
  readonly path: string;
  readonly inMemory = true;
  readonly deviceMinor = 1;
  accessTime = 0;
  detachTime = 0;
  readonly creatorPid: number;
  lastPid = 0;
  readonly #pages: CachedFile;
  readonly #gone: (segment: Segment) => void;

  /** @param gone told when it is removed and nobody is attached */
  constructor(
    creation: Creation,
    readonly size: number,
    memory: Memory,
    gone: (segment: Segment) => void,
  ) {
    super(creation);
    this.creatorPid = creation.creatorPid;
    this.path = `/SYSV${(this.key >>> 0).toString(16).padStart(8, "0")} (deleted)`;
    this.#pages = memory.cache.open(this);
    this.#gone = gone;
  }
  get id(): string {
    return `sysv shared memory ${this.identifier}`;
  }
  get inode(): number {
    return this.identifier;
  }
  readPage(): void {}

  /** Areas that map it. */
  get attached(): number {
    return this.#pages.mappings.size;
  }
  /** Pages that have memory. */
  get resident(): number {
    return this.#pages.present;
  }
  get removed(): boolean {
    return (this.mode & SHM_DEST) !== 0;
  }
  /** IPC_RMID: it goes with its last attachment. */
  remove(): void {
    this.mode |= SHM_DEST;
    this.key = IPC_PRIVATE;
    if (this.attached === 0) this.unmapped();
  }
  unmapped(): void {
    if (!this.removed) return;
    this.#gone(this);
    this.#pages.drop();
  }
}
