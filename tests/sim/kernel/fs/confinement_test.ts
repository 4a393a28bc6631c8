/** Nothing of the host outside a mounted folder is reachable, whatever the guest does with links. */
import { assertEquals, assertThrows } from "@std/assert";
import { ELOOP, ENOENT, ESTALE } from "../../../../sim/kernel/errno.ts";
import { O_CREAT, O_RDONLY, O_RDWR, O_WRONLY } from "../../../../sim/kernel/fs/constants.ts";
import { inodeAt } from "../../../../sim/kernel/fs/dentry.ts";
import { HostFs } from "../../../../sim/kernel/fs/host_fs.ts";
import { failed } from "../../../../sim/kernel/fs/inode.ts";
import { MemoryFs } from "../../../../sim/kernel/fs/memory_fs.ts";
import { link, mkdir, rename, symlink, unlink } from "../../../../sim/kernel/fs/namespace.ts";
import { open } from "../../../../sim/kernel/fs/open.ts";
import type { OpenFile } from "../../../../sim/kernel/fs/open_file.ts";
import { OverlayFs } from "../../../../sim/kernel/fs/overlay.ts";
import { FsContext, type Task } from "../../../../sim/kernel/fs/task.ts";
import { Vfs } from "../../../../sim/kernel/fs/vfs.ts";

const now = () => ({ seconds: 0, nanoseconds: 0 });
const random = (into: Uint8Array) => void into.fill(4);
const SECRET = "the host's secret";
const POSIX = Deno.build.os !== "windows";
const note = POSIX ? "" : " (skipped: needs a POSIX host)";

interface World {
  /** The folder the guest sees, and one beside it that it must not. */
  readonly inside: string;
  readonly outside: string;
  readonly vfs: Vfs;
  readonly task: Task;
  open(path: string, flags?: number): OpenFile | number;
  text(path: string): string | number;
}

/** A guest whose `/` or `/mnt` is a host folder with links that lead out of it. */
async function world(
  kind: "root" | "writable",
  action: (world: World) => void | Promise<void>,
): Promise<void> {
  const top = await Deno.realPath(await Deno.makeTempDir({ prefix: "isthmus-jail-" }));
  const inside = `${top}/inside`, outside = `${top}/outside`;
  await Deno.mkdir(`${inside}/folder`, { recursive: true });
  await Deno.mkdir(`${outside}/folder`, { recursive: true });
  await Deno.writeTextFile(`${outside}/secret`, SECRET);
  await Deno.writeTextFile(`${outside}/folder/secret`, SECRET);
  await Deno.writeTextFile(`${inside}/plain`, "inside");
  await Deno.symlink(`${outside}/secret`, `${inside}/absolute`);
  await Deno.symlink("../outside/secret", `${inside}/relative`);
  await Deno.symlink("../../../../../../..", `${inside}/folder/up`);
  await Deno.symlink(`${outside}/folder`, `${inside}/directory`);
  await Deno.symlink("/", `${inside}/slash`);
  const host = new HostFs(inside, {
    writable: kind === "writable",
    owner: () => ({ uid: 1000, gid: 1000 }),
  });
  const vfs = kind === "root"
    ? new Vfs(new OverlayFs(host, now), { now, random })
    : new Vfs(new MemoryFs(now, 0o755), { now, random });
  if (kind === "writable") vfs.mount(host, "/mnt");
  const task = vfs.task(new FsContext(vfs.root, vfs.root), { uid: 0, gid: 0 });
  const world: World = {
    inside,
    outside,
    vfs,
    task,
    open: (path, flags = O_RDONLY) => {
      const file = open(task, task.fs.cwd, path, flags, 0o644);
      return failed(file) ? file : file.retain();
    },
    text(path) {
      const file = this.open(path);
      if (failed(file)) return file;
      const buffer = new Uint8Array(100);
      const count = file.read(buffer);
      file.release();
      return count < 0 ? count : new TextDecoder().decode(buffer.subarray(0, count));
    },
  };
  try {
    await action(world);
  } finally {
    host.close();
    await Deno.remove(top, { recursive: true });
  }
}

/** The result of a call that must succeed. */
function got<T>(result: T | number): T {
  if (failed(result)) throw new Error(`errno ${-result}`);
  return result;
}

Deno.test({
  name: `links and .. chains in a read-only root stay inside it${note}`,
  ignore: !POSIX,
  fn: () =>
    world("root", (guest) => {
      assertEquals(guest.text("/plain"), "inside");
      assertEquals(guest.text("/absolute"), -ENOENT);
      assertEquals(guest.text("/relative"), -ENOENT);
      assertEquals(guest.text("/directory/secret"), -ENOENT);
      assertEquals(guest.text("/folder/up/outside/secret"), -ENOENT);
      assertEquals(guest.text("/folder/up/plain"), "inside");
      assertEquals(guest.text("/slash/slash/slash/plain"), "inside");
      assertEquals(guest.text("/../../../../" + guest.outside + "/secret"), -ENOENT);
      assertEquals(guest.text("/../".repeat(200) + "plain"), "inside");
      assertEquals(guest.text(`/slash${guest.outside}/secret`), -ENOENT);
      // Links of the guest's own making resolve in its own tree as well.
      const { task } = guest;
      symlink(task, `${guest.outside}/secret`, task.fs.root, "/own");
      assertEquals(guest.text("/own"), -ENOENT);
      symlink(task, "loop", task.fs.root, "/loop");
      assertEquals(guest.text("/loop"), -ELOOP);
      mkdir(task, task.fs.root, guest.outside.split("/")[1], 0o755);
      assertEquals(guest.text("/absolute"), -ENOENT);
    }),
});

