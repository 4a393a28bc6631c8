/** The kernel of one simulated machine. */
import type { Clock } from "./clock.ts";
import type { Vfs } from "./seam.ts";

export class Kernel {
  constructor(readonly vfs: Vfs, readonly clock: Clock) {}
}
