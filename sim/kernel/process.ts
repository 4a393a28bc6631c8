/** Processes: what threads of one thread group share. */
import type { AddressSpace, Descriptors, FsContext } from "./seam.ts";

export class Process {
  /** User and group ids; one set, real = effective = saved. */
  uid = 1000;
  gid = 1000;
  parent: Process | null = null;
  pgid: number;
  sid: number;

  constructor(
    readonly pid: number,
    public space: AddressSpace,
    public descriptors: Descriptors,
    public fs: FsContext,
  ) {
    this.pgid = pid;
    this.sid = pid;
  }
}
