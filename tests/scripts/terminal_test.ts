/** `run --tty`: a session at a terminal reads like one with the same shell on this machine. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { hasTool } from "../modules/sysv/native_process.ts";

const cli = new URL("../../scripts/cli/main.ts", import.meta.url).pathname;
const isthmus = [Deno.execPath(), "run", "-A", cli, "run"];
const PROMPT = "ready> ";

/** What is typed at each prompt, and what more is typed once something else is seen. */
type Keys = readonly (readonly [seen: string, typed: string])[];

/** A command on a terminal of script(1): what it shows, up to how it ended. */
async function session(command: readonly string[], keys: Keys): Promise<string> {
  const quoted = command.map((word) => `'${word}'`).join(" ");
  const child = new Deno.Command("script", {
    args: ["-qefc", `${quoted}; echo "ended with $?"`, "/dev/null"],
    env: { TERM: "dumb", HOME: "/", NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const writer = child.stdin.getWriter();
  const decoder = new TextDecoder();
  let all = "";
  let from = 0;
  let next = 0;
  for await (const bytes of child.stdout) {
    all += decoder.decode(bytes, { stream: true });
    while (next < keys.length) {
      const at = all.indexOf(keys[next][0], from);
      if (at < 0) break;
      from = at + keys[next][0].length;
      await writer.write(new TextEncoder().encode(keys[next++][1]));
    }
  }
  await writer.close().catch(() => {});
  await child.status;
  return all.replaceAll(/\r+\n/g, "\n").replace(/^[^]*?(?=ready> )/, "");
}

const missing = !hasTool("script")
  ? "script"
  : Deno.build.os !== "linux" || Deno.build.arch !== "x86_64"
  ? "an x86_64 machine"
  : undefined;
const skipped = missing === undefined ? "" : ` (skipped: needs ${missing})`;

/** A shell that is no terminal's forgets PS1. */
const bash = ["/usr/bin/env", `PS1=${PROMPT}`, "/bin/bash", "--norc", "--noprofile", "-i"];

Deno.test({
  name: `bash at a terminal shows what it shows on this machine${skipped}`,
  ignore: missing !== undefined,
  fn: async () => {
    const keys: Keys = [
      [PROMPT, "echo $((6 * 7)); test -t 0 && test -t 2 && echo terminal\r"],
      [PROMPT, "cat\r"],
      ["cat", "lost\x15ab\x7fc\r"],
      ["\nac", "\x04"],
      // Interrupted, and what came of it.
      [PROMPT, "sh -c 'echo sleeping; exec sleep 1000'\r"],
      ["\nsleeping", "\x03"],
      [PROMPT, "echo $?\r"],
      // Stopped, seen, and ended.
      [PROMPT, "sh -c 'echo sleeping; exec sleep 2000'\r"],
      ["\nsleeping", "\x1a"],
      [PROMPT, "jobs\r"],
      [PROMPT, "kill -9 %1; sleep 0.3\r"],
      [PROMPT, "exit 7\r"],
    ];
    const [here, guest] = [
      await session(bash, keys),
      await session([...isthmus, "--tty", "--", ...bash], keys),
    ];
    assertStringIncludes(here, "\n42\nterminal\n");
    assertStringIncludes(here, "\nended with 7\n");
    assertEquals(guest, here);
  },
});

Deno.test({
  name: `--tty: a program that computes is interrupted, and hung up on${skipped}`,
  ignore: missing !== undefined,
  fn: async () => {
    const shown = await session([...isthmus, "--tty", "--", ...bash], [
      [PROMPT, "echo busy; while :; do :; done\r"],
      ["\nbusy", "\x03"],
      [PROMPT, "echo busy; while :; do :; done\r"],
      ["\nbusy", "\x1d\x1d\x1d"],
    ]);
    assertStringIncludes(shown, "^C");
    assertStringIncludes(shown, "ended with 129");
  },
});

Deno.test("--tty: without a terminal, or with --json, one line says so", async () => {
  for (const option of ["--env=A=B", "--json"]) {
    const { code, stderr } = await new Deno.Command(isthmus[0], {
      args: [...isthmus.slice(1), "--tty", option, "--", "/bin/true"],
      stdin: "null",
      env: { NO_COLOR: "1" },
    }).output();
    const [line, ...more] = new TextDecoder().decode(stderr).trim().split("\n");
    assertEquals([code, more], [2, []]);
    assertStringIncludes(line, "isthmus: --tty");
  }
});
