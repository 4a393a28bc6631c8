/** Reports on the results of a study. */
import type { StoredRun } from "../sweep/store.ts";
import { runName, type Study } from "../sweep/study.ts";
import type { Report, Section } from "./html.ts";
import { bars, lines } from "./plots.ts";
import { countersOf, type Done, type Group, groupsOf, tableOf, typical } from "./study_text.ts";

/** A numeric parameter with several values, which plots have on their x axis. */
function axisOf(study: Study): string | undefined {
  const found = Object.entries(study.parameters ?? {}).find(([, values]) =>
    values.length > 1 && values.every((value) => typeof value === "number")
  );
  return found?.[0];
}

function sectionOf(study: Study, groups: readonly Group[], counter: string): Section {
  const table = tableOf(groups, counter);
  const axis = axisOf(study);
  if (axis === undefined) {
    const sides = table[0].filter((name, i) => i > 0 && name !== "change");
    const values = groups.flatMap(({ name, sets }) =>
      [...sets].map(([set, runs]) => ({
        ...{ side: set || sides[0], group: name, value: typical(runs, counter) },
      }))
    );
    return { title: counter, table, plots: [bars(values, { x: counter, sides })] };
  }
  const values = groups.flatMap(({ name, parameters, sets }) => {
    const rest = name.replace(`${axis}=${parameters[axis]}`, "").replace("  ", " ").trim();
    return [...sets].map(([set, runs]) => ({
      side: [rest, set].filter((part) => part !== "").join(", "),
      x: Number(parameters[axis]),
      y: typical(runs, counter),
    }));
  });
  const sides = [...new Set(values.map(({ side }) => side))];
  const log = values.every(({ x }) => x > 0);
  const plot = lines(values, { x: axis, y: counter, sides, log });
  return { title: counter, table, plots: [plot] };
}

/** The results as a report: a section a counter, and what one of the runs was made from. */
export function studyReport(study: Study, results: readonly StoredRun[]): Report {
  const groups = groupsOf(results);
  const failed = results.filter((run) => "error" in run);
  const first = results.find((run): run is Done => !("error" in run));
  const seeds = study.seeds === undefined ? "" : `, medians over ${study.seeds.length} seeds`;
  const errors = failed.map((run) => [runName(run), "error" in run ? run.error : ""]);
  return {
    title: study.name,
    findings: [
      `${results.length} runs${seeds}; a change with ~ is noise: the seeds do not agree on its sign.`,
    ],
    sections: [
      ...countersOf(study, results).map((counter) => sectionOf(study, groups, counter)),
      ...errors.length > 0 ? [{ title: "Errors", table: [["run", "error"], ...errors] }] : [],
      { title: "Study", folded: JSON.stringify(study, null, 2) },
      ...first === undefined
        ? []
        : [{ title: "Manifest of the first run", folded: JSON.stringify(first.manifest, null, 2) }],
    ],
  };
}
