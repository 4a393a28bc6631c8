/** `/proc/PID/mounts` and `mountinfo`: the mount table as a process sees it. */
import { type Location, type Mount, pathOf } from "./dentry.ts";
import type { Vfs } from "./vfs.ts";

/** Spaces, tabs, newlines and backslashes in octal, as the kernel's mangle() does. */
function mangle(text: string): string {
  return text.replace(
    /[ \t\n\\#]/g,
    (character) => "\\" + character.charCodeAt(0).toString(8).padStart(3, "0"),
  );
}

function mountPoint(mount: Mount, root: Location): string | null {
  if (mount.over === null) return "/";
  return pathOf(mount.over, root)?.path ?? null;
}

const options = (mount: Mount): string => (mount.readOnly ? "ro" : "rw") + ",relatime";

export function mountTable(vfs: Vfs, root: Location): string {
  let text = "";
  for (const mount of vfs.mounts) {
    const at = mountPoint(mount, root);
    if (at === null) continue;
    text += `${mangle(mount.source)} ${mangle(at)} ${mount.fileSystem.type} ${
      options(mount)
    } 0 0\n`;
  }
  return text;
}

export function mountInfo(vfs: Vfs, root: Location): string {
  let text = "";
  for (const mount of vfs.mounts) {
    const at = mountPoint(mount, root);
    if (at === null) continue;
    const { type, device } = mount.fileSystem;
    text += `${mount.id} ${mount.over?.mount.id ?? 0} 0:${device} / ${mangle(at)} ` +
      `${options(mount)} - ${type} ${mangle(mount.source)} ${mount.readOnly ? "ro" : "rw"}\n`;
  }
  return text;
}
