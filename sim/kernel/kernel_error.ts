/** The machine cannot go on, or could not start: a deadlock, a program that cannot be loaded. */
import { errnoName, errnoText } from "./errno.ts";

export class KernelError extends Error {
  override readonly name = "KernelError";

  /** `errno` is positive, when an errno is the reason. */
  constructor(message: string, readonly errno?: number) {
    super(
      errno === undefined ? message : `${message}: ${errnoText(errno)} (${errnoName(errno)})`,
    );
  }
}
