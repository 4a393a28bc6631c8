/**
 * Names in memory. A dentry is one name in one directory and what it leads to, or the knowledge
 * that it leads nowhere; a location is a dentry seen through a mount. Dentries make repeated
 * walks cheap, and because every directory has exactly one, they say where a process is
 * (getcwd, `..`) through renames.
 */
import type { FileSystem } from "./file_system.ts";
import type { Inode } from "./inode.ts";

export class Dentry {
  /** Cached names below; null until one is cached. */
  children: Map<string, Dentry> | null = null;
  /** What is mounted over this directory. */
  mounted: Mount | null = null;
  /** The name has been removed; the inode lives on while it is open or somebody's directory. */
  unlinked = false;

  constructor(
    public parent: Dentry | null,
    public name: string,
    /** Null for a name known to be absent. */
    public inode: Inode | null,
  ) {}

  /** The cached child, or a new one. */
  child(name: string, inode: Inode | null): Dentry {
    const children = this.children ??= new Map();
    let child = children.get(name);
    if (child === undefined) {
      child = new Dentry(this, name, inode);
      children.set(name, child);
    }
    return child;
  }

  /** Forget this name: what it led to is unlinked, and a new dentry will stand for the name. */
  drop(): void {
    this.unlinked = true;
    this.parent?.children?.delete(this.name);
  }

  /** Whether `ancestor` is this dentry or above it. */
  isBelow(ancestor: Dentry): boolean {
    return this === ancestor || (this.parent?.isBelow(ancestor) ?? false);
  }

  /** Give this dentry another name, replacing whatever dentry had it. */
  move(parent: Dentry, name: string): void {
    this.parent?.children?.delete(this.name);
    const children = parent.children ??= new Map();
    const replaced = children.get(name);
    if (replaced && replaced !== this) replaced.unlinked = true;
    this.parent = parent;
    this.name = name;
    children.set(name, this);
  }
}

/** One mounted file system. */
export class Mount {
  readonly root: Dentry;

  constructor(
    readonly id: number,
    readonly fileSystem: FileSystem,
    /** The directory it covers; null for the root of everything. */
    readonly over: Location | null,
    readonly readOnly: boolean,
    /** First field of /proc/mounts. */
    readonly source: string,
  ) {
    this.root = new Dentry(null, "", fileSystem.root);
  }
}

export interface Location {
  readonly mount: Mount;
  readonly dentry: Dentry;
}

/** A location's inode; a location is never made of an absent name. */
export function inodeAt(location: Location): Inode {
  const inode = location.dentry.inode;
  if (inode === null) throw new TypeError(`location of an absent name: ${location.dentry.name}`);
  return inode;
}

/**
 * Absolute path of a location below `root`, or null when the location is not below it. `deleted`
 * says that some name on the way has been removed.
 */
export function pathOf(
  location: Location,
  root: Location,
): { path: string; deleted: boolean } | null {
  const names: string[] = [];
  let deleted = false;
  let { mount, dentry } = location;
  while (dentry !== root.dentry || mount !== root.mount) {
    if (dentry === mount.root) {
      if (mount.over === null) return null;
      ({ mount, dentry } = mount.over);
      continue;
    }
    if (dentry.unlinked) deleted = true;
    names.push(dentry.name);
    if (dentry.parent === null) return null;
    dentry = dentry.parent;
  }
  return { path: "/" + names.reverse().join("/"), deleted };
}
