/** Parts of the kernel that no guest program shows: deadlock, hooks, counters, determinism, messages. */
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { BytesInput, CapturedOutput } from "../../../sim/kernel/fs/streams.ts";
import { KernelError } from "../../../sim/kernel/kernel_error.ts";
import { Machine } from "../../../sim/machine.ts";
import type { MachineOptions } from "../../../sim/machine/options.ts";

const guests = new URL("../../guests/prebuilt/", import.meta.url);
const guest = (arch: string, name: string): Uint8Array =>
  Deno.readFileSync(new URL(`${arch}/${name}`, guests));

interface Run {
  readonly machine: Machine;
  readonly stdout: CapturedOutput;
  readonly messages: string[];
}

async function machineWith(
  files: ReadonlyMap<string, Uint8Array>,
  options: MachineOptions = {},
): Promise<Run> {
  const stdout = new CapturedOutput();
  const messages: string[] = [];
  const machine = await Machine.create({
    root: files,
    streams: { stdin: new BytesInput(), stdout, stderr: new CapturedOutput() },
    memory: 64 * 2 ** 20,
    report: (message) => messages.push(message),
    ...options,
  });
  return { machine, stdout, messages };
}

/** A static x86_64 program of one page of code at 0x400000. */
function program(...code: number[]): Uint8Array {
  const file = new Uint8Array(0x1000 + code.length);
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true); // ET_EXEC
  view.setUint16(18, 62, true); // EM_X86_64
  view.setUint32(20, 1, true);
  view.setUint32(24, 0x401000, true); // e_entry
  view.setUint32(32, 64, true); // e_phoff
  view.setUint16(52, 64, true);
  view.setUint16(54, 56, true); // e_phentsize
  view.setUint16(56, 1, true); // e_phnum
  view.setUint32(64, 1, true); // PT_LOAD
  view.setUint32(68, 5, true); // R X
  view.setUint32(64 + 16, 0x400000, true); // p_vaddr
  view.setUint32(64 + 32, file.length, true); // p_filesz
  view.setUint32(64 + 40, file.length, true); // p_memsz
  view.setUint32(64 + 48, 0x1000, true);
  file.set(code, 0x1000);
  return file;
}

const MOV_EAX = (value: number): number[] => [
  0xb8,
  value & 255,
  (value >> 8) & 255,
  (value >> 16) & 255,
  value >>> 24,
];
const XOR_EDI = [0x31, 0xff];
const SYSCALL = [0x0f, 0x05];
const EXIT = [...MOV_EAX(231), ...SYSCALL];

Deno.test("a machine in which everybody sleeps for ever says who waits for what", async () => {
  const { machine } = await machineWith(
    new Map([["/pause", program(...MOV_EAX(34), ...SYSCALL)]]),
  );
  const error = await assertRejects(() => machine.run(["/pause"]), KernelError);
  assertStringIncludes(error.message, "deadlock");
  assertStringIncludes(error.message, "pause (pid 100, tid 100) in pause");
});

Deno.test("an unknown system call is ENOSYS, named once and counted", async () => {
  // Call 1000 twice; the exit code is minus its result.
  const call = [...MOV_EAX(1000), ...SYSCALL];
  const negate = [0xf7, 0xd8, 0x89, 0xc7]; // neg %eax; mov %eax, %edi
  const { machine, messages } = await machineWith(
    new Map([["/p", program(...call, ...call, ...negate, ...EXIT)]]),
  );
  const { exit, counters } = await machine.run(["/p"]);
  assertEquals(exit, 38);
  assertEquals(messages.length, 1);
  assertEquals(counters["syscalls.unknown"], 2);
  assertEquals(counters["syscalls"], 3);
});

Deno.test("a fatal signal names pc, address and registers, and exits with 128 + N", async () => {
  // xor %edi, %edi; mov (%rdi), %eax
  const { machine, messages } = await machineWith(
    new Map([["/p", program(...XOR_EDI, 0x8b, 0x07)]]),
  );
  const { exit, signal } = await machine.run(["/p"]);
  assertEquals([exit, signal], [139, 11]);
  assertStringIncludes(messages[0], "killed by SIGSEGV at pc 0x401002 (/p+0x1002), address 0x0");
  assertStringIncludes(messages[0], "rip 0000000000401002");
});

Deno.test("hooks see, replace and follow system calls", async () => {
  const { machine, stdout } = await machineWith(
    new Map([["/hello", guest("x86_64", "hello")]]),
  );
  const seen: string[] = [];
  machine.syscalls.on("write", {
    enter: (call, [fd, , size]) => seen.push(`enter ${call.row.name} ${fd} ${size}`),
    exit: (_call, _args, result) => seen.push(`exit ${result}`),
  });
  machine.syscalls.on("exit_group", { call: (_call, args, next) => (args[0], next()) });
  const remove = machine.syscalls.on("*", { enter: (call) => seen.push(`any ${call.row.name}`) });
  const { exit } = await machine.run(["/hello"]);
  remove();
  assertEquals(exit, 0);
  assertEquals(stdout.text, "hello\n");
  assertEquals(seen, ["any write", "enter write 1 6", "exit 6", "any exit_group"]);
});

Deno.test("a hook can answer in the handler's place", async () => {
  const { machine, stdout } = await machineWith(
    new Map([["/hello", guest("aarch64", "hello")]]),
  );
  machine.syscalls.on("write", { call: (_call, [, , size]) => size });
  await machine.run(["/hello"]);
  assertEquals(stdout.text, "");
});

for (const arch of ["x86_64", "aarch64"] as const) {
  Deno.test(`${arch}: threads give the same result, instruction for instruction`, async () => {
    const results: unknown[] = [];
    for (let i = 0; i < 2; i++) {
      const { machine, stdout } = await machineWith(
        new Map([["/threads", guest(arch, "threads")]]),
      );
      const { counters } = await machine.run(["/threads", "4", "1000"]);
      results.push([counters, stdout.text]);
    }
    assertEquals(results[0], results[1]);
  });
}

Deno.test("the instruction limit is exact", async () => {
  const { machine } = await machineWith(
    new Map([["/loop", program(0xeb, 0xfe)]]), // jmp .
    { maxInstructions: 123_457 },
  );
  const { counters } = await machine.run(["/loop"]);
  assertEquals(counters.instructions, 123_457);
});

Deno.test("a program that cannot be run is refused with its errno", async () => {
  const { machine } = await machineWith(new Map([["/p", program()]]));
  await assertRejects(() => machine.run(["/q"]), Error, "no program /q");
});
