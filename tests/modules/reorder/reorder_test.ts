/** Functions packed by a profile: programs do what they did, and objdump sees the same instructions. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  type Arch,
  ifed,
  linux,
  measure,
  type Module,
  reorder,
  type ReorderOptions,
  weak,
} from "../../../mod.ts";
import { manyGuest } from "../../../scripts/experiments/guests_data.ts";
import expected from "../../guests/expected.json" with { type: "json" };
import { debianRoot } from "../gnu/gnu_run.ts";
import { GuestFolder, missingCompiler } from "../gnu/guest_program.ts";
import { disassemble, type Disassembled } from "../ifed/objdump.ts";
import { hasTool } from "../sysv/native_process.ts";

const many = expected.find(({ program }) => program === "many/many")!;
const argv = ["/many/many", ...many.args];
const OBJDUMP: Record<Arch, readonly [string, string]> = {
  x86_64: ["x86_64-linux-gnu-objdump", "i386:x86-64"],
  aarch64: ["aarch64-linux-gnu-objdump", "aarch64"],
};

async function profileOf(
  root: string | Map<string, Uint8Array>,
  argv: readonly string[],
  more = {},
) {
  const options = { root, modules: linux(), attribution: true, cpu: "reference", ...more };
  return (await measure(argv, options)).attribution!;
}

/** What objdump sees in some bytes at an address. */
async function instructions(arch: Arch, bytes: Uint8Array, at: number): Promise<Disassembled[]> {
  const path = Deno.makeTempFileSync({ prefix: "reorder-" });
  try {
    Deno.writeFileSync(path, bytes);
    const [tool, machine] = OBJDUMP[arch];
    const options = ["-D", "-b", "binary", "-m", machine, `--adjust-vma=0x${at.toString(16)}`];
    return await Array.fromAsync(disassemble(tool, path, options));
  } finally {
    Deno.removeSync(path);
  }
}

/** An instruction's text without the address that it refers to, and that address. */
function split(text: string): [string, number | undefined] {
  const found = /^(.*?)(?:0x|\b)([0-9a-f]{9,})(.*)$/.exec(text);
  if (found === null) return [text, undefined];
  return [found[1].replace(/-?0x[0-9a-f]+\(%rip\)/, "(%rip)"), parseInt(found[2], 16)];
}

