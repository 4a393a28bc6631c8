/** Profiles in the viewers that they are for: pprof, and speedscope in a browser. */
import { assert, assertEquals } from "@std/assert";
import { linux, measure } from "../../mod.ts";
import { fullName, pprof, speedscope } from "../../sim/study/profile_formats.ts";
import type { AttributionReport } from "../../sim/study/attribution.ts";
import { hasTool } from "../modules/sysv/native_process.ts";
import { Browser } from "./browser.ts";

const root = new URL("../guests/prebuilt", import.meta.url).pathname;
const SPEEDSCOPE = "speedscope@1.25.0";

async function attributed(): Promise<AttributionReport> {
  const machine = { root, cpu: "zen3", attribution: true, modules: linux() };
  return (await measure(["/x86_64/many/many", "5"], machine)).attribution!;
}

/** Counts of an event by the innermost function of each calling context. */
function byFunction({ stacks }: AttributionReport, event: string): Map<string, number> {
  const found = new Map<string, number>();
  for (const { frames, counts } of stacks) {
    const name = fullName(frames.at(-1)!);
    found.set(name, (found.get(name) ?? 0) + (counts[event] ?? 0));
  }
  return found;
}

/** How pprof is called here: by itself, or as a part of Go. */
const viewer = hasTool("pprof") ? ["pprof"] : hasTool("go") ? ["go", "tool", "pprof"] : undefined;

Deno.test({
  name: `pprof shows each event by function${
    viewer === undefined ? " (skipped: needs pprof)" : ""
  }`,
  ignore: viewer === undefined,
  fn: async () => {
    const report = await attributed();
    const file = await Deno.makeTempFile({ suffix: ".pb.gz" });
    await Deno.writeFile(file, await pprof(report));
    for (const event of ["instructions", "dtlb.misses", "mispredicted"]) {
      const [command, ...before] = viewer!;
      const { stdout } = await new Deno.Command(command, {
        args: [
          ...before,
          "-top",
          "-nodecount=0",
          "-nodefraction=0",
          `-sample_index=${event}`,
          file,
        ],
        stderr: "null",
      }).output();
      const rows = new TextDecoder().decode(stdout).matchAll(/^ +(\d+) .*% {2}(.*)$/gm);
      const shown = new Map([...rows].map(([, flat, name]) => [name, Number(flat)]));
      const expected = byFunction(report, event);
      assert(shown.size > 50);
      for (const [name, count] of expected) assertEquals(shown.get(name) ?? 0, count, name);
    }
    await Deno.remove(file);
  },
});

/** The folder of speedscope's pages, from the package; undefined if it cannot be had. */
async function speedscopePages(): Promise<string | undefined> {
  const deno = async (...args: string[]) =>
    await new Deno.Command(Deno.execPath(), { args, stderr: "null" }).output();
  if (!(await deno("cache", "--no-lock", `npm:${SPEEDSCOPE}`)).success) return undefined;
  const { npmCache } = JSON.parse(new TextDecoder().decode((await deno("info", "--json")).stdout));
  // The cache has a folder for each registry.
  for (const registry of Deno.readDirSync(npmCache)) {
    const release = `${npmCache}/${registry.name}/${SPEEDSCOPE.replace("@", "/")}/dist/release`;
    if (await Deno.stat(release).then(() => true, () => false)) return release;
  }
  return undefined;
}

const pages = await Browser.find() === undefined ? undefined : await speedscopePages();
const lacking = pages === undefined ? " (skipped: needs chromium and npm:speedscope)" : "";

Deno.test({
  name: `speedscope opens a profile and lists its functions${lacking}`,
  ignore: lacking !== "",
  fn: async () => {
    const report = await attributed();
    const profile = JSON.stringify(speedscope(report, "many"));
    await using server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      async (request) => {
        const { pathname } = new URL(request.url);
        if (pathname === "/profile.json") return new Response(profile);
        const type = { html: "text/html", js: "text/javascript", css: "text/css" }[
          pathname.slice(pathname.lastIndexOf(".") + 1)
        ];
        const bytes = await Deno.readFile(`${pages}${pathname}`).catch(() => undefined);
        return new Response(bytes, {
          status: bytes === undefined ? 404 : 200,
          headers: type === undefined ? {} : { "content-type": type },
        });
      },
    );
    const origin = `http://127.0.0.1:${server.addr.port}`;
    await using chromium = await Browser.start();
    const page = `${origin}/index.html#profileURL=${encodeURIComponent(`${origin}/profile.json`)}`;
    await chromium.open(page);
    /** What `find` finds in the page's text, which is drawn step by step. */
    const until = async <T>(what: string, find: (text: string) => T | undefined): Promise<T> => {
      let text = "";
      for (let tries = 0; tries < 600; tries++) {
        text = await chromium.evaluate<string>("document.body.innerText");
        const found = find(text);
        if (found !== undefined) return found;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      throw new Error(`${what} does not appear in: ${text.slice(0, 1000)}`);
    };
    // A profile for each event, of which the first is shown.
    await until("the first profile", (text) => text.includes("instructions (1/5)") || undefined);
    // The table of functions, those with most of their own first. Its rows follow its head.
    const key = { key: "3", code: "Digit3", text: "3" };
    await chromium.send("Input.dispatchKeyEvent", { type: "keyDown", ...key });
    const rows = await until("a table of functions", (text) => {
      const found = [...text.matchAll(/^\t([\d,]+) \([\d.]+%\)\n\t(.+)$/gm)]
        .map(([, self, name]) => `${name} ${self.replaceAll(",", "")}`);
      return found.length >= 20 ? found : undefined;
    });
    const counts = [...byFunction(report, "instructions")].sort(([, a], [, b]) => b - a);
    const expected = counts.map(([name, count]) => `${name.replace(/^.*`(?!0x)/, "")} ${count}`);
    assertEquals(rows[0], expected[0]);
    assertEquals(rows.filter((row) => !expected.includes(row)), []);
  },
});
