import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { compare, ifed, linux } from "../../mod.ts";
import expected from "../guests/expected.json" with { type: "json" };
import { inProcess } from "./in_process.ts";
import { serveCheckout } from "./static_server.ts";

const main = new URL("../../mod.ts", import.meta.url).pathname;
const guests = new URL("../guests/prebuilt", import.meta.url).pathname;
interface Output {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command line as a user does. */
async function isthmus(...args: string[]): Promise<Output> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-lock", main, ...args],
    env: { NO_COLOR: "1" },
    stdin: "null",
  }).output();
  return {
    code,
    stdout: new TextDecoder().decode(stdout),
    stderr: new TextDecoder().decode(stderr),
  };
}

/** Wrong usage: exit code 2 and one line that says what is wrong. */
async function assertUsage(args: string[], problem: string): Promise<void> {
  const { code, out, err } = await inProcess(...args);
  assertEquals([code, out, err.split("\n").length], [2, "", 1], err);
  assertStringIncludes(err, problem);
}

Deno.test("every command has help with an example that names it", async () => {
  const overview = await inProcess("--help");
  assertEquals(overview.code, 0);
  const commands = [...overview.out.matchAll(/^ {2}([\w-]+) (?:\[options\]|<)/gm)].map(([, one]) =>
    one
  );
  assertEquals(commands.length, 21);
  for (const command of commands) {
    const { code, out } = await inProcess(command, "--help");
    assertEquals(code, 0);
    assertStringIncludes(out, `Example:\n  isthmus ${command}`);
    assertStringIncludes(out, "--json");
  }
  // The process itself.
  const { code, stdout, stderr } = await isthmus("presets", "--help");
  assertEquals([code, stderr], [0, ""]);
  assertEquals(stdout, (await inProcess("presets", "--help")).out + "\n");
  assertEquals((await isthmus("nonsense")).code, 2);
});

Deno.test("studies and experiments say what they are for, and what is wrong", async () => {
  const script = async (...args: string[]) => {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-lock", "--no-check", ...args],
    }).output();
    return [code, new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr)] as const;
  };
  const scripts = new URL("../../scripts/", import.meta.url).pathname;
  const study = await script(`${scripts}studies/tlb_size.ts`, "--help");
  assertEquals(study[0], 0);
  assertStringIncludes(study[1], "deno run -A scripts/studies/tlb_size.ts --root");
  const experiment = await script(`${scripts}experiments/reorder.ts`, "--help");
  assertEquals(experiment[0], 0);
  assertStringIncludes(experiment[1], "deno run -A scripts/experiments/reorder.ts [ROOT");
  assertEquals(await script(`${scripts}experiments/reorder.ts`, "/nonexistent", "/"), [
    2,
    "/nonexistent is no folder with a root (--help explains)\n",
  ]);
  assertEquals(await script(`${scripts}studies/tlb_size.ts`, "--root", "/"), [
    2,
    "--root wants a program, and its arguments (--help explains)\n",
  ]);
});

Deno.test("wrong usage is one line and exit code 2", async () => {
  await assertUsage(["nonsense"], "nonsense");
  await assertUsage(["run"], "program");
  await assertUsage(["run", "--nonsense", "/bin/true"], "--nonsense");
  await assertUsage(["run", "--linker", "other", "/bin/true"], "none of guest, modular");
  await assertUsage(["run", "--pipeline", "modular=sysv", "/bin/true"], "NAME=MODULES");
  await assertUsage(["name-linker", "/nonexistent", "modular"], "/nonexistent");
  await assertUsage(["run", "--cpu", "z80", "/bin/true"], "z80");
  await assertUsage(["run", "--seed", "x", "/bin/true"], "--seed");
  await assertUsage(["run", "--root", "/nonexistent", "/bin/true"], "/nonexistent");
  await assertUsage(["run", "--mount", "nonsense", "/bin/true"], "HOST:GUEST");
  await assertUsage(["run", "--module", "nonsense", "/bin/true"], "ifed.concatenate");
  const module = await Deno.makeTempFile({ suffix: ".js" });
  await Deno.writeTextFile(module, `export default () => { throw new Error("no"); }`);
  await assertUsage(["run", "--module", module, "/bin/true"], `${module}: no`);
  await Deno.remove(module);
  await assertUsage(["run", "--module", "./nonexistent.ts", "/bin/true"], "nonexistent.ts");
  await assertUsage(["compare", "/bin/true"], "--with");
  await assertUsage(["run", "--roi", "main", "/bin/true"], "FROM..TO");
  await assertUsage(["plan", "--linker", "guest", "/bin/true"], "guest");
  await assertUsage(["inspect", "/nonexistent"], "/nonexistent");
});

