/** The VFS against the kernel that runs the tests: the same random operations, the same answers. */
import { assertEquals } from "@std/assert";
import { HostFs } from "../../../../sim/kernel/fs/host_fs.ts";
import { MemoryFs } from "../../../../sim/kernel/fs/memory_fs.ts";
import { OverlayFs } from "../../../../sim/kernel/fs/overlay.ts";
import { S_IFDIR } from "../../../../sim/kernel/fs/constants.ts";
import { inodeAt } from "../../../../sim/kernel/fs/dentry.ts";
import { failed } from "../../../../sim/kernel/fs/inode.ts";
import { FsContext } from "../../../../sim/kernel/fs/task.ts";
import { Vfs } from "../../../../sim/kernel/fs/vfs.ts";
import { type Operation, operations } from "./operations.ts";
import { type Result, VirtualExecutor } from "./virtual_executor.ts";

const LINUX = Deno.build.os === "linux";
const PYTHON = LINUX && await runs("python3", "--version");
const IS_ROOT = LINUX && Deno.uid() === 0;
const USER = IS_ROOT ? 1000 : LINUX ? Deno.uid()! : 1000;
const now = () => ({ seconds: 1704067200, nanoseconds: 0 });
const random = (into: Uint8Array) => void into.fill(4);

async function runs(...command: string[]): Promise<boolean> {
  try {
    const [name, ...args] = command;
    return (await new Deno.Command(name, { args, stdout: "null", stderr: "null" }).output())
      .success;
  } catch {
    return false;
  }
}

/** A work folder deep enough that no path of a test climbs out of it, owned by the test's user. */
async function workFolder(user: number): Promise<{ top: string; work: string }> {
  const top = await Deno.realPath(await Deno.makeTempDir({ prefix: "isthmus-vfs-" }));
  await Deno.chmod(top, 0o755);
  let work = top;
  for (let i = 0; i < 30; i++) {
    work += "/D";
    await Deno.mkdir(work, { mode: 0o755 });
    if (IS_ROOT) await Deno.chown(work, user, user);
  }
  return { top, work };
}

async function kernel(work: string, list: Operation[], user = USER): Promise<Result[]> {
  const child = new Deno.Command("python3", {
    args: [new URL("./real_executor.py", import.meta.url).pathname],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  const request = { folder: work, user: IS_ROOT ? user : null, operations: list };
  await writer.write(new TextEncoder().encode(JSON.stringify(request)));
  await writer.close();
  const { success, stdout } = await child.output();
  assertEquals(success, true);
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** A machine whose root is in memory, with `mounted` at the top of the work folder. */
function executor(
  work: string,
  mounted?: HostFs | OverlayFs,
  user = USER,
): VirtualExecutor {
  const vfs = new Vfs(MemoryFs.fromFiles(new Map([[work + "/", new Uint8Array()]]), now), {
    now,
    random,
  });
  const credentials = { uid: user, gid: user };
  let directory = inodeAt(vfs.root);
  for (const name of work.split("/").filter((part) => part !== "")) {
    const next = directory.lookup(name);
    if (failed(next)) throw new Error("work folder is missing");
    directory = next;
    if (mounted) break;
    if (name === "D") directory.setAttributes({ uid: user, gid: user, mode: S_IFDIR | 0o755 });
  }
  if (mounted) vfs.mount(mounted, work.slice(0, work.indexOf("/D")));
  const fs = vfs.context(work);
  if (failed(fs)) throw new Error(`no work folder: ${fs}`);
  const task = vfs.task(new FsContext(fs.root, fs.cwd), credentials);
  return new VirtualExecutor(vfs, task, work);
}

function compare(list: Operation[], expected: Result[], actual: VirtualExecutor): void {
  list.forEach((operation, i) => {
    const answer = actual.attempt(operation);
    const recent = list.slice(Math.max(0, i - 12), i).map((row, j) =>
      `${JSON.stringify(row)} → ${JSON.stringify(expected[Math.max(0, i - 12) + j])}`.slice(0, 200)
    );
    const message = `operation ${i} ${JSON.stringify(operation).slice(0, 300)}; before it:\n` +
      recent.join("\n");
    assertEquals(answer, expected[i], message);
  });
}

async function withFolder(
  action: (work: string, top: string) => Promise<void>,
  user = USER,
): Promise<void> {
  const { top, work } = await workFolder(user);
  try {
    await action(work, top);
  } finally {
    // Some folders have lost their permissions.
    await new Deno.Command("chmod", { args: ["-R", "u+rwx", top], stderr: "null" }).output();
    await Deno.remove(top, { recursive: true });
  }
}

const SEEDS = Number(Deno.env.get("ISTHMUS_VFS_SEEDS") ?? 6);
const note = PYTHON ? "" : " (skipped: needs python3 on Linux)";
// Another host user than root cannot reach host files from which it has taken its own rights.

Deno.test({
  name: `vfs: random operations in memory answer as the kernel does${note}`,
  ignore: !PYTHON,
  async fn() {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const list = operations(seed, 3000);
      await withFolder(async (work) => {
        const expected = await kernel(work, list);
        compare(list, expected, executor(work));
      });
    }
  },
});

Deno.test({
  name: `vfs: random operations of user 0 answer as the kernel does${
    IS_ROOT ? note : " (skipped: needs root)"
  }`,
  ignore: !PYTHON || !IS_ROOT,
  async fn() {
    for (let seed = 301; seed <= 300 + SEEDS; seed++) {
      const list = operations(seed, 2000);
      await withFolder(async (work) => {
        const expected = await kernel(work, list, 0);
        compare(list, expected, executor(work, undefined, 0));
      }, 0);
    }
  },
});

Deno.test({
  name: `vfs: random operations on an overlay of a host folder answer as the kernel does${
    IS_ROOT ? note : " (skipped: needs root)"
  }`,
  ignore: !PYTHON || !IS_ROOT,
  async fn() {
    for (let seed = 101; seed <= 100 + SEEDS; seed++) {
      const before = operations(seed, 400, false).concat([["unlock"]]);
      const list = operations(seed + 1000, 2000);
      await withFolder(async (work, top) => {
        await kernel(work, before);
        const copy = await Deno.makeTempDir({ prefix: "isthmus-lower-" });
        try {
          await new Deno.Command("cp", { args: ["-a", top + "/.", copy] }).output();
          const expected = await kernel(work, list);
          const host = new HostFs(copy);
          compare(list, expected, executor(work, new OverlayFs(host, now)));
          host.close();
        } finally {
          await new Deno.Command("chmod", { args: ["-R", "u+rwx", copy], stderr: "null" }).output();
          await Deno.remove(copy, { recursive: true });
        }
      });
    }
  },
});

Deno.test({
  name: `vfs: random operations on a writable host folder answer as the kernel does${
    IS_ROOT ? note : " (skipped: needs root)"
  }`,
  ignore: !PYTHON || !IS_ROOT,
  async fn() {
    for (let seed = 201; seed <= 200 + SEEDS; seed++) {
      const list = operations(seed, 1000, false);
      await withFolder(async (work) => {
        const expected = await kernel(work, list);
        await withFolder((_, folder) => {
          // As root, made files are root's on the host; the machine shows its own user.
          const owner = () => ({ uid: USER, gid: USER });
          const host = new HostFs(folder, { writable: true, owner });
          compare(list, expected, executor(work, host));
          host.close();
          return Promise.resolve();
        });
      });
    }
  },
});
