/** Services of a module that call guest functions, on programs in machine code. */
import { assertEquals } from "@std/assert";
import { type Arch, ElfBuilder, ElfFile, linux, Machine, type Module } from "../../mod.ts";
import type { GuestValue, HostService } from "../../lib/linker/mod.ts";
import { STT_FUNC } from "../../lib/elf/mod.ts";

/**
 * _start: exits with ask(twice, 5); twice: answers two of its argument.
 * x86_64: lea rdi, [rip + twice]; mov esi, 5; call [rip + slot]; mov edi, eax; mov eax, 231; syscall;
 * twice: lea eax, [rdi + rdi]; ret
 * aarch64: adr x0, twice; mov x1, 5; ldr x2, slot; blr x2; mov x8, 94; svc 0; twice: add w0, w0, w0; ret
 */
const CODE = {
  x86_64: {
    code: (slot: number) =>
      `488d3d14000000be05000000ff15${word(slot - 18)}89c7b8e70000000f058d043fc3`,
    globDat: 6,
  },
  aarch64: {
    code: (slot: number) =>
      `c0000010a10080d2${word(0x58000002 | slot - 8 << 3)}40003fd6c80b80d2010000d40000000bc0035fd6`,
    globDat: 1025,
  },
};

function word(value: number): string {
  return new Uint8Array(Int32Array.of(value).buffer).toHex();
}

function program(arch: Arch): Uint8Array {
  const { code, globDat } = CODE[arch];
  const builder = new ElfBuilder({ machine: arch, needed: ["asks.so"] });
  const data = Uint8Array.fromHex(code(0));
  const section = builder.section({ name: ".text", access: "x", align: 16, data });
  const slot = builder.section({ name: ".got", access: "w", data: new Uint8Array(8) });
  const symbol = builder.symbol({ name: "ask" });
  builder.relocate({ section: slot, type: globDat, symbol });
  builder.entry({ section });
  builder.layout();
  section.data.set(Uint8Array.fromHex(code(slot.address - section.address)));
  return builder.write();
}

/** A module with a library `asks.so` whose `ask(f, n)` is a service. */
function asking(service: HostService): Module {
  const library = (arch: Arch) => {
    const builder = new ElfBuilder({ machine: arch, soname: "asks.so" });
    const data = new Uint8Array(16);
    const section = builder.section({ name: ".text", access: "x", align: 16, data });
    builder.symbol({ name: "ask", section, value: 0, size: 16, type: STT_FUNC });
    return ElfFile.parse(builder.build(), "asks.so");
  };
  return {
    name: "asking",
    register: () => ({}),
    library: (name, link) => name === "asks.so" ? library(link.arch) : undefined,
    resolve: (lookup, next) => {
      const found = next(lookup);
      if (found === undefined || lookup.key.name !== "ask") return found;
      return { ...found, address: lookup.link.provide("ask", service) };
    },
  };
}

async function run(arch: Arch, service: HostService) {
  const machine = await Machine.create({
    root: new Map([["/program", program(arch)]]),
    modules: [...linux(), asking(service)],
    report() {},
  });
  const { exit, counters } = await machine.run(["/program"]);
  return { exit, instructions: counters.instructions };
}

const integer = (bits: bigint): GuestValue => ({ class: "integer", bits });

for (const arch of ["x86_64", "aarch64"] as Arch[]) {
  Deno.test(`a service calls a guest function as often as it wants, on ${arch}`, async () => {
    const once: HostService = async (call) => {
      const [f, n] = call.values(["integer", "integer"]);
      call.answer(integer(await call.invoke(Number(f), [integer(n)])));
    };
    const often: HostService = async (call) => {
      const [f] = call.values(["integer", "integer"]);
      let sum = 0n;
      for (let n = 1n; n <= 10n; n++) sum += await call.invoke(Number(f), [integer(n)]);
      await Promise.resolve();
      call.answer(integer(sum));
    };
    const [first, second] = [await run(arch, once), await run(arch, often)];
    assertEquals([first.exit, second.exit], [2 * 5, 2 * 55]);
    // What the guest ran for the service is its own: two instructions each time.
    assertEquals(second.instructions - first.instructions, 9 * 2);
  });

  Deno.test(`a service may go on elsewhere, or fail, on ${arch}`, async () => {
    const { exit } = await run(arch, async (call) => {
      const [f] = call.values(["integer", "integer"]);
      await call.invoke(Number(f), [integer(3n)]);
      call.answer(integer(21n));
      call.continueAt(call.returnAddress);
    });
    assertEquals(exit, 21);
    const nowhere = await run(arch, (call) => call.continueAt(0));
    assertEquals(nowhere.exit, 128 + 11);
    let message = "";
    try {
      await run(arch, async (call) => {
        await call.invoke(call.argument(0), [integer(1n)]);
        throw new Error("as it should");
      });
    } catch (error) {
      message = (error as Error).message;
    }
    assertEquals(message, "as it should");
  });
}
