/** The file system of /dev/pts: a file for each pseudo-terminal's slave end, and the master they come from. */
import { EBUSY, EIO, ENOENT, ENOSPC } from "../../errno.ts";
import { makeDevice, S_IFCHR } from "../constants.ts";
import type { Location, Mount } from "../dentry.ts";
import type { DeviceTable } from "../device_table.ts";
import type { TimeSource } from "../file_system.ts";
import { type AttributeChange, Inode, type Opener } from "../inode.ts";
import type { OpenFile } from "../open_file.ts";
import type { Process } from "../../process.ts";
import { SyntheticDirectory, SyntheticFs } from "../synthetic.ts";
import { Pty, PtyMaster, PtySlave } from "./pty.ts";
import type { KernelLink } from "./tty.ts";

/** Magic of statfs (include/uapi/linux/magic.h). */
const DEVPTS_MAGIC = 0x1cd1;
/** /dev/ptmx */
export const PTMX_DEVICE = makeDevice(5, 2);
/** Group `tty`. */
const TTY_GROUP = 5;
/** Most pairs at a time (kernel.pty.max). */
const PTY_MAX = 4096;

export class DevPtsFs extends SyntheticFs {
  override readonly type: string = "devpts";
  override readonly magic: number = DEVPTS_MAGIC;
  override readonly root: SyntheticDirectory;
  readonly #entries: Map<string, Inode> = new Map();

  constructor(now: TimeSource, readonly link: KernelLink) {
    super(now);
    const master = new PtmxInode(this, 0o000);
    this.root = new SyntheticDirectory(this, { ptmx: master }, {
      mode: 0o755,
      dynamic: {
        names: () => this.#entries.keys(),
        find: (name) => this.#entries.get(name) ?? -ENOENT,
      },
    });
  }

  /** `pty`, whose master is no file, gets a name here, and belongs to `uid`. */
  adopt(pty: Pty, uid: number): void {
    this.#entries.set(String(pty.index), new SlaveInode(this, pty, uid));
  }

  /** Drive /dev/ptmx. */
  register(devices: DeviceTable): void {
    devices.character(
      PTMX_DEVICE,
      (inode, location, flags, opener) => this.openMaster(inode, location, flags, opener),
    );
  }

  /** A new pair: its master end, or -ENOSPC. */
  openMaster(inode: Inode, location: Location, flags: number, opener: Opener): OpenFile | number {
    let index = 0;
    while (this.#entries.has(String(index))) index++;
    if (index >= PTY_MAX) return -ENOSPC;
    const name = String(index);
    const pty = new Pty(this.link, index);
    const process = opener.process as Process | undefined;
    const uid = process?.credentials.fsuid ?? 0;
    this.#entries.set(name, new SlaveInode(this, pty, uid));
    return new PtyMaster(pty, inode, location, flags, () => this.#entries.delete(name));
  }

  /** The slave end of `pty`, opened as by its name here (TIOCGPTPEER). */
  openPeer(pty: Pty, mount: Mount, flags: number): OpenFile | number {
    const name = String(pty.index);
    const inode = this.#entries.get(name);
    if (inode === undefined) return -EIO;
    return inode.open(flags, { mount, dentry: mount.root.child(name, inode) }, {});
  }
}

/** A device file whose mode and owner can be changed (grantpt, `mesg`). */
class TtyInode extends Inode {
  constructor(
    override readonly fileSystem: DevPtsFs,
    mode: number,
    rdev: number,
    owner: { uid: number; gid: number },
  ) {
    super(
      fileSystem,
      fileSystem.number(),
      { mode: S_IFCHR | mode, rdev, ...owner },
      fileSystem.now(),
    );
  }

  override setAttributes(change: AttributeChange): number {
    if (change.mode !== undefined) this.mode = this.type | (change.mode & 0o7777);
    if (change.uid !== undefined) this.uid = change.uid;
    if (change.gid !== undefined) this.gid = change.gid;
    return 0;
  }
}

class PtmxInode extends TtyInode {
  constructor(fileSystem: DevPtsFs, mode: number) {
    super(fileSystem, mode, PTMX_DEVICE, { uid: 0, gid: 0 });
  }
  override open(flags: number, location: Location, opener: Opener): OpenFile | number {
    return this.fileSystem.openMaster(this, location, flags, opener);
  }
}

class SlaveInode extends TtyInode {
  constructor(fileSystem: DevPtsFs, readonly pty: Pty, uid: number) {
    super(fileSystem, 0o620, pty.device, { uid, gid: TTY_GROUP });
  }
  override open(flags: number, location: Location, opener: Opener): OpenFile | number {
    if (this.pty.locked || this.pty.masterClosed) return -EIO;
    if (this.pty.exclusive && !opener.privileged) return -EBUSY;
    return new PtySlave(this.pty, this, location, flags);
  }
}
