/** The module: programs under the filter that their objects make. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { ElfFile } from "../../../lib/elf/mod.ts";
import { syscallName } from "../../../lib/linker/mod.ts";
import {
  analyse,
  type Policy,
  type SeccompOptions,
  withSummary,
} from "../../../modules/seccomp/mod.ts";
import { type Arch, ifed, LinkError, linux, seccomp } from "../../../mod.ts";
import { debianRoot, runIn } from "../gnu/gnu_run.ts";
import { GuestFolder, missingCompiler } from "../gnu/guest_program.ts";

const programs = "../../seccomp/programs/";

/** Calls that the machine counts, without counts of other kinds. */
function called(arch: Arch, counters: Readonly<Record<string, number>>): string[] {
  const names = new Set(Array.from({ length: 500 }, (_, number) => syscallName(arch, number)));
  return Object.keys(counters).filter((name) => name.startsWith("syscalls."))
    .map((name) => name.slice("syscalls.".length)).filter((name) => names.has(name));
}

for (const arch of ["x86_64", "aarch64"] as Arch[]) {
  const root = debianRoot("bookworm", arch);
  const compiler = missingCompiler(arch);
  const missing = root === undefined ? "Debian roots" : compiler;
  const test = (name: string, fn: () => Promise<void>) =>
    Deno.test({
      name: `${name} on ${arch}` + (missing === undefined ? "" : ` (skipped: needs ${missing})`),
      ignore: missing !== undefined,
      fn,
    });
  const modules = (options: SeccompOptions = {}) => [...linux(), seccomp(options)];

  test("programs run as without their filter, and use what it allows", async () => {
    const programs = arch === "x86_64"
      ? [["/bin/ls", "-l", "/etc"], ["/bin/id"]]
      : [["/usr/bin/sort", "/etc/passwd"]];
    for (const argv of programs) {
      let policy: Policy | undefined;
      const plain = await runIn(root!, argv, { modules: linux() });
      const both = [...modules({ report: (found) => policy = found })];
      const { counters, ...outcome } = await runIn(root!, argv, { modules: both });
      assertEquals(outcome, { exit: plain.exit, stdout: plain.stdout, stderr: plain.stderr });
      assertEquals(counters["syscalls.refused"], 0);
      assert(counters["syscalls.filtered"] > 0);
      const names = policy!.syscalls.map((number) => syscallName(arch, number));
      // The guest's own loader has started before the filter: what it alone does need not be there.
      const missing = called(arch, counters).filter((name) => !names.includes(name));
      assertEquals(missing.filter((name) => name !== "rseq" && name !== "set_robust_list"), []);
      assert(names.length < 100, `${names.length} of about 335`);
      assert(!names.includes("ptrace") && !names.includes("mount"));
    }
  });

  test("a filter and iFed's passes together", async () => {
    const all = [...modules(), ifed.concatenate(), ifed.eliminateBranches()];
    const { exit, stdout, counters } = await runIn(root!, ["/bin/ls", "/etc"], { modules: all });
    const plain = await runIn(root!, ["/bin/ls", "/etc"], { modules: linux() });
    assertEquals([exit, stdout], [plain.exit, plain.stdout]);
    assert(counters["linker.ifed.branches.patched"] > 0);
    assert(counters["linker.seccomp.allowed"] > 0 && counters["syscalls.filtered"] > 0);
  });

  test("code that came as data is killed at its system call", async () => {
    using folder = new GuestFolder(arch, root!, [{
      name: "exploit",
      source: `${programs}exploit.c`,
    }]);
    const { mounts } = folder;
    const run = async (options?: SeccompOptions) => {
      let message = "";
      const report = (text: string) => void (message += text);
      const list = options === undefined ? linux() : modules(options);
      const { exit, stdout } = await runIn(root!, ["/t/exploit"], {
        modules: list,
        mounts,
        report,
      });
      return { exit, stdout, message: message.split("\n")[0] };
    };
    assertEquals(await run(), { exit: 0, stdout: "before\nafter\n", message: "" });
    const killed = await run({});
    assertEquals([killed.exit, killed.stdout], [128 + 31, "before\n"]);
    assertStringIncludes(killed.message, "killed by SIGSYS");
    assertStringIncludes(killed.message, "its seccomp filter refuses setuid");
    assertEquals((await run({ action: "errno" })).stdout, "before\nafter\n");
    assertEquals((await run({ allow: ["setuid"] })).stdout, "before\nafter\n");
  });

  test("a library that is opened later must do with the filter, or be told of", async () => {
    using folder = new GuestFolder(arch, root!, [
      { name: "libextra.so", source: `${programs}libextra.c` },
      { name: "opens", source: `${programs}opens.c` },
    ]);
    const { mounts } = folder;
    const argv = ["/t/opens", "/t/libextra.so"];
    const refused = await runIn(root!, argv, { modules: modules(), mounts });
    assertEquals(refused.exit, 3);
    assertStringIncludes(refused.stdout, "/t/libextra.so: it needs ");
    assertStringIncludes(refused.stdout, "setfsuid");
    const open = ["/t/libextra.so"];
    const opened = await runIn(root!, argv, { modules: modules({ open }), mounts });
    assertEquals([opened.exit, opened.stdout], [0, "1\n"]);
    assertEquals(opened.counters["syscalls.refused"], 0);
  });

  test("sections of the files themselves, or of copies; none of another file", async () => {
    using folder = new GuestFolder(arch, root!, [{
      name: "exploit",
      source: `${programs}exploit.c`,
    }]);
    const path = `${folder.path}/exploit`;
    const bytes = Deno.readFileSync(path);
    const summary = await analyse(ElfFile.parse(bytes, path));
    Deno.mkdirSync(`${folder.path}/copies/t`, { recursive: true });
    const copy = `${folder.path}/copies/t/exploit`;
    const write = (to: string, changed: Partial<typeof summary> = {}) => {
      Deno.writeFileSync(to, withSummary(bytes, { ...summary, ...changed }, path));
    };
    const run = (options: SeccompOptions) =>
      runIn(root!, ["/t/exploit"], {
        modules: modules(options),
        mounts: folder.mounts,
        report() {},
      });
    write(copy);
    const detached = await run({ sections: "/t/copies" });
    assertEquals(detached.counters["linker.seccomp.sections"], 1);
    assertEquals(detached.exit, 128 + 31);
    write(copy, { digest: "another" });
    await assertRejects(
      () => run({ sections: "/t/copies" }),
      LinkError,
      "/t/copies/t/exploit: its .seccomp section is of another exploit",
    );
    write(path);
    const attached = await run({});
    assertEquals(attached.counters["linker.seccomp.sections"], 1);
    assertEquals(attached.exit, 128 + 31);
  });

  test("a call of unknown number opens the filter, or is refused what nothing else calls", async () => {
    const perl = (code: string, unknown?: "refuse") => {
      let policy: Policy | undefined;
      const report = (found: Policy) => policy = found;
      const options = { modules: modules({ report, unknown }), report() {} };
      return runIn(root!, ["/usr/bin/perl", "-e", code], options)
        .then((run) => ({ ...run, policy: policy! }));
    };
    // getpid and vhangup.
    const [known, other] = arch === "x86_64" ? [39, 153] : [172, 58];
    const open = await perl(`print syscall(${known}) > 0, syscall(${other})`);
    assertEquals([open.exit, open.stdout], [0, "1-1"]);
    assertEquals(open.policy.unknown[0].function, "Perl_pp_syscall");
    assertEquals(open.counters["syscalls.filtered"], 0);
    const known1 = await perl(`print syscall(${known}) > 0`, "refuse");
    assertEquals([known1.exit, known1.stdout], [0, "1"]);
    assert(known1.counters["linker.seccomp.allowed"] < 160);
    const refused = await perl(`syscall(${other})`, "refuse");
    assertEquals([refused.exit, refused.counters["syscalls.refused"]], [128 + 31, 1]);
  });

  test("what cannot be done is one error, and nothing has started", async () => {
    const run = (options: SeccompOptions) =>
      runIn(root!, ["/bin/ls"], { modules: modules(options) });
    await assertRejects(
      () => run({ analyse: false }),
      LinkError,
      "/bin/ls has no .seccomp section, and may not be analysed",
    );
    await assertRejects(
      () => run({ open: ["/nope.so"] }),
      LinkError,
      "open=/nope.so: no such file",
    );
    await assertRejects(
      () => run({ allow: ["opne"] }),
      LinkError,
      `allow=opne: ${arch} has no such system call`,
    );
  });
}
