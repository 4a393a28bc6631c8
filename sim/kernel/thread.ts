/** Threads: what the scheduler runs. */
import type { Process } from "./process.ts";

export class Thread {
  constructor(readonly tid: number, readonly process: Process) {}
}
