/** Programs in one address space, kept apart by what their code is. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  type Arch,
  ElfFile,
  LinkError,
  Machine,
  sip,
  type SipOptions,
  wrapJavascript,
  wrapWasm,
} from "../../../mod.ts";
import { plusLibrary, runFiles, RUNNERS } from "../runner/guests.ts";
import { bytesOf, textOf } from "../runner/programs.ts";

async function programs(arch: Arch): Promise<Map<string, Uint8Array>> {
  const script = (source: string, needed = ["sip.so"]) =>
    wrapJavascript(source, { arch, name: "x.js", program: "bare", needed, runpath: "/t" });
  const counter = "// export next() -> i32\nlet n = 0; const next = () => ++n;";
  const user = "// import next() -> i32\n// import sip_send(i32, bytes) -> i32\n" +
    "// import sip_receive(i32, buffer) -> i32\n";
  return new Map([
    ["/t/libplus.so", plusLibrary(arch)],
    [
      "/t/producer",
      wrapWasm(bytesOf("producer.wasm"), {
        arch,
        interface: textOf("producer.types"),
        program: "bare",
        needed: ["sip.so"],
      }),
    ],
    ["/t/consumer", await script(textOf("consumer.js"))],
    [
      "/t/user",
      await script("// import plus(i32, i32) -> i32\nmain = 0", ["sip.so", "libplus.so"]),
    ],
    ["/t/traps", await script("function main() { throw Error('mine'); }")],
    [
      "/t/libnext.so",
      await wrapJavascript(counter, { arch, name: "next.js", soname: "libnext.so" }),
    ],
    [
      "/t/first",
      await script(
        `${user}function main() { next(); next(); sip_send(1, new Uint8Array(1));
        return sip_receive(1, new Uint8Array(9)) === 5 ? next() : 100; }`,
        ["sip.so", "libnext.so"],
      ),
    ],
    [
      "/t/second",
      await script(
        `${user}function main() { sip_receive(0, new Uint8Array(1));
        sip_send(0, new Uint8Array(5)); return next(); }`,
        ["sip.so", "libnext.so"],
      ),
    ],
  ]);
}

for (const arch of ["x86_64", "aarch64"] as Arch[]) {
  Deno.test(`software isolated processes: channels, exits, libraries of their own, on ${arch}`, async () => {
    const root = await programs(arch);
    const run = (first: string, programs: SipOptions["programs"]) =>
      runFiles(root, [first], { modules: [...RUNNERS, sip({ programs })] });
    const both = await run("/t/producer", [["/t/consumer", "a", "b"]]);
    const sum = 999 * 1000 / 2;
    assertEquals(both.stdout, `/t/consumer a b: I am 1, the sum is ${sum}\n`);
    assertEquals([both.exit, both.stderr], [3, ""]);
    const { counters } = both;
    assertEquals([counters["runner.sips"], counters["runner.messages"]], [2, 1002]);
    // One process, one address space: a thread each.
    assertEquals([counters.processes, counters["syscalls.clone"], counters["syscalls.exit"]], [
      1,
      1,
      1,
    ]);
    assertEquals(await run("/t/producer", [["/t/consumer", "a", "b"]]), both);

    // Both count with the same library, each from 1. The status is the first that is not 0.
    const apart = await run("/t/first", [["/t/second"]]);
    assertEquals([apart.exit, apart.stderr], [3, ""]);

    // One that fails is gone alone: the other hears of it, and goes on.
    const failed = await run("/t/producer", [["/t/traps"]]);
    assertEquals(failed.exit, 128 + 4);
    assert(
      /^\/t\/producer: \/t\/traps: main: Error: mine \(.*\)\n$/.test(failed.stderr),
      failed.stderr,
    );
  });

  Deno.test(`what cannot be kept apart is one error, and nothing starts, on ${arch}`, async () => {
    const root = await programs(arch);
    const refused = async (first: string, other: string, message: string) => {
      const modules = [...RUNNERS, sip({ programs: [[other]] })];
      const machine = await Machine.create({ root, modules });
      await assertRejects(() => machine.run([first]), LinkError, message);
    };
    await refused("/t/producer", "/t/none", "there is no program /t/none");
    await refused(
      "/t/producer",
      "/t/user",
      "/t/libplus.so of /t/user is machine code, which nobody has verified",
    );
    await refused("/t/user", "/t/consumer", "/t/libplus.so of /t/user is machine code");
    await refused("/t/producer", "/t/libplus.so", "is machine code");
    await refused("/t/producer", "/t/libnext.so", "/t/libnext.so is a library, no program");
    const imports = async (line: string) => {
      const source = `// import ${line}\nfunction main() {}`;
      const options = { arch, name: "x.js", program: "bare", needed: ["sip.so"] } as const;
      root.set("/t/wants", await wrapJavascript(source, options));
    };
    // What the linker has for itself would lead out, and so would a channel that takes any address.
    await imports("runner.syscall(i64, i64) -> i64");
    await refused("/t/producer", "/t/wants", "/t/wants imports runner.syscall, which no object of");
    await imports("sip_send(i32, i64, i64) -> i32");
    await refused("/t/producer", "/t/wants", "sip_send, whose types are (i32, bytes) -> i32, with");
    // Machine code of its own: the trap behind a stub becomes two other bytes.
    const forged = root.get("/t/consumer")!.slice();
    const { offset } = ElfFile.parse(forged, "").section(".text")!;
    forged[offset + 13] ^= 1;
    root.set("/t/forged", forged);
    await refused("/t/producer", "/t/forged", "/t/forged is not what `isthmus wrap` makes of what");
    const alone = await runFiles(root, ["/t/producer"]);
    assertEquals(alone.exit, 127);
    assert(alone.stderr.includes("sip.so: cannot open shared object file"), alone.stderr);
  });
}
