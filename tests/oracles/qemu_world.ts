/**
 * A world like that of a program under qemu-user: the same addresses of stack, libraries and all other mappings,
 * taken from qemu's log, and the same answers where qemu-user knows less than Linux.
 */
import { CapturedOutput, ElfFile, Machine, type MachineOptions, type Result } from "../../mod.ts";
import { BytesInput } from "../../sim/kernel/fs/streams.ts";
import { granuleOf } from "../../sim/memory/granule.ts";

const ENOSYS = 38;
const MAP_FIXED = 0x10;
const MAP_FIXED_NOREPLACE = 0x100000;
const MREMAP_MAYMOVE_FIXED = 3;
/** Addresses that a run under qemu-user had. */
export interface QemuWorld {
  /** Stack pointer at the start, and the end of the stack's area. */
  readonly stackPointer: number;
  readonly stackTop: number;
  /** End of the program interpreter, the first thing that was mapped without a given address. */
  readonly interpreterEnd: number;
  /** What mmap without an address answered, in order; and mremap. */
  readonly mapped: readonly number[];
  readonly moved: readonly number[];
}

/** End of the memory of `file`, whose entry point lies at `entry`. */
function endOf(file: ElfFile, entry: number): number {
  const { vaddr, memsz } = file.loadSegments.at(-1)!;
  return entry - file.header.entry + granuleOf("aarch64").pageUp(vaddr + memsz);
}

/** The world of the run of `program` in `root` that wrote `log`, as `runReference` asks for it. */
export function qemuWorld(log: string, root: string, program: string): QemuWorld {
  const number = (name: string): number => {
    const found = new RegExp(`^${name} +(0x[0-9a-f]+)$`, "m").exec(log);
    if (found === null) throw new RangeError(`no ${name} in qemu's log`);
    return Number(found[1]);
  };
  const read = (path: string) => ElfFile.parse(Deno.readFileSync(root + path), path);
  const { interp } = read(program);
  if (interp === undefined) throw new RangeError(`${program} is static`);
  const stackPointer = number("start_stack");
  const stack = log.matchAll(/^([0-9a-f]{16})-([0-9a-f]{16}) /gm)
    .map(([, from, to]) => ({ start: parseInt(from, 16), end: parseInt(to, 16) }))
    .find(({ start, end }) => start <= stackPointer && stackPointer < end);
  if (stack === undefined) throw new RangeError("no stack in qemu's log");
  // The new page layout stands between a call and its answer.
  const answers = (call: string): number[] =>
    [...log.matchAll(new RegExp(`^\\d+ ${call}[^]*? = (-1|0x[0-9a-f]+)`, "gm"))]
      .map(([, address]) => Number(address));
  return {
    stackPointer,
    stackTop: stack.end,
    interpreterEnd: endOf(read(interp), number("entry")),
    mapped: answers("mmap\\(NULL,"),
    moved: answers("mremap\\("),
  };
}

/** A machine whose mappings go where qemu put them. Throws if it asks for more of them. */
async function machineIn(world: QemuWorld, options: MachineOptions): Promise<Machine> {
  const machine = await Machine.create({
    ...options,
    layout: { stackTop: world.stackTop, mmapBase: world.interpreterEnd },
  });
  const { syscalls } = machine;
  const [mapped, moved] = [world.mapped.values(), world.moved.values()];
  const next = (addresses: Iterator<number>): number => {
    const { done, value } = addresses.next();
    if (done) throw new RangeError("more mappings than under qemu");
    return value;
  };
  syscalls.on("mmap", {
    enter: (_, args) => {
      if (args[0] !== 0 || (args[3] & MAP_FIXED) !== 0) return;
      args[0] = next(mapped);
      args[3] |= MAP_FIXED_NOREPLACE;
    },
  });
  syscalls.on("mremap", {
    enter: (_, args) => {
      const to = next(moved);
      if (to === args[0]) return;
      args[3] |= MREMAP_MAYMOVE_FIXED;
      args[4] = to;
    },
  });
  for (const name of ["rseq", "set_robust_list"]) syscalls.on(name, { call: () => -ENOSYS });
  return machine;
}

/** Runs a program in `world`. */
export async function runIn(
  world: QemuWorld,
  argv: readonly string[],
  options: MachineOptions,
): Promise<{ readonly result: Result; readonly stdout: Uint8Array }> {
  const run = async (stackTop: number, more: MachineOptions) => {
    const stdout = new CapturedOutput();
    const streams = { stdin: new BytesInput(), stdout, stderr: new CapturedOutput() };
    const machine = await machineIn({ ...world, stackTop }, { ...options, ...more, streams });
    const result = await machine.run(argv);
    return { machine, result, stdout: stdout.bytes };
  };
  // Strings lie as under qemu modulo 16, where the program's name is longer by the root; then the
  // stack pointer is made equal: the first instruction tells where it is.
  const top = world.stackTop - (options.root as string).length % 16;
  const { machine } = await run(top, { maxInstructions: 1, report: () => {} });
  const [{ space }] = machine.kernel.processes.values();
  return await run(top + world.stackPointer - space.value.stackStart, {});
}