Deno.test("a program that is not there is an error of one line", async () => {
  const { code, stderr } = await isthmus("run", "--root", guests, "/nonexistent");
  assertEquals({ code, lines: stderr.trimEnd().split("\n").length }, { code: 1, lines: 1 });
  assertStringIncludes(stderr, "/nonexistent");
});

Deno.test("files that cannot be run are named with what is wrong with them", async () => {
  const folder = await Deno.makeTempDir();
  await Deno.chmod(folder, 0o755);
  const program = await Deno.readFile(`${guests}/x86_64/hello`);
  const variants: [name: string, bytes: Uint8Array, message: string][] = [
    ["text", new TextEncoder().encode("hello\n"), "too short for an ELF header"],
    ["headers", program.subarray(0, 100), "program header table at 0x40"],
    ["class", program.with(4, 1), "EI_CLASS at 0x4: class 1"],
    ["machine", program.with(18, 8), "ELF machine 8"],
    ["interpreter", await Deno.readFile(`${guests}/x86_64/many/many`), "its interpreter /lib64/"],
  ];
  for (const [name, bytes, message] of variants) {
    await Deno.writeFile(`${folder}/${name}`, bytes, { mode: 0o755 });
    const { code, stderr } = await isthmus("run", "--root", folder, `/${name}`);
    assertEquals([code, stderr.trimEnd().split("\n").length], [1, 1], stderr);
    assertStringIncludes(stderr, message);
    assertStringIncludes(stderr, name);
  }
  await Deno.remove(folder, { recursive: true });
});

for (const arch of ["x86_64", "aarch64"]) {
  Deno.test(`run: output, exit code and counters of guests on ${arch}`, async () => {
    for (const { program, args, exit, stdout } of expected) {
      const small = program === "hello" && exit !== 0 || program === "signals" ||
        program === "many/many" && args[0] === "1";
      if (!small) continue;
      const linker = program === "many/many" ? "modular" : "guest";
      const file = await Deno.makeTempFile();
      const run = () =>
        isthmus(
          ...["run", "--root", guests, "--linker", linker, "--cpu", "reference", "--stats", file],
          ...["--", `/${arch}/${program}`, ...args],
        );
      const first = await run();
      assertEquals({ code: first.code, stdout: first.stdout }, { code: exit, stdout });
      const { signal, ...stats } = JSON.parse(await Deno.readTextFile(file));
      assertEquals(Object.keys(stats).sort(), [
        ...["arch", "counters", "estimated", "execution", "exit", "manifest", "program"],
      ]);
      if (exit > 128) {
        assertEquals(signal, exit - 128);
        assertStringIncludes(first.stderr, "SIGSEGV at pc 0x");
      }
      assertEquals([stats.arch, stats.exit], [arch, exit]);
      assertEquals(stats.manifest.linker, linker);
      assert(stats.counters["itlb.accesses"] >= stats.counters.instructions);
      await run();
      const { signal: _, ...again } = JSON.parse(await Deno.readTextFile(file));
      assertEquals(again, stats);
      await Deno.remove(file);
    }
  });
}

Deno.test("run: options reach the guest", async () => {
  const program = "/x86_64/many/many";
  const limited = await isthmus(
    ...["run", "--root", guests, "--linker", "modular", "--max-instructions", "1000", program],
  );
  assertEquals([limited.code, limited.stdout], [124, ""]);
  const traced = await isthmus(
    ...["run", "--mount", `${guests}:/here`, "--strace", "--cwd", "/here/x86_64", "./hello"],
  );
  assertEquals(traced.code, 0);
  assertStringIncludes(traced.stderr, "write(1, ");
  assertStringIncludes(traced.stderr, "+++ exited with 0 +++");
});

