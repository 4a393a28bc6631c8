/**
 * Checks which part of the project imports which: `lib` nothing outside itself; `modules` also
 * `lib`; `sim` also `lib`, and `sim/machine.ts`, like `mod.ts` and `scripts`, everything. What is
 * reachable from `mod.ts` and `scripts` has no bare names, and packages (`npm:`, `jsr:`, URLs) are
 * named only in a `deps.ts` of `scripts` or of a linker module.
 */
import { importsOf } from "../imports.ts";

/** An import that breaks a rule. */
export interface Offence {
  readonly file: string;
  readonly line: number;
  readonly specifier: string;
  readonly reason: string;
}

const parts = ["lib", "modules", "sim", "scripts", "mod.ts"] as const;

/** What files below each part may import from, besides themselves. */
const allowed: Record<string, readonly string[]> = {
  "lib": ["lib"],
  "modules": ["modules", "lib"],
  "sim": ["sim", "lib"],
  "scripts": ["lib", "modules", "sim", "scripts", "mod.ts", "deno.json"],
  "mod.ts": ["lib", "modules", "sim", "scripts", "mod.ts", "deno.json"],
};

/** Single files with more rights than their part. */
const joints: Record<string, readonly string[]> = {
  "sim/machine.ts": ["sim", "lib", "modules"],
};

/** `specifier` of `file` as a path from the project's root; may start with `../`. */
function resolve(file: string, specifier: string): string {
  const folders = file.split("/").slice(0, -1);
  for (const step of specifier.split("/")) {
    if (step === "..") folders.length === 0 ? folders.push("..") : folders.pop();
    else if (step !== ".") folders.push(step);
  }
  return folders.join("/");
}

function reasonAgainst(file: string, specifier: string): string | undefined {
  const ownDependencies = /^(modules|scripts)\/(.*\/)?deps\.ts$/.test(file);
  if (specifier.startsWith("node:")) {
    const mayUse = file.startsWith("scripts/") || ownDependencies;
    return mayUse ? undefined : "node: is for scripts and a module's deps.ts only";
  }
  if (/^(npm|jsr|https?|data):/.test(specifier)) {
    return ownDependencies ? undefined : "packages are named in a deps.ts only";
  }
  if (!/^\.{1,2}\//.test(specifier)) return "a bare name does not work from a URL";
  const part = file.split("/")[0];
  const target = resolve(file, specifier).split("/")[0];
  const rights = joints[file] ?? allowed[part];
  return rights.includes(target) ? undefined : `${part} may import ${rights.join(", ")} only`;
}

/** The offences of one file, `file` being its path from the project's root. */
export function offencesOf(file: string, source: string): Offence[] {
  return importsOf(source).flatMap(({ specifier, line }) => {
    const reason = reasonAgainst(file, specifier);
    return reason === undefined ? [] : [{ file, line, specifier, reason }];
  });
}

async function* sourcesBelow(root: string, path: string): AsyncGenerator<string> {
  const info = await Deno.stat(`${root}/${path}`).catch(() => undefined);
  if (info?.isFile && path.endsWith(".ts")) yield path;
  if (!info?.isDirectory) return;
  for await (const entry of Deno.readDir(`${root}/${path}`)) {
    yield* sourcesBelow(root, `${path}/${entry.name}`);
  }
}

/** The offences of the whole project below `root`, and how many files were read. */
export async function checkProject(root: string): Promise<{ files: number; offences: Offence[] }> {
  const offences: Offence[] = [];
  let files = 0;
  for (const part of parts) {
    for await (const file of sourcesBelow(root, part)) {
      files++;
      offences.push(...offencesOf(file, await Deno.readTextFile(`${root}/${file}`)));
    }
  }
  return { files, offences };
}

if (import.meta.main) {
  const { files, offences } = await checkProject(new URL("../..", import.meta.url).pathname);
  for (const { file, line, specifier, reason } of offences) {
    console.error(`${file}:${line}: imports ${specifier}: ${reason}`);
  }
  console.log(`imports: ${files} files, ${offences.length} offences`);
  if (offences.length > 0) Deno.exit(1);
}
