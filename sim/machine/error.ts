/** A machine could not be made, or its program not be found. */
export class MachineError extends Error {
  /** Tells this error from others, also across realms. */
  override readonly name = "MachineError";
}
