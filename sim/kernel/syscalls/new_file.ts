/** Files that only descriptors reach, and the descriptors they get. */
import type { AnonymousInode } from "../fs/anonymous.ts";
import { O_CLOEXEC } from "../fs/constants.ts";
import type { Location } from "../fs/dentry.ts";
import type { OpenFile } from "../fs/open_file.ts";
import { credentialsOf, tableOf, vfsOf } from "../fs/user_io.ts";
import type { Call } from "../syscall.ts";

/** Put a new anonymous file into the table. */
export function install(call: Call, file: OpenFile, flags: number): number {
  return tableOf(call).install(file, 0, (flags & O_CLOEXEC) !== 0);
}

/** A nameless inode, and its place as /proc shows it. */
export function anonymous(call: Call, name: string): { inode: AnonymousInode; location: Location } {
  const fs = vfsOf(call).anonymous;
  const inode = fs.inode({ mode: 0o600, ...credentialsOf(call) });
  return { inode, location: fs.place(inode, `anon_inode:${name}`) };
}
