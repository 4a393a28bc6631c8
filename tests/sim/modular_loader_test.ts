/** The modular linker inside the machine: programs, address space, host functions, nested calls. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  type Arch,
  CapturedOutput,
  ElfBuilder,
  ElfFile,
  ifed,
  type LinkContext,
  LinkError,
  linux,
  Machine,
  type MachineOptions,
  type Module,
  weak,
} from "../../mod.ts";
import { LinkTargetError } from "../../lib/linker/mod.ts";
import { manyGuest } from "../../scripts/experiments/guests_data.ts";
import { BytesInput } from "../../sim/kernel/fs/streams.ts";
import expected from "../guests/expected.json" with { type: "json" };
import { buildMuslProgram, muslNeeds } from "../modules/sysv/musl_program.ts";

const prebuilt = new URL("../guests/prebuilt", import.meta.url).pathname;

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

async function run(argv: readonly string[], options: MachineOptions) {
  const stdout = new CapturedOutput();
  const machine = await Machine.create({
    linker: "modular",
    ...options,
    streams: { stdin: new BytesInput(), stdout, stderr: stdout },
  });
  const result = await machine.run(argv);
  return { machine, result, output: stdout.text };
}

/** Runs `work` in the program's post-relocate phase. */
function during(work: (link: LinkContext) => void): Module {
  return {
    name: "test",
    register: (object) => object.isProgram ? { "post-relocate": weak(work) } : {},
  };
}

for (const arch of ["x86_64", "aarch64"] as Arch[]) {
  for (const { program, args, exit, stdout } of expected) {
    if (!program.startsWith("many/") || args[0] === "5000") continue;
    Deno.test(`${program} ${args.join(" ")} on ${arch}, plain and transformed`, async () => {
      const root = await manyGuest(arch);
      const both = [ifed.concatenate(), ifed.eliminateBranches()];
      for (const modules of [linux(), [...linux(), ...both]]) {
        const { result, output } = await run([`/${program}`, ...args], { root, modules });
        assertEquals([result.exit, output], [exit, stdout]);
      }
    });
  }

  Deno.test(`static programs of ${arch} link themselves`, async () => {
    for (const program of ["hello", "hello_pie", "crc"]) {
      const { args, exit, stdout } = expected.find((entry) => entry.program === program)!;
      const { result, output } = await run([`/${arch}/${program}`, ...args], { root: prebuilt });
      assertEquals([result.exit, output], [exit, stdout]);
    }
  });

  const busybox = `.cache/roots/bookworm-${arch === "x86_64" ? "amd64" : "arm64"}`;
  const root = new URL(`../../${busybox}`, import.meta.url).pathname;
  const present = exists(`${root}/bin/busybox`);
  Deno.test({
    name: `Debian's static busybox links itself on ${arch}` +
      (present ? "" : ` (skipped: needs ${busybox})`),
    ignore: !present,
    fn: async () => {
      const { result, output } = await run(["/bin/busybox", "expr", "6", "*", "7"], { root });
      assertEquals([result.exit, output], [0, "42\n"]);
    },
  });

  const needs = muslNeeds(arch);
  Deno.test({
    name: `a program of musl runs with musl's own libc.so on ${arch}` +
      (needs === undefined ? "" : ` (skipped: needs ${needs})`),
    ignore: needs !== undefined,
    fn: async () => {
      using built = buildMuslProgram(arch);
      const { result, output } = await run(["/prog/program", "argument"], {
        root: built.root || "/",
        mounts: [{ host: built.path.replace(/\/[^/]*$/, ""), guest: "/prog" }],
        uid: 0,
      });
      assertEquals([result.exit, output], [3, built.nativeOutput]);
    },
  });

  Deno.test(`a concatenated program has a 2 MiB entry in its page table on ${arch}`, async () => {
    let at = 0;
    const find: Module = {
      name: "find",
      register: (object) =>
        object.isProgram ? { "post-load": weak((link) => void (at = link.base(object))) } : {},
    };
    const root = await manyGuest(arch);
    const machine = await Machine.create({
      root,
      modules: [...linux(), ifed.concatenate(), find],
      streams: {
        stdin: new BytesInput(),
        stdout: new CapturedOutput(),
        stderr: new CapturedOutput(),
      },
    });
    let entry = 0n;
    machine.syscalls.on("write", {
      enter: ({ space }) => {
        // Walk as the processor does: four levels of 512 entries; both architectures mark a block apart.
        const memory = new DataView(space.memory.physical.memory.buffer);
        let table = BigInt(space.table.root);
        for (const shift of [39n, 30n, 21n]) {
          const index = (BigInt(at) >> shift) & 511n;
          entry = memory.getBigUint64(Number(table + index * 8n), true);
          table = entry & 0xffff_ffff_f000n;
        }
      },
    });
    await machine.run(["/many/many", "1", "0"]);
    // x86_64: PS (bit 7) set. aarch64: bits 1:0 are 01, a block and no table.
    if (arch === "x86_64") assertEquals(entry & 0x81n, 0x81n);
    else assertEquals(entry & 3n, 1n);
  });

  Deno.test(`the guest calls into the host and goes on, on ${arch}`, async () => {
    const seen: number[] = [];
    // A constructor of the program's that is code of the host: argc is its first argument.
    const host: Module = {
      name: "host",
      register: (object) => {
        if (object.soname !== "[linker-runtime]") return {};
        return {
          "post-relocate": weak((link) => {
            const address = link.provide("constructor", (call) => {
              seen.push(call.argument(0), call.returnAddress);
              call.result(0);
            });
            const list = link.allocate(16, 3, "list");
            link.writeU64(list, address);
            const place = object.elf.lookup("linker.initialisers")!.value;
            link.writeU64(link.base(object) + place, list);
          }),
        };
      },
    };
    const root = await manyGuest(arch);
    const { result } = await run(["/many/many", "1", "0"], { root, modules: [...linux(), host] });
    assertEquals(result.exit, 0);
    assertEquals(seen[0], 3);
    assert(seen[1] > 2 ** 20);
  });

  Deno.test(`a nested call computes, and nothing else, on ${arch}`, async () => {
    // add: returns its first plus its second argument; loop; trap; call: a system call.
    const code = arch === "x86_64"
      ? { add: "488d0437c3", loop: "ebfe", trap: "0f0b", call: "0f05" }
      : { add: "0000018bc0035fd6", loop: "00000014", trap: "00000000", call: "010000d4" };
    const problems: Record<string, string> = {};
    let sum = 0;
    const nested = during((link) => {
      const at = (text: string): number => {
        const page = link.allocate(4096, 7, "code");
        link.write(page, Uint8Array.from(text.match(/../g)!, (byte) => parseInt(byte, 16)));
        return page;
      };
      sum = link.call(at(code.add), [2 ** 40, 2]);
      for (const name of ["loop", "trap", "call"] as const) {
        try {
          link.call(at(code[name]), []);
        } catch (error) {
          if (!(error instanceof LinkTargetError)) throw error;
          problems[name] = error.message;
        }
      }
    });
    const root = await manyGuest(arch);
    const { result } = await run(["/many/many", "1", "0"], { root, modules: [...linux(), nested] });
    assertEquals(result.exit, 0);
    assertEquals(sum, 2 ** 40 + 2);
    assertStringIncludes(problems.loop, "did not return within 1000000 instructions");
    assertStringIncludes(problems.trap, "SIGILL");
    assertStringIncludes(problems.call, "made a system call");
  });
}

