import { assertEquals, assertRejects } from "@std/assert";
import { available, CommandError, text } from "../../scripts/tools/command.ts";
import { makeLockedRoot, makeRoot } from "../../scripts/tools/rootfs.ts";

const roots = new URL("../../.cache/roots/", import.meta.url).pathname;
const program = "import json, sys; print(sum(range(10)), json.loads('[1]'), sys.version_info[:2])";

for (const [name, arch] of [["amd64", "x86_64"], ["arm64", "aarch64"]]) {
  const root = `${roots}bookworm-${name}`;
  const made = await Deno.stat(`${root}.json`).then(() => true, () => false);
  const needs = !made
    ? ` (skipped: needs ${name} root, see scripts/tools/rootfs.ts)`
    : await available(`qemu-${arch}`)
    ? ""
    : ` (skipped: needs qemu-${arch})`;
  Deno.test(
    { name: `${name} root works under qemu-user${needs}`, ignore: needs !== "" },
    async () => {
      const run = (path: string, ...args: string[]) =>
        text([`qemu-${arch}`, "-L", root, root + path, ...args], {
          env: { PYTHONHOME: `${root}/usr`, PYTHONDONTWRITEBYTECODE: "1" },
        });
      assertEquals(await run("/usr/bin/python3", "-c", program), "45 [1] (3, 11)\n");
      // What maintainer scripts make: byte code that Python accepts, the loader's cache, links.
      const code = `import importlib.util as u, os
path = '${root}/usr/lib/python3.11/json/__init__.py'
data = open(u.cache_from_source(path), 'rb').read(16)
print(data[:4] == u.MAGIC_NUMBER, int.from_bytes(data[8:12], 'little') == int(os.stat(path).st_mtime))`;
      assertEquals(await run("/usr/bin/python3", "-c", code), "True True\n");
      assertEquals(await run("/usr/bin/lua5.4", "-e", "print(2^10)"), "1024.0\n");
      const list = await run("/usr/sbin/ldconfig", "-p", "-C", `${root}/etc/ld.so.cache`);
      assertEquals(/libc\.so\.6 \(libc6,.*\) => \/\S*libc\.so\.6/.test(list), true);
      for (const path of ["/bin/sh", "/usr/bin/awk", "/etc/passwd", "/bin/busybox"]) {
        await Deno.lstat(root + path);
      }
    },
  );
}

const made = await Deno.stat(`${roots}bookworm-amd64.json`).then(() => true, () => false);
const needs = made ? "" : " (skipped: needs amd64 root, and the mirror it is from)";
Deno.test({ name: `a lock makes the same root again${needs}`, ignore: needs !== "" }, async () => {
  const out = await Deno.makeTempDir();
  try {
    const times = (root: string) =>
      text(["bash", "-c", `cd "$1" && find -printf '%P %T@\\n' | sort`, "bash", root]);
    const request = { suite: "bookworm", name: "a", architecture: "amd64", packages: [] };
    const first = await makeRoot(request, out);
    const lock = JSON.parse(await Deno.readTextFile(`${first}.lock.json`));
    const archives = `${out}/.apt/bookworm-amd64/cache/archives`;
    const files = (await Array.fromAsync(Deno.readDir(archives))).map(({ name }) => name);
    const file = files.find((name) => name.startsWith("base-files_"));
    const version = await text(["dpkg-deb", "--field", `${archives}/${file}`, "Version"]);
    const [base] = lock.packages.filter((p: { package: string }) => p.package === "base-files");
    assertEquals(base.version, version.trim());
    const second = await makeLockedRoot(`${first}.lock.json`, out, { name: "b" });
    assertEquals(await text(["diff", "-r", "--no-dereference", first, second]), "");
    assertEquals(await times(first), await times(second));
    base.sha256 = "0".repeat(64);
    await Deno.writeTextFile(`${out}/wrong.lock.json`, JSON.stringify(lock));
    await assertRejects(
      () => makeLockedRoot(`${out}/wrong.lock.json`, out, { name: "c" }),
      CommandError,
      `base-files ${base.version} of the lock`,
    );
    await assertRejects(
      () => makeLockedRoot(`${first}.json`, out),
      CommandError,
      "no lock of a root",
    );
  } finally {
    await Deno.remove(out, { recursive: true });
  }
});
