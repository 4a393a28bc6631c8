/** `isthmus seccomp` on a small root: what it writes, and what it does again after an update. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { debianRoot } from "../gnu/gnu_run.ts";
import { hasTool, runTool } from "../sysv/native_process.ts";

const root = debianRoot("bookworm", "x86_64");
const missing = root === undefined ? "Debian roots" : hasTool("readelf") ? undefined : "readelf";
const main = new URL("../../../mod.ts", import.meta.url).pathname;

const FILES = ["bin/true", "lib/x86_64-linux-gnu/libc.so.6", "lib64/ld-linux-x86-64.so.2"];

Deno.test({
  name: "isthmus seccomp analyses a library again only when it has changed" +
    (missing === undefined ? "" : ` (skipped: needs ${missing})`),
  ignore: missing !== undefined,
  fn: () => {
    const folder = Deno.makeTempDirSync({ prefix: "seccomp-" });
    try {
      for (const file of FILES) {
        const directory = file.slice(0, file.lastIndexOf("/"));
        Deno.mkdirSync(`${folder}/root/${directory}`, { recursive: true });
        Deno.copyFileSync(`${root}/${file}`, `${folder}/root/${file}`);
      }
      const run = (...args: string[]) => {
        const options = ["--root", `${folder}/root`, "--into", `${folder}/into`];
        const output = runTool(
          Deno.execPath(),
          ...["run", "-A", "--no-lock", main, "seccomp", ...options, ...args],
        );
        return output.split("\n");
      };
      const analysed = (lines: readonly string[]) =>
        lines.filter((line) => line.includes("; analysed in ")).map((line) => line.split(":")[0]);
      const paths = FILES.map((file) => `/${file}`);
      const first = run("/bin/true");
      assertEquals(analysed(first), paths);
      assertEquals(analysed(run("/bin/true")), []);
      const sections = runTool("readelf", "-SW", `${folder}/into/bin/true`);
      assertStringIncludes(sections, " .seccomp ");
      // A new libc: another text in its data.
      const libc = `${folder}/root/${FILES[1]}`;
      const bytes = Deno.readFileSync(libc);
      const text = new TextEncoder().encode("GNU C Library");
      const at = bytes.findIndex((_, i) => text.every((byte, k) => bytes[i + k] === byte));
      bytes[at] ^= 1;
      Deno.writeFileSync(libc, bytes);
      const second = run("/bin/true");
      assertEquals(analysed(second), [paths[1]]);
      const policy = (lines: readonly string[]) =>
        lines.slice(lines.findIndex((line) => line.endsWith(" system calls")));
      assertEquals(policy(second), policy(first));
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  },
});