Deno.test({
  name: `a read-only root is never written${note}`,
  ignore: !POSIX,
  fn: () =>
    world("root", async (guest) => {
      const { task, inside } = guest;
      const file = got(guest.open("/plain", O_RDWR));
      file.write(new TextEncoder().encode("OUT"));
      assertEquals(guest.text("/plain"), "OUTide");
      guest.open("/new", O_CREAT | O_WRONLY);
      mkdir(task, task.fs.root, "/folder/made", 0o755);
      rename(task, task.fs.root, "/plain", task.fs.root, "/moved", 0);
      unlink(task, task.fs.root, "/absolute");
      assertEquals(guest.text("/moved"), "OUTide");
      assertEquals(await Deno.readTextFile(`${inside}/plain`), "inside");
      const names = [];
      for await (const entry of Deno.readDir(inside)) names.push(entry.name);
      assertEquals(names.sort(), [
        "absolute",
        "directory",
        "folder",
        "plain",
        "relative",
        "slash",
      ]);
    }),
});

Deno.test({
  name: `a writable folder passes changes on and lets nothing out${note}`,
  ignore: !POSIX,
  fn: () =>
    world("writable", async (guest) => {
      const { task, inside, outside } = guest;
      const at = task.fs.root;
      for (const path of ["absolute", "relative", "directory/secret", "folder/up/outside/secret"]) {
        assertEquals(guest.text(`/mnt/${path}`), -ENOENT, path);
      }
      const made = got(guest.open("/mnt/new", O_CREAT | O_RDWR));
      made.write(new TextEncoder().encode("written"));
      assertEquals(await Deno.readTextFile(`${inside}/new`), "written");
      // A link that the guest makes leads the host out, and the guest nowhere.
      assertEquals(symlink(task, `${outside}/secret`, at, "/mnt/made"), 0);
      assertEquals(await Deno.readTextFile(`${inside}/made`), SECRET);
      assertEquals(guest.text("/mnt/made"), -ENOENT);
      assertEquals(guest.open("/mnt/made", O_CREAT | O_WRONLY), -ENOENT);
      assertEquals(link(task, { mount: at.mount, dentry: at.dentry }, at, "/mnt/x") < 0, true);
    }),
});

Deno.test({
  name: `a file or folder swapped for a link behind the guest's back is refused${note}`,
  ignore: !POSIX,
  fn: () =>
    world("writable", async (guest) => {
      const { inside, outside } = guest;
      await Deno.writeTextFile(`${inside}/victim`, "mine");
      await Deno.writeTextFile(`${inside}/folder/secret`, "mine");
      const found = got(guest.vfs.resolve(guest.task, guest.task.fs.root, "/mnt/victim", true));
      const folder = got(guest.vfs.resolve(guest.task, guest.task.fs.root, "/mnt/folder", true));
      const before = got(inodeAt(folder).lookup("secret"));
      // The host now has links where the guest has seen a file and a folder.
      await Deno.remove(`${inside}/victim`);
      await Deno.symlink(`${outside}/secret`, `${inside}/victim`);
      await Deno.remove(`${inside}/folder`, { recursive: true });
      await Deno.symlink(`${outside}/folder`, `${inside}/folder`);
      const buffer = new Uint8Array(50);
      assertEquals(inodeAt(found).read(0, buffer), -ESTALE);
      assertEquals(inodeAt(found).write(0, buffer), -ESTALE);
      assertEquals(before.read(0, buffer), -ESTALE);
      assertEquals(inodeAt(folder).lookup("secret"), -ENOENT);
      assertEquals(
        inodeAt(folder).create("made", { mode: 0o100644, uid: 0, gid: 0 }),
        -ENOENT,
      );
      assertEquals(inodeAt(folder).list(), -ENOENT);
      assertEquals(guest.text("/mnt/victim"), -ENOENT);
      assertEquals(guest.text("/mnt/folder/secret"), -ENOENT);
      assertEquals([...Deno.readDirSync(`${outside}/folder`)].length, 1);
    }),
});

Deno.test({
  name: `an unlinked file of a writable folder stays readable while open${note}`,
  ignore: !POSIX,
  fn: () =>
    world("writable", (guest) => {
      const { task } = guest;
      const file = got(guest.open("/mnt/plain", O_RDWR));
      assertEquals(unlink(task, task.fs.root, "/mnt/plain"), 0);
      symlink(task, `${guest.outside}/secret`, task.fs.root, "/mnt/plain");
      const buffer = new Uint8Array(50);
      const count = file.readAt(0, buffer);
      assertEquals(new TextDecoder().decode(buffer.subarray(0, count)), "inside");
      file.release();
    }),
});

Deno.test("a folder that is not there is refused when it is mounted", () => {
  assertThrows(() => new HostFs("/no/such/folder"), Deno.errors.NotFound);
});
