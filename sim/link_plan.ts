/** The plan of a program: what the linker would do, without doing it. */
import { Linker, type LinkTarget, LinkTargetError, type Plan } from "../lib/linker/mod.ts";
import { ElfFile } from "../lib/elf/elf_file.ts";
import type { Arch } from "./arch.ts";
import type { Credentials } from "./kernel/fs/permission.ts";
import { FsContext } from "./kernel/fs/task.ts";
import type { Vfs } from "./kernel/fs/vfs.ts";
import { ProcessFiles } from "./link_files.ts";
import { GUEST, MODULAR, type Pipelines } from "./linker_choice.ts";
import { granuleOf, type PageSize } from "./memory/granule.ts";

export interface PlanOptions {
  readonly arch: Arch;
  readonly pageSize?: PageSize;
  readonly vfs: Vfs;
  readonly user: Credentials;
  /** Who links programs that name no linker, and the linkers there are. */
  readonly usual: string;
  readonly pipelines: Pipelines;
  readonly environment: Readonly<Record<string, string>>;
}

/** Registers all modules of its linker for the program and for everything it needs. */
export async function planOf(program: string, options: PlanOptions): Promise<Plan> {
  const { arch, pageSize, vfs, user, usual, pipelines, environment } = options;
  const files = new ProcessFiles(vfs, new FsContext(vfs.root, vfs.root), user);
  const file = files.open(program);
  if (file === undefined) throw new LinkTargetError(`there is no ${program} to plan for`);
  const named = ElfFile.parse(file.bytes, program).linkerName ?? usual;
  const name = named === GUEST ? MODULAR : named;
  if (!Object.hasOwn(pipelines, name)) {
    throw new LinkTargetError(`${program} asks for the linker ${name}, which is not there`);
  }
  const pipeline = pipelines[name];
  const modules = typeof pipeline === "function" ? await pipeline() : pipeline;
  const linker = new Linker(filesAlone(arch, granuleOf(arch, pageSize).size, files), {
    modules,
    environment: Object.entries(environment),
  });
  return await linker.collect(program);
}

/** A target that has files and no process. */
function filesAlone(arch: Arch, pageSize: number, files: ProcessFiles): LinkTarget {
  const refuse = (): never => {
    throw new LinkTargetError("a plan has no process");
  };
  return {
    arch,
    pageSize,
    platform: arch,
    hwcap: 0,
    hwcap2: 0,
    isaLevels: [],
    time: 0,
    files,
    reserve: refuse,
    map: refuse,
    unmap: refuse,
    protect: refuse,
    allocateKey: refuse,
    read: refuse,
    write: refuse,
    patch: refuse,
    provide: refuse,
    call: refuse,
    enter: refuse,
    landing: 0,
    threadPointers: [],
    processId: 0,
    mentions: refuse,
    afterEachCall: refuse,
    objectsChanged: refuse,
    print: refuse,
    allowCodeOnStacks: refuse,
  };
}
