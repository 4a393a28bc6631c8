/** Which driver a device file's number leads to. */
import { ENXIO } from "../errno.ts";
import type { Location } from "./dentry.ts";
import type { Inode, Opener } from "./inode.ts";
import type { OpenFile } from "./open_file.ts";
import { S_IFCHR } from "./constants.ts";

/** Opens a device file. */
export type Driver = (
  inode: Inode,
  location: Location,
  flags: number,
  opener: Opener,
) => OpenFile | number;

export class DeviceTable {
  readonly #characters: Map<number, Driver> = new Map();

  /** Register a character device by its number (`makeDevice`). */
  character(device: number, driver: Driver): void {
    this.#characters.set(device, driver);
  }

  /** Open `inode`, a device file; -ENXIO when nothing drives it. */
  open(inode: Inode, location: Location, flags: number, opener: Opener): OpenFile | number {
    const driver = inode.type === S_IFCHR ? this.#characters.get(inode.rdev) : undefined;
    return driver?.(inode, location, flags, opener) ?? -ENXIO;
  }
}
