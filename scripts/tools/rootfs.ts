/**
 * Makes Debian root folders from packages, for this machine's or a foreign architecture:
 *
 *     deno run -A scripts/tools/rootfs.ts --arch amd64,arm64 bash python3
 *
 * Packages come through apt with its signature checks (see `apt.ts`), are unpacked with
 * `dpkg-deb` and tar, and no script of theirs is run (see `root_setup.ts` for what is made instead).
 */
import { parseArgs } from "node:util";
import { download } from "./apt.ts";
import { capture, CommandError, text } from "./command.ts";
import { downloadLocked, lockOf, readLock } from "./root_lock.ts";
import { packageSets } from "./root_packages.ts";
import { architectures, finish, prepare } from "./root_setup.ts";

/** Always there: folders, accounts, the ld.so cache's tool. */
const foundation = ["base-files", "base-passwd", "libc-bin"];

/** Raised whenever the same request makes another root. */
const recipe = 3;

const help = `Makes Debian root folders from packages, without root rights.

usage: deno run -A scripts/tools/rootfs.ts [options] [PACKAGE…]

  --suite LIST     Debian suites, comma separated (default bookworm)
  --arch LIST      architectures, comma separated: amd64, arm64 (default both)
  --set NAME       packages by name of a set (below; default tests)
  --name NAME      what the roots are called before -<arch> (default: suite and set)
  --out DIR        where roots go, as DIR/<name>-<arch> (default .cache/roots)
  --mirror URL     Debian mirror (default: the one this machine's apt uses)
  --keyring FILE   keyring for the mirror (default: Debian's archive keyring)
  --lock FILE      make the root that FILE, a <name>-<arch>.lock.json, was written for: the same packages
                   byte by byte, as long as the mirror has them (snapshot.debian.org has all)
  --force          make the root again even if the same request was made before
  --help           this text

sets of packages, for roots that tests and the bench use:
${
  Object.entries(packageSets).map(([name, { purpose, suffix }]) =>
    `  ${name.padEnd(10)} ${purpose}${suffix ? `, as <suite>-${suffix}-<arch>` : ""}`
  ).join("\n")
}

Packages bring everything they depend on. Signatures are checked by apt; maintainer scripts are not
run: usr-merge links, accounts, alternatives, ld.so cache and compiled Python are made by this program
instead. A foreign architecture's ld.so cache needs qemu-user. Where a suite's security archive lacks
packages that its index names, the suite's own are taken.

example: a small root for arm64, then a program of it
  deno run -A scripts/tools/rootfs.ts --arch arm64 --out /tmp/roots busybox-static sqlite3
  deno task isthmus run --root /tmp/roots/bookworm-arm64 /usr/bin/sqlite3 :memory: 'select 1'
`;

export interface RootRequest {
  readonly suite: string;
  /** What the root is called before `-` and the architecture; the suite's name if absent. */
  readonly name?: string;
  /** Debian's architecture name. */
  readonly architecture: string;
  readonly packages: readonly string[];
  readonly mirror?: string;
  readonly keyring?: string;
}

async function digest(value: unknown): Promise<string> {
  const bytes = new TextEncoder().encode(JSON.stringify(value));
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return hash.toHex();
}

/** Unpacks `files` into `root` and returns the text of their postinst scripts. */
async function unpack(files: readonly string[], root: string): Promise<string[]> {
  const postinsts: string[] = [];
  const control = await Deno.makeTempDir();
  try {
    for (const [index, file] of files.entries()) {
      // Not --extract, which would replace the usr-merge links by folders.
      const unpacked = 'dpkg-deb --fsys-tarfile "$1" | tar -x --keep-directory-symlink -C "$2"';
      await text(["/bin/bash", "-o", "pipefail", "-c", unpacked, "bash", file, root]);
      const folder = `${control}/${index}`;
      await text(["dpkg-deb", "--control", file, folder]);
      const script = await Deno.readTextFile(`${folder}/postinst`).catch(() => undefined);
      if (script !== undefined) postinsts.push(script);
    }
  } finally {
    await Deno.remove(control, { recursive: true });
  }
  return postinsts;
}

/**
 * Makes the root of `request` in `${out}/${name}-${architecture}` unless the same request was made
 * there before, and returns its path.
 */
