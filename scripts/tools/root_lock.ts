/** Locks of roots: which packages, byte by byte, a root was made of, and getting them again. */
import { aptEnvironment, type Archive, mirrors } from "./apt.ts";
import { CommandError, text } from "./command.ts";

/** A package as it lies on a mirror. */
export interface LockedPackage {
  readonly package: string;
  readonly version: string;
  readonly sha256: string;
  /** Whether it is of the main archive or of the security archive. */
  readonly archive: "main" | "security";
  /** Below the archive's URL. */
  readonly path: string;
}

/** The content of a `*.lock.json` file. */
export interface RootLock {
  readonly suite: string;
  readonly architecture: string;
  /** Of `rootfs.ts`: another recipe makes another root of the same packages. */
  readonly recipe: number;
  readonly packages: readonly LockedPackage[];
}

async function sha256(file: string): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", await Deno.readFile(file))).toHex();
}

/** What the file at `file`, which came from `url`, is. */
async function lockedPackage(file: string, url: string): Promise<LockedPackage> {
  const fields = await text(["dpkg-deb", "--field", file, "Package", "Version"]);
  const [, name, version] = /^Package: (.*)\nVersion: (.*)$/m.exec(fields)!;
  return {
    package: name,
    version,
    sha256: await sha256(file),
    archive: /\/debian-security\//.test(url) ? "security" : "main",
    path: url.replace(/^.*?\/(pool\/)/, "$1"),
  };
}

/** The lock of a root made of `files`, each with its URL. */
export async function lockOf(
  { suite, architecture }: Archive,
  recipe: number,
  files: ReadonlyMap<string, string>,
): Promise<RootLock> {
  const packages: LockedPackage[] = [];
  for (const [file, url] of files) packages.push(await lockedPackage(file, url));
  return { suite, architecture, recipe, packages };
}

/** Reads a lock. Throws a `CommandError` if the file is none. */
export async function readLock(file: string): Promise<RootLock> {
  try {
    const lock = JSON.parse(await Deno.readTextFile(file)) as RootLock;
    const isLocked = (p: LockedPackage) => p.sha256 !== undefined && p.path !== undefined;
    if (!lock.packages.every(isLocked)) throw new Error("a package has no sha256 or path");
    return lock;
  } catch (error) {
    throw new CommandError(`${file} is no lock of a root: ${(error as Error).message}`);
  }
}

/**
 * The packages of a lock as files, downloaded into `${state}/locked` unless they are there. Throws a
 * `CommandError` that names a package that the mirror has no more, or whose bytes are others.
 */
export async function downloadLocked(
  lock: RootLock,
  mirror: string | undefined,
  state: string,
): Promise<string[]> {
  const archive = { suite: lock.suite, architecture: lock.architecture, mirror };
  const env = await aptEnvironment(archive, state);
  const bases = await mirrors(archive);
  await Deno.mkdir(`${state}/locked`, { recursive: true });
  const files: string[] = [];
  for (const { package: name, version, sha256: hash, archive: from, path } of lock.packages) {
    const file = `${state}/locked/${path.slice(path.lastIndexOf("/") + 1)}`;
    files.push(file);
    if (await sha256(file).catch(() => "") === hash) continue;
    const base = bases[from];
    if (base === undefined) throw new CommandError(`apt names no mirror of the ${from} archive`);
    try {
      const helper = "/usr/lib/apt/apt-helper";
      await text([helper, "download-file", `${base}/${path}`, file, `SHA256:${hash}`], { env });
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      throw new CommandError(`${name} ${version} of the lock: ${error.message}`);
    }
  }
  return files;
}
