/**
 * Pages of the documentation as scripts: what their fenced blocks show is done, and what is shown to come out
 * is compared with what comes out.
 *
 * - ` ```console `: lines `$ COMMAND` (a line that ends with `\` goes on in the next one), each with its output
 *   after it, standard output and error as they come. A line `…` stands for any lines, `…` in a line for any text.
 * - ` ```LANGUAGE file=NAME `: the text of a file, which is written.
 *
 * Words after the language, of either kind: `root=NAME`, the folder `root` is this one of `.cache/roots`;
 * `needs=A,B`, each a command, a root, or `ROOT:PACKAGE_VERSION`, a package of a root; `slow`, for
 * `deno task docs:check` only: what takes long, and what tests of the module that a page is about prove already.
 *
 * A comment ` <!-- $ COMMAND --> ` on the line before a block is done before it, such as to make a folder.
 */
export interface Block {
  /** Line of the page at which it begins, from 1. */
  readonly line: number;
  readonly language: string;
  readonly words: ReadonlySet<string>;
  readonly file: string | undefined;
  readonly root: string | undefined;
  readonly needs: readonly string[];
  /** A command that is done before, not shown. */
  readonly setup: string | undefined;
  readonly text: string;
}

/** A command of a block, and the lines that are to come out. */
export interface Command {
  readonly line: number;
  readonly command: string;
  readonly output: readonly string[];
}

/** All fenced blocks of a page, in order. */
export function blocksOf(page: string): Block[] {
  const fences = /^(?:<!-- \$ ([^\n]*) -->\n)?```([^\n]*)\n(.*?)^```$/gms;
  return [...page.matchAll(fences)].map((match) => {
    const [language, ...words] = match[2].trim().split(/\s+/);
    const value = (name: string) =>
      words.find((word) => word.startsWith(`${name}=`))?.slice(name.length + 1);
    return {
      line: page.slice(0, match.index).split("\n").length + (match[1] === undefined ? 0 : 1),
      language,
      words: new Set(words),
      file: value("file"),
      root: value("root"),
      needs: [value("needs")?.split(",") ?? [], value("root") ?? []].flat(),
      setup: match[1],
      text: match[3],
    };
  });
}

/** The commands of a `console` block. */
export function commandsOf({ line, text }: Block): Command[] {
  const commands: { line: number; command: string; output: string[] }[] = [];
  let open = false;
  for (const [index, shown] of text.trimEnd().split("\n").entries()) {
    const last = commands.at(-1);
    if (open) {
      last!.command += `\n${shown}`;
    } else if (shown.startsWith("$ ")) {
      commands.push({ line: line + 1 + index, command: shown.slice(2), output: [] });
    } else if (last === undefined) {
      throw new Error(`line ${line}: a block of commands begins with "$ "`);
    } else {
      last.output.push(shown);
      continue;
    }
    open = shown.endsWith("\\");
  }
  return commands;
}

/** Whether lines are those that a page shows. */
export function matches(shown: readonly string[], actual: readonly string[]): boolean {
  const pattern = shown.map((line) =>
    line === "…" ? "(?:[^\\n]*\\n)*?" : line.split("…").map(RegExp.escape).join("[^\\n]*") + "\\n"
  );
  return new RegExp(`^${pattern.join("")}$`).test(actual.map((line) => `${line}\n`).join(""));
}