for (const arch of ["x86_64", "aarch64"] as Arch[]) {
  const [tool] = OBJDUMP[arch];
  const lacking = hasTool(tool) ? "" : ` (skipped: needs ${tool})`;

  Deno.test({
    name: `copies are the same instructions with the same targets, ${arch}${lacking}`,
    ignore: lacking !== "",
    fn: async () => {
      const root = await manyGuest(arch);
      const profile = await profileOf(root, argv);
      const originals = new Map<number, number>();
      const linkage: [number, number][] = [];
      let pieces: { from: number; to: number; before: Uint8Array; after: Uint8Array }[] = [];
      let moved: Parameters<NonNullable<ReorderOptions["report"]>>[0] = [];
      const reader: Module = {
        name: "reader",
        register: ({ isProgram }) =>
          isProgram
            ? {
              "start": weak((link) => {
                for (const { elf, base } of link.batch) {
                  for (const { name, addr, size } of elf.sections) {
                    if (name.startsWith(".plt")) linkage.push([base! + addr, base! + addr + size]);
                  }
                }
                pieces = moved.map(({ object, from, to, size }) => ({
                  ...{ from, to, before: object.elf.bytesAt(from - link.base(object), size) },
                  after: link.read(to, size),
                }));
              }),
            }
            : {},
      };
      const { exit, stdout, counters } = await measure(argv, {
        root,
        modules: [
          ...linux(),
          reorder({ profile, entries: "stay", report: (all) => void (moved = all) }),
          reader,
        ],
      });
      assertEquals([exit, stdout], [many.exit, many.stdout]);
      assert(moved.length > 15, `${moved.length}`);
      assertEquals(counters["linker.reorder.functions.moved"], moved.length);
      for (const { from, to, before } of pieces) {
        for (let i = 0; i < before.length; i++) originals.set(to + i, from + i);
      }
      let [same, copied, bound] = [0, 0, 0];
      for (const { from, to, before, after } of pieces.slice(0, 60)) {
        const [old, now] = await Promise.all([
          instructions(arch, before, from),
          instructions(arch, after, to),
        ]);
        assertEquals(now.map(({ at }) => at - to), old.map(({ at }) => at - from));
        for (const [i, { text }] of old.entries()) {
          const [what, target] = split(text);
          const [whatNow, targetNow] = split(now[i].text);
          assertEquals(whatNow, what);
          if (target === targetNow) same++;
          else if (originals.get(targetNow!) === target) copied++;
          // What was called through the linkage table is called directly.
          else {
            assert(linkage.some(([from, to]) => target! >= from && target! < to), now[i].text);
            bound++;
          }
        }
      }
      assert(same > 0 && copied > 0 && bound > 0, `${[same, copied, bound]}`);
    },
  });

  const root = debianRoot("bookworm", arch);
  const missing = root === undefined ? "the root of bookworm" : missingCompiler(arch, true);
  Deno.test({
    name:
      `${
        arch === "x86_64" ? "exceptions" : "cancelled threads"
      } go through moved functions, ${arch}` +
      (missing === undefined ? "" : ` (skipped: needs ${missing})`),
    ignore: missing !== undefined,
    fn: async () => {
      const cplusplus = ["-l:libstdc++.so.6", "-l:libgcc_s.so.1"];
      using folder = new GuestFolder(arch, root!, [
        { name: "libthrows.so", source: "libthrows.cc", flags: cplusplus },
        { name: "liblatethrows.so", source: "libthrows.cc", flags: cplusplus },
        {
          name: "exceptions",
          source: "exceptions.cc",
          flags: ["-pthread", "-rdynamic", "-lthrows", ...cplusplus],
        },
        { name: "libthrough.so", flags: ["-fexceptions", "-l:libgcc_s.so.1"] },
        { name: "cancel", flags: ["-fexceptions", "-pthread", "-l:libgcc_s.so.1"] },
      ]);
      const options = { root: root!, mounts: folder.mounts };
      // The other one of each is in the tests of rerandomisation, which moves functions by the same copies.
      const program = arch === "x86_64" ? "/t/exceptions" : "/t/cancel";
      const guest = await measure([program], { ...options, linker: "guest" });
      const profile = await profileOf(root!, [program], options);
      for (const entries of ["jump", "stay"] as const) {
        const run = await measure([program], {
          ...options,
          modules: [...linux(), reorder({ profile, entries })],
        });
        const { exit, stdout, stderr } = run;
        assertEquals([exit, stdout, stderr], [guest.exit, guest.stdout, guest.stderr]);
        assert(run.counters["linker.reorder.functions.moved"] > 100);
      }
    },
  });

  Deno.test({
    name: `${arch === "x86_64" ? "sqlite3" : "gawk"} with packed functions, ${arch}` +
      (root === undefined ? " (skipped: needs the root of bookworm)" : ""),
    ignore: root === undefined,
    fn: async () => {
      const argv = arch === "x86_64"
        ? ["/usr/bin/sqlite3", ":memory:", "select printf('%.3f', 22/7.0), upper('a'), 6*7;"]
        : [
          "/usr/bin/gawk",
          'BEGIN { for (i = 0; i < 9; i++) s = s i; print toupper(s "x"), sin(1) }',
        ];
      const profile = await profileOf(root!, argv);
      const base = await measure(argv, { root: root!, cpu: "reference", modules: linux() });
      const packed = await measure(argv, {
        ...{ root: root!, cpu: "reference" },
        modules: [...linux(), reorder({ profile, pages: "2M" })],
      });
      assertEquals([packed.exit, packed.stdout], [base.exit, base.stdout]);
      assert(packed.counters["linker.reorder.functions.moved"] > 300);
      assert(packed.counters["itlb.misses"] < base.counters["itlb.misses"]);
      assert(packed.counters.instructions < base.counters.instructions);
    },
  });
}

Deno.test("reorder combines with iFed's passes after concatenate, before it that is a conflict", async () => {
  const root = await manyGuest("x86_64");
  const profile = await profileOf(root, argv);
  const passes = [ifed.concatenate(), ifed.eliminateBranches(), reorder({ profile })];
  const run = await measure(argv, { root, modules: [...linux(), ...passes] });
  assertEquals([run.exit, run.stdout], [many.exit, many.stdout]);
  assert(run.counters["linker.reorder.functions.moved"] > 15);
  assert(run.counters["linker.ifed.branches.patched"] > 0);
  const error = await assertRejects(() =>
    measure(argv, { root, modules: [...linux(), reorder({ profile }), ifed.concatenate()] })
  );
  assertStringIncludes(
    (error as Error).message,
    "ifed.concatenate and reorder conflict: each would be the main pass of load",
  );
});

Deno.test("a profile that is none is wrong usage", async () => {
  const profile = Deno.makeTempFileSync({ prefix: "reorder-" });
  try {
    Deno.writeTextFileSync(profile, '{"symbols": [{"name": 1}]}');
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", new URL("../../../mod.ts", import.meta.url).pathname, "run"]
        .concat(["--module", `reorder:profile=${profile}`, "--", "/bin/true"]),
    }).output();
    assertEquals(code, 2);
    const text = new TextDecoder().decode(stderr);
    assertStringIncludes(text, `--module reorder: ${profile} is no profile`);
    assertEquals(text.trim().split("\n").length, 1);
  } finally {
    Deno.removeSync(profile);
  }
});
