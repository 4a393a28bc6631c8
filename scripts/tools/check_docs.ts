/**
 * Checks that everything reachable from `mod.ts` has a docstring, by `deno doc --lint`. Its other finding, types of
 * signatures that `mod.ts` does not export by name, is no fault here: they are in the reference where they are used.
 */

/** Places of public symbols without a docstring, in what `deno doc --lint` wrote. */
export function undocumented(report: string): string[] {
  const place = /error\[missing-jsdoc\][^]*?--> (\S+)/g;
  return [...report.matchAll(place)].map(([, where]) => where);
}

if (import.meta.main) {
  const { stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["doc", "--lint", new URL("../../mod.ts", import.meta.url).pathname],
    env: { NO_COLOR: "1" },
    stdout: "null",
  }).output();
  const report = new TextDecoder().decode(stderr);
  const found = undocumented(report);
  for (const where of found) console.error(`${where}: a public symbol without a docstring`);
  console.log(`docstrings: ${found.length} missing`);
  if (found.length > 0 || !/Checked|documentation lint errors/.test(report)) {
    if (found.length === 0) console.error(report);
    Deno.exit(1);
  }
}
