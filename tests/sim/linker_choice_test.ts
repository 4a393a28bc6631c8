/** Programs that name their linker, started by the machine and by one another. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  type Arch,
  CapturedOutput,
  linux,
  Machine,
  MachineError,
  type MachineOptions,
  type Module,
  weak,
} from "../../mod.ts";
import { withLinkerName } from "../../lib/elf/mod.ts";
import { BytesInput } from "../../sim/kernel/fs/streams.ts";
import { KernelError } from "../../sim/kernel/kernel_error.ts";
import { buildMuslProgram, muslNeeds } from "../modules/sysv/musl_program.ts";

const roots = new URL("../../.cache/roots/", import.meta.url).pathname;

function rootOf(arch: Arch): string | undefined {
  const root = `${roots}bookworm-${arch === "x86_64" ? "amd64" : "arm64"}`;
  try {
    Deno.statSync(`${root}/lib/ld-musl-${arch}.so.1`);
    return root;
  } catch {
    return undefined;
  }
}

/** A copy of an ELF program whose PT_INTERP is another, no longer text. */
function withInterpreter(program: Uint8Array, from: string, to: string): Uint8Array {
  const copy = program.slice();
  const [old, text] = [from, to].map((path) => new TextEncoder().encode(path));
  const at = copy.findIndex((_, index) => old.every((byte, i) => copy[index + i] === byte));
  copy.set(text, at);
  copy.fill(0, at + text.length, at + old.length);
  return copy;
}

async function run(argv: readonly string[], options: MachineOptions) {
  const stdout = new CapturedOutput();
  const reports: string[] = [];
  const machine = await Machine.create({
    ...options,
    streams: { stdin: new BytesInput(), stdout, stderr: stdout },
    report: (message) => reports.push(message),
  });
  const result = await machine.run(argv);
  return { result, output: stdout.text, reports };
}

Deno.test("names of linkers are checked", async () => {
  const bad = async (options: MachineOptions, message: string) => {
    const machine = await Machine.create({ ...options, root: new Map([["/bin/x", head()]]) });
    await assertRejects(() => machine.run(["/bin/x"]), MachineError, message);
  };
  const head = () => {
    const bytes = new Uint8Array(64);
    bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
    bytes[18] = 62;
    return bytes;
  };
  await bad({ linker: "nonsense" }, "there are guest, modular");
  await bad({ linkers: { guest: [] } }, "no other linker can be called guest");
  await bad({ linkers: { "a b": [] } }, "no name of a linker");
});

for (const arch of ["x86_64", "aarch64"] as Arch[]) {
  const root = rootOf(arch);
  const needs = root === undefined
    ? "roots of scripts/tools/rootfs.ts"
    : muslNeeds(arch)?.concat(" to build");
  Deno.test({
    name: `each program on ${arch} has the linker it names, at execve as at the start` +
      (needs === undefined ? "" : ` (skipped: needs ${needs})`),
    ignore: needs !== undefined,
    fn: async () => {
      using built = buildMuslProgram(arch);
      const folder = built.path.replace(/\/[^/]*$/, "");
      const plain = Deno.readFileSync(built.path);
      const loader = `/lib/ld-musl-${arch}.so.1`;
      for (const name of ["modular", "audited", "missing"]) {
        const named = withInterpreter(plain, loader, `/isthmus/${name}`);
        Deno.writeFileSync(`${folder}/${name}`, named, { mode: 0o755 });
      }
      const seen: string[] = [];
      const audit: Module = {
        name: "audit",
        register: (object) => ({ "post-load": weak(() => void seen.push(object.soname)) }),
      };
      const options: MachineOptions = {
        root,
        mounts: [{ host: folder, guest: "/prog" }],
        uid: 0,
        linkers: { audited: [...linux(), audit] },
      };
      const expected = built.nativeOutput;

      // The machine's first program, whatever its usual linker.
      for (const linker of ["guest", "modular", "audited"]) {
        const { result, output } = await run(["/prog/modular", "argument"], { ...options, linker });
        assertEquals([result.exit, output, result.link?.linker], [3, expected, "modular"]);
      }
      assertEquals(seen, []);
      const guest = await run(["/prog/program", "argument"], options);
      assertEquals([guest.result.exit, guest.output, guest.result.link], [3, expected, undefined]);
      assertEquals(guest.result.counters["linker.objects"], undefined);

      // A program of glibc, linked by its own linker, starts them all.
      const script = ["program", "modular", "audited"].map((name) => `/prog/${name} argument; `);
      const all = await run(
        ["/bin/bash", "-c", script.join("") + "echo $?; /prog/missing; echo $?"],
        options,
      );
      assertEquals(all.output.split("\n").at(-2), "127");
      assertStringIncludes(all.output, `${expected.repeat(3)}3\n`);
      assertEquals(seen.slice(0, 3), ["audited", "libpart.so", `ld-musl-${arch}.so.1`]);
      assertEquals(all.reports, [
        "isthmus: /prog/missing asks for the linker missing; there are guest, modular, audited",
      ]);
      assertEquals(all.result.link, undefined);
      assert(all.result.counters["linker.objects"] >= 6);

      await assertRejects(
        () => run(["/prog/missing"], options),
        KernelError,
        "/prog/missing asks for the linker missing",
      );
    },
  });
}

const bash = rootOf("x86_64");
Deno.test({
  name: "a segment names the linker of a program that keeps its interpreter" +
    (bash === undefined ? " (skipped: needs roots of scripts/tools/rootfs.ts)" : ""),
  ignore: bash === undefined,
  fn: async () => {
    const named = withLinkerName(Deno.readFileSync(`${bash}/bin/echo`), "guest", "echo");
    const folder = Deno.makeTempDirSync();
    try {
      Deno.writeFileSync(`${folder}/echo`, named, { mode: 0o755 });
      const { result, output } = await run(["/prog/echo", "by", "ld.so"], {
        root: bash,
        mounts: [{ host: folder, guest: "/prog" }],
        linker: "modular",
      });
      assertEquals([result.exit, output, result.link], [0, "by ld.so\n", undefined]);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  },
});
