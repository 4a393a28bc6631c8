/** Why tests of glibc fail whose failure is understood: what they need and this machine or linker has not. */

interface Reason {
  /** Names of tests. */
  readonly tests: RegExp;
  /** The linker that it concerns; every one if absent. */
  readonly linker?: string;
  readonly reason: string;
}

const reasons: readonly Reason[] = [
  { tests: /^elf\/tst-audit22$/, reason: "needs a vDSO" },
  {
    tests: /^elf\/tst-audit/,
    linker: "modular",
    reason: "needs audit libraries (LD_AUDIT) to be run",
  },
  {
    tests: /^elf\/tst-(dlmopen1|single_threaded|tls-ie-dlmopen)$/,
    linker: "modular",
    reason: "needs a second libc in a namespace of dlmopen",
  },
];

/** What is recorded of a failure: the reason, if it is understood, and what was seen. */
export function explain(test: string, linker: string, seen: string): string {
  const found = reasons.find((one) =>
    one.tests.test(test) && (one.linker === undefined || one.linker === linker)
  );
  return found === undefined ? seen : `${found.reason} (${seen})`;
}
