/** Command lines of scripts that are run by file or URL: what they are for stands in the comment that they begin with. */

/** The comment at the top of the script at a URL. */
export async function purposeOf(url: string): Promise<string> {
  const text = await (await fetch(url)).text();
  return /^(?:\/\/.*\n)*/.exec(text)![0].replace(/^\/\/ ?/gm, "").trimEnd();
}

function wrong(problem: string): never {
  console.error(`${problem} (--help explains)`);
  Deno.exit(2);
}

/**
 * The arguments of the experiment at `url`, of which the first two, if there are any, are roots of both architectures.
 * `--help` prints what it is for and ends the process; so does what is wrong, with code 2.
 */
export async function argumentsOf(url: string): Promise<readonly string[]> {
  const roots = Deno.args.slice(0, 2);
  if (roots.includes("--help")) {
    console.log(await purposeOf(url));
    Deno.exit(0);
  }
  for (const root of roots) {
    if (root.startsWith("-")) wrong(`there is no option ${root}`);
    const info = await Deno.stat(root).catch(() => undefined);
    if (!info?.isDirectory) wrong(`${root} is no folder with a root`);
  }
  if (roots.length === 1) wrong("two roots are needed, of x86_64 and aarch64");
  return Deno.args;
}
