/**
 * What Debian's maintainer scripts would leave behind in a root and programs rely on, made without
 * running any of them: accounts, alternatives, the ld.so cache, byte-compiled Python.
 */
import { available, capture, CommandError, text } from "./command.ts";

/** Debian's and Deno's name of each architecture, with its program interpreter. */
export const architectures: Record<string, { deno: string; loader: string; triplet: string }> = {
  amd64: {
    deno: "x86_64",
    loader: "/lib64/ld-linux-x86-64.so.2",
    triplet: "x86_64-linux-gnu",
  },
  arm64: {
    deno: "aarch64",
    loader: "/lib/ld-linux-aarch64.so.1",
    triplet: "aarch64-linux-gnu",
  },
};

async function stat(path: string): Promise<Deno.FileInfo | undefined> {
  return await Deno.lstat(path).catch(() => undefined);
}

async function link(root: string, target: string, path: string): Promise<void> {
  if (await stat(root + path) !== undefined) return;
  await Deno.mkdir((root + path).replace(/\/[^/]*$/, ""), { recursive: true });
  await Deno.symlink(target, root + path);
}

/** Folders and usr-merge links that must exist before the first package is unpacked. */
export async function prepare(root: string, architecture: string): Promise<void> {
  await Deno.mkdir(`${root}/usr`, { recursive: true });
  const merged = ["bin", "sbin", "lib", ...(architecture === "amd64" ? ["lib64"] : [])];
  for (const folder of merged) {
    await Deno.mkdir(`${root}/usr/${folder}`, { recursive: true });
    await Deno.symlink(`usr/${folder}`, `${root}/${folder}`);
  }
}

async function accounts(root: string): Promise<void> {
  const masters = `${root}/usr/share/base-passwd`;
  const passwd = await Deno.readTextFile(`${masters}/passwd.master`);
  const group = await Deno.readTextFile(`${masters}/group.master`);
  const account = "isthmus:x:1000:1000:isthmus:/home/isthmus:/bin/bash\n";
  await Deno.writeTextFile(`${root}/etc/passwd`, passwd.replace(/^(\w+):\*:/gm, "$1:x:") + account);
  await Deno.writeTextFile(
    `${root}/etc/group`,
    group.replace(/^(\w+):\*:/gm, "$1:x:") + "isthmus:x:1000:\n",
  );
  await Deno.mkdir(`${root}/home/isthmus`, { recursive: true });
}

async function configuration(root: string): Promise<void> {
  for (const folder of ["dev", "proc", "sys", "run", "tmp", "var/tmp", "root", "etc"]) {
    await Deno.mkdir(`${root}/${folder}`, { recursive: true });
  }
  const nsswitch = await stat(`${root}/usr/share/base-files/nsswitch.conf`);
  if (nsswitch !== undefined) {
    await Deno.copyFile(`${root}/usr/share/base-files/nsswitch.conf`, `${root}/etc/nsswitch.conf`);
  }
  await Deno.writeTextFile(`${root}/etc/hostname`, "isthmus\n");
  await Deno.writeTextFile(`${root}/etc/hosts`, "127.0.0.1 localhost\n127.0.1.1 isthmus\n");
  await Deno.writeTextFile(`${root}/etc/timezone`, "Etc/UTC\n");
  await link(root, "/usr/share/zoneinfo/Etc/UTC", "/etc/localtime");
  if (await stat(`${root}/etc/ld.so.conf`) === undefined) {
    await Deno.writeTextFile(`${root}/etc/ld.so.conf`, "include /etc/ld.so.conf.d/*.conf\n");
  }
}

/** A shell script with its loops over constant words written out. */
function unrolled(script: string): string {
  const loop = /for (\w+) in ([\w. +-]+); do\b(.*?)\bdone\b/gs;
  return script.replace(loop, (_all, variable, words, body) => {
    const each = words.trim().split(/\s+/) as string[];
    return each.map((word) => body.replaceAll(`\${${variable}}`, word)).join("\n");
  });
}

/**
 * Links that `update-alternatives --install LINK NAME PATH PRIORITY` calls in postinst scripts ask
 * for: read, not run. The highest priority wins; names made from shell variables are left alone.
 */
