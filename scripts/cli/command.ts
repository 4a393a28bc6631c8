/**
 * A command of the command line as data. Commands know nothing of the package that parses their
 * arguments; `program.ts` alone does.
 */

/** Wrong usage: one line on standard error and exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** What a parsed command line holds: positional arguments and option values by key. */
export interface Parsed<Values = Readonly<Record<string, unknown>>> {
  readonly positional: readonly string[];
  readonly values: Values;
}

/**
 * An option; its value is in `Parsed.values` under its long name in camel case. `parse` throws a
 * `UsageError` on a text it does not take.
 */
export interface OptionSpec {
  /** As shown by `--help`: `--seed <n>`, or `--strace` for a flag. */
  readonly flags: string;
  readonly help: string;
  /** May be given more than once: the value is an array. */
  readonly repeated?: boolean;
  readonly parse?: (text: string) => unknown;
}

/** A command with its options, and what it does; `run` answers the exit code. */
export interface CommandSpec<Values = Readonly<Record<string, unknown>>> {
  readonly name: string;
  readonly summary: string;
  /** Positional arguments as shown by `--help`: `<program>`, `[args...]`. */
  readonly positional: readonly { readonly usage: string; readonly help: string }[];
  readonly options: readonly OptionSpec[];
  /** A command line that works, for `--help`. */
  readonly example: string;
  /** Everything from the first positional argument on is positional: the guest's own arguments. */
  readonly passThrough?: boolean;
  readonly run: (parsed: Parsed<Values>) => number | Promise<number>;
}

/** A whole number from `minimum` on. */
export function wholeNumber(what: string, minimum = 0): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < minimum) {
      throw new UsageError(
        `${what}: ${JSON.stringify(text)} is not a whole number from ${minimum}`,
      );
    }
    return value;
  };
}

/** One of a few words. */
export function oneOf<const W extends string>(what: string, words: readonly W[]): (t: string) => W {
  return (text) => {
    const found = words.find((word) => word === text);
    if (found === undefined) {
      throw new UsageError(`${what}: ${JSON.stringify(text)} is none of ${words.join(", ")}`);
    }
    return found;
  };
}

/** The option every command has. */
export const jsonOption: OptionSpec = {
  flags: "--json",
  help: "print JSON instead of text",
};

/** Print a value as indented JSON. */
export function printJson(value: unknown): void {
  console.log(JSON.stringify(value, null, 2));
}
