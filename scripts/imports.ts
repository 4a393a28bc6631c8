/** What sources of TypeScript and JavaScript import, and so what a module's work depends on. */

/** Comments replaced by blanks of the same length, so that lines keep their numbers. */
function withoutComments(source: string): string {
  const pattern = /"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`|\/\/.*|\/\*[^]*?\*\//g;
  return source.replace(
    pattern,
    (match) => /^\/[/*]/.test(match) ? match.replace(/[^\n]/g, " ") : match,
  );
}

/** All module specifiers of a source text that are constants, with their line numbers, from 1. */
export function importsOf(source: string): { specifier: string; line: number }[] {
  const code = withoutComments(source);
  const forms = [
    /(?<=^|[;}])\s*(?:import|export)\b[^;'"`=()]*?\bfrom\s*["']([^"'\n]+)["']/gm,
    /(?<=^|[;}])\s*import\s*["']([^"'\n]+)["']/gm,
    /(?<![.\w])import\(\s*["']([^"'\n]+)["']/g,
    /\bnew URL\(\s*["']([^"'\n]+\.ts)["']\s*,\s*import\.meta\.url/g,
  ];
  return forms.flatMap((form) =>
    [...code.matchAll(form)].map((match) => ({
      specifier: match[1],
      line: code.slice(0, match.index + match[0].length).split("\n").length,
      at: match.index + match[0].length,
    }))
  ).sort((a, b) => a.at - b.at).map(({ specifier, line }) => ({ specifier, line }));
}

/** Reads the bytes at a URL; undefined if there are none. */
export type Reader = (url: string) => Promise<Uint8Array<ArrayBuffer> | undefined>;

const isScript = (url: string): boolean => /\.[cm]?[jt]sx?$/.test(new URL(url).pathname);

/**
 * The modules at `urls` and all that they import by relative specifiers or `file:` URLs, directly or not, as bytes by
 * URL in order of discovery. Packages (`npm:`, `jsr:`) and other servers' modules name their versions themselves and
 * are left out, as is what lies at or below one of `known`. A file that is not there is left out too: importing it
 * fails, or it is imported for types alone.
 */
export async function moduleGraph(
  urls: readonly string[],
  read: Reader,
  known: readonly string[] = [],
): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  const graph = new Map<string, Uint8Array<ArrayBuffer>>();
  const seen = new Set(urls);
  const waiting = [...urls];
  for (let url = waiting.shift(); url !== undefined; url = waiting.shift()) {
    const bytes = await read(url);
    if (bytes === undefined) continue;
    graph.set(url, bytes);
    if (!isScript(url)) continue;
    for (const { specifier } of importsOf(new TextDecoder().decode(bytes))) {
      if (!/^(\.{0,2}\/|file:)/.test(specifier) || !URL.canParse(specifier, url)) continue;
      const next = new URL(specifier, url).href;
      if (seen.has(next) || known.some((place) => next.startsWith(place))) continue;
      seen.add(next);
      waiting.push(next);
    }
  }
  return graph;
}
