/** What modules of TypeScript and JavaScript import of their own: the other half of what they do. */

/** Reads the bytes at a URL; undefined if there are none. */
export type Reader = (url: string) => Promise<Uint8Array<ArrayBuffer> | undefined>;

/** `import … from "x"`, `export … from "x"`, `import "x"` and `import("x")` with a constant. */
const IMPORTS = /\b(?:import\s*(?:\(\s*)?|(?:im|ex)port\b[^"'`;=()]*?\bfrom\s*)(["'])([^"'\n]+)\1/g;

const isScript = (url: string): boolean => /\.[cm]?[jt]sx?$/.test(new URL(url).pathname);

/** The specifiers in the text of a module, as they are written. */
export function specifiersOf(text: string): string[] {
  return [...new Set([...text.matchAll(IMPORTS)].map(([, , specifier]) => specifier))];
}

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
    for (const specifier of specifiersOf(new TextDecoder().decode(bytes))) {
      if (!/^(\.{0,2}\/|file:)/.test(specifier) || !URL.canParse(specifier, url)) continue;
      const next = new URL(specifier, url).href;
      if (seen.has(next) || known.some((place) => next.startsWith(place))) continue;
      seen.add(next);
      waiting.push(next);
    }
  }
  return graph;
}
