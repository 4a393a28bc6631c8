/** memfd_create: files without a name. */
import { EINVAL, ENOSYS } from "../errno.ts";
import { O_LARGEFILE, O_RDWR } from "../fs/constants.ts";
import { failed } from "../fs/inode.ts";
import { F_SEAL_SEAL } from "../fs/memory_fs.ts";
import { RegularFile } from "../fs/regular_file.ts";
import { credentialsOf, readPath, tableOf, vfsOf } from "../fs/user_io.ts";
import type { Call, SyscallRow } from "../syscall.ts";

const MFD_CLOEXEC = 1;

const MFD_ALLOW_SEALING = 2;

const MFD_NOEXEC_SEAL = 8;

const MFD_EXEC = 16;

function memfdCreate(call: Call, va: number, flags: number): number {
  if (flags & ~(MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL | MFD_EXEC)) return -EINVAL;
  const name = readPath(call.space, va);
  if (failed(name)) return name;
  if (name.length > 249) return -EINVAL;
  const { inode, location } = vfsOf(call).memfd(name, credentialsOf(call));
  const sealing = (flags & (MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL)) !== 0;
  inode.seals = sealing ? 0 : F_SEAL_SEAL;
  const file = new RegularFile(inode, location, O_RDWR | O_LARGEFILE);
  return tableOf(call).install(file, 0, (flags & MFD_CLOEXEC) !== 0);
}

export const memfdRows: readonly SyscallRow[] = [
  {
    name: "memfd_create",
    x86_64: 319,
    aarch64: 279,
    args: ["string", "flags:memfd"],
    run: memfdCreate,
  },
  {
    name: "memfd_secret",
    x86_64: 447,
    aarch64: 447,
    args: ["flags:dup"],
    run: () => -ENOSYS,
    support: "partial: not enabled, as by default before Linux 6.5 (secretmem.enable)",
  },
];