Deno.test("modules come by name, from a file and from a URL", async () => {
  await using server = serveCheckout();
  const folder = await Deno.makeTempDir();
  await Deno.writeTextFile(
    `${folder}/audit.ts`,
    `export default ({ word }) => ({
      name: "audit",
      register: () => ({ "post-load": { strength: "weak", run: (link, object) => console.error(word, object.soname) } }),
    });`,
  );
  // As docs/adding-a-linker-module.md has it.
  await Deno.writeTextFile(
    `${folder}/census.ts`,
    `import { type Module, weak } from ${JSON.stringify(`file://${main}`)};
    export default function census(): Module {
      return { name: "census", register: () => ({ "post-load": weak((link, o) => console.error("census", o.soname)) }) };
    }`,
  );
  await Deno.writeTextFile(
    `${folder}/ifed.ts`,
    `export { concatenate as default } from "${server.origin}/modules/ifed/concatenate.ts";`,
  );
  const { code, stdout, stderr } = await isthmus(
    ...["run", "--root", guests, "--stats", "-"],
    ...[
      "--module",
      `${folder}/census.ts`,
      "--module",
      `${folder}/audit.ts:word=loaded`,
      "--module",
      `${folder}/ifed.ts`,
    ],
    ...["--module", "ifed.eliminateBranches", "/x86_64/many/many", "1", "0"],
  );
  assertEquals(code, 0, stderr);
  assertStringIncludes(stderr, "loaded libm07.so");
  assertStringIncludes(stderr, "census libm07.so");
  const stats = JSON.parse(stdout.slice(stdout.indexOf("{")));
  assertEquals(stats.manifest.modules.slice(-3), [
    "audit",
    "ifed.concatenate",
    "ifed.eliminateBranches",
  ]);
  assert(stats.counters["linker.ifed.huge.pages"] > 0);
  assert(stats.counters["linker.ifed.branches.patched"] > 1000);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("compare: difference, layouts, region of interest, JSON", async () => {
  const args = ["compare", "--root", guests, "--cpu", "reference", "--with", "ifed.concatenate"];
  const program = ["--", "/aarch64/many/many", "20"];
  const once = await isthmus(...args, "--json", ...program);
  const { base, variant, delta, warnings } = JSON.parse(once.stdout);
  assertEquals(warnings, []);
  assertEquals(delta.instructions, 0);
  assertEquals(
    delta["itlb.misses"],
    variant.counters["itlb.misses"] - base.counters["itlb.misses"],
  );
  assert(delta["itlb.misses"] < 0);
  const region = await isthmus(...args, "--roi", "1000..51000", "--json", ...program);
  assertEquals(JSON.parse(region.stdout).base.counters.instructions, 50000);
  const functions = ["--roi", "libm09:many_optional..many_address", "--json"];
  const named = await isthmus(...args, ...functions, ...program);
  assert(JSON.parse(named.stdout).base.counters.instructions > 100);
  const nowhere = await isthmus(...args, "--roi", "0..nowhere", ...program);
  assertEquals([nowhere.code, nowhere.stdout], [1, ""]);
  assertStringIncludes(nowhere.stderr, "no function nowhere");
  const parallel = await isthmus(...args, "--layouts", "2", "--json", ...program);
  const machine = { root: guests, cpu: "reference", modules: linux() };
  const variantOf = { ...machine, modules: [...linux(), ifed.concatenate()] };
  const inTurn = await compare(program.slice(1), machine, variantOf, { layouts: 2 });
  assertEquals(JSON.parse(parallel.stdout).spreads, inTurn.spreads, "in workers, and one by one");
  const broken = await isthmus(...args, "--layouts", "2", "--", "/aarch64/nowhere");
  assertEquals([broken.code, broken.stdout], [1, ""]);
  assertStringIncludes(broken.stderr, "isthmus: no program /aarch64/nowhere");
  const layouts = await isthmus(...args, "--layouts", "2", "--counter", "itlb.misses", ...program);
  assertEquals(layouts.code, 0, layouts.stderr);
  assertStringIncludes(layouts.stdout, "2 layouts");
  const plain = await isthmus(...args, "--counter", "itlb.misses", ...program);
  assertStringIncludes(plain.stdout, base.counters["itlb.misses"].toLocaleString("en-US"));
});

Deno.test("plan, inspect, modules and presets as JSON", async () => {
  const program = `/x86_64/many/many`;
  const plan = JSON.parse((await isthmus("plan", "--root", guests, "--json", program)).stdout);
  assertEquals(plan.hash.length, 64);
  assertEquals(new Set(plan.entries.map(({ object }: { object: string }) => object)).size, 29);
  const about = JSON.parse((await isthmus("inspect", "--json", guests + program)).stdout);
  assertEquals([about.arch, about.needed.length], ["x86_64", 27]);
  const modules = JSON.parse((await isthmus("modules", "--json")).stdout);
  assert(modules.some(({ name }: { name: string }) => name === "ifed.concatenate"));
  const presets = JSON.parse((await isthmus("presets", "--json")).stdout);
  assert(presets.every(({ sources }: { sources: string[] }) => sources.length > 0));
});
