/**
 * The path walk, after Documentation/filesystems/path-lookup.rst of the kernel: one component at
 * a time, permission before name, symbolic links spliced into what remains of the path, `..`
 * never above the root, mounts crossed both ways. The host never resolves anything.
 */
import { ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR } from "../errno.ts";
import { MAX_SYMLINKS, NAME_MAX, PATH_MAX, X_OK } from "./constants.ts";
import { Dentry, type Location, type Mount } from "./dentry.ts";
import { nameLength } from "./file_name.ts";
import type { Inode } from "./inode.ts";
import { checkAccess, type Credentials } from "./permission.ts";

/** What the last component of a path was. */
export const enum Last {
  Normal,
  /** The path was `/`, or only slashes. */
  Root,
  Dot,
  DotDot,
}

/** Process context of a walk: where absolute and relative paths start. */
export interface WalkContext {
  readonly root: Location;
  readonly cwd: Location;
}

/** A walk in progress: the directory reached and the last component still to take. */
export class Walk {
  mount: Mount;
  dentry: Dentry;
  lastKind: Last = Last.Root;
  lastName = "";
  /** A slash followed the last component: it must be a directory, and links are followed. */
  trailingSlash = false;
  #links = 0;
  /** The final location came through a magic link. */
  jumped = false;

  constructor(
    readonly context: WalkContext,
    start: Location,
    readonly credentials: Credentials,
  ) {
    this.mount = start.mount;
    this.dentry = start.dentry;
  }

  get location(): Location {
    return { mount: this.mount, dentry: this.dentry };
  }

  /**
   * Walk all of `path` but its last component; 0 or -errno. Afterwards `dentry` is the directory
   * and `lastName`, `lastKind`, `trailingSlash` say what remains.
   */
  toParent(path: string): number {
    if (path.length === 0) return -ENOENT;
    if (path.length * 3 >= PATH_MAX && nameLength(path) >= PATH_MAX) return -ENAMETOOLONG;
    return this.#through(path);
  }

