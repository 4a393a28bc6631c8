import type { Stage } from "./phase.ts";

/**
 * A link that cannot go on, or a pass that broke the rules of its phase. The message reads
 * `phase: module: object: problem`, leaving out what is not known.
 */
export class LinkError extends Error {
  override readonly name = "LinkError";

  constructor(
    /** What is wrong, as a sentence without its full stop. */
    readonly problem: string,
    /** Where the linker was: the phase, the module whose pass ran, the object it ran on. */
    readonly where: {
      readonly phase?: Stage;
      readonly module?: string;
      readonly object?: string;
    } = {},
    options?: { readonly cause?: unknown },
  ) {
    const place = [where.phase, where.module, where.object].filter((part) => part !== undefined);
    super([...place, problem].join(": "), options);
  }

  /** Whatever a pass threw as a LinkError; one that already says where keeps what it says. */
  static from(cause: unknown, where: LinkError["where"]): LinkError {
    if (cause instanceof LinkError) {
      const known = Object.fromEntries(
        Object.entries(cause.where).filter(([, value]) => value !== undefined),
      );
      return new LinkError(cause.problem, { ...where, ...known }, { cause: cause.cause });
    }
    return new LinkError(cause instanceof Error ? cause.message : String(cause), where, { cause });
  }
}
