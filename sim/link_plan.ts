/** The plan of a program: what the linker would do, without doing it. */
import {
  Linker,
  type LinkTarget,
  LinkTargetError,
  type Module,
  type Plan,
} from "../lib/linker/mod.ts";
import type { Arch } from "./arch.ts";
import type { Credentials } from "./kernel/fs/permission.ts";
import { FsContext } from "./kernel/fs/task.ts";
import type { Vfs } from "./kernel/fs/vfs.ts";
import { ProcessFiles } from "./link_files.ts";
import { PAGE_SIZE } from "./memory/abi.ts";

export interface PlanOptions {
  readonly arch: Arch;
  readonly vfs: Vfs;
  readonly user: Credentials;
  readonly modules: readonly Module[];
  readonly environment: Readonly<Record<string, string>>;
}

/** Registers all modules for the program and for everything it needs. */
export function planOf(program: string, options: PlanOptions): Promise<Plan> {
  const { arch, vfs, user, modules, environment } = options;
  const files = new ProcessFiles(vfs, new FsContext(vfs.root, vfs.root), user);
  const linker = new Linker(filesAlone(arch, files), {
    modules,
    environment: Object.entries(environment),
  });
  return linker.collect(program);
}

/** A target that has files and no process. */
function filesAlone(arch: Arch, files: ProcessFiles): LinkTarget {
  const refuse = (): never => {
    throw new LinkTargetError("a plan has no process");
  };
  return {
    arch,
    pageSize: PAGE_SIZE,
    platform: arch,
    hwcap: 0,
    hwcap2: 0,
    files,
    reserve: refuse,
    map: refuse,
    unmap: refuse,
    protect: refuse,
    read: refuse,
    write: refuse,
    patch: refuse,
    provide: refuse,
    call: refuse,
  };
}
