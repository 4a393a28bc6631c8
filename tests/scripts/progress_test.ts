/** How far long work is: a bar with an estimate on a terminal, nothing of it in a pipe. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { hasTool } from "../modules/sysv/native_process.ts";

const mod = new URL("../../mod.ts", import.meta.url).pathname;
const guests = new URL("../guests/prebuilt", import.meta.url).pathname;
const isthmus = `${Deno.execPath()} run -A --no-lock --no-check ${mod}`;
const compare = `${isthmus} compare --root ${guests} --with ifed.concatenate --json`;

/** To the line's start, and clear it. */
const REDRAW = "\r\x1b[K";

/** What a command of a shell writes, to both outputs. */
async function shell(command: string): Promise<string> {
  const { stdout } = await new Deno.Command("/bin/sh", {
    args: ["-c", `exec 2>&1\n${command}`],
    stdin: "null",
  }).output();
  return new TextDecoder().decode(stdout);
}

const lacking = hasTool("script") ? "" : " (skipped: needs script)";
Deno.test({
  name: `a bar on a terminal, gone before the result; nothing in a pipe${lacking}`,
  ignore: lacking !== "",
  fn: async () => {
    const folder = await Deno.makeTempDir();
    const result = `${folder}/result.json`;
    try {
      const terminal = (command: string) => shell(`script -qec '${command}' /dev/null`);
      const bar = await terminal(`${compare} -- /x86_64/many/many 1 </dev/null >${result}`);
      const frames = bar.split(REDRAW);
      assertEquals(frames.length, 5, bar);
      for (
        const [i, frame] of [/^$/, /0\/2 $/, /1\/2 \d+:\d\d left$/, /2\/2 in \d+:\d\d$/, /^$/]
          .entries()
      ) {
        assertMatch(frames[i], frame);
      }
      const again = await terminal(`${isthmus} reproduce ${result}`);
      assertEquals(again.split(REDRAW).map((part) => part.slice(0, 1)).join(""), "[/[/[");
      assertStringIncludes(again, `${REDRAW}/x86_64/many/many 1, variant: the same, `);
      assertEquals(
        (await shell(`${isthmus} reproduce ${result}`)).replace(/\d+ counters/g, "N"),
        ["base", "variant"].map((side) => `/x86_64/many/many 1, ${side}: the same, N\n`).join(""),
      );
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test("a reader that has enough ends the run without a word", async () => {
  const out = await shell(`${isthmus} presets --json | head -n 1`);
  assertEquals(out, "[\n");
  // The pipe is closed before the guest writes: it dies of SIGPIPE, as it would in a shell.
  const run = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--no-lock",
      "--no-check",
      mod,
      "run",
      "--root",
      guests,
      "--",
      "/x86_64/hello",
    ],
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  await run.stdout.cancel();
  assertEquals(await new Response(run.stderr).text(), "");
  assertEquals((await run.status).code, 128 + 13);
});
