import type { Stage } from "./phase.ts";

/** Why a program or library cannot be linked, as the system's own loader words it. */
export interface Failure {
  /** What was being done, for a program that cannot start: `symbol lookup error` and the like. */
  readonly occasion: string;
  /** Name of the object at fault; empty where the message says it, or it is the whole program. */
  readonly object: string;
  /** What is wrong, with the text of an errno after it where there was one; empty: all has been said. */
  readonly message: string;
  /** More of the same kind, of which a program that cannot start tells each on a line of its own. */
  readonly more?: readonly Pick<Failure, "object" | "message">[];
  /** Exit status of a program that cannot start. */
  readonly status: number;
}

/**
 * A link that cannot go on, or a pass that broke the rules of its phase. The message reads
 * `phase: module: object: problem`, leaving out what is not known.
 */
export class LinkError extends Error {
  /** Tells this error from others, also across realms. */
  override readonly name = "LinkError";
  /** Where the fault lies in the program's files: what its user is told. */
  readonly failure: Failure | undefined;

  /** `options.failure` is what the program's user is told; without it the message is. */
  constructor(
    /** What is wrong, as a sentence without its full stop. */
    readonly problem: string,
    /** Where the linker was: the phase, the module whose pass ran, the object it ran on. */
    readonly where: {
      readonly phase?: Stage;
      readonly module?: string;
      readonly object?: string;
    } = {},
    options?: { readonly cause?: unknown; readonly failure?: Failure },
  ) {
    const place = [where.phase, where.module, where.object].filter((part) => part !== undefined);
    super([...place, problem].join(": "), options);
    this.failure = options?.failure;
  }

  /** A link that cannot go on because of the files it was given; `detail` is for who runs the linker. */
  static of(failure: Failure, detail = ""): LinkError {
    const { object, message } = failure;
    const problem = object === "" ? message : `${object}: ${message}`;
    return new LinkError(problem + detail, {}, { failure });
  }

  /** Whatever a pass threw as a LinkError; one that already says where keeps what it says. */
  static from(cause: unknown, where: LinkError["where"]): LinkError {
    if (cause instanceof LinkError) {
      const known = Object.fromEntries(
        Object.entries(cause.where).filter(([, value]) => value !== undefined),
      );
      const { failure } = cause;
      return new LinkError(cause.problem, { ...where, ...known }, { cause: cause.cause, failure });
    }
    return new LinkError(cause instanceof Error ? cause.message : String(cause), where, { cause });
  }
}
