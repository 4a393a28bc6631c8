/** The modular linker as the kernel's loader of programs: the host does what ld.so does in a guest. */
import { PF_X, PT_GNU_STACK } from "../lib/elf/constants.ts";
import {
  AT_BASE,
  AT_ENTRY,
  AT_PHDR,
  AT_PHNUM,
  Linker,
  type LinkResult,
  type Module,
} from "../lib/linker/mod.ts";
import type { ExecLoader, Program, ProgramImage } from "./kernel/exec.ts";
import type { FsContext } from "./kernel/fs/task.ts";
import type { Vfs } from "./kernel/fs/vfs.ts";
import type { Kernel } from "./kernel/kernel.ts";
import type { Process } from "./kernel/process.ts";
import { ProcessFiles } from "./link_files.ts";
import type { HostFunctions } from "./link_host.ts";
import { ProcessTarget } from "./link_target.ts";
import type { AddressSpace } from "./memory/address_space.ts";

export interface ModularLoaderOptions {
  readonly host: HostFunctions;
  readonly vfs: Vfs;
  /** In order: later modules override earlier ones. */
  readonly modules: readonly Module[];
}

/** Links programs with one list of modules. */
export class ModularLoader implements ExecLoader {
  /** The linker's work so far, over all programs, under the names of `LinkCounters.flat`. */
  readonly counters: Record<string, number> = {};
  /** The first program that was linked. */
  first: LinkResult | undefined;
  readonly #vfs: Vfs;
  readonly #modules: readonly Module[];
  readonly #host: HostFunctions;

  constructor({ host, vfs, modules }: ModularLoaderOptions) {
    this.#vfs = vfs;
    this.#modules = modules;
    this.#host = host;
  }

  get moduleNames(): readonly string[] {
    return this.#modules.map(({ name }) => name);
  }

  /** Links `program` into `space`; a program that cannot be linked is a `LinkError` or `ElfError`. */
  async load(
    kernel: Kernel,
    process: Process,
    space: AddressSpace,
    program: Program,
  ): Promise<ProgramImage> {
    this.#host.attach(kernel);
    const { fsuid: uid, fsgid: gid, groups } = process.credentials;
    const fs = process.fs.value as FsContext;
    const files = new ProcessFiles(this.#vfs, fs, { uid, gid, groups });
    const target = new ProcessTarget({ kernel, space, files, host: this.#host });
    const linker = new Linker(target, {
      modules: this.#modules,
      environment: program.env.map(variable),
    });
    const result = await linker.link(program.file.path);
    this.first ??= result;
    space.objects = result.objects.map(({ path, base = 0, elf }) => ({ path, base, elf }));
    for (const [name, count] of Object.entries(result.counters.flat())) {
      this.counters[name] = (this.counters[name] ?? 0) + count;
    }
    return imageOf(result, space);
  }
}

function variable(text: string): [string, string] {
  const at = text.indexOf("=");
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

function imageOf({ start, objects }: LinkResult, space: AddressSpace): ProgramImage {
  const { auxv } = start;
  return {
    entry: start.entry,
    programEntry: auxv.get(AT_ENTRY) ?? start.entry,
    phdr: auxv.get(AT_PHDR) ?? 0,
    phnum: auxv.get(AT_PHNUM) ?? 0,
    base: auxv.get(AT_BASE) ?? 0,
    heap: start.heap + space.layout.brkGap,
    executableStack: objects.some(({ elf }) =>
      elf.segments.some(({ type, flags }) => type === PT_GNU_STACK && (flags & PF_X) !== 0)
    ),
    threadPointer: start.threadPointer,
    auxv,
  };
}
