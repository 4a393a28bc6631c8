/** Listings of host folders name inodes: as a lookup does, none twice, and never 0, which readdir hides. */
import { assert, assertEquals } from "@std/assert";
import { S_IFREG } from "../../../../sim/kernel/fs/constants.ts";
import { HostFs } from "../../../../sim/kernel/fs/host_fs.ts";
import { failed, type Inode } from "../../../../sim/kernel/fs/inode.ts";

function inode(directory: Inode, name: string): Inode {
  const found = directory.lookup(name);
  if (failed(found)) throw new Error(`${name}: ${found}`);
  return found;
}

/** Numbers by name, checked. */
function listed(directory: Inode): Map<string, number> {
  const list = directory.list();
  if (failed(list)) throw new Error(`list: ${list}`);
  const numbers = new Map(list.map(({ name, ino }) => [name, ino]));
  for (const [name, ino] of numbers) {
    assert(ino > 0, name);
    assertEquals(inode(directory, name).ino, ino, name);
  }
  assertEquals(new Set(numbers.values()).size, numbers.size);
  return numbers;
}

for (const writable of [false, true]) {
  Deno.test(`a ${writable ? "writable" : "read-only"} folder of the host lists inodes`, async () => {
    const folder = await Deno.makeTempDir();
    try {
      for (const name of ["a", "b", "c"]) await Deno.writeTextFile(`${folder}/${name}`, name);
      await Deno.mkdir(`${folder}/d`);
      const fileSystem = new HostFs(folder, { writable });
      const { root } = fileSystem;
      const looked = inode(root, "b").ino;
      const before = listed(root);
      assertEquals([...before.keys()], ["a", "b", "c", "d"]);
      assertEquals(before.get("b"), looked);
      if (writable) {
        assertEquals(root.rename("a", root, "z", false), 0);
        assertEquals(root.unlink("b"), 0);
        const made = root.create("a", { mode: S_IFREG | 0o600, uid: 0, gid: 0 });
        assert(typeof made === "object");
        const after = listed(root);
        assertEquals([...after.keys()], ["a", "c", "d", "z"]);
        assertEquals(after.get("z"), before.get("a"), "a renamed file keeps its inode");
        assert(![...before.values()].includes(after.get("a")!), "a new file has its own");
      }
      fileSystem.close();
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}
