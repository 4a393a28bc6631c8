/** Folders and files of the host that a guest sees. */
import { HostFs, type HostFsOptions, ownedByGuest } from "../kernel/fs/host_fs.ts";
import type { Vfs } from "../kernel/fs/vfs.ts";
import { MachineError } from "./error.ts";
import type { MountOption } from "./options.ts";

/** Whether a host path names a regular file: such a mount is a copy, made at the start. */
function isHostFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false; // hostFolder says what is wrong with it
  }
}

/** A folder of the host as a file system; a `MachineError` if there is none. */
export function hostFolder(path: string, options: HostFsOptions): HostFs {
  try {
    return new HostFs(path, options);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound) && !(error instanceof TypeError)) throw error;
    throw new MachineError(`${path} is no folder of the host`, { cause: error });
  }
}

/** Show the host folders that were asked for. */
export function mountFolders(
  vfs: Vfs,
  user: { readonly uid: number; readonly gid: number },
  mounts: readonly MountOption[] = [],
): void {
  const owner = ownedByGuest(user, true);
  for (const { host, guest, writable } of mounts) {
    try {
      if (isHostFile(host)) {
        if (writable) throw new TypeError(`only a folder can be mounted writable, not ${host}`);
        vfs.place(guest, Deno.readFileSync(host), 0o755);
        continue;
      }
      const folder = hostFolder(host, { writable, owner });
      vfs.mount(folder, guest, { readOnly: !writable, source: host });
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      throw new MachineError(error.message, { cause: error });
    }
  }
}
