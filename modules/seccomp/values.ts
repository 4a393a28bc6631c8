/**
 * What a register is known to hold, as far as numbers of system calls and addresses need it: a number,
 * one of a few numbers, an argument of the function as it came, or nothing known.
 */
export type Value = number | readonly number[] | Argument | undefined;

/** The function's own integer argument, by its position. */
export interface Argument {
  readonly argument: number;
}

/** Most numbers that one value may be. */
const MOST = 16;

/** The integer arguments that are followed, on either architecture: a system call's six, and its number. */
export const ARGUMENTS: readonly Argument[] = [0, 1, 2, 3, 4, 5, 6].map((argument) => ({
  argument,
}));

export function isArgument(value: Value): value is Argument {
  return typeof value === "object" && !Array.isArray(value);
}

/** The numbers that a value may be; undefined if that is not known. */
export function numbersOf(value: Value): readonly number[] | undefined {
  if (typeof value === "number") return [value];
  return Array.isArray(value) ? value : undefined;
}

/** What is known where two paths meet. */
export function join(a: Value, b: Value): Value {
  if (a === b) return a;
  const left = numbersOf(a);
  const right = numbersOf(b);
  if (left === undefined || right === undefined) return undefined;
  const all = [...new Set([...left, ...right])].sort((x, y) => x - y);
  if (all.length > MOST) return undefined;
  return left.length === all.length ? a : right.length === all.length ? b : all;
}

/** A value put through a computation that is exact on safe integers. */
export function map(value: Value, compute: (number: number) => number): Value {
  if (typeof value === "number") return safe(compute(value));
  if (!Array.isArray(value)) return undefined;
  const all = value.map(compute);
  return all.every(Number.isSafeInteger) ? [...new Set(all)].sort((x, y) => x - y) : undefined;
}

function safe(number: number): Value {
  return Number.isSafeInteger(number) ? number : undefined;
}

/** Registers at one point of a function. */
export type Registers = Value[];

/** Joins `from` into `into`; whether that changed. */
export function joinRegisters(into: Registers, from: readonly Value[]): boolean {
  let changed = false;
  for (let i = 0; i < into.length; i++) {
    const joined = join(into[i], from[i]);
    if (joined === into[i]) continue;
    into[i] = joined;
    changed = true;
  }
  return changed;
}
