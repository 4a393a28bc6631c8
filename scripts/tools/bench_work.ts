/** The programs that the bench runs, with inputs that are made the same everywhere. */
import { downloadUpstream } from "./apt.ts";
import { text } from "./command.ts";

/** One piece of work: a program of the root (a guest path) and its arguments. */
export interface Work {
  readonly name: string;
  /** A guest path, or a host path of a static program if `host`. */
  readonly program: string;
  readonly args: readonly string[];
  readonly host?: boolean;
}

const nbody = `import sys
from math import sqrt
class Body:
    def __init__(self, p, v, m):
        self.p, self.v, self.m = p, v, m
bodies = [Body([0.0, 0.0, 0.0], [0.0, 0.0, 0.0], 39.47841760435743),
          Body([4.84, -1.16, -0.10], [0.606, 2.81, -0.02], 0.03769),
          Body([8.34, 4.12, -0.40], [-1.01, 1.81, 0.008], 0.01128),
          Body([12.89, -15.11, -0.22], [1.08, 0.868, -0.010], 0.00172),
          Body([15.37, -25.9, 0.179], [0.979, 0.594, -0.034], 0.00203)]
pairs = [(a, b) for i, a in enumerate(bodies) for b in bodies[i + 1:]]
def advance(dt, steps):
    for _ in range(steps):
        for a, b in pairs:
            d = [x - y for x, y in zip(a.p, b.p)]
            mag = dt / sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]) ** 3
            for i in range(3):
                a.v[i] -= d[i] * b.m * mag
                b.v[i] += d[i] * a.m * mag
        for body in bodies:
            for i in range(3):
                body.p[i] += dt * body.v[i]
advance(0.01, int(sys.argv[1]))
print(*('%.9f' % x for body in bodies for x in body.p))
`;

const fibonacci =
  `local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end
print(fib(tonumber(arg[1])))
`;

/** Text that compresses as prose does: words drawn with a bias, in lines. */
function prose(size: number): Uint8Array {
  const syllables = ["ka", "lo", "mi", "ter", "an", "su", "ve", "ro", "ne", "dis", "pa", "qui"];
  let state = 12345;
  const draw = (below: number) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % below;
  };
  const words = Array.from(
    { length: 3000 },
    () => Array.from({ length: 1 + draw(4) }, () => syllables[draw(syllables.length)]).join(""),
  );
  const lines: string[] = [];
  for (let length = 0; length < size;) {
    const line = Array.from(
      { length: 6 + draw(8) },
      () => words[Math.min(draw(words.length), draw(words.length))],
    ).join(" ");
    lines.push(line);
    length += line.length + 1;
  }
  return new TextEncoder().encode(lines.join("\n")).subarray(0, size);
}

/** Lua 5.4's parser, preprocessed with the root's own cc1 and headers. */
async function parserSource(inputs: Inputs): Promise<string> {
  const { root, suite, folder, state, preprocess } = inputs;
  const path = `${folder}/lparser.i`;
  const archive = await downloadUpstream({ suite, architecture: "amd64" }, "lua5.4", state);
  await text(["tar", "-xf", archive, "-C", folder, "--strip-components=1"]);
  const system = ["usr/lib/gcc/x86_64-linux-gnu/12/include", "usr/include/x86_64-linux-gnu"];
  const includes = [...system, "usr/include"].flatMap((dir) => ["-isystem", `${root}/${dir}`]);
  await text([
    ...[...preprocess, "-E", "-quiet", "-nostdinc", "-DLUA_USE_POSIX", ...includes],
    ...[`${folder}/src/lparser.c`, "-o", path],
  ]);
  return path;
}

export const cc1 = "/usr/lib/gcc/x86_64-linux-gnu/12/cc1";

export interface Inputs {
  /** The amd64 root. */
  readonly root: string;
  readonly suite: string;
  /** An absolute folder for input files, seen under the same path by every guest. */
  readonly folder: string;
  /** Where apt may keep its state. */
  readonly state: string;
  /** A command line that runs the root's cc1 on this machine. */
  readonly preprocess: readonly string[];
  /** Multiplies the amount of work. */
  readonly scale: number;
  readonly only?: readonly string[];
}

export const workNames = ["python", "sqlite3", "xz", "lua", "sha256sum", "cc1", "kernel"] as const;

/** Writes the input files and returns the work; each takes 2-12 s under qemu-user at scale 3. */
export async function makeWork(inputs: Inputs): Promise<Work[]> {
  const { folder, scale } = inputs;
  const file = async (name: string, content: string | Uint8Array) => {
    const path = `${folder}/${name}`;
    if (typeof content === "string") await Deno.writeTextFile(path, content);
    else await Deno.writeFile(path, content);
    return path;
  };
  const times = (count: number) => String(Math.max(1, Math.round(count * scale)));
  const makers: Record<typeof workNames[number], () => Promise<Omit<Work, "name">>> = {
    python: async () => ({
      program: "/usr/bin/python3",
      args: [await file("nbody.py", nbody), times(8000)],
    }),
    sqlite3: () =>
      Promise.resolve({
        program: "/usr/bin/sqlite3",
        args: [
          ":memory:",
          `with recursive n(i, x) as (select 1, 7 union all select i + 1, (x * 48271) % 2147483647
from n where i < ${times(250000)}) select count(*), sum(x % 1000), max(x),
group_concat(distinct x % 10) from n order by 1;`,
        ],
      }),
    xz: async () => ({
      program: "/usr/bin/xz",
      args: ["-9", "-T1", "-c", await file("prose", prose(Number(times(2 << 20))))],
    }),
    lua: async () => ({
      program: "/usr/bin/lua5.4",
      args: [
        await file("fib.lua", fibonacci),
        String(32 + Math.round(Math.log(scale) / Math.log(1.618))),
      ],
    }),
    sha256sum: async () => ({
      program: "/usr/bin/sha256sum",
      args: new Array(Number(times(96))).fill(await file("block", prose(1 << 20))),
    }),
    cc1: async () => {
      const path = await parserSource(inputs);
      const optimise = scale < 0.5 ? "-O0" : "-O2";
      return { program: cc1, args: ["-quiet", optimise, path, "-o", "/dev/stdout"] };
    },
    kernel: () =>
      Promise.resolve({
        program: new URL("../../tests/guests/prebuilt/x86_64/kernel", import.meta.url).pathname,
        args: [times(400)],
        host: true,
      }),
  };
  const names = workNames.filter((name) => inputs.only?.includes(name) ?? true);
  const work: Work[] = [];
  for (const name of names) work.push({ name, ...await makers[name]() });
  return work;
}