Deno.test("what the linker cannot do is an error that says where", async () => {
  const root = await manyGuest("x86_64");
  const broken = during((link) => void link.readU32(0x1234));
  const error = await assertRejects(
    () => run(["/many/many"], { root, modules: [...linux(), broken] }),
    LinkError,
  );
  assertEquals(
    error.message,
    "post-relocate: test: /many/many: cannot read 0x1000 bytes at 0x1000: EFAULT",
  );
  const missing = new Map([...root].filter(([path]) => !path.endsWith("libm09.so")));
  const { result, output } = await run(["/many/many"], { root: missing });
  assertEquals(result.exit, 127);
  assertEquals(
    output,
    "/many/many: error while loading shared libraries: libm09.so: cannot open shared object file: " +
      "No such file or directory\n",
  );
});

Deno.test("1 GiB pages come from the pool, or not at all", async () => {
  const root = await manyGuest("x86_64");
  const modules = [...linux(), ifed.concatenate({ pages: "1G" })];
  await assertRejects(() => run(["/many/many", "1", "0"], { root, modules }), LinkError, "1G");
  const { result } = await run(["/many/many", "1", "0"], { root, modules, hugePages1G: 1 });
  assertEquals(result.exit, 0);
});

Deno.test("an object made in memory is linked like a file", async () => {
  const root = await manyGuest("x86_64");
  const builder = new ElfBuilder({ machine: "x86_64", pageSize: 4096 });
  builder.section({ name: ".text", access: "x", align: 16, data: new Uint8Array(64).fill(0xc3) });
  const elf = ElfFile.parse(builder.build(), "[made]");
  const made: Module = {
    name: "made",
    register: (object) =>
      object.isProgram ? { "collect": weak((link) => void link.need(elf)) } : {},
  };
  const { result } = await run(["/many/many", "1", "0"], { root, modules: [...linux(), made] });
  assertEquals(result.exit, 0);
  assert(result.link!.plan.entries.some(({ object }) => object === "[made]"));
});
