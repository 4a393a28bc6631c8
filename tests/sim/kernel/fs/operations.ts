/**
 * Random file operations as data: one generator, run by our VFS (`virtual_executor.ts`) and by
 * the kernel through `real_executor.py`.
 */

/** One operation and its arguments; paths may hold `{W}`, the work folder's absolute path. */
export type Operation = readonly [name: string, ...args: (string | number)[]];

/** Deterministic numbers (mulberry32). */
export function generator(seed: number): (bound: number) => number {
  let state = seed >>> 0;
  return (bound) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 15), z | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return ((z ^ (z >>> 14)) >>> 0) % bound;
  };
}

const NAMES = ["a", "b", "c", "d", "é"];
const OPEN_FLAGS = [
  0,
  1,
  2,
  0o100 | 1,
  0o100 | 2,
  0o100 | 0o200 | 2,
  0o1000 | 1,
  0o100 | 0o1000 | 2,
  0o2000 | 1,
  0o200000, // O_DIRECTORY
  0o200000 | 0o400000,
  0o400000, // O_NOFOLLOW
  0o100 | 0o400000 | 1,
  0o10000000, // O_PATH
  0o10000000 | 0o400000,
  0o100 | 0o200000,
  0o20000000 | 0o200000 | 2, // O_TMPFILE
];
const MODES = [0o777, 0o755, 0o700, 0o500, 0o644, 0o000, 0o300, 0o1777, 0o2755];

/** `count` operations from `seed`; `special` allows FIFOs, O_TMPFILE and RENAME_EXCHANGE. */
export function operations(seed: number, count: number, special = true): Operation[] {
  const random = generator(seed);
  const pick = <T>(items: readonly T[]): T => items[random(items.length)];
  const component = (): string => {
    const kind = random(40);
    if (kind === 0) return "n".repeat(255);
    if (kind === 1) return "n".repeat(256);
    if (kind < 5) return ".";
    if (kind < 9) return "..";
    return pick(NAMES);
  };
  const path = (): string => {
    const kind = random(60);
    if (kind === 0) return "";
    if (kind === 1) return "{W}/.";
    if (kind === 2) return "a/".repeat(2100);
    let text = random(8) === 0 ? "{W}/" : "";
    const depth = 1 + random(random(3) + 1);
    for (let i = 0; i < depth; i++) text += (i > 0 ? (random(15) ? "/" : "//") : "") + component();
    return text + (random(10) === 0 ? "/" : "");
  };
  const rows: (() => Operation)[] = [
    () => ["open", path(), pick(special ? OPEN_FLAGS : OPEN_FLAGS.slice(0, -1)), pick(MODES)],
    () => ["open", path(), pick(special ? OPEN_FLAGS : OPEN_FLAGS.slice(0, -1)), 0o666],
    () => ["open", path(), 0o100 | 2, 0o666],
    () => ["mkdir", path(), pick(MODES)],
    () => ["mkdir", path(), 0o777],
    () => ["rmdir", path()],
    () => ["unlink", path()],
    () => ["rename", path(), path(), 0],
    () => ["rename", path(), path(), 0],
    () => ["rename", path(), path(), special ? pick([0, 1, 2, 3]) : pick([0, 1])],
    () => ["link", path(), path(), random(2)],
    () => ["symlink", path(), path()],
    () => ["symlink", pick(NAMES), path()],
    () => ["readlink", path()],
    () => ["stat", path()],
    () => ["lstat", path()],
    () => ["truncate", path(), pick([0, 1, 100, 5000, 70000, -1])],
    () => ["chmod", path(), pick(MODES)],
    () => ["access", path(), random(8)],
    () => ["list", path()],
    () => ["chdir", path()],
    () => ["getcwd"],
    () => ["write", path(), pick([0, 1, 4095, 65530, 200000]), 1 + random(300)],
    () => ["append", path(), 1 + random(300)],
    () => ["read", path(), pick([0, 1, 4090, 65500, 200100]), 1 + random(600)],
    () => ["utime", path(), random(1000), random(1000)],
    ...(special ? [() => ["mkfifo", path(), pick(MODES)] as Operation] : []),
  ];
  const list: Operation[] = [];
  for (let i = 0; i < count; i++) {
    // Now and then back to the top, and everything accessible again.
    if (i % 40 === 39) list.push(["unlock"], ["chdir", "{W}"]);
    list.push(pick(rows)());
  }
  return list;
}
