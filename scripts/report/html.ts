/** Reports as one HTML file that needs nothing else: no script, no font, no network. */
import type { TopLevelSpec } from "./deps.ts";
import { svgOf } from "./render.ts";

/** A part of a report: what it says, a table, plots, or a long text that is folded away. */
export interface Section {
  readonly title: string;
  readonly text?: string;
  /** Rows of cells; the first is the header. The first column is text, the others are numbers. */
  readonly table?: readonly (readonly string[])[];
  readonly plots?: readonly TopLevelSpec[];
  readonly folded?: string;
  /** More rows, folded away. */
  readonly more?: readonly (readonly string[])[];
}

export interface Report {
  readonly title: string;
  /** What was found, a line each. */
  readonly findings: readonly string[];
  readonly sections: readonly Section[];
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}

// The colours are Okabe and Ito's, told apart by colour-blind readers too; lighter on dark.
const STYLE = `
:root { color-scheme: light dark; --paper:#fff; --ink:#1b1f24; --faint:#59636e; --grid:#dde1e6;
  --series1:#59636e; --series2:#d55e00; --series3:#0072b2; --series4:#009e73; --series5:#cc79a7;
  --series6:#b8860b; --series7:#56b4e9; --series8:#8b5a2b; }
@media (prefers-color-scheme: dark) { :root { --paper:#14171b; --ink:#e6e9ed; --faint:#9aa4af;
  --grid:#2d333b; --series1:#9aa4af; --series2:#ff8c42; --series3:#58a6ff; --series4:#3fc99a;
  --series5:#e6a3c8; --series6:#e6c14d; --series7:#8fd3ff; --series8:#c99a6b; } }
@media print { :root { color-scheme: light; --paper:#fff; --ink:#000; --faint:#444; --grid:#ccc; }
  section { break-inside: avoid; } details:not([open]) { display: none; } }
body { background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif;
  max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 0.9rem; }
th, td { padding: 0.15rem 0.7rem; text-align: right; border-bottom: 1px solid var(--grid); }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
th { color: var(--faint); font-weight: 600; }
.wide { overflow-x: auto; } .findings { font-size: 1.05rem; } figure { margin: 1rem 0; }
summary { cursor: pointer; color: var(--faint); margin: 0.5rem 0; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: 0.8rem; }
footer { color: var(--faint); margin-top: 3rem; font-size: 0.85rem; }
`;

function tableOf([header, ...rows]: readonly (readonly string[])[]): string {
  const line = (tag: string, cells: readonly string[]) =>
    `<tr>${cells.map((cell) => `<${tag}>${escape(cell)}</${tag}>`).join("")}</tr>`;
  return `<div class="wide"><table><thead>${line("th", header)}</thead><tbody>${
    rows.map((cells) => line("td", cells)).join("\n")
  }</tbody></table></div>`;
}

async function sectionOf({ title, text, table, plots, folded, more }: Section): Promise<string> {
  const figures: string[] = [];
  for (const plot of plots ?? []) figures.push(`<figure>${await svgOf(plot)}</figure>`);
  const fold = (summary: string, body: string) =>
    `<details><summary>${summary}</summary>${body}</details>`;
  return [
    `<section><h2>${escape(title)}</h2>`,
    text === undefined ? "" : `<p>${escape(text)}</p>`,
    table === undefined ? "" : tableOf(table),
    ...figures,
    more === undefined ? "" : fold("all", tableOf(more)),
    folded === undefined ? "" : fold("show", `<pre>${escape(folded)}</pre>`),
    "</section>",
  ].filter((part) => part !== "").join("\n");
}

/** The report as HTML. Its policy forbids the browser to load anything. */
export async function htmlOf({ title, findings, sections }: Report): Promise<string> {
  const bodies: string[] = [];
  for (const section of sections) bodies.push(await sectionOf(section));
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escape(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${escape(title)}</h1>
<div class="findings">${findings.map((line) => `<p>${escape(line)}</p>`).join("\n")}</div>
${bodies.join("\n")}
<footer>Counts are exact and repeat; cycles are estimated from them. Made by Isthmus.</footer>
</body>
</html>
`;
}
