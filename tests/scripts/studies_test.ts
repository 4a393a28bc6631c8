import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { linux, measure, missesAt } from "../../mod.ts";
import { manyGuest } from "../../scripts/experiments/guests_data.ts";
import { serveCheckout } from "./static_server.ts";

const folder = new URL("../../scripts/studies/", import.meta.url);

/** Run a study, small; what it prints and its report. */
async function study(
  script: string,
  ...args: string[]
): Promise<{ readonly text: string; readonly html: string }> {
  const cwd = await Deno.makeTempDir();
  try {
    // Packages are those of this process; what a study imports from a URL is kept for itself.
    const env: Record<string, string> = { NO_COLOR: "1" };
    if (script.startsWith("http")) {
      const info = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
      const { npmCache } = JSON.parse(new TextDecoder().decode(info.stdout));
      await Deno.mkdir(`${cwd}/cache`);
      await Deno.symlink(npmCache, `${cwd}/cache/npm`);
      env.DENO_DIR = `${cwd}/cache`;
    }
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-lock", "--no-check", script, "--html", "report.html", ...args],
      cwd,
      env,
      stdin: "null",
    }).output();
    const text = new TextDecoder().decode(stdout);
    assertEquals(code, 0, new TextDecoder().decode(stderr));
    assertStringIncludes(text, "report: report.html\n");
    return { text, html: await Deno.readTextFile(`${cwd}/report.html`) };
  } finally {
    await Deno.remove(cwd, { recursive: true });
  }
}

/** The study of a file, on a small program of one architecture. */
const small = (name: string, ...args: string[]) =>
  study(new URL(`${name}.ts`, folder).pathname, "--arch", "x86_64", ...args);

/** Numbers of a row of the first table that has it. */
function row(text: string, name: string): number[] {
  const line = text.split("\n").find((line) => line.startsWith(`${name}  `))!;
  return line.slice(name.length).trim().split(/\s+/).map((cell) =>
    Number(cell.replaceAll(",", ""))
  );
}

Deno.test("study ifed: misses go, indirect branches go", async () => {
  const { text, html } = await small("ifed", "many/many", "2");
  assertMatch(text, /many on x86_64, concatenate: itlb.misses -9\d\.\d%/);
  assertMatch(text, /many on x86_64, eliminateBranches: .*branches.indirect -\d\d/);
  assert(html.split("<svg").length > 10);
});

Deno.test("study huge_pages: who asks for none, who asks, everything", async () => {
  const { text } = await small("huge_pages", "hugepages", "2");
  const [never, madvise, always] = row(text, "faults.minor");
  // 2 × 2 MiB by pages of 4 KiB, twice; then half of it on huge pages; then all.
  assert(never >= 2048 && madvise < never - 1000 && always < 100, `${never} ${madvise} ${always}`);
});

Deno.test("study page_size: larger pages, fewer faults", async () => {
  const { text } = await study(new URL("page_size.ts", folder).pathname, "hugepages_64k", "1");
  const faults = row(text, "faults.minor");
  // 2 MiB by pages of each size, but where it asks for huge pages and 2 MiB are one.
  assert(faults[0] >= 512 && faults[0] < 600, `${faults}`);
  assert(faults[1] >= 256 && faults[1] < 300, `${faults}`);
  assert(faults[2] >= 64 && faults[2] < 90, `${faults}`);
  assertMatch(text, /hugepages_64k on aarch64, 64 KiB against 4 KiB: .*memory [+-]/);
});

Deno.test("study plt_cost: direct calls are fewer instructions", async () => {
  const { text } = await small("plt_cost", "many/many", "2");
  const [now, direct] = row(text, "instructions");
  const { counters } = await measure(["/many/many", "2"], {
    ...{ root: await manyGuest("x86_64"), cpu: "skylake-sp", modules: linux() },
  });
  assertEquals(now, counters.instructions);
  assert(direct < now);
});

Deno.test("study relocation_formats: sizes as the packer's", async () => {
  const { text } = await small("relocation_formats", "many/many", "1");
  const [rela] = row(text, "rela");
  const formats = ["relr", "aps2", "crel", "relr+crel"].map((name) =>
    row(text, `${name}, start`)[0]
  );
  // A record of RELA has 24 bytes.
  assertEquals(rela % 24, 0);
  for (const size of formats) assert(size < rela);
});

Deno.test("study seccomp_overhead: the calls of the program, each judged", async () => {
  const { text } = await small("seccomp_overhead", "many/many", "1");
  // It writes and exits; handlers of signals would need a third call.
  assertMatch(text, /x86_64: 3 system calls allowed .*; 2 calls judged/);
});

Deno.test("study compartment_gates: the program's own calls pass gates", async () => {
  const { text } = await small("compartment_gates", "many/many", "50");
  const entries = [...text.matchAll(/: (\d+) entries into/g)].map(([, n]) => Number(n));
  assert(entries.length === 1 && entries[0] > 0, text);
});

Deno.test("study startup: what the modular linker does", async () => {
  const { text } = await small("startup", "many/many", "1");
  assertEquals(row(text, "linker.objects"), [29]);
});

Deno.test("studies run from a URL: tlb_size, syscall_cost", async () => {
  await using server = serveCheckout();
  const url = (name: string) => `${server.origin}/scripts/studies/${name}.ts`;
  const sizes = await study(url("tlb_size"), "--arch", "x86_64", "many/many", "1");
  const { missCurves } = await measure(["/many/many", "1"], {
    ...{ root: await manyGuest("x86_64"), cpu: "skylake-sp", modules: linux(), missCurves: true },
  });
  const curves = ["instructions", "data"].map((side) =>
    missCurves!.find((curve) => curve.side === side)!
  );
  assertEquals(row(sizes.text, "32"), curves.map((curve) => missesAt(curve, 32)));
  assertStringIncludes(sizes.html, "<svg");
  const { text } = await study(url("syscall_cost"));
  const totals = [0, 1000].map((cycles) => row(text, `${cycles}`)[0]);
  const [, calls] = /x86_64: (\d+) calls/.exec(text)!;
  assertEquals(totals[1] - totals[0], 1000 * Number(calls));
});
