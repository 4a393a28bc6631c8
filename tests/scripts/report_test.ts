import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { ifed, linux, measure } from "../../mod.ts";
import { htmlOf } from "../../scripts/report/html.ts";
import {
  comparisonCsv,
  objectRows,
  objectTables,
  type Side,
} from "../../scripts/report/objects.ts";
import { comparisonReport } from "../../scripts/report/sections.ts";
import { studyReport } from "../../scripts/report/study.ts";
import { studyText } from "../../scripts/report/study_text.ts";
import type { StoredRun } from "../../scripts/sweep/store.ts";
import type { Study } from "../../scripts/sweep/study.ts";
import { Site, siteNames } from "../../sim/cpu/site_kinds.ts";
import { Timeline } from "../../sim/study/timeline.ts";
import { Browser } from "./browser.ts";

const root = new URL("../guests/prebuilt", import.meta.url).pathname;

/** A comparison with all that reports show. */
async function compared(): Promise<Side[]> {
  const machine = { root, cpu: "skylake-sp", attribution: true, missCurves: true };
  const argv = ["/x86_64/many/many", "5"];
  const base = await measure(argv, { ...machine, modules: linux() });
  const variant = await measure(argv, { ...machine, modules: [...linux(), ifed.concatenate()] });
  return [{ ...base, name: "base" }, { ...variant, name: "concatenate <&>" }];
}

Deno.test("a timeline counts as a plain list of events does", () => {
  const timeline = new Timeline();
  const events: { readonly at: number; readonly site: Site }[] = [];
  let instructions = 0;
  let state = 1;
  const random = (below: number) => (state = state * 48271 % 0x7fffffff) % below;
  for (let i = 0; i < 3000; i++) {
    const site = [Site.ItlbMisses, Site.DtlbMisses, Site.Mispredicted][random(3)];
    if (random(2) === 0) {
      timeline.at(site);
      events.push({ at: instructions, site });
    }
    const count = 1 + random(20);
    timeline.retired(count);
    instructions += count;
  }
  const report = timeline.report();
  assertEquals(report.instructions, 2 ** Math.floor(Math.log2(instructions / 256) + 1));
  for (const site of [Site.ItlbMisses, Site.DtlbMisses, Site.Mispredicted]) {
    const stretches = new Array(Math.floor(instructions / report.instructions) + 1).fill(0);
    for (const one of events) {
      if (one.site === site) stretches[Math.floor(one.at / report.instructions)]++;
    }
    assertEquals(report.events[siteNames[site]], stretches);
  }
});

Deno.test("events by object and over time add up to the counters", async () => {
  const sides = await compared();
  for (const { counters, attribution } of sides) {
    for (const event of ["itlb.misses", "dtlb.misses"]) {
      const timeline = attribution!.timeline.events[event] ?? [];
      assertEquals(timeline.reduce((a, b) => a + b, 0), counters[event], event);
    }
  }
  const [base, variant] = sides.map(({ counters }) => counters["dtlb.misses"]);
  const number = (text: string) => Number(text.replaceAll(",", ""));
  const rows = objectRows(sides, "dtlb.misses");
  assertEquals(rows.reduce((sum, row) => sum + number(row[1]), 0), base);
  assertEquals(rows.reduce((sum, row) => sum + number(row[2]), 0), variant);
  const shares = rows.reduce((sum, row) => sum + Number(row[4].replace("%", "")), 0);
  assert(Math.abs(shares - 100) < 1, `${shares}`);
  assertStringIncludes(objectTables(sides, 3), "… ");
  const csv = comparisonCsv(sides).split("\r\n");
  assertEquals(csv[0], "object,counter,base,concatenate <&>");
  assert(csv.includes(`,dtlb.misses,${base},${variant}`));
  const libraries = csv.filter((line) => /^\/.*,dtlb\.misses,/.test(line));
  assert(libraries.length > 20);
});

