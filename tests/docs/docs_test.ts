import { assert, assertEquals } from "@std/assert";
import { type Block, blocksOf, commandsOf, matches } from "./page.ts";
import { missing, Sandbox } from "./sandbox.ts";

const checkout = new URL("../../", import.meta.url);
const all = Deno.env.get("DOCS_ALL") === "1";

/** Paths of all pages below the checkout. */
function pages(): string[] {
  const within = (folder: string) =>
    [...Deno.readDirSync(new URL(folder, checkout))]
      .filter(({ name }) => name.endsWith(".md")).map(({ name }) => folder + name).sort();
  return ["README.md", ...within("docs/"), ...within("docs/modules/")];
}

/** Does what a block shows. */
async function follow(block: Block, sandbox: Sandbox, page: string): Promise<void> {
  if (block.file !== undefined) await sandbox.write(block.file, block.text);
  if (block.language !== "console") return;
  if (block.root !== undefined) await sandbox.chooseRoot(block.root);
  if (block.setup !== undefined) assertEquals(await sandbox.run(block.setup), [], block.setup);
  for (const { line, command, output } of commandsOf(block)) {
    const actual = await sandbox.run(command);
    if (matches(output, actual)) continue;
    assertEquals(actual, output, `${page}:${line}: $ ${command}`);
  }
}

for (const page of pages()) {
  const blocks = blocksOf(Deno.readTextFileSync(new URL(page, checkout)));
  const used = blocks.filter(({ language, file }) => language === "console" || file !== undefined);
  if (!used.some(({ language }) => language === "console")) continue;
  Deno.test(`${page}: what it shows is what comes out`, async (t) => {
    await using sandbox = await Sandbox.create();
    for (const block of used) {
      const reason = block.words.has("slow") && !all
        ? "slow: deno task docs:check"
        : block.language === "console" && missing(block);
      const name = `line ${block.line}`;
      await t.step({
        name: reason
          ? `${name} (skipped: ${all || missing(block) ? "needs " : ""}${reason})`
          : name,
        ignore: Boolean(reason),
        fn: () => follow(block, sandbox, page),
      });
    }
  });
}

Deno.test({
  name: `TypeScript of the pages has right types${
    all ? "" : " (skipped: slow: deno task docs:check)"
  }`,
  ignore: !all,
}, async () => {
  await using sandbox = await Sandbox.create();
  for (const page of pages()) {
    for (const block of blocksOf(Deno.readTextFileSync(new URL(page, checkout)))) {
      if (block.language !== "ts" || block.words.has("ignore")) continue;
      await sandbox.write(`${page.replaceAll("/", "_")}_${block.line}.ts`, block.text);
    }
  }
  const problems = await sandbox.run("deno check --quiet *.md_*.ts");
  assertEquals(problems, [], problems.join("\n"));
});

Deno.test("links between pages lead to pages and headings that are there", () => {
  const headings = (text: string) =>
    [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
      heading.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-")
    );
  const broken: string[] = [];
  for (const page of pages()) {
    const here = new URL(page, checkout);
    const text = Deno.readTextFileSync(here).replace(/^```.*?^```$/gms, "");
    for (const [, target] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      const url = new URL(target, here);
      try {
        const found = url.hash === "" ||
          headings(Deno.readTextFileSync(url)).includes(url.hash.slice(1));
        Deno.statSync(url);
        if (!found) broken.push(`${page}: ${target}`);
      } catch {
        broken.push(`${page}: ${target}`);
      }
    }
  }
  assertEquals(broken, []);
});

Deno.test("what pages show: commands that go on, lines and text left out", () => {
  const [file, block] = blocksOf(
    "a\n```ts file=a.ts\n1\n```\n<!-- $ mkdir d -->\n```console root=r needs=gcc slow\n" +
      "$ a \\\n  b\nx\n\n…\n$ c\n```\n",
  );
  assertEquals([file.line, file.file, file.text], [2, "a.ts", "1\n"]);
  assertEquals([file.setup, block.setup], [undefined, "mkdir d"]);
  assertEquals([block.root, block.needs, block.words.has("slow")], ["r", ["gcc", "r"], true]);
  assertEquals(commandsOf(block), [
    { line: 7, command: "a \\\n  b", output: ["x", "", "…"] },
    { line: 12, command: "c", output: [] },
  ]);
  assert(matches(["a", "…", "z…9"], ["a", "b", "c", "z129"]));
  assert(matches(["a", "…"], ["a"]));
  assert(!matches(["a"], ["a", "b"]));
  assert(!matches(["a", "…", "z"], ["a", "b"]));
  assert(!matches(["a.c"], ["abc"]));
  assert(!matches([], ["a"]));
});
