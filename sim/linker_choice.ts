/**
 * Who links which program: the linker that the ELF file names, else the machine's usual one. A linker is
 * the guest's own (`guest`: the program's interpreter, as on Linux) or a pipeline of linker modules under
 * a name, of which `modular` is one.
 */
import { ElfError } from "../lib/elf/elf_error.ts";
import type { Segment } from "../lib/elf/headers.ts";
import { linkerNameOf } from "../lib/elf/linker_name.ts";
import type { LinkResult } from "../lib/linker/linker.ts";
import type { Module } from "../lib/linker/module.ts";
import type { Engine } from "./cpu/engine.ts";
import { guestLoader, readHeaders } from "./kernel/elf_loader.ts";
import { ELIBBAD, ENOENT, ENOEXEC } from "./kernel/errno.ts";
import type { ExecLoader, Program, ProgramImage } from "./kernel/exec.ts";
import type { Vfs } from "./kernel/fs/vfs.ts";
import type { Kernel } from "./kernel/kernel.ts";
import { KernelError } from "./kernel/kernel_error.ts";
import type { Process } from "./kernel/process.ts";
import type { Executable } from "./kernel/seam.ts";
import { HostFunctions } from "./link_host.ts";
import type { AddressSpace } from "./memory/address_space.ts";
import type { ModularLoader, ObserveLinks } from "./modular_loader.ts";

/** Name of the guest's own linker. */
export const GUEST = "guest";
/** Name of the pipeline of the machine's `modules`. */
export const MODULAR = "modular";

/** Linkers by name; modules that are a function are loaded when a program needs them. */
export type Pipelines = Readonly<
  Record<string, readonly Module[] | (() => Promise<readonly Module[]>)>
>;

export interface LinkerChoiceOptions {
  readonly engine: Engine;
  readonly vfs: Vfs;
  /** Who links programs that name no linker: `guest` or a pipeline's name. */
  readonly usual: string;
  readonly pipelines: Pipelines;
  readonly observe?: ObserveLinks;
}

/** How the machine's first program was linked, if by a pipeline of modules. */
export interface FirstLink extends LinkResult {
  readonly linker: string;
  readonly modules: readonly string[];
}

/** The kernel's loader of programs in a machine. */
export class LinkerChoice implements ExecLoader {
  readonly #options: LinkerChoiceOptions;
  readonly #host: HostFunctions;
  readonly #loaders = new Map<string, ModularLoader>();
  #started = false;
  /** Who linked the machine's first program. */
  #first: { readonly loader: ModularLoader; readonly linker: string } | undefined;

  constructor(options: LinkerChoiceOptions) {
    this.#options = options;
    this.#host = new HostFunctions(options.engine);
  }

  /** How the machine's first program was linked; undefined if the guest's own linker did it. */
  get first(): FirstLink | undefined {
    const { loader, linker } = this.#first ?? {};
    if (loader?.first === undefined) return undefined;
    return { ...loader.first, linker: linker!, modules: loader.moduleNames };
  }

  /** The modular linkers' work so far, over all programs, under the names of `LinkCounters.flat`. */
  get counters(): Record<string, number> {
    const counters: Record<string, number> = {};
    for (const loader of this.#loaders.values()) {
      for (const [name, count] of Object.entries(loader.counters)) {
        counters[name] = (counters[name] ?? 0) + count;
      }
    }
    return counters;
  }

  load(
    kernel: Kernel,
    process: Process,
    space: AddressSpace,
    program: Program,
  ): ProgramImage | number | Promise<ProgramImage | number> {
    const name = namedLinker(kernel, program.file);
    if (typeof name === "number") return name;
    const linker = name ?? this.#options.usual;
    if (linker === GUEST) {
      this.#started = true;
      return guestLoader.load(kernel, process, space, program);
    }
    if (!Object.hasOwn(this.#options.pipelines, linker)) {
      return this.#unknown(kernel, program, linker);
    }
    return this.#link(kernel, process, space, program, linker);
  }

  forked(_kernel: Kernel, parent: Process, child: Process): void {
    this.#host.forked(parent, child);
  }

  /** A program whose linker is not there is one whose interpreter is not there. */
  #unknown(kernel: Kernel, program: Program, linker: string): number {
    const there = [GUEST, ...Object.keys(this.#options.pipelines)].join(", ");
    const message = `${program.filename} asks for the linker ${linker}; there are ${there}`;
    if (!this.#started) throw new KernelError(message);
    kernel.report(`isthmus: ${message}`);
    return -ENOENT;
  }

  /**
   * A program whose files are at fault says so itself and exits. Any other error of the link is one for the
   * machine's first program; for a later one it is reported, and its execve fails with ELIBBAD.
   */
  async #link(
    kernel: Kernel,
    process: Process,
    space: AddressSpace,
    program: Program,
    linker: string,
  ): Promise<ProgramImage | number> {
    const { LinkError } = await import("../lib/linker/link_error.ts");
    try {
      const loader = await this.#loader(linker);
      const image = await loader.load(kernel, process, space, program);
      if (!this.#started) this.#first = { loader, linker };
      this.#started = true;
      return image;
    } catch (error) {
      const expected = error instanceof LinkError || error instanceof ElfError;
      if (!this.#started || !expected) throw error;
      kernel.report(`isthmus: cannot link ${program.filename}: ${error.message}`);
      return -ELIBBAD;
    }
  }

  async #loader(name: string): Promise<ModularLoader> {
    const known = this.#loaders.get(name);
    if (known !== undefined) return known;
    const { vfs, pipelines, observe } = this.#options;
    const { ModularLoader } = await import("./modular_loader.ts");
    const pipeline = pipelines[name];
    const modules = typeof pipeline === "function" ? await pipeline() : pipeline;
    const loader = new ModularLoader({ host: this.#host, vfs, modules, observe });
    this.#loaders.set(name, loader);
    return loader;
  }
}

/** The linker that a program file names; -ENOEXEC if what it names is no name. */
function namedLinker(kernel: Kernel, file: Executable): string | number | undefined {
  const headers = readHeaders(kernel, file);
  if (typeof headers === "number") return headers;
  const bytesOf = ({ offset, filesz }: Segment): Uint8Array => {
    const bytes = new Uint8Array(Math.min(filesz, 4096));
    return bytes.subarray(0, Math.max(0, file.read(offset, bytes)));
  };
  try {
    return linkerNameOf(headers.segments, bytesOf, file.path);
  } catch (error) {
    if (error instanceof ElfError) return -ENOEXEC;
    throw error;
  }
}
