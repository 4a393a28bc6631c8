/**
 * Debian packages through apt with a state directory of its own: the machine's package lists,
 * architectures and installed packages are neither read nor changed. The mirrors, proxies and
 * keyrings are those the machine's apt is configured with, and apt checks every signature.
 */
import { CommandError, text } from "./command.ts";

/** Where packages come from. Absent fields are taken from the machine's own apt. */
export interface Archive {
  readonly suite: string;
  /** Debian's name of the architecture, as `amd64` or `arm64`. */
  readonly architecture: string;
  /** Base URL of a Debian mirror. */
  readonly mirror?: string;
  /** Keyring file that signs the suite's Release file. */
  readonly keyring?: string;
}

const keyrings = [
  "/usr/share/keyrings/debian-archive-keyring.gpg",
  "/usr/share/keyrings/debian-archive-keyring.pgp",
];

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

/** Base URLs of a mirror's archives. */
interface Mirrors {
  readonly main?: string;
  readonly security?: string;
}

/** Those of `archive`: by default the Debian mirror, and its security archive, that the machine's apt uses. */
export async function mirrors({ mirror }: Archive): Promise<Mirrors> {
  if (mirror !== undefined) return { main: mirror };
  const lines = await text(["apt-get", "indextargets", "--format", "$(REPO_URI)"]);
  const uris = [...new Set(lines.split("\n").map((line) => line.replace(/\/$/, "")))];
  return {
    main: uris.find((uri) => /\/debian$/.test(uri)),
    security: uris.find((uri) => /\/debian-security$/.test(uri)),
  };
}

async function sourceLines(archive: Archive, withSecurity: boolean): Promise<string> {
  const configured = await mirrors(archive);
  if (configured.main === undefined) {
    throw new CommandError("apt names no Debian mirror here; give one with --mirror URL");
  }
  let keyring = archive.keyring;
  for (const path of keyrings) if (keyring === undefined && await exists(path)) keyring = path;
  const rights = keyring === undefined ? "" : ` [signed-by=${keyring}]`;
  const rows = [`deb${rights} ${configured.main} ${archive.suite} main`];
  const rolling = /^(sid|unstable|experimental)$/.test(archive.suite);
  if (withSecurity && configured.security !== undefined && !rolling) {
    rows.push(`deb${rights} ${configured.security} ${archive.suite}-security main`);
  }
  return rows.join("\n") + "\n";
}

/** The machine's `Acquire` settings (proxies, retries), without its hooks. */
async function acquireSettings(): Promise<string> {
  const dump = await text(["apt-config", "dump"]);
  return dump.split("\n").filter((line) =>
    /^Acquire(::|\s)/.test(line) && !line.includes("IndexTargets")
  ).join("\n");
}

/** Makes `state` a state directory for `archive`; the environment that makes apt use it. */
export async function aptEnvironment(
  archive: Archive,
  state: string,
  withSecurity = true,
): Promise<Record<string, string>> {
  for (const folder of ["etc/apt.conf.d", "etc/preferences.d", "lib/lists/partial", "log"]) {
    await Deno.mkdir(`${state}/${folder}`, { recursive: true });
  }
  await Deno.mkdir(`${state}/cache/archives/partial`, { recursive: true });
  await Deno.writeTextFile(`${state}/status`, "");
  await Deno.writeTextFile(`${state}/etc/sources.list`, await sourceLines(archive, withSecurity));
  await Deno.writeTextFile(
    `${state}/apt.conf`,
    `${await acquireSettings()}
Dir::State "${state}/lib";
Dir::State::status "${state}/status";
Dir::Cache "${state}/cache";
Dir::Log "${state}/log";
Dir::Etc "${state}/etc";
Dir::Etc::parts "${state}/etc/apt.conf.d";
Dir::Etc::netrc "/etc/apt/auth.conf";
Dir::Etc::netrcparts "/etc/apt/auth.conf.d";
Dir::Etc::trusted "/etc/apt/trusted.gpg";
Dir::Etc::trustedparts "/etc/apt/trusted.gpg.d";
APT::Architecture "${archive.architecture}";
APT::Architectures "${archive.architecture}";
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Acquire::Languages "none";
`,
  );
  return { APT_CONFIG: `${state}/apt.conf`, DEBIAN_FRONTEND: "noninteractive" };
}

/**
 * Downloads `packages` and everything they depend on into `${state}/cache/archives` and returns the
 * `.deb` files in order, each with its URL. `state` is created and can be kept as a cache. The security archive of an old suite
 * may name packages it no longer has for an architecture: then it is left out.
 */
export async function download(
  archive: Archive,
  packages: readonly string[],
  state: string,
  log: (line: string) => void = () => {},
): Promise<Map<string, string>> {
  try {
    return await downloadFrom(archive, packages, state, true);
  } catch (error) {
    if (!(error instanceof CommandError) || !/-security.*404/.test(error.message)) throw error;
    log(`${archive.suite}-security lacks packages for ${archive.architecture}: without it`);
    return await downloadFrom(archive, packages, state, false);
  }
}

async function downloadFrom(
  archive: Archive,
  packages: readonly string[],
  state: string,
  withSecurity: boolean,
): Promise<Map<string, string>> {
  const env = await aptEnvironment(archive, state, withSecurity);
  const archives = `${state}/cache/archives`;
  await text(["apt-get", "-qq", "update"], { env });
  await text(["apt-get", "-qq", "-y", "--download-only", "install", ...packages], { env });
  // The cache may hold packages of earlier requests: name the files of this one.
  const elsewhere = `Dir::Cache::archives=${state}/none`;
  const wanted = await text(
    [
      "apt-get",
      "-qq",
      "-y",
      "--print-uris",
      "--reinstall",
      "-o",
      elsewhere,
      "install",
      ...packages,
    ],
    { env },
  );
  const found = [...wanted.matchAll(/^'([^']*)' (\S+\.deb) /gm)]
    .map(([, url, name]): [string, string] => [`${archives}/${name}`, url]);
  return new Map(found.sort(([a], [b]) => a < b ? -1 : 1));
}

/**
 * Downloads the upstream archive (`.orig.tar.*`) of the source package that `name` is built from,
 * in the version of the suite, and returns its path.
 */
export async function downloadUpstream(
  archive: Archive,
  name: string,
  state: string,
): Promise<string> {
  const env = await aptEnvironment(archive, state);
  const sources = (await sourceLines(archive, true)).replace(/^deb /gm, "deb-src ");
  await Deno.writeTextFile(`${state}/etc/sources.list`, sources);
  await text(["apt-get", "-qq", "update"], { env });
  const folder = `${state}/sources`;
  await Deno.mkdir(folder, { recursive: true });
  await text(["apt-get", "-qq", "--download-only", "source", name], { env, cwd: folder });
  for await (const entry of Deno.readDir(folder)) {
    if (/\.orig\.tar\.\w+$/.test(entry.name)) return `${folder}/${entry.name}`;
  }
  throw new CommandError(`the source package of ${name} has no upstream archive`);
}
