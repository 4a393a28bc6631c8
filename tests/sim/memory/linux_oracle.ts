/** Operations for `linux_oracle.c`, and what the real kernel answered. */

export const OP = {
  mmap: 0,
  munmap: 1,
  mprotect: 2,
  mremap: 3,
  brk: 4,
  madvise: 5,
  msync: 6,
  mincore: 7,
  store: 8,
  load: 9,
  digest: 10,
  truncate: 11,
  dump: 12,
  fork: 13,
  exit: 14,
  writeFile: 15,
  readFile: 16,
} as const;

export type Operation = readonly [number, ...number[]];

/** One area as `/proc/self/smaps` shows it. */
export interface Area {
  readonly range: string;
  readonly fields: ReadonlyMap<string, string>;
}

export const canCompile = Deno.build.os === "linux" &&
  (Deno.build.arch === "x86_64" || Deno.build.arch === "aarch64") &&
  await new Deno.Command("gcc", { args: ["--version"], stdout: "null", stderr: "null" }).output()
    .then((r) => r.success, () => false);

/** Build the program into `folder`; its path. */
export async function buildOracle(folder: string): Promise<string> {
  const program = `${folder}/linux_oracle`;
  const source = new URL("./linux_oracle.c", import.meta.url).pathname;
  const flags = "-O1 -static -nostdlib -ffreestanding -fno-stack-protector -no-pie".split(" ");
  const { success, stderr } = await new Deno.Command("gcc", {
    args: [...flags, "-o", program, source],
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return program;
}

/** Run the operations on the real kernel; a number for each, or the text of smaps for a dump. */
export async function runOracle(
  program: string,
  dataFile: string,
  operations: readonly Operation[],
): Promise<(number | string)[]> {
  const words = new BigInt64Array(operations.length * 8);
  operations.forEach((op, i) => op.forEach((word, j) => words[i * 8 + j] = BigInt(word)));
  const child = new Deno.Command(program, { args: [dataFile], stdin: "piped", stdout: "piped" })
    .spawn();
  const writer = child.stdin.getWriter();
  const sent = writer.write(new Uint8Array(words.buffer)).then(() => writer.close());
  const { code, signal, stdout } = await child.output();
  await sent;
  if (code !== 0) throw new Error(`the oracle ended with ${signal ?? code}`);
  const view = new DataView(stdout.buffer, stdout.byteOffset, stdout.byteLength);
  const results: (number | string)[] = [];
  let at = 0;
  for (const [kind] of operations) {
    if (kind === OP.exit) {
      results.push(0);
      continue;
    }
    if (kind === OP.fork) {
      // The parent answers after the child's end; the list is read in the order of answers.
      results.push(0);
      continue;
    }
    const value = Number(view.getBigInt64(at, true));
    at += 8;
    if (kind === OP.dump) {
      results.push(new TextDecoder().decode(stdout.subarray(at, at + value)));
      at += value;
    } else results.push(value);
  }
  return results;
}

/** Parse the text of smaps. */
export function parseSmaps(text: string): Area[] {
  const areas: Area[] = [];
  let fields = new Map<string, string>();
  for (const line of text.split("\n")) {
    const header = /^([0-9a-f]+-[0-9a-f]+) (\S+) (\S+) \S+ \S+\s*(.*)$/.exec(line);
    if (header !== null) {
      fields = new Map([["rights", header[2]], ["offset", header[3]], ["name", header[4]]]);
      areas.push({ range: header[1], fields });
      continue;
    }
    const field = /^(\w+): +(.*?) *$/.exec(line);
    if (field !== null) fields.set(field[1], field[2]);
  }
  return areas;
}