/** Results of a study, made up. */
const study: Study = {
  name: "made up",
  programs: { p: ["/p"] },
  modules: { base: [], with: ["m"] },
  parameters: { size: [1, 2] },
  seeds: [1, 2, 3],
  counters: ["walks", "absent"],
};
const results = [1, 2].flatMap((size) =>
  [1, 2, 3].flatMap((seed) =>
    ["base", "with"].map((modules): StoredRun => ({
      ...{ number: 0, program: "p", modules, preset: "", parameters: { size }, seed },
      ...{ exit: 0, output: "", estimated: {}, manifest: {} as never },
      // Of size 1 all seeds have a tenth less; of size 2 they do not agree.
      counters: {
        walks: 100 * size * seed +
          (modules === "base" ? 0 : size === 1 ? -10 * seed : seed - 2),
      },
    }))
  )
);

Deno.test("tables of a study: medians, changes seed by seed, noise", () => {
  assertEquals(
    studyText(study, [...results, {
      ...{ number: 9, program: "p", modules: "with", preset: "", parameters: {}, seed: 4 },
      error: "no such file\nat all",
    }]),
    `walks     base  with  change
p size=1   200   180  -10.0%
p size=2   400   400      ~=

errors
p with seed 4: no such file`,
  );
});

const browser = await Browser.find();
Deno.test({
  name: `a report in a browser: plots are drawn, nothing is fetched, light and dark${
    browser === undefined ? " (skipped: needs chromium)" : ""
  }`,
  ignore: browser === undefined,
}, async () => {
  const sides = await compared();
  const report = comparisonReport({ title: "a <b> & c", findings: ["found"], sides });
  const pages: Record<string, string> = {
    "/comparison": await htmlOf(report),
    "/study": await htmlOf(studyReport(study, results)),
  };
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (request) =>
      new Response(pages[new URL(request.url).pathname], {
        headers: { "content-type": "text/html" },
      }),
  );
  const origin = `http://127.0.0.1:${server.addr.port}`;
  await using chromium = await Browser.start();
  // What is drawn of each plot: its size, and how many marks of its data have an extent.
  const drawn = () =>
    chromium.evaluate<{ width: number; height: number; marks: number; words: number }[]>(
      `[...document.querySelectorAll("figure > svg")].map((svg) => {
        const { width, height } = svg.getBoundingClientRect();
        const marks = [...svg.querySelectorAll(
          ".mark-rect.role-mark path, .mark-line.role-mark path, .mark-symbol.role-mark path")]
          .filter((mark) => { const b = mark.getBBox(); return b.width + b.height > 0; }).length;
        return { width, height, marks, words: svg.querySelectorAll("text").length };
      })`,
    );
  await chromium.open(`${origin}/comparison`);
  assertEquals(await chromium.evaluate("document.querySelector('h1').textContent"), "a <b> & c");
  const plots = await drawn();
  // Changes, curves, time, code and data pages of two sides, and objects by at least three events.
  assert(plots.length >= 10, `${plots.length} plots`);
  for (const { width, height, marks, words } of plots) {
    assert(width > 300 && height > 30 && marks > 0 && words > 2, JSON.stringify(plots));
  }
  assert(plots.reduce((sum, { marks }) => sum + marks, 0) > 200);
  const rows = await chromium.evaluate<number>("document.querySelectorAll('table tr').length");
  assert(rows > 50);
  const colours = () =>
    chromium.evaluate<string[]>(`[
      getComputedStyle(document.body).backgroundColor,
      getComputedStyle(document.querySelector("svg .role-axis-label text")).fill]`);
  const light = await colours();
  const emulate = (value: string) =>
    chromium.send("Emulation.setEmulatedMedia", {
      features: [{ name: "prefers-color-scheme", value }],
    });
  await emulate("dark");
  const dark = await colours();
  assertEquals([light[0], dark[0]], ["rgb(255, 255, 255)", "rgb(20, 23, 27)"]);
  assert(light[1] !== dark[1]);
  await chromium.send("Emulation.setEmulatedMedia", { media: "print" });
  assertEquals((await colours())[0], "rgb(255, 255, 255)");
  await chromium.open(`${origin}/study`);
  assertEquals((await drawn()).map(({ marks }) => marks > 0), [true]);
  assertEquals(chromium.requests, [`${origin}/comparison`, `${origin}/study`]);
});
