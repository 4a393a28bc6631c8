import { assertEquals } from "@std/assert";
import { available, text } from "../../scripts/tools/command.ts";

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