async function alternatives(root: string, postinsts: readonly string[]): Promise<void> {
  const best = new Map<string, { link: string; path: string; priority: number }>();
  for (const script of postinsts) {
    const joined = unrolled(script.replace(/\\\n/g, " "));
    for (const match of joined.matchAll(/--install\s+(\/\S+)\s+([\w.+-]+)\s+(\/\S+)\s+(\d+)/g)) {
      const [, link, name, path, digits] = match;
      const priority = Number(digits);
      if (/[$"'`]/.test(link + path) || await stat(root + path) === undefined) continue;
      if ((best.get(name)?.priority ?? -1) < priority) best.set(name, { link, path, priority });
    }
  }
  for (const [name, choice] of best) {
    await link(root, choice.path, `/etc/alternatives/${name}`);
    await link(root, `/etc/alternatives/${name}`, choice.link);
  }
  for (const shell of ["dash", "bash", "busybox"]) {
    if (await stat(`${root}/usr/bin/${shell}`) !== undefined) {
      await link(root, shell, "/usr/bin/sh");
    }
  }
}

/** Host path of a file of the root that may be an absolute symlink. */
async function inside(root: string, path: string): Promise<string> {
  const target = await Deno.readLink(root + path).catch(() => "");
  return target.startsWith("/") ? root + target : root + path;
}

/** A command line that runs the dynamic program `path` of `root` here, natively or under qemu-user. */
async function runner(root: string, architecture: string, path: string): Promise<string[]> {
  const { deno, loader, triplet } = architectures[architecture];
  if (deno === Deno.build.arch) {
    const libraries = `${root}/usr/lib/${triplet}:${root}/usr/lib`;
    return [await inside(root, loader), "--library-path", libraries, root + path];
  }
  if (await available(`qemu-${deno}`)) return [`qemu-${deno}`, "-L", root, root + path];
  throw new CommandError(`needs qemu-${deno} (package qemu-user)`);
}

/** Writes `/etc/ld.so.cache` with the root's own (static) ldconfig. */
async function loaderCache(root: string, architecture: string): Promise<void> {
  const { deno } = architectures[architecture];
  const ldconfig = `${root}/usr/sbin/ldconfig`;
  const native = deno === Deno.build.arch;
  await text([...(native ? [] : [`qemu-${deno}`]), ldconfig, "-r", root]);
  // Inode numbers of the host, by which ldconfig would be faster the next time.
  await Deno.remove(`${root}/var/cache/ldconfig/aux-cache`).catch(() => {});
}

/**
 * Byte-compiles the standard library as python3's postinst does. Byte code is the same on every
 * architecture, so a sibling root with the same Python and this machine's architecture does the
 * work natively where there is one.
 */
async function pythonCode(root: string, architecture: string, siblings: string[]): Promise<void> {
  const library = await Array.fromAsync(Deno.readDir(`${root}/usr/lib`));
  const version = library.find((entry) => /^python3\.\d+$/.test(entry.name))?.name;
  if (version === undefined || await stat(`${root}/usr/bin/${version}`) === undefined) return;
  const native = Object.keys(architectures).find((name) =>
    architectures[name].deno === Deno.build.arch
  );
  let [home, of] = [root, architecture];
  for (const sibling of siblings) {
    if (architecture === native || native === undefined) break;
    if (!sibling.endsWith(`-${native}`)) continue;
    if (await stat(`${sibling}/usr/bin/${version}`) !== undefined) [home, of] = [sibling, native];
  }
  const argv = [...await runner(home, of, `/usr/bin/${version}`), "-S", "-m", "compileall"];
  argv.push("-q", "-s", root, "-p", "/", `${root}/usr/lib/${version}`);
  if (await stat(`${root}/usr/lib/python3`) !== undefined) argv.push(`${root}/usr/lib/python3`);
  const env = { PYTHONHOME: `${home}/usr`, PYTHONHASHSEED: "0" };
  const done = await capture(argv, { env });
  // compileall answers 1 when some file (a template, a test of bad syntax) does not compile.
  if (done.code > 1) throw new CommandError(`byte-compiling Python ended with ${done.code}`);
}

/**
 * Gives all that is younger than `begun`, milliseconds of 1970, the time of the youngest file of the packages: programs
 * see times of files and folders (Python keeps those of the folders it imports from), so they must not depend on when
 * a root is made.
 */
async function settleTimes(root: string, begun: number): Promise<void> {
  const listed = await text(["find", root, "-printf", "%T@ ./%P\\0"]);
  const entries = listed.split("\0").slice(0, -1).map((line) => {
    const space = line.indexOf(" ");
    return { seconds: Math.floor(Number(line.slice(0, space))), path: line.slice(space + 1) };
  });
  const isNew = ({ seconds }: { seconds: number }) => seconds >= Math.floor(begun / 1000);
  const youngest = entries.reduce(
    (most, one) => isNew(one) ? most : Math.max(most, one.seconds),
    0,
  );
  const paths = entries.filter(isNew).map(({ path }) => path);
  for (let at = 0; at < paths.length; at += 1000) {
    const some = paths.slice(at, at + 1000);
    await text(["touch", "--no-dereference", `--date=@${youngest}`, ...some], { cwd: root });
  }
}

/** Everything after unpacking, which began at `begun`; returns notes on what this machine could not do. */
export async function finish(
  root: string,
  architecture: string,
  postinsts: readonly string[],
  siblings: string[],
  begun: number,
): Promise<string[]> {
  await configuration(root);
  await accounts(root);
  await alternatives(root, postinsts);
  const notes: string[] = [];
  for (
    const [what, step] of [
      ["/etc/ld.so.cache", () => loaderCache(root, architecture)],
      ["compiled Python", () => pythonCode(root, architecture, siblings)],
    ] as const
  ) {
    try {
      await step();
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      notes.push(`no ${what}: ${error.message.split("\n")[0]}`);
    }
  }
  await settleTimes(root, begun);
  return notes;
}
