/** The character devices every machine has, and the /dev that names them. */
import { ENOSPC, ENXIO } from "../errno.ts";
import { makeDevice, S_IFCHR, S_IFDIR, S_IFLNK } from "./constants.ts";
import type { Location } from "./dentry.ts";
import { DeviceTable } from "./device_table.ts";
import type { TimeSource } from "./file_system.ts";
import { failed, type Inode } from "./inode.ts";
import { MemoryFs } from "./memory_fs.ts";
import { OpenFile } from "./open_file.ts";
import type { Process } from "../process.ts";
import { Pty, PtySlave } from "./tty/pty.ts";

/** Fills an array with the machine's seeded random bytes. */
export type RandomSource = (into: Uint8Array) => void;

/** A device without a position or an end. */
class SimpleDevice extends OpenFile {
  constructor(
    inode: Inode,
    location: Location,
    flags: number,
    readonly onRead: (into: Uint8Array) => number,
    readonly onWrite: (from: Uint8Array) => number,
  ) {
    super(inode, location, flags);
  }
  override get splittable(): boolean {
    return true;
  }
  override read(into: Uint8Array): number {
    return this.onRead(into);
  }
  override write(from: Uint8Array): number {
    return this.onWrite(from);
  }
  override readAt(_position: number, into: Uint8Array): number {
    return this.onRead(into);
  }
  override writeAt(_position: number, from: Uint8Array): number {
    return this.onWrite(from);
  }
  override seek(): number {
    return 0;
  }
}

const swallow = (from: Uint8Array): number => from.length;
const zeros = (into: Uint8Array): number => {
  into.fill(0);
  return into.length;
};

interface DeviceRow {
  readonly name: string;
  readonly major: number;
  readonly minor: number;
  readonly mode: number;
}

const NAMES: readonly DeviceRow[] = [
  { name: "null", major: 1, minor: 3, mode: 0o666 },
  { name: "zero", major: 1, minor: 5, mode: 0o666 },
  { name: "full", major: 1, minor: 7, mode: 0o666 },
  { name: "random", major: 1, minor: 8, mode: 0o666 },
  { name: "urandom", major: 1, minor: 9, mode: 0o666 },
  { name: "tty", major: 5, minor: 0, mode: 0o666 },
  { name: "console", major: 5, minor: 1, mode: 0o600 },
  { name: "ptmx", major: 5, minor: 2, mode: 0o666 },
];

const LINKS: readonly (readonly [name: string, target: string])[] = [
  ["fd", "/proc/self/fd"],
  ["stdin", "/proc/self/fd/0"],
  ["stdout", "/proc/self/fd/1"],
  ["stderr", "/proc/self/fd/2"],
];

/** Drivers of the devices above. `terminal` is the machine's, if there is one: /dev/console. */
export function standardDevices(
  random: RandomSource,
  terminal: Pty | null,
): DeviceTable {
  const table = new DeviceTable();
  const simple = (
    minor: number,
    read: (into: Uint8Array) => number,
    write: (from: Uint8Array) => number,
  ) =>
    table.character(
      makeDevice(1, minor),
      (inode, location, flags) => new SimpleDevice(inode, location, flags, read, write),
    );
  const randomBytes = (into: Uint8Array): number => {
    random(into);
    return into.length;
  };
  simple(3, () => 0, swallow);
  simple(5, zeros, swallow);
  simple(7, zeros, () => -ENOSPC);
  simple(8, randomBytes, swallow);
  simple(9, randomBytes, swallow);
  table.character(
    makeDevice(5, 1),
    (inode, location, flags) =>
      terminal === null ? -ENXIO : new PtySlave(terminal, inode, location, flags),
  );
  table.character(makeDevice(5, 0), (inode, location, flags, opener) => {
    const own = (opener.process as Process | undefined)?.terminal ?? null;
    return own instanceof Pty ? new PtySlave(own, inode, location, flags) : -ENXIO;
  });
  return table;
}

/** The file system of /dev. */
export class DeviceFs extends MemoryFs {
  override readonly type: string = "devtmpfs";

  constructor(now: TimeSource, devices: DeviceTable) {
    super(now, 0o755, devices);
    const root = { uid: 0, gid: 0 };
    for (const { name, major, minor, mode } of NAMES) {
      this.root.create(name, { mode: S_IFCHR | mode, rdev: makeDevice(major, minor), ...root });
    }
    for (const [name, target] of LINKS) {
      this.root.symlink(name, target, { mode: S_IFLNK | 0o777, ...root });
    }
    for (const name of ["shm", "pts", "mqueue"]) {
      const made = this.root.create(name, { mode: S_IFDIR | 0o755, ...root });
      if (failed(made)) throw new TypeError(`/dev/${name} exists already`);
    }
  }
}
