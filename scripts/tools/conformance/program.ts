/** What a conformance case is. */

/** One command line, run by the simulator and by a reference, that must behave the same in both. */
export interface Program {
  /** Unique name, the family before the first `/`. */
  readonly name: string;
  readonly argv: readonly string[];
  /** Text on standard input; empty by default. */
  readonly stdin?: string;
  /** In the bounded subset that the test suite runs. */
  readonly quick?: boolean;
  /** A file of the root without which the case is passed over. */
  readonly needs?: string;
  /** Long-running: left out unless asked for by name or with `--long`. */
  readonly long?: boolean;
}

/** A bash script as a case. */
export function bash(name: string, script: string, more: Partial<Program> = {}): Program {
  return { name, argv: ["/bin/bash", "-c", script], ...more };
}

/** A Python program as a case. */
export function python(name: string, code: string, more: Partial<Program> = {}): Program {
  return { name, argv: ["/usr/bin/python3", "-c", code], ...more };
}

/** A Perl program as a case. */
export function perl(name: string, code: string, more: Partial<Program> = {}): Program {
  return { name, argv: ["/usr/bin/perl", "-e", code], ...more };
}