  #through(path: string): number {
    let at = 0;
    if (path.charCodeAt(0) === 0x2f) this.#goTo(this.context.root);
    else if (!this.dentry.inode!.isDirectory) return -ENOTDIR;
    this.lastKind = Last.Root;
    this.lastName = "";
    this.trailingSlash = false;
    for (;;) {
      while (path.charCodeAt(at) === 0x2f) at++;
      if (at === path.length) return 0;
      const denied = checkAccess(this.dentry.inode!, X_OK, this.credentials);
      if (denied) return denied;
      let end = path.indexOf("/", at);
      if (end < 0) end = path.length;
      const name = path.slice(at, end);
      this.lastName = name;
      this.lastKind = name === "." ? Last.Dot : name === ".." ? Last.DotDot : Last.Normal;
      let next = end;
      while (path.charCodeAt(next) === 0x2f) next++;
      if (next === path.length) {
        this.trailingSlash = next > end;
        return 0;
      }
      const error = this.#descend();
      if (error < 0) return error;
      const inode = this.dentry.inode!;
      if (inode.isSymlink) {
        const target = this.#enterLink(inode);
        if (typeof target === "number") {
          if (target < 0) return target;
          at = next; // a magic link: already there
          if (!this.dentry.inode!.isDirectory) return -ENOTDIR;
          continue;
        }
        path = target + path.slice(end);
        at = 0;
        if (path.charCodeAt(0) === 0x2f) this.#goTo(this.context.root);
        continue;
      }
      if (!inode.isDirectory) return -ENOTDIR;
      at = next;
    }
  }

  /**
   * Take the last component, following a symbolic link there if `follow` (or if a slash
   * requires it); 0 or -errno. Afterwards `dentry` is the file itself.
   */
  takeLast(follow: boolean): number {
    for (;;) {
      const mustBeDirectory = this.trailingSlash;
      const error = this.#descend();
      if (error < 0) return error;
      const inode = this.dentry.inode!;
      if (inode.isSymlink && (follow || mustBeDirectory)) {
        const target = this.#enterLink(inode);
        if (typeof target === "number") {
          if (target < 0) return target;
        } else {
          const slash = mustBeDirectory ? "/" : "";
          const blocked = this.#through(target + slash);
          if (blocked < 0) return blocked;
          continue;
        }
      }
      if (mustBeDirectory && !this.dentry.inode!.isDirectory) return -ENOTDIR;
      return 0;
    }
  }

  /**
   * Look at the last component without entering it: its dentry, negative if it is absent, or
   * -errno. Only for `Last.Normal`. Does not cross mounts or follow links.
   */
  peekLast(): Dentry | number {
    return lookupDentry(this.dentry, this.lastName);
  }

  /** Follow the link that `peekLast` found: on to the parent of what it names. */
  followPeeked(link: Dentry): number {
    const mustBeDirectory = this.trailingSlash;
    const target = this.#enterLink(link.inode!);
    if (typeof target !== "number") return this.#through(target + (mustBeDirectory ? "/" : ""));
    return target;
  }

  #goTo(location: Location): void {
    this.mount = location.mount;
    this.dentry = location.dentry;
  }

  /** Enter the component `lastName`; links are entered as themselves. */
  #descend(): number {
    switch (this.lastKind) {
      case Last.Root:
      case Last.Dot:
        return 0;
      case Last.DotDot:
        this.#up();
        return 0;
      case Last.Normal: {
        const child = lookupDentry(this.dentry, this.lastName);
        if (typeof child === "number") return child;
        if (child.inode === null) return -ENOENT;
        this.dentry = child;
        this.#crossMounts();
        return 0;
      }
    }
  }

  #up(): void {
    const { root } = this.context;
    for (;;) {
      if (this.dentry === root.dentry && this.mount === root.mount) return;
      if (this.dentry !== this.mount.root) {
        this.dentry = this.dentry.parent ?? this.dentry;
        break;
      }
      if (this.mount.over === null) return;
      this.#goTo(this.mount.over);
    }
    this.#crossMounts();
  }

  #crossMounts(): void {
    while (this.dentry.mounted !== null) {
      this.mount = this.dentry.mounted;
      this.dentry = this.mount.root;
    }
  }

  /**
   * Count a symbolic link. Answers its text, with `dentry` back at the directory the text is
   * relative to; or 0 after a jump through a magic link; or -errno.
   */
  #enterLink(inode: Inode): string | number {
    if (++this.#links > MAX_SYMLINKS) return -ELOOP;
    const magic = inode.magicLocation();
    if (magic !== undefined) {
      if (typeof magic === "number") return magic;
      this.#goTo(magic);
      this.jumped = true;
      return 0;
    }
    const target = inode.readlink();
    if (typeof target === "number") return target;
    if (target.length === 0) return -ENOENT;
    inode.accessed();
    if (this.dentry.inode === inode) this.dentry = this.dentry.parent!;
    return target;
  }
}

/** The dentry of `name` in a directory, negative if absent; -ENOTDIR, -ENAMETOOLONG, or the file system's errno. */
export function lookupDentry(directory: Dentry, name: string): Dentry | number {
  const inode = directory.inode!;
  const cached = directory.children?.get(name);
  if (cached !== undefined && !inode.fileSystem.volatile) return cached;
  if (!inode.isDirectory) return -ENOTDIR;
  // A removed directory has no names at all, not even too long ones.
  if (directory.unlinked) return cached ?? directory.child(name, null);
  if (name.length * 3 > NAME_MAX && nameLength(name) > NAME_MAX) return -ENAMETOOLONG;
  const found = inode.lookup(name);
  if (typeof found === "number") {
    if (found !== -ENOENT) return found;
    if (cached !== undefined) {
      if (cached.inode === null) return cached;
      if (cached.mounted !== null) return cached;
      cached.drop();
    }
    return directory.child(name, null);
  }
  if (cached !== undefined) {
    if (cached.inode === found) return cached;
    if (cached.inode !== null) cached.drop();
    else {
      cached.inode = found;
      return cached;
    }
  }
  return directory.child(name, found);
}
