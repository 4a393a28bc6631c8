/** Which program a name means in a guest, and for which architecture it is. */
import type { Arch } from "../arch.ts";
import { parseScript } from "../kernel/exec.ts";
import { inodeAt } from "../kernel/fs/dentry.ts";
import { failed } from "../kernel/fs/inode.ts";
import { readInode } from "../kernel/fs/mapped_pages.ts";
import type { StandardStreams } from "../kernel/fs/streams.ts";
import { FsContext } from "../kernel/fs/task.ts";
import type { Vfs } from "../kernel/fs/vfs.ts";
import { MachineError } from "./error.ts";

/** A program of a guest. */
export interface Found {
  readonly name: string;
  readonly arch: Arch;
  /** The file system it was found in, without what the kernel mounts. */
  readonly vfs: Vfs;
}

/** Streams for looking around before a machine runs. */
export const SILENT: StandardStreams = {
  stdin: { read: () => 0 },
  stdout: { write: () => {} },
  stderr: { write: () => {} },
};

/** Interpreters of interpreters that Linux follows. */
const MAX_SCRIPTS = 4;

/** Architecture of the program at `path`, or of a script's interpreter; null if there is none. */
function archOf(vfs: Vfs, path: string, depth: number): Arch | null {
  const task = vfs.task(new FsContext(vfs.root, vfs.root), { uid: 0, gid: 0 });
  const found = vfs.resolve(task, vfs.root, path, true);
  if (failed(found)) return null;
  const inode = inodeAt(found);
  if (!inode.isRegular) return null;
  const head = new Uint8Array(256);
  const length = readInode(inode, 0, head);
  const script = parseScript(head.subarray(0, Math.max(0, length)));
  if (script !== null && typeof script === "object") {
    return depth < MAX_SCRIPTS ? archOf(vfs, script.path, depth + 1) : null;
  }
  if (length < 20) throw new MachineError(`${path} is not a program: too short for an ELF header`);
  const magic = head[0] === 0x7f && head[1] === 0x45 && head[2] === 0x4c && head[3] === 0x46;
  if (!magic) throw new MachineError(`${path} is not a program: neither ELF nor a script`);
  const machine = head[18] | (head[19] << 8);
  if (machine === 62) return "x86_64";
  if (machine === 183) return "aarch64";
  throw new MachineError(`${path} is for ELF machine ${machine}; x86_64 is 62, aarch64 183`);
}

/**
 * The program `name` as a shell finds it: a path, or a name to be found in one of the folders of `search`.
 * Throws a `MachineError` if there is none.
 */
export function searchProgram(vfs: Vfs, name: string, search: string, cwd?: string): Found {
  const candidates = name.includes("/")
    ? [name.startsWith("/") ? name : `${cwd ?? ""}/${name}`]
    : search.split(":").map((directory) => `${directory}/${name}`);
  for (const candidate of candidates) {
    const arch = archOf(vfs, candidate, 0);
    if (arch !== null) return { name: candidate, arch, vfs };
  }
  throw new MachineError(
    name.includes("/") ? `no program ${name} in the guest` : `no program ${name} in ${search}`,
  );
}