export async function makeRoot(
  request: RootRequest,
  out: string,
  options: { force?: boolean; log?: (line: string) => void } = {},
): Promise<string> {
  const log = options.log ?? (() => {});
  const { suite, architecture, name = suite } = request;
  const packages = [...new Set([...foundation, ...request.packages])].sort();
  const { mirror, keyring } = request;
  const key = await digest({ recipe, suite, architecture, packages, mirror, keyring });
  await Deno.mkdir(out, { recursive: true });
  const base = await Deno.realPath(out);
  const root = `${base}/${name}-${architecture}`;
  const stamp = `${root}.json`;
  const made = await Deno.readTextFile(stamp).then(JSON.parse, () => undefined);
  if (!options.force && made?.key === key && (await Deno.stat(root).catch(() => null)) !== null) {
    log(`${root}: made before`);
    return root;
  }
  log(`${root}: downloading`);
  const state = `${base}/.apt/${suite}-${architecture}`;
  const files = await download(request, packages, state, log);
  await Deno.remove(stamp).catch(() => {});
  const notes = await build(root, architecture, [...files.keys()], log);
  const lock = await lockOf(request, recipe, files);
  await Deno.writeTextFile(`${root}.lock.json`, JSON.stringify(lock, null, 1) + "\n");
  const contents = [...files.keys()]
    .map((file) => file.slice(file.lastIndexOf("/") + 1, -".deb".length));
  await Deno.writeTextFile(
    stamp,
    JSON.stringify({ key, suite, architecture, packages, notes, contents }, null, 1) + "\n",
  );
  return root;
}

/** Makes the root that the lock in `file` is of, in `${out}/${name}-${architecture}`; returns its path. */
export async function makeLockedRoot(
  file: string,
  out: string,
  options: { name?: string; mirror?: string; log?: (line: string) => void } = {},
): Promise<string> {
  const log = options.log ?? (() => {});
  const lock = await readLock(file);
  const { suite, architecture } = lock;
  if (lock.recipe !== recipe) {
    log(
      `${file} is of recipe ${lock.recipe}, this is ${recipe}: the root may differ in other files`,
    );
  }
  await Deno.mkdir(out, { recursive: true });
  const base = await Deno.realPath(out);
  const files = await downloadLocked(lock, options.mirror, `${base}/.apt/${suite}-${architecture}`);
  const root = `${base}/${options.name ?? suite}-${architecture}`;
  await build(root, architecture, files, log);
  return root;
}

/** Puts the root made of the packages in `files` in the place of `root`; what could not be done. */
async function build(
  root: string,
  architecture: string,
  files: readonly string[],
  log: (line: string) => void,
): Promise<string[]> {
  log(`${root}: unpacking ${files.length} packages`);
  const begun = Date.now();
  const growing = `${root}.new`;
  await Deno.remove(growing, { recursive: true }).catch(() => {});
  await prepare(growing, architecture);
  const postinsts = await unpack(files, growing);
  const stem = root.slice(0, -architecture.length);
  const siblings = Object.keys(architectures).map((other) => `${stem}${other}`);
  const notes = await finish(growing, architecture, postinsts, siblings, begun);
  for (const note of notes) log(`${root}: ${note}`);
  await Deno.remove(root, { recursive: true }).catch(() => {});
  await Deno.rename(growing, root);
  const size = await capture(["du", "-sh", root]);
  log(`${root}: ready, ${new TextDecoder().decode(size.stdout).split("\t")[0]}`);
  return notes;
}

function usage(message: string): never {
  console.error(`rootfs: ${message} (--help explains)`);
  Deno.exit(2);
}

async function main(args: string[]): Promise<void> {
  let parsed;
  try {
    parsed = parseArgs({
      args,
      allowPositionals: true,
      options: {
        suite: { type: "string", default: "bookworm" },
        arch: { type: "string", default: "amd64,arm64" },
        set: { type: "string", default: "tests" },
        name: { type: "string" },
        out: { type: "string", default: ".cache/roots" },
        mirror: { type: "string" },
        keyring: { type: "string" },
        lock: { type: "string" },
        force: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
  } catch (error) {
    usage((error as Error).message);
  }
  const { values, positionals } = parsed;
  if (values.help) return console.log(help.trimEnd());
  const names = values.arch.split(",");
  for (const name of names) {
    if (!(name in architectures)) {
      usage(`unknown architecture ${name}: ${Object.keys(architectures).join(" or ")}`);
    }
  }
  const suites = values.suite.split(",");
  for (const name of [...suites, ...(values.name === undefined ? [] : [values.name])]) {
    if (!/^[a-z][a-z0-9-]*$/.test(name)) usage(`not a name of a suite or root: ${name}`);
  }
  if (!Object.hasOwn(packageSets, values.set)) {
    usage(`unknown set ${values.set}: ${Object.keys(packageSets).join(" or ")}`);
  }
  const chosen = packageSets[values.set];
  const set = positionals.length > 0 ? { ...chosen, packages: positionals } : chosen;
  const odd = set.packages.find((name) => !/^[a-z0-9][a-z0-9.+-]*$/.test(name));
  if (odd !== undefined) usage(`not a package name: ${odd}`);
  const { mirror, keyring, force, lock } = values;
  try {
    if (lock !== undefined) {
      await makeLockedRoot(lock, values.out, { name: values.name, mirror, log: console.error });
      return;
    }
    for (const suite of suites) {
      const name = values.name ?? [suite, set.suffix].filter((part) => part).join("-");
      for (const architecture of names) {
        const request = { suite, name, architecture, packages: set.packages, mirror, keyring };
        await makeRoot(request, values.out, { force, log: console.error });
      }
    }
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    console.error(`rootfs: ${error.message}`);
    Deno.exit(1);
  }
}

if (import.meta.main) await main(Deno.args);
