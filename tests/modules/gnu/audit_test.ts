/** What `audit` tells a script, against what glibc's own ld.so tells an audit library (LD_AUDIT). */
import { assert, assertEquals } from "@std/assert";
import { type Arch, audit, type LinkObject, linux } from "../../../mod.ts";
import { debianRoot, runIn, SUITES } from "./gnu_run.ts";
import { GuestFolder, missingCompiler } from "./guest_program.ts";

const lazy = ["-Wl,-z,lazy"];
const targets = [
  { name: "auditor.so" },
  { name: "libb.so", flags: lazy },
  { name: "libtwo.so", flags: lazy },
  { name: "audited", flags: ["-ltwo", ...lazy] },
];

/** What was told, in order, by kind: ld.so looks for, maps and binds one library after the other. */
type Told = Record<string, string[]>;

function tell(told: Told, kind: string, what = ""): void {
  (told[kind] ??= []).push(what);
}

function theirs(stderr: string): Told {
  const told: Told = {};
  for (const line of stderr.split("\n")) {
    const [, kind, what] = /^(\w+) ?(.*)$/.exec(line) ?? [];
    if (kind !== undefined && isCompared(kind, what)) tell(told, kind, what);
  }
  return told;
}

/**
 * Not the loader, what it and the linker look up for themselves, and the kernel's object; not the folders that
 * ld.so looks into before it knows they are not there; not the end of the program, when ld.so closes everything.
 */
function isCompared(kind: string, what: string): boolean {
  if (kind === "opened") return !/^(ld-linux|linux-vdso)/.test(what);
  if (kind === "closed") return what === "libb.so";
  if (kind === "bound") return !/^(ld-linux|dlsym (calloc|free|malloc|realloc) libc)/.test(what);
  return kind !== "searched" || /^\/(t|(usr\/)?lib\/[^/]*)\/[^/]*$/.test(what);
}

const nameOf = (object: LinkObject) =>
  object.isProgram ? "PROGRAM" : object.path.slice(object.path.lastIndexOf("/") + 1);

/** A module that tells as auditor.c does, and the record of it. */
function ours() {
  const told: Told = {};
  const say = (kind: string, what = "") => isCompared(kind, what) && tell(told, kind, what);
  let second = 0;
  const module = audit({
    searched: ({ path }) => say("searched", path),
    opened: (object) => object.file !== undefined && say("opened", nameOf(object)),
    linked: () => say("linked"),
    closed: (object) => say("closed", nameOf(object)),
    bound: ({ name, use, newest, from, definition }) => {
      const isSlot = use === "call" && !/^lib(c|dl)\./.test(from.soname);
      const by = newest ? "dlsym" : nameOf(from);
      if (isSlot || newest) say("bound", `${by} ${name} ${nameOf(definition.object)}`);
      if (name === "two") second = definition.address;
      if (name === "one") return second;
    },
  });
  return { told, module };
}

for (const [suite, arch] of SUITES) {
  const root = debianRoot(suite, arch);
  const missing = root === undefined ? `the root of ${suite}` : missingCompiler(arch);
  Deno.test({
    name: `an audited program: ${suite} on ${arch}${missing ? ` (skipped: needs ${missing})` : ""}`,
    ignore: missing !== undefined,
    fn: async () => {
      using folder = new GuestFolder(arch, root!, targets);
      const { mounts } = folder;
      const argv = ["/t/audited"];
      const { told, module } = ours();
      const modules = [...linux({ lazy: true }), module];
      const mine = await runIn(root!, argv, { mounts, modules });
      const env = { LD_AUDIT: "/t/auditor.so" };
      const guest = await runIn(root!, argv, { mounts, env, linker: "guest" });
      assertEquals([mine.exit, mine.stdout], [guest.exit, guest.stdout]);
      assertEquals(mine.exit, 4);
      assertEquals(told, theirs(guest.stderr));
    },
  });
}

for (const arch of ["x86_64", "aarch64"] as Arch[]) {
  const root = debianRoot("bookworm", arch);
  const missing = root === undefined ? "the root of bookworm" : missingCompiler(arch);
  Deno.test({
    name: `audit libraries are not run, and a line for each says so: ${arch}${
      missing ? ` (skipped: needs ${missing})` : ""
    }`,
    ignore: missing !== undefined,
    fn: async () => {
      const named = { name: "named", source: "audited.c", flags: ["-ltwo", "-Wl,--audit,own.so"] };
      using folder = new GuestFolder(arch, root!, [...targets, named]);
      const { mounts } = folder;
      const env = { LD_AUDIT: "/t/auditor.so:none.so" };
      const { exit, stdout, stderr } = await runIn(root!, ["/t/named"], {
        mounts,
        env,
        linker: "modular",
      });
      // ld.so's form, its own reason.
      const line = (name: string) =>
        `ERROR: ld.so: object '${name}' cannot be loaded as audit interface: ` +
        "the modular linker runs no audit libraries; ignored.\n";
      assertEquals(stderr, ["/t/auditor.so", "none.so", "own.so"].map(line).join(""));
      const plain = await runIn(root!, ["/t/named"], { mounts, linker: "guest" });
      assertEquals([exit, stdout], [plain.exit, plain.stdout]);
      assert(plain.stderr.startsWith("ERROR: ld.so: object 'own.so' cannot be loaded as audit"));
    },
  });
}
